import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.common.message.ApiMessageType;

/** Which APIs and versions both brokers serve, and so are compared; which only one does has to be listed in served.yaml. */
public class Served {
    /** Quotas would throttle the rig itself. They are compared by the scenes of kafka-configs (tests/clients/tools) and by make quotas. */
    private static final Set<String> NOT_SENT = Set.of("AlterClientQuotas", "DescribeClientQuotas");

    /** An API in the versions that both serve. */
    record Api(ApiMessageType type, short low, short high) { }

    /** One version of an API. */
    record Version(ApiMessageType type, short number) {
        @Override
        public String toString() {
            return type.name + " v" + number;
        }
    }

    /** Never sent: they would take the rig's Kafka out of its cluster. */
    private static final Set<String> NEVER = Set.of("AddRaftVoter", "RemoveRaftVoter");

    final List<Api> apis = new ArrayList<>();
    /** Every version that both serve, in an order that has nothing to do with their names. */
    final List<Version> versions = new ArrayList<>();
    /** Differences between what is served and served.yaml. */
    final Set<String> unlisted = new TreeSet<>();

    Served(Side kafka, Side ottla, File listed, Set<String> only) throws IOException {
        Map<Short, short[]> left = kafka.versions();
        Map<Short, short[]> right = ottla.versions();
        Set<Short> keys = new TreeSet<>(left.keySet());
        keys.addAll(right.keySet());
        Set<String> expected = new TreeSet<>();
        for (JsonNode entry : new ObjectMapper(new YAMLFactory()).readTree(listed)) {
            if (!entry.hasNonNull("reason")) throw new IllegalArgumentException("an entry without reason: " + entry);
            entry.get("apis").forEach(api -> expected.add(api.asText()));
        }
        for (short key : keys) {
            ApiMessageType type = ApiMessageType.fromApiKey(key);
            short[] one = left.get(key);
            short[] other = right.get(key);
            String line = type.name + " " + range(one) + " " + range(other);
            if (!range(one).equals(range(other)) && !expected.remove(line)) unlisted.add(line);
            if (one == null || other == null) continue;
            if (NEVER.contains(type.name)) unlisted.add(line + ", which the rig never sends");
            // Kafka advertises old versions of Produce that it refuses.
            short low = (short) Math.max(Math.max(one[0], other[0]), type.lowestSupportedVersion());
            short high = (short) Math.min(one[1], other[1]);
            if (only != null && !only.contains(type.name) || NEVER.contains(type.name)) continue;
            if (NOT_SENT.contains(type.name)) continue;
            apis.add(new Api(type, low, high));
            for (short number = low; number <= high; number++) versions.add(new Version(type, number));
        }
        expected.forEach(line -> unlisted.add(line + " is listed, and not so"));
        Collections.shuffle(versions, new Random(1));
    }

    private static String range(short[] versions) {
        return versions == null ? "none" : versions[0] == versions[1] ? "" + versions[0] : versions[0] + "-" + versions[1];
    }

    /** The versions that were not among those sent, of these APIs; null stands for all. */
    List<String> missing(Map<String, Integer> sent, Set<ApiMessageType> only) {
        return versions.stream().filter(version -> only == null || only.contains(version.type())).map(Version::toString).filter(version -> !sent.containsKey(version)).sorted().toList();
    }
}
