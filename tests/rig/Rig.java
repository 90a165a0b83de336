import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.message.ApiMessageType;

/**
 * Sends the same generated requests to Kafka and to Ottla and compares the decoded answers.
 *
 * <pre>java Rig KAFKA-HOST:PORT OTTLA-HOST:PORT differences.yaml [--seeds N] [--seed S] [--steps N] [--apis A,B] [--all] [--table]</pre>
 * Exits with 0 if every difference is in the list, 1 if not (or, over many seeds, if the list has entries nobody meets).
 */
public class Rig {
    private record Api(ApiMessageType type, short low, short high) { }

    /** Not sent although both may serve them: they would take the one broker out of its cluster, or slow it down. */
    private static final Set<String> NEVER = Set.of("UnregisterBroker", "AddRaftVoter", "RemoveRaftVoter", "UpdateFeatures", "AlterClientQuotas",
        "SaslHandshake", "SaslAuthenticate", "WriteTxnMarkers");
    private static final Map<String, Integer> WEIGHTS = Map.of("Produce", 30, "Fetch", 30, "JoinGroup", 25, "SyncGroup", 20, "OffsetCommit", 15,
        "ListOffsets", 15, "CreateTopics", 15, "Metadata", 15, "DeleteTopics", 4, "DeleteGroups", 5);

    private final Side kafka;
    private final Side ottla;
    private final Differences list;
    private final Map<String, String> options = new HashMap<>();
    private final List<Api> apis = new ArrayList<>();
    private final Map<String, Integer> unexplained = new TreeMap<>();
    private final Map<String, String> messages = new TreeMap<>();
    private final Map<String, Integer> sent = new TreeMap<>();
    private final Set<String> printed = new TreeSet<>();

    Rig(String[] arguments) throws Exception {
        kafka = new Side("Kafka", arguments[0]);
        ottla = new Side("Ottla", arguments[1]);
        list = new Differences(new File(arguments[2]));
        for (int n = 3; n < arguments.length; n++)
            options.put(arguments[n].substring(2), n + 1 < arguments.length && !arguments[n + 1].startsWith("--") ? arguments[++n] : "");
    }

    public static void main(String[] arguments) throws Exception {
        System.exit(new Rig(arguments).run() ? 0 : 1);
    }

    private int number(String option, int otherwise) {
        return Integer.parseInt(options.getOrDefault(option, "" + otherwise));
    }

    private boolean run() throws Exception {
        served();
        String run = "rig" + Long.toString(System.currentTimeMillis() / 100, 36);
        World warm = new World(run, 0);
        Setup.warm(new Exchange(kafka, ottla, warm), warm);
        int first = number("seed", number("from", 1));
        int seeds = number("seeds", 1);
        for (int seed = first; seed < first + seeds; seed++) seed(run, seed);
        return report(seeds);
    }

    /** What both advertise; what only one does is a table of its own. */
    private void served() throws Exception {
        Map<Short, short[]> left = Exchange.versions(kafka);
        Map<Short, short[]> right = Exchange.versions(ottla);
        Set<String> only = options.containsKey("apis") ? Set.of(options.get("apis").split(",")) : null;
        System.out.println("APIs and versions that only one of the two advertises:");
        for (short key : new TreeSet<>(left.keySet())) {
            ApiMessageType type = ApiMessageType.fromApiKey(key);
            short[] one = left.get(key);
            short[] other = right.get(key);
            if (other == null || one[0] != other[0] || one[1] != other[1])
                System.out.printf("  %-32s Kafka %s, Ottla %s%n", type.name, one[0] + "-" + one[1], other == null ? "none" : other[0] + "-" + other[1]);
            if (other == null || NEVER.contains(type.name) || only != null && !only.contains(type.name)) continue;
            // Kafka advertises old versions of Produce that it refuses.
            short low = (short) Math.max(Math.max(one[0], other[0]), type.lowestSupportedVersion());
            apis.add(new Api(type, low, (short) Math.min(one[1], other[1])));
        }
        right.keySet().stream().filter(key -> !left.containsKey(key)).forEach(key -> System.out.println("  key " + key + " only Ottla"));
    }

    private void seed(String run, int seed) throws Exception {
        World world = new World(run, seed);
        kafka.forget();
        ottla.forget();
        Exchange exchange = new Exchange(kafka, ottla, world);
        try {
            for (Exchange.Step step : Setup.steps(world)) if (judge(exchange, step, seed, 0)) return;
            int steps = number("steps", 60);
            for (int n = 1; n <= steps; n++) {
                if (judge(exchange, next(world), seed, n)) return;
                for (Exchange.Step late : exchange.late(false)) if (compare(exchange, late, seed, n)) return;
            }
            for (Exchange.Step late : exchange.late(true)) if (compare(exchange, late, seed, steps)) return;
        } finally {
            exchange.end();
        }
    }

    private Exchange.Step next(World world) {
        int total = apis.stream().mapToInt(api -> WEIGHTS.getOrDefault(api.type.name, 8)).sum();
        int at = world.random.nextInt(total);
        Api api = apis.get(0);
        for (Api one : apis) {
            api = one;
            at -= WEIGHTS.getOrDefault(one.type.name, 8);
            if (at < 0) break;
        }
        short version = (short) (api.low + world.random.nextInt(api.high - api.low + 1));
        Map<String, Object> tree = new Requests(world, api.type.name).random(api.type.requestSchemas()[version]);
        Exchange.Damage damage = world.chance(96) ? Exchange.Damage.NONE : world.one(Exchange.Damage.values());
        return new Exchange.Step(api.type, version, tree, damage, world.random.nextInt(1_000));
    }

    /** Sends a step; true if the seed ends here, because the brokers are no longer in the same state. */
    private boolean judge(Exchange exchange, Exchange.Step step, int seed, int number) throws Exception {
        sent.merge(step.type().name + " v" + step.version(), 1, Integer::sum);
        if (options.containsKey("trace")) System.out.println("seed " + seed + " step " + number + ": " + step);
        return exchange.send(step) && compare(exchange, step, seed, number);
    }

    private boolean compare(Exchange exchange, Exchange.Step step, int seed, int number) throws Exception {
        Compare result = exchange.compare(step);
        for (int again = 0; again < 4 && step.reads() && unknown(step, result); again++) {
            // What one broker has done, the parts of Kafka learn one after another: a read may be too early.
            Thread.sleep(150);
            exchange.send(step);
            result = exchange.compare(step);
        }
        if (options.containsKey("trace")) System.out.println("    -> " + step.answers[0] + (result.differences.isEmpty() ? "" : "\n       " + step.answers[1]));
        messages.putAll(result.messages);
        // What became of the sound partitions of a refused request without acks is not told, and may differ.
        boolean ends = step.type().name.equals("Produce") && "closed".equals(step.answers[0]);
        List<Compare.Difference> left = new ArrayList<>();
        for (Compare.Difference one : result.differences) {
            Differences.Entry entry = list.of(step.type().name, step.toString(), one);
            if (entry == null) left.add(one);
            else ends |= entry.diverges;
        }
        if (left.isEmpty()) return ends;
        boolean fresh = false;
        for (Compare.Difference one : left) {
            String signature = step.type().name + " " + one.path() + ": " + brief(one.kafka()) + " / " + brief(one.ottla());
            unexplained.merge(signature, 1, Integer::sum);
            fresh |= printed.add(signature);
        }
        if (fresh || options.containsKey("all")) print(step, left, seed, number);
        return !step.reads();
    }

    private boolean unknown(Exchange.Step step, Compare result) {
        return result.differences.stream().anyMatch(one -> list.entries.stream().noneMatch(entry -> entry.explains(step.type().name, step.toString(), one)));
    }

    private static String brief(Object value) {
        String text = String.valueOf(value);
        return text.length() > 120 ? text.substring(0, 120) + "…" : text;
    }

    private void print(Exchange.Step step, List<Compare.Difference> left, int seed, int number) {
        System.out.println("\nseed " + seed + " step " + number + ": " + cut(step.toString()));
        for (Compare.Difference one : left)
            System.out.println("  " + one.where() + "\n      Kafka " + brief(one.kafka()) + "\n      Ottla " + brief(one.ottla()));
        System.out.println("  Kafka answers " + cut(String.valueOf(step.answers[0])) + "\n  Ottla answers " + cut(String.valueOf(step.answers[1])));
        System.out.println("  again: make rig ARGS=\"--seed " + seed + " --steps " + Math.max(number, 1) + (options.containsKey("apis") ? " --apis " + options.get("apis") : "") + " --trace\"");
    }

    private static String cut(String text) {
        return text.length() > 3_000 ? text.substring(0, 3_000) + " … (" + text.length() + " characters)" : text;
    }

    private boolean report(int seeds) {
        int requests = sent.values().stream().mapToInt(n -> n).sum();
        System.out.println("\n" + requests + " requests, " + sent.size() + " versions of " + apis.size() + " APIs");
        if (options.containsKey("messages")) messages.forEach((left, right) -> System.out.println("  Kafka: " + left + "\n  Ottla: " + right));
        System.out.println("intended differences met:");
        boolean stale = false;
        for (Differences.Entry entry : list.entries) {
            boolean missed = entry.met == 0 && seeds >= number("stale", 50) && !entry.node.path("rare").asBoolean();
            stale |= missed;
            System.out.printf("  %6d  %s %s%s%n", entry.met, entry.node.path("api").asText("any"), entry.node.path("path").asText(""), missed ? "  STALE: remove it" : "");
        }
        if (unexplained.isEmpty()) System.out.println("no unexplained difference");
        else System.out.println("UNEXPLAINED:");
        unexplained.forEach((what, count) -> System.out.printf("  %6d  %s%n", count, what));
        return unexplained.isEmpty() && !stale;
    }
}
