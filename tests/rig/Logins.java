import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.File;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import org.apache.kafka.common.message.AlterUserScramCredentialsRequestData;
import org.apache.kafka.common.message.AlterUserScramCredentialsRequestData.ScramCredentialUpsertion;
import org.apache.kafka.common.message.AlterUserScramCredentialsResponseData;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.security.scram.internals.ScramFormatter;
import org.apache.kafka.common.security.scram.internals.ScramMechanism;

/**
 * Sends the same random logins to Kafka and to Ottla, and compares answers, their order, and when the connection ends.
 *
 * <pre>java Logins KAFKA-HOST:PORT,HOST:PORT OTTLA-HOST:PORT,HOST:PORT logins.yaml [--seeds N] [--from S | --seed S] [--lanes N] [--trace]</pre>
 * Exits with 0 if every difference is in the list.
 */
public final class Logins {
    /** How long an answer may take, in ms; ten times as long where the two differed. */
    private static final int PATIENCE = 900;
    private static final int ITERATIONS = 4096;

    private final Map<String, String> options = new LinkedHashMap<>();
    private final InetSocketAddress[] brokers = new InetSocketAddress[2];
    private final List<JsonNode> listed = new ArrayList<>();
    private final Map<String, Integer> met = new TreeMap<>();
    private final Map<String, Integer> ends = new TreeMap<>();
    private int unexplained;

    private Logins(String[] arguments) throws Exception {
        for (int side = 0; side < 2; side++) {
            String[] address = arguments[side].split(",")[1].split(":");
            brokers[side] = new InetSocketAddress(address[0], Integer.parseInt(address[1]));
            for (byte mechanism = 1; mechanism <= 2; mechanism++) credentials(new Side(side == 0 ? "Kafka" : "Ottla", arguments[side]), mechanism);
        }
        for (JsonNode entry : new ObjectMapper(new YAMLFactory()).readTree(new File(arguments[2]))) {
            if (!entry.hasNonNull("reason")) throw new IllegalArgumentException("an entry without reason: " + entry);
            listed.add(entry);
        }
        for (int n = 3; n < arguments.length; n++)
            options.put(arguments[n].substring(2), n + 1 < arguments.length && !arguments[n + 1].startsWith("--") ? arguments[++n] : "");
    }

    public static void main(String[] arguments) throws Exception {
        System.exit(new Logins(arguments).run() ? 0 : 1);
    }

    /** The same credentials of SCRAM on both, salts included. */
    private static void credentials(Side side, byte mechanism) throws Exception {
        var request = new AlterUserScramCredentialsRequestData();
        var formatter = new ScramFormatter(mechanism == 1 ? ScramMechanism.SCRAM_SHA_256 : ScramMechanism.SCRAM_SHA_512);
        byte[] salt = "1omfro7zwmumr3umxudzyj6sc".getBytes(StandardCharsets.UTF_8);
        for (String user : List.of(LoginLine.USER, LoginLine.OTHER))
            request.upsertions().add(new ScramCredentialUpsertion().setName(user).setMechanism(mechanism).setIterations(ITERATIONS).setSalt(salt)
                .setSaltedPassword(LoginLine.salted(formatter, LoginLine.password(user), salt, ITERATIONS)));
        Side.Line line = side.open();
        line.send(ApiMessageType.ALTER_USER_SCRAM_CREDENTIALS.apiKey(), (short) 0, 2, 1, LoginLine.body(request, 0));
        ByteBuffer answer = line.receive(10_000);
        line.close();
        // After the correlation id and the empty tags of the header.
        var told = answer == null ? null : new AlterUserScramCredentialsResponseData(new ByteBufferAccessor(answer.position(5)), (short) 0);
        if (told == null || told.results().stream().anyMatch(one -> one.errorCode() != 0)) throw new IllegalStateException(side.name + " makes no users: " + told);
        // Kafka's broker learns of them after its controller has answered.
        Thread.sleep(500);
    }

    private boolean run() throws Exception {
        int first = Integer.parseInt(options.getOrDefault("seed", options.getOrDefault("from", "1")));
        int seeds = Integer.parseInt(options.getOrDefault("seeds", "1"));
        ExecutorService lanes = Executors.newFixedThreadPool(Integer.parseInt(options.getOrDefault("lanes", "24")));
        long begun = System.nanoTime();
        List<Future<?>> all = new ArrayList<>();
        for (int n = 0; n < seeds; n++) {
            int seed = first + n;
            all.add(lanes.submit(() -> one(seed)));
        }
        try {
            for (Future<?> one : all) one.get();
        } finally {
            lanes.shutdownNow();
        }
        System.out.println("\n" + seeds + " sequences of logins from " + first + " in " + (System.nanoTime() - begun) / 1_000_000_000 + " s");
        System.out.println("how they ended: " + ends);
        System.out.println("intended differences met:");
        met.forEach((reason, count) -> System.out.printf("  %6d  %s%n", count, reason));
        System.out.println(unexplained == 0 ? "no unexplained difference" : "UNEXPLAINED: " + unexplained);
        return unexplained == 0;
    }

    private Void one(int seed) throws Exception {
        LoginSequence sequence = new LoginSequence(seed);
        List<List<String>> told = both(sequence, PATIENCE);
        // What one of them only had no time for is not a difference.
        if (!told.get(0).equals(told.get(1))) told = both(sequence, 10 * PATIENCE);
        synchronized (this) {
            judge(sequence, told.get(0), told.get(1));
        }
        return null;
    }

    /** Both at the same time, so that pauses are waited for once. */
    private List<List<String>> both(LoginSequence sequence, int patience) throws Exception {
        // Failures in a row from one address are answered later and later.
        String from = "127." + (1 + sequence.seed / 60_000 % 200) + "." + sequence.seed / 240 % 250 + "." + (1 + sequence.seed % 240);
        List<List<String>> told = new ArrayList<>(List.of(List.of(), List.of()));
        Thread kafka = new Thread(() -> told.set(0, side(0, from, sequence, patience)));
        kafka.start();
        told.set(1, side(1, from, sequence, patience));
        kafka.join();
        return told;
    }

    private List<String> side(int side, String from, LoginSequence sequence, int patience) {
        try (LoginLine line = new LoginLine(brokers[side], from, patience)) {
            return line.run(sequence);
        } catch (Exception failed) {
            return List.of("failed -> " + failed);
        }
    }

    private void judge(LoginSequence sequence, List<String> kafka, List<String> ottla) {
        String end = kafka.isEmpty() ? "" : kafka.get(kafka.size() - 1).replaceAll(".* -> ", "");
        ends.merge(end.startsWith("failed") ? "failed" : end, 1, Integer::sum);
        if (options.containsKey("trace")) System.out.println(sequence.seed + ": " + sequence + "\n  Kafka " + kafka + "\n  Ottla " + ottla);
        if (kafka.equals(ottla)) return;
        int at = 0;
        while (at < kafka.size() && at < ottla.size() && kafka.get(at).equals(ottla.get(at))) at++;
        String left = at < kafka.size() ? kafka.get(at) : "nothing";
        String right = at < ottla.size() ? ottla.get(at) : "nothing";
        for (JsonNode entry : listed) {
            boolean fits = fits(entry, "sequence", sequence.toString()) && fits(entry, "before", String.join("; ", kafka.subList(0, at))) && fits(entry, "kafka", left) && fits(entry, "ottla", right);
            if (!fits) continue;
            met.merge(entry.get("reason").asText(), 1, Integer::sum);
            return;
        }
        unexplained++;
        System.out.println("\nsequence " + sequence.seed + ": " + sequence + "\n  the same: " + kafka.subList(0, at) + "\n  Kafka " + left + "\n  Ottla " + right
            + "\n  again: make rig ARGS=\"--logins --seed " + sequence.seed + " --trace\"");
    }

    /** True if the entry's pattern of that name is found in the text, or there is none. */
    private static boolean fits(JsonNode entry, String name, String text) {
        return !entry.has(name) || Pattern.compile(entry.get(name).asText()).matcher(text).find();
    }
}
