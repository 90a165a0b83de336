import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.message.ApiMessageType;

/**
 * Sends the same generated requests to Kafka and to Ottla and compares the decoded answers.
 *
 * <pre>java Rig KAFKA-HOST:PORT OTTLA-HOST:PORT differences.yaml served.yaml [--seeds N] [--seed S] [--steps N] [--apis A,B] [--all]
 *      [--transactions] [--seconds N]</pre>
 * With --transactions the requests of a seed are those of {@link Transactions}; --seconds begins no further seed after that time.
 * Exits with 0 if every difference is in the lists and every version was sent, 1 if not (or, over many seeds, if the
 * list has entries that no answer matched).
 */
public class Rig {
    /** Steps of a seed, unless told otherwise. */
    private static final int STEPS = 40;
    private static final Map<String, Integer> WEIGHTS = Map.of("Produce", 30, "Fetch", 30, "JoinGroup", 25, "SyncGroup", 20, "OffsetCommit", 15,
        "ListOffsets", 15, "CreateTopics", 15, "Metadata", 15, "DeleteTopics", 4, "DeleteGroups", 5);

    private final Side kafka;
    private final Side ottla;
    private final Differences list;
    private final Map<String, String> options = new HashMap<>();
    private final Served served;
    private final int steps;
    private final boolean transactional;
    private int sequences;
    private final Map<String, Integer> unexplained = new TreeMap<>();
    private final Map<String, String> messages = new TreeMap<>();
    private final Map<String, Integer> sent = new TreeMap<>();
    private final Set<String> printed = new TreeSet<>();

    Rig(String[] arguments) throws Exception {
        kafka = new Side("Kafka", arguments[0]);
        ottla = new Side("Ottla", arguments[1]);
        list = new Differences(new File(arguments[2]));
        for (int n = 4; n < arguments.length; n++)
            options.put(arguments[n].substring(2), n + 1 < arguments.length && !arguments[n + 1].startsWith("--") ? arguments[++n] : "");
        kafka.subscribe();
        ottla.subscribe();
        served = new Served(kafka, ottla, new File(arguments[3]), options.containsKey("apis") ? Set.of(options.get("apis").split(",")) : null);
        steps = number("steps", STEPS);
        transactional = options.containsKey("transactions");
    }

    public static void main(String[] arguments) throws Exception {
        System.exit(new Rig(arguments).run() ? 0 : 1);
    }

    private int number(String option, int otherwise) {
        return Integer.parseInt(options.getOrDefault(option, "" + otherwise));
    }

    private boolean run() throws Exception {
        String run = "rig" + Long.toString(System.currentTimeMillis() / 100, 36);
        World warm = new World(run, 0, 0, World.random(0));
        Setup.warm(new Exchange(kafka, ottla, warm), warm);
        int first = number("seed", number("from", 1));
        int seeds = number("seeds", 1);
        long end = System.nanoTime() + number("seconds", Integer.MAX_VALUE) * 1_000_000_000L;
        int done = 0;
        for (; done < seeds && System.nanoTime() < end; done++) {
            if (transactional) transactions(run, first + done);
            else seed(run, first + done);
        }
        if (done < seeds) System.out.println("\ntime is up after seed " + (first + done - 1));
        return report(done);
    }

    private void transactions(String run, int seed) throws Exception {
        Random random = World.random(seed);
        for (int begun = 0, part = 0; begun < Transactions.SEQUENCES; part++) begun = sequences(new World(run, seed, part, random), seed, begun);
        sequences += Transactions.SEQUENCES;
    }

    /** Sends sequences until the seed has had all, or the two are no longer in the same state; how many the seed has had. */
    private int sequences(World world, int seed, int begun) throws Exception {
        kafka.forget();
        ottla.forget();
        world.topics.subList(2, world.topics.size()).clear();
        Exchange exchange = new Exchange(kafka, ottla, world, true);
        Transactions source = new Transactions(world, exchange, served, begun);
        try {
            int number = 0;
            for (Exchange.Step step : Setup.transactions(world)) if (judge(exchange, step, seed, number)) return begun + 1;
            exchange.levels("transaction.version", 2);
            for (Exchange.Step step = source.next(); step != null; step = source.next()) {
                // Both are evaluated: what the answers say is learned, too, where the brokers differ.
                if (judge(exchange, step, seed, ++number) | source.learn(step)) return source.begun();
                for (Exchange.Step late : exchange.late(false)) if (compare(exchange, late, seed, number)) return source.begun();
            }
            return source.begun();
        } finally {
            exchange.end();
        }
    }

    private void seed(String run, int seed) throws Exception {
        Random random = World.random(seed);
        for (int step = 0, part = 0; step < steps; part++) step = part(new World(run, seed, part, random), seed, step);
    }

    /** Sends steps until the seed is done or the two are no longer in the same state; the last step's number. */
    private int part(World world, int seed, int last) throws Exception {
        kafka.forget();
        ottla.forget();
        Exchange exchange = new Exchange(kafka, ottla, world);
        try {
            for (Exchange.Step step : Setup.steps(world)) if (judge(exchange, step, seed, last)) return steps;
            for (int n = last + 1; n <= steps; n++) {
                if (judge(exchange, next(world, seed, n), seed, n)) return n;
                for (Exchange.Step late : exchange.late(false)) if (compare(exchange, late, seed, n)) return n;
            }
            for (Exchange.Step late : exchange.late(true)) if (compare(exchange, late, seed, steps)) return steps;
            return steps;
        } finally {
            exchange.end();
        }
    }

    /** Every second step takes the next version in line, so that none is left out; the others prefer what is sent most. */
    private Exchange.Step next(World world, int seed, int number) {
        if (number % 2 == 1) {
            int turn = (seed - 1) * STEPS / 2 + number / 2;
            Served.Version version = served.versions.get(Math.floorMod(turn, served.versions.size()));
            return step(world, version.type(), version.number(), Exchange.Damage.NONE);
        }
        int total = served.apis.stream().mapToInt(api -> WEIGHTS.getOrDefault(api.type().name, 8)).sum();
        int at = world.random.nextInt(total);
        Served.Api api = served.apis.get(0);
        for (Served.Api one : served.apis) {
            api = one;
            at -= WEIGHTS.getOrDefault(one.type().name, 8);
            if (at < 0) break;
        }
        short version = (short) (api.low() + world.random.nextInt(api.high() - api.low() + 1));
        return step(world, api.type(), version, world.chance(93) ? Exchange.Damage.NONE : world.one(Exchange.Damage.values()));
    }

    private static Exchange.Step step(World world, ApiMessageType type, short version, Exchange.Damage damage) {
        Map<String, Object> tree = new Requests(world, type.name).random(type.requestSchemas()[version]);
        return new Exchange.Step(type, version, tree, damage, world.random.nextInt(1_000));
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
            Differences.Entry entry = list.of(step, one);
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
        return result.differences.stream().anyMatch(one -> list.entries.stream().noneMatch(entry -> entry.explains(step, one)));
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
        System.out.println("  again: make rig ARGS=\"--seed " + seed + (transactional ? " --transactions" : " --steps " + Math.max(number, 1)) + (options.containsKey("apis") ? " --apis " + options.get("apis") : "") + " --trace\"");
    }

    private static String cut(String text) {
        return text.length() > 3_000 ? text.substring(0, 3_000) + " … (" + text.length() + " characters)" : text;
    }

    private boolean report(int seeds) {
        int requests = sent.values().stream().mapToInt(n -> n).sum();
        System.out.println("\n" + (transactional ? sequences + " sequences, " : "") + requests + " requests, " + sent.size() + " versions of " + served.apis.size() + " APIs");
        if (options.containsKey("messages")) messages.forEach((left, right) -> System.out.println("  Kafka: " + left + "\n  Ottla: " + right));
        System.out.println("intended differences met:");
        boolean stale = false;
        for (Differences.Entry entry : list.entries) {
            boolean missed = entry.met == 0 && !transactional && seeds >= number("stale", 50) && !entry.node.path("rare").asBoolean();
            stale |= missed;
            System.out.printf("  %6d  %s %s%s%n", entry.met, entry.node.path("api").asText("any"), entry.node.path("path").asText(""), missed ? "  STALE: remove it" : "");
        }
        if (unexplained.isEmpty()) System.out.println("no unexplained difference");
        else System.out.println("UNEXPLAINED:");
        unexplained.forEach((what, count) -> System.out.printf("  %6d  %s%n", count, what));
        served.unlisted.forEach(line -> System.out.println("SERVED OTHERWISE THAN LISTED: " + line));
        // Fewer seeds or steps than that cannot send all.
        boolean whole = transactional ? seeds >= number("stale", 50) : steps >= STEPS && seeds * STEPS / 2 >= served.versions.size();
        List<String> missing = !whole ? List.of() : transactional ? served.missing(sent, Transactions.APIS) : served.missing(sent, null);
        if (!missing.isEmpty()) System.out.println("NEVER SENT: " + String.join(", ", missing));
        return unexplained.isEmpty() && !stale && missing.isEmpty() && served.unlisted.isEmpty();
    }
}
