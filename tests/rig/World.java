import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** The state of a seed: its names, which no other seed uses, and the answers of both brokers so far. */
public class World {
    final Random random;
    final String prefix;
    final List<String> topics = new ArrayList<>();
    final List<String> groups = new ArrayList<>();
    final String fresh;
    final Map<String, Symbol> topicIds = new LinkedHashMap<>();
    final Map<String, List<Object>> members = new LinkedHashMap<>();
    final Map<String, Integer> generations = new LinkedHashMap<>();
    final List<Symbol> producers = new ArrayList<>();
    final Map<Symbol, Integer> sessions = new LinkedHashMap<>();
    final List<Symbol> clients = new ArrayList<>();
    final List<Symbol> subscriptions = new ArrayList<>();
    private int symbols;

    /** `part` counts how often the seed had to begin anew, with other names. */
    World(String run, long seed, int part, Random random) {
        this.random = random;
        prefix = run + "-" + seed + (part == 0 ? "" : String.valueOf((char) ('a' + part))) + "-";
        for (String name : List.of("one", "three", "compacted", "small")) topics.add(prefix + name);
        for (String name : List.of("committed", "joined", "other", "modern")) groups.add(prefix + name);
        fresh = prefix + "new";
    }

    static Random random(long seed) {
        Random random = new Random(seed * 0x9E3779B97F4A7C15L + 1);
        random.nextLong();
        return random;
    }

    Symbol symbol(Symbol.Kind kind) {
        return new Symbol(kind, ++symbols);
    }

    /** Takes note of a value both brokers made up: of which topic, which group. */
    void learned(Symbol symbol, Map<String, Object> within, Object request) {
        switch (symbol.kind()) {
            case TOPIC -> {
                Object name = within.getOrDefault("name", within.getOrDefault("topic_name", within.get("topic")));
                topicIds.put(name instanceof String text && !text.isEmpty() ? text : symbol.toString(), symbol);
            }
            case MEMBER -> {
                if (request instanceof Map<?, ?> map && map.get("group_id") instanceof String group) member(group, symbol);
            }
            case CLIENT -> clients.add(symbol);
            case SUBSCRIPTION -> subscriptions.add(symbol);
            case PRODUCER -> producers.add(symbol);
            case SESSION -> sessions.put(symbol, 1);
        }
    }

    void member(String group, Object id) {
        List<Object> known = members.computeIfAbsent(group, any -> new ArrayList<>());
        if (!known.contains(id)) known.add(id);
    }

    boolean chance(int percent) {
        return random.nextInt(100) < percent;
    }

    @SafeVarargs
    final <T> T one(T... values) {
        return values[random.nextInt(values.length)];
    }

    <T> T one(List<T> values) {
        return values.get(random.nextInt(values.size()));
    }
}
