import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Properties;

import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.storm.Config;
import org.apache.storm.LocalCluster;
import org.apache.storm.kafka.spout.FirstPollOffsetStrategy;
import org.apache.storm.kafka.spout.KafkaSpout;
import org.apache.storm.kafka.spout.KafkaSpoutConfig;
import org.apache.storm.kafka.spout.KafkaSpoutConfig.ProcessingGuarantee;
import org.apache.storm.task.OutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.topology.base.BaseRichBolt;
import org.apache.storm.tuple.Tuple;

/**
 * A topology of Storm: Kafka's spout, reading committed records at least once, and a bolt that writes them to a file.
 *
 * <p>The first argument names a file of properties: bootstrap, lines, group, output. A line of the output is `partition offset value`,
 * written before the tuple is acknowledged. Prints `running`; ends, without cleaning up, when its standard input does.
 */
public final class Lines {
    private static final long COMMIT_EVERY_MS = 500;
    // No tuple comes again because the machine is busy.
    private static final int MESSAGE_TIMEOUT_S = 600;

    private Lines() {}

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        try (Reader file = Files.newBufferedReader(Path.of(args[0]))) {
            settings.load(file);
        }
        KafkaSpoutConfig<String, String> spout = KafkaSpoutConfig
                .builder(settings.getProperty("bootstrap"), settings.getProperty("lines"))
                .setProp(ConsumerConfig.GROUP_ID_CONFIG, settings.getProperty("group"))
                .setProp(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")
                .setProp(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6_000)
                .setProp(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 1_000)
                .setProcessingGuarantee(ProcessingGuarantee.AT_LEAST_ONCE)
                .setFirstPollOffsetStrategy(FirstPollOffsetStrategy.UNCOMMITTED_EARLIEST)
                .setOffsetCommitPeriodMs(COMMIT_EVERY_MS)
                .build();
        TopologyBuilder topology = new TopologyBuilder();
        topology.setSpout("lines", new KafkaSpout<>(spout));
        topology.setBolt("file", new ToFile(settings.getProperty("output"))).globalGrouping("lines");
        Config config = new Config();
        config.setMessageTimeoutSecs(MESSAGE_TIMEOUT_S);
        LocalCluster cluster = new LocalCluster();
        cluster.submitTopology("lines", config, topology.createTopology());
        System.out.println("running");
        while (System.in.read() >= 0) {
            continue;
        }
        Runtime.getRuntime().halt(0);
    }

    /** Appends each record to a file. */
    private static final class ToFile extends BaseRichBolt {
        private final String path;
        private transient Writer file;
        private transient OutputCollector collector;

        ToFile(String path) {
            this.path = path;
        }

        @Override
        public void prepare(Map<String, Object> config, TopologyContext context, OutputCollector out) {
            collector = out;
            try {
                file = Files.newBufferedWriter(
                        Path.of(path), StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        @Override
        public void execute(Tuple tuple) {
            try {
                file.write(tuple.getIntegerByField("partition") + " " + tuple.getLongByField("offset") + " "
                        + tuple.getStringByField("value") + "\n");
                file.flush();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            collector.ack(tuple);
        }

        @Override
        public void declareOutputFields(OutputFieldsDeclarer declarer) {}
    }
}
