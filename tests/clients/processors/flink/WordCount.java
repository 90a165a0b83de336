import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.ExecutionException;

import org.apache.flink.api.common.JobStatus;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.FlatMapFunction;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;

/**
 * The word count of the founding documents, from a topic of lines to a topic of counts, exactly once.
 *
 * <p>Each word of a line becomes one record: the word as key, how often it has come as value. So a record that is lost or
 * doubled shows as a gap or a repeat among the values of its key.
 *
 * <p>The first argument names a file of properties: `program.…` is for this program, `flink.…` for Flink, `source.…` and
 * `sink.…` for the Kafka clients. Prints `running` when the job runs, and answers the commands `savepoint FOLDER` and
 * `stop FOLDER` (which ends the job with a savepoint) by the path of the savepoint.
 */
public final class WordCount {
    private static final long POLL_MS = 20;

    private WordCount() {}

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        try (Reader file = Files.newBufferedReader(Path.of(args[0]))) {
            settings.load(file);
        }
        Configuration configuration = new Configuration();
        below("flink.", settings).forEach((key, value) -> configuration.setString((String) key, (String) value));
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(configuration);
        build(env, settings);
        serve(env.executeAsync("word count"));
    }

    private static void build(StreamExecutionEnvironment env, Properties settings) {
        KafkaSource<String> source = KafkaSource.<String>builder()
                .setTopics(settings.getProperty("program.lines"))
                .setProperties(below("source.", settings))
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setValueOnlyDeserializer(new SimpleStringSchema())
                .build();
        DataStream<String> text = env.fromSource(source, WatermarkStrategy.noWatermarks(), "lines").uid("lines");
        DataStream<Tuple2<String, Integer>> counts = text.flatMap(new FlatMapFunction<String, Tuple2<String, Integer>>() {
            @Override
            public void flatMap(String value, Collector<Tuple2<String, Integer>> out) {
                for (String word : value.split(" ")) {
                    out.collect(Tuple2.of(word, 1));
                }
            }
        }).uid("words").keyBy(new KeySelector<Tuple2<String, Integer>, String>() {
            @Override
            public String getKey(Tuple2<String, Integer> value) {
                return value.f0;
            }
        }).sum(1).uid("counts");
        counts.sinkTo(sink(settings)).uid("sink");
    }

    private static KafkaSink<Tuple2<String, Integer>> sink(Properties settings) {
        var sink = KafkaSink.<Tuple2<String, Integer>>builder()
                .setKafkaProducerConfig(below("sink.", settings))
                .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                .setTransactionalIdPrefix(settings.getProperty("program.prefix"))
                .setRecordSerializer(KafkaRecordSerializationSchema.<Tuple2<String, Integer>>builder()
                        .setTopic(settings.getProperty("program.counts"))
                        .setKeySerializationSchema(new Word())
                        .setValueSerializationSchema(new Number())
                        .build());
        return Naming.apply(sink, settings.getProperty("program.naming")).build();
    }

    // Classes of their own: the connector looks for the type of what they serialize, and fails with lambdas.
    private static final class Word implements SerializationSchema<Tuple2<String, Integer>> {
        @Override
        public byte[] serialize(Tuple2<String, Integer> one) {
            return one.f0.getBytes(StandardCharsets.UTF_8);
        }
    }

    private static final class Number implements SerializationSchema<Tuple2<String, Integer>> {
        @Override
        public byte[] serialize(Tuple2<String, Integer> one) {
            return one.f1.toString().getBytes(StandardCharsets.UTF_8);
        }
    }

    /** Answers commands until the job has ended. */
    private static void serve(JobClient job) throws Exception {
        while (status(job) != JobStatus.RUNNING) {
            Thread.sleep(POLL_MS);
        }
        System.out.println("running");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String command = commands.readLine(); command != null; command = commands.readLine()) {
            String[] words = command.split(" ", 2);
            try {
                System.out.println(switch (words[0]) {
                    case "savepoint" -> job.triggerSavepoint(words[1], SavepointFormatType.CANONICAL).get();
                    case "stop" -> job.stopWithSavepoint(false, words[1], SavepointFormatType.CANONICAL).get();
                    default -> throw new IllegalArgumentException(command);
                });
            } catch (ExecutionException error) {
                error.printStackTrace();
                System.out.println("failed " + error.getMessage().lines().findFirst().orElse(""));
            }
        }
        System.exit(0);
    }

    private static JobStatus status(JobClient job) throws Exception {
        JobStatus status = job.getJobStatus().get();
        if (status.isTerminalState()) {
            System.exit(1);
        }
        return status;
    }

    /** The settings whose names begin with the prefix, without it. */
    private static Properties below(String prefix, Properties settings) {
        Properties found = new Properties();
        for (String name : settings.stringPropertyNames()) {
            if (name.startsWith(prefix)) {
                found.setProperty(name.substring(prefix.length()), settings.getProperty(name));
            }
        }
        return found;
    }
}
