import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Drives Kafka's own Java clients: requests and answers are lines of JSON, as python/drivers/lines.py has them.
 *
 * <p>The folders beside this one are named after the release that brought what is in them. A driver is made of this folder
 * and, put over it in turn, each that is not younger than the library (tools/client-envs.sh).
 */
public class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Answers one kind of request. */
    interface Operation {
        Object answer(JsonNode request) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("member")) {
            new Member(arguments[1], JSON.readTree(arguments[2])).run();
        } else {
            serve(arguments[1]);
        }
        System.exit(0);
    }

    private static void serve(String bootstrap) throws IOException {
        Map<String, Operation> operations = new HashMap<>();
        operations.put("versions", request -> Map.of("library", libraryVersion(), "java", System.getProperty("java.version")));
        new Records(bootstrap).offer(operations);
        new Topics(bootstrap).offer(operations);
        new Transactions(bootstrap).offer(operations);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = JSON.readTree(line);
            Map<String, Object> answer = new HashMap<>();
            try {
                answer.put("ok", operations.getOrDefault(request.get("op").asText(), Driver::noCall).answer(request));
            } catch (Exception error) {
                error.printStackTrace();
                answer.put("error", told(error instanceof ExecutionException ? error.getCause() : error));
            }
            emit(answer);
        }
    }

    /** The version in the library's jar; the class that reads it has moved over time. */
    private static String libraryVersion() throws IOException {
        Properties found = new Properties();
        try (InputStream in = KafkaConsumer.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            found.load(in);
        }
        return found.getProperty("version");
    }

    /** The error and what caused it: some only say that something failed. */
    private static String told(Throwable error) {
        String cause = error.getCause() == null ? "" : " / " + told(error.getCause());
        return error.getClass().getSimpleName() + ": " + error.getMessage() + cause;
    }

    private static Object noCall(JsonNode request) {
        throw new UnsupportedOperationException(request.get("op").asText() + ": this library has no call for it");
    }

    static synchronized void emit(Map<String, Object> message) throws IOException {
        System.out.write(JSON.writeValueAsBytes(message));
        System.out.write('\n');
        System.out.flush();
    }

    static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", bootstrap);
        settings.put("enable.auto.commit", false);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static byte[] unpack(JsonNode text) {
        return text == null || text.isNull() ? null : Base64.getDecoder().decode(text.asText());
    }

    static String pack(byte[] data) {
        return data == null ? null : Base64.getEncoder().encodeToString(data);
    }

    /** The resource of a request: a topic, or a broker if the request says so. */
    static ConfigResource resource(JsonNode request) {
        return new ConfigResource(ConfigResource.Type.valueOf(request.path("kind").asText("topic").toUpperCase()), request.get("topic").asText());
    }

    static TopicPartition partition(JsonNode request) {
        return new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
    }
}
