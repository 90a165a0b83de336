import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Properties;
import java.util.stream.Collectors;

import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.StreamingQuery;

/**
 * Two streams of Spark from one topic of lines, of which committed records are read.
 *
 * <p>`counts` counts words. Its sink is idempotent: batch n is the file n of the folder of counts, with a line `word count` for each word
 * whose count has changed, and a batch that is run again replaces its file. `copy` writes every line to another topic, at least once.
 *
 * <p>The first argument names a file of properties: lines, copies, counts, checkpoints, bootstrap. Prints `running`. Ends with an error
 * as soon as one of the streams does.
 */
public final class WordCount {
    private WordCount() {}

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        try (Reader file = Files.newBufferedReader(Path.of(args[0]))) {
            settings.load(file);
        }
        SparkSession spark = SparkSession.builder()
                .master("local[2]")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.ui.enabled", "false")
                .config("spark.sql.shuffle.partitions", "2")
                .config("spark.local.dir", settings.getProperty("checkpoints"))
                .getOrCreate();
        Dataset<Row> lines = spark.readStream()
                .format("kafka")
                .option("kafka.bootstrap.servers", settings.getProperty("bootstrap"))
                .option("kafka.isolation.level", "read_committed")
                .option("subscribe", settings.getProperty("lines"))
                .option("startingOffsets", "earliest")
                .load();
        count(lines, settings);
        copy(lines, settings);
        System.out.println("running");
        spark.streams().awaitAnyTermination();
        System.exit(1);
    }

    private static StreamingQuery count(Dataset<Row> lines, Properties settings) throws Exception {
        Path folder = Files.createDirectories(Path.of(settings.getProperty("counts")));
        return lines.selectExpr("explode(split(CAST(value AS STRING), ' ')) AS word")
                .groupBy("word").count()
                .writeStream()
                .outputMode("update")
                .option("checkpointLocation", settings.getProperty("checkpoints") + "/counts")
                .foreachBatch((VoidFunction2<Dataset<Row>, Long>) (rows, batch) -> keep(rows, folder, batch))
                .start();
    }

    private static void keep(Dataset<Row> rows, Path folder, long batch) throws IOException {
        String text = rows.collectAsList().stream()
                .map(row -> row.getString(0) + " " + row.getLong(1) + "\n")
                .collect(Collectors.joining());
        Path written = Files.write(folder.resolve("unfinished"), text.getBytes(StandardCharsets.UTF_8));
        Files.move(written, folder.resolve(Long.toString(batch)), StandardCopyOption.ATOMIC_MOVE);
    }

    private static StreamingQuery copy(Dataset<Row> lines, Properties settings) throws Exception {
        return lines.select("key", "value")
                .writeStream()
                .format("kafka")
                .option("kafka.bootstrap.servers", settings.getProperty("bootstrap"))
                .option("topic", settings.getProperty("copies"))
                .option("checkpointLocation", settings.getProperty("checkpoints") + "/copy")
                .start();
    }
}
