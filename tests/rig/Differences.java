import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** The list of intended differences (differences.yaml), and which of its entries a run has met. */
public class Differences {
    /** Patterns match whole texts, except `where`, `request` and `answers`, which are looked for anywhere; one that is missing matches all. */
    static class Entry {
        final JsonNode node;
        final Pattern api;
        final Pattern path;
        final Pattern where;
        final Pattern kafka;
        final Pattern ottla;
        final Pattern request;
        final Pattern answers;
        final boolean diverges;
        int met;

        Entry(JsonNode node) {
            this.node = node;
            api = pattern(node, "api");
            path = pattern(node, "path");
            where = pattern(node, "where");
            kafka = pattern(node, "kafka");
            ottla = pattern(node, "ottla");
            request = pattern(node, "request");
            answers = pattern(node, "answers");
            diverges = node.path("diverges").asBoolean();
            if (!node.hasNonNull("reason")) throw new IllegalArgumentException("an entry without reason: " + node);
        }

        private static Pattern pattern(JsonNode node, String name) {
            return Pattern.compile(node.path(name).asText(".*"), Pattern.DOTALL);
        }

        boolean explains(Exchange.Step step, Compare.Difference one) {
            return api.matcher(step.type().name).matches() && path.matcher(one.path()).matches() && kafka.matcher(String.valueOf(one.kafka())).matches()
                && ottla.matcher(String.valueOf(one.ottla())).matches() && (!node.has("where") || where.matcher(one.where()).find())
                && (!node.has("request") || request.matcher(step.toString()).find())
                && (!node.has("answers") || answers.matcher(step.answers[0] + "\n" + step.answers[1]).find());
        }
    }

    final List<Entry> entries = new ArrayList<>();

    Differences(File file) throws IOException {
        for (JsonNode node : new ObjectMapper(new YAMLFactory()).readTree(file)) entries.add(new Entry(node));
    }

    /** The entry that explains this difference, or null. */
    Entry of(Exchange.Step step, Compare.Difference one) {
        for (Entry entry : entries) {
            if (entry.explains(step, one)) {
                entry.met++;
                return entry;
            }
        }
        return null;
    }
}
