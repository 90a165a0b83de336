import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.common.message.ApiMessageType;

/** Works off seeds, one after another, over connections of its own; what it finds goes to the tally that all lanes share. */
final class Lane {
    private static final Map<String, Integer> WEIGHTS = Map.of("Produce", 30, "Fetch", 30, "JoinGroup", 25, "SyncGroup", 20, "OffsetCommit", 15,
        "ListOffsets", 15, "CreateTopics", 15, "Metadata", 15, "DeleteTopics", 4, "DeleteGroups", 5);

    private final Side kafka;
    private final Side ottla;
    private final String run;
    private final Map<String, String> options;
    private final Served served;
    private final Tally tally;
    private final int steps;
    private final boolean among;
    private final boolean users;

    /** `run` begins all names; `steps` is how many steps a seed has that is not of transactions; `among`: other lanes may send at the same time. */
    Lane(Side kafka, Side ottla, String run, Map<String, String> options, Served served, Tally tally, int steps, boolean among) {
        this.among = among;
        this.kafka = kafka;
        this.ottla = ottla;
        this.run = run;
        this.options = options;
        this.served = served;
        this.tally = tally;
        this.steps = steps;
        users = options.containsKey("acls");
    }

    void transactions(int seed) throws Exception {
        Random random = World.random(seed);
        int part = 0;
        for (int begun = 0; begun < Transactions.SEQUENCES; part++) begun = sequences(new World(run, seed, part, random), seed, begun);
        tally.sequences(Transactions.SEQUENCES);
        if (Transactions.moves(seed)) features(new World(run, seed, part, random));
    }

    /** Gives the features the levels that all other seeds count on. */
    private void features(World world) throws Exception {
        Exchange exchange = new Exchange(kafka, ottla, world);
        for (Exchange.Step step : Setup.features()) exchange.send(step);
        exchange.levels("transaction.version", 2);
        exchange.levels("streams.version", 1);
    }

    /** Sends sequences until the seed has had all, or the two are no longer in the same state; how many the seed has had. */
    private int sequences(World world, int seed, int begun) throws Exception {
        kafka.forget();
        ottla.forget();
        world.topics.subList(2, world.topics.size()).clear();
        Exchange exchange = new Exchange(kafka, ottla, world, true);
        Transactions source = new Transactions(world, exchange, served, begun, Transactions.moves(seed));
        try {
            int number = 0;
            if (Transactions.moves(seed)) features(world);
            for (Exchange.Step step : Setup.transactions(world)) if (judge(exchange, step, seed, number)) return begun + 1;
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

    void seed(int seed) throws Exception {
        Random random = World.random(seed);
        for (int step = 0, part = 0; step < steps; part++) step = part(new World(run, seed, part, random), seed, step);
    }

    /** Sends steps until the seed is done or the two are no longer in the same state; the last step's number. */
    private int part(World world, int seed, int last) throws Exception {
        kafka.forget();
        ottla.forget();
        Exchange exchange = new Exchange(kafka, ottla, world);
        Acls acls = users ? new Acls(world) : null;
        try {
            for (Exchange.Step step : Setup.steps(world)) if (judge(exchange, step, seed, last)) return steps;
            if (users && judge(exchange, acls.begin(), seed, last)) return steps;
            for (int n = last + 1; n <= steps; n++) {
                if (users && world.chance(12) && judge(exchange, acls.change(), seed, n)) return n;
                Exchange.Step step = next(world, seed, n);
                // Further logins are requests of their own kind, which this does not compare.
                if (users && !step.type().name.startsWith("Sasl")) step.as = acls.someone();
                if (judge(exchange, step, seed, n)) return n;
                for (Exchange.Step late : exchange.late(false)) if (compare(exchange, late, seed, n)) return n;
            }
            for (Exchange.Step late : exchange.late(true)) if (compare(exchange, late, seed, steps)) return steps;
            return steps;
        } finally {
            if (users) exchange.send(Acls.clear());
            exchange.end();
        }
    }

    /** Every second step takes the next version in line, so that none is left out; the others prefer what is sent most. */
    private Exchange.Step next(World world, int seed, int number) {
        if (number % 2 == 1) {
            int turn = (seed - 1) * Rig.STEPS / 2 + number / 2;
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
        tally.sends(step);
        if (among && !Transactions.moves(seed)) step.note += " beside other clients";
        if (options.containsKey("trace")) System.out.println("seed " + seed + " step " + number + ": " + step);
        return exchange.send(step) && compare(exchange, step, seed, number);
    }

    private boolean compare(Exchange exchange, Exchange.Step step, int seed, int number) throws Exception {
        Compare result = exchange.compare(step);
        for (int again = 0; again < 4 && step.reads() && tally.unknown(step, result); again++) {
            // What one broker has done, the parts of Kafka learn one after another: a read may be too early.
            Thread.sleep(150);
            exchange.send(step);
            result = exchange.compare(step);
        }
        if (options.containsKey("trace")) System.out.println("    -> " + step.answers[0] + (result.differences.isEmpty() ? "" : "\n       " + step.answers[1]));
        Tally.Verdict verdict = tally.judge(step, result);
        if (!verdict.left().isEmpty()) {
            if (verdict.fresh() || options.containsKey("all")) print(exchange, step, verdict.left(), seed, number);
            return !step.reads();
        }
        // What became of the sound partitions of a refused request without acks is not told, and may differ.
        return verdict.diverges() || step.type().name.equals("Produce") && "closed".equals(step.answers[0]);
    }

    private void print(Exchange exchange, Exchange.Step step, List<Compare.Difference> left, int seed, int number) throws Exception {
        StringBuilder text = new StringBuilder("\nseed " + seed + " step " + number + ": " + cut(step.toString()) + "\n");
        for (Compare.Difference one : left)
            text.append("  " + one.where() + "\n      Kafka " + Tally.brief(one.kafka()) + "\n      Ottla " + Tally.brief(one.ottla()) + "\n");
        text.append("  Kafka answers " + cut(String.valueOf(step.answers[0])) + "\n  Ottla answers " + cut(String.valueOf(step.answers[1])) + "\n");
        if (step.as != null) text.append("  entries of the user " + Acls.about(step.as, exchange.ask(0, Acls.describe())) + "\n");
        text.append("  again: make rig ARGS=\"--seed " + seed + (options.containsKey("transactions") ? " --transactions" : (users ? " --acls" : "") + " --steps " + Math.max(number, 1)) + (options.containsKey("apis") ? " --apis " + options.get("apis") : "") + " --trace\"");
        // In one piece: other lanes print, too.
        System.out.println(text);
    }

    private static String cut(String text) {
        return text.length() > 3_000 ? text.substring(0, 3_000) + " … (" + text.length() + " characters)" : text;
    }
}
