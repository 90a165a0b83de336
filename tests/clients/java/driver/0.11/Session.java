import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Kafka's own Java clients on listeners with TLS and logins: cases in and answers out, as python/drivers/session.py has them. */
public class Session {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Records of a case, of which the last one is longer than TLS takes at a time. */
    private static final int RECORDS = 20;

    private static final byte[] LARGE = new byte[300_000];
    private final JsonNode asked;
    private final String topic;
    private final long patience;
    private String step = "start";

    private Session(JsonNode asked) {
        this.asked = asked;
        this.topic = asked.get("topic").asText();
        this.patience = asked.get("patience").asLong() * 1000;
    }

    public static void main(String[] arguments) throws Exception {
        List<Thread> running = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            Session session = new Session(JSON.readTree(line));
            running.add(new Thread(session::run));
        }
        running.forEach(Thread::start);
        for (Thread one : running) one.join();
        System.exit(0);
    }

    private void run() {
        Map<String, Object> answer = new HashMap<>();
        answer.put("case", asked.get("case").asText());
        long began = System.nanoTime();
        try {
            for (JsonNode one : asked.get("steps")) {
                step = one.asText();
                if (step.equals("traffic")) {
                    answer.putAll(new Traffic(asked).run(settings(), consumerSettings()));
                    continue;
                }
                Object done = take();
                if (done != null) answer.put("read", done);
            }
        } catch (Exception error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            answer.put("step", step);
            answer.put("error", told(cause));
        }
        answer.put("seconds", (System.nanoTime() - began) / 1e9);
        say(answer);
    }

    /** Does a step; returns the values if it has read. */
    private Object take() throws Exception {
        switch (step) {
            case "create":
                return create();
            case "produce":
                return produce(settings());
            case "transact":
                return transact();
            default:
                return consume();
        }
    }

    private Object create() throws Exception {
        AdminClient admin = AdminClient.create(settings());
        try {
            admin.createTopics(List.of(AdminCalls.topic(topic, 1))).all().get(2 * patience, TimeUnit.MILLISECONDS);
            return null;
        } finally {
            admin.close();
        }
    }

    private Object produce(Map<String, Object> settings) throws Exception {
        settings.put("max.block.ms", patience);
        settings.put("acks", "all");
        if (asked.has("idempotent")) settings.put("enable.idempotence", asked.get("idempotent").asBoolean());
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            boolean transactional = settings.containsKey("transactional.id");
            if (transactional) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            for (int number = 0; number < RECORDS; number++) {
                byte[] value = number == RECORDS - 1 ? LARGE : ("record " + number).getBytes(StandardCharsets.UTF_8);
                producer.send(new ProducerRecord<>(topic, value)).get();
            }
            if (transactional) producer.commitTransaction();
            return null;
        }
    }

    private Object transact() throws Exception {
        Map<String, Object> settings = settings();
        settings.put("transactional.id", asked.get("transactional_id").asText());
        return produce(settings);
    }

    private Object consume() throws Exception {
        Map<String, Object> settings = consumerSettings();
        settings.put("enable.auto.commit", false);
        List<String> read = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(patience);
            while (read.size() < RECORDS) {
                if (System.nanoTime() > until) throw new IllegalStateException("read " + read.size() + " records in time");
                for (ConsumerRecord<byte[], byte[]> record : ConsumerCalls.poll(consumer, 200)) {
                    byte[] value = record.value();
                    read.add(value.length > 100 ? value.length + " bytes" : new String(value, StandardCharsets.UTF_8));
                }
            }
            consumer.commitSync();
        }
        Collections.sort(read);
        return read;
    }

    private Map<String, Object> consumerSettings() throws Exception {
        Map<String, Object> settings = settings();
        settings.put("group.id", asked.get("group").asText());
        settings.put("auto.offset.reset", "earliest");
        return settings;
    }

    private Map<String, Object> settings() throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", asked.get("bootstrap").asText());
        String protocol = asked.get("protocol").asText();
        settings.put("security.protocol", protocol);
        if (protocol.endsWith("SSL")) Stores.addTo(settings, asked);
        if (protocol.startsWith("SASL")) logIn(settings);
        return settings;
    }

    private void logIn(Map<String, Object> settings) {
        String mechanism = asked.get("mechanism").asText();
        String modules = "org.apache.kafka.common.security.";
        settings.put("sasl.mechanism", mechanism);
        if (mechanism.equals("OAUTHBEARER")) {
            settings.put("sasl.login.callback.handler.class", "Tokens");
            settings.put("sasl.jaas.config", modules + "oauthbearer.OAuthBearerLoginModule required file=\"" + asked.get("token").asText() + "\";");
            return;
        }
        String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
        settings.put("sasl.jaas.config", String.format("%s%s required username=\"%s\" password=\"%s\";",
                modules, module, asked.get("user").asText(), asked.get("password").asText()));
    }

    /** The error and what caused it: some only say that something failed. */
    static String told(Throwable error) {
        String cause = error.getCause() == null ? "" : " / " + told(error.getCause());
        return error.getClass().getSimpleName() + ": " + error.getMessage() + cause;
    }

    private static synchronized void say(Map<String, Object> answer) {
        try {
            System.out.write(JSON.writeValueAsBytes(answer));
            System.out.write('\n');
            System.out.flush();
        } catch (java.io.IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }
}
