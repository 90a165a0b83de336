import org.apache.flink.connector.kafka.sink.KafkaSinkBuilder;
import org.apache.flink.connector.kafka.sink.TransactionNamingStrategy;

/** The names of the sink's transactional ids: Flink 2 knows two ways. */
final class Naming {
    private Naming() {}

    static <T> KafkaSinkBuilder<T> apply(KafkaSinkBuilder<T> sink, String naming) {
        return sink.setTransactionNamingStrategy(TransactionNamingStrategy.valueOf(naming));
    }
}
