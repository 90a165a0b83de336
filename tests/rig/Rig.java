import java.io.File;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * Sends the same generated requests to Kafka and to Ottla and compares the decoded answers.
 *
 * <pre>java Rig KAFKA-HOST:PORT OTTLA-HOST:PORT differences.yaml served.yaml [--seeds N] [--seed S] [--steps N] [--apis A,B] [--all]
 *      [--transactions] [--lanes N] [--seconds N] [--acls]</pre>
 * With --transactions the requests of a seed are those of {@link Transactions}, and that many seeds are under way at once: most of
 * the time of a seed is Kafka's waits. --seconds begins no further seed after that time. With --acls users with random permissions
 * ({@link Acls}) send the requests; each broker is then HOST:PORT,HOST:PORT, and users log in on the second.
 * Exits with 0 if every difference is in the lists and every version was sent, 1 if not (or, over many seeds, if the
 * list has entries that no answer matched).
 */
public class Rig {
    /** Steps of a seed, unless told otherwise. */
    static final int STEPS = 40;
    /** Seeds of transactions under way at once, unless told otherwise. */
    private static final int LANES = 10;
    /** Seeds of which those that move features come last. */
    private static final int BLOCK = 96;

    private final String[] arguments;
    private final Map<String, String> options = new HashMap<>();
    private final Tally tally;
    private final Served served;
    private final int steps;
    private final boolean transactional;
    /** The levels of features are the whole broker's: a seed that moves them is under way alone. */
    private final ReadWriteLock features = new ReentrantReadWriteLock(true);

    Rig(String[] arguments) throws Exception {
        this.arguments = arguments;
        tally = new Tally(new Differences(new File(arguments[2])));
        for (int n = 4; n < arguments.length; n++)
            options.put(arguments[n].substring(2), n + 1 < arguments.length && !arguments[n + 1].startsWith("--") ? arguments[++n] : "");
        Side kafka = new Side("Kafka", arguments[0]);
        Side ottla = new Side("Ottla", arguments[1]);
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
        Setup.warm(new Exchange(new Side("Kafka", arguments[0]), new Side("Ottla", arguments[1]), warm), warm);
        int first = number("seed", number("from", 1));
        int seeds = number("seeds", 1);
        List<Integer> order = new ArrayList<>();
        for (int n = 0; n < seeds; n++) order.add(first + n);
        if (transactional) order.sort(Comparator.comparing((Integer seed) -> (seed - first) / BLOCK).thenComparing(Transactions::moves));
        long begun = System.nanoTime();
        int done = lanes(run, order, begun + number("seconds", Integer.MAX_VALUE) * 1_000_000_000L);
        if (done < seeds) System.out.println("\ntime is up after " + done + " seeds from " + first);
        tally.report(served, done, (System.nanoTime() - begun) / 1_000_000_000, transactional, number("stale", options.containsKey("acls") ? Integer.MAX_VALUE : 50), options.containsKey("messages"));
        // Fewer seeds or steps than that cannot send all.
        boolean whole = transactional ? seeds >= number("stale", 50) : steps >= STEPS && seeds * STEPS / 2 >= served.versions.size();
        List<String> missing = !whole ? List.of() : served.missing(tally.sent(), transactional ? Transactions.APIS : null);
        if (!missing.isEmpty()) System.out.println("NEVER SENT: " + String.join(", ", missing));
        return tally.clean() && missing.isEmpty() && served.unlisted.isEmpty();
    }

    /** Takes the seeds in this order, each lane the next one; how many were begun before `end` (of the system's nano clock). */
    private int lanes(String run, List<Integer> order, long end) throws Exception {
        int lanes = Math.min(order.size(), transactional ? number("lanes", LANES) : 1);
        AtomicInteger next = new AtomicInteger();
        Callable<Void> work = () -> {
            Lane lane = new Lane(new Side("Kafka", arguments[0]), new Side("Ottla", arguments[1]), run, options, served, tally, steps, transactional && number("lanes", LANES) > 1);
            while (System.nanoTime() < end) {
                int at = next.getAndIncrement();
                if (at >= order.size()) break;
                one(lane, order.get(at));
            }
            return null;
        };
        ExecutorService threads = Executors.newFixedThreadPool(lanes);
        try {
            List<Future<Void>> all = new ArrayList<>();
            for (int n = 0; n < lanes; n++) all.add(threads.submit(work));
            for (Future<Void> future : all) future.get();
        } catch (ExecutionException failed) {
            throw failed.getCause() instanceof Exception cause ? cause : failed;
        } finally {
            threads.shutdownNow();
        }
        return Math.min(next.get(), order.size());
    }

    private void one(Lane lane, int seed) throws Exception {
        if (!transactional) {
            lane.seed(seed);
            return;
        }
        Lock lock = Transactions.moves(seed) ? features.writeLock() : features.readLock();
        lock.lock();
        try {
            lane.transactions(seed);
        } finally {
            lock.unlock();
        }
    }
}
