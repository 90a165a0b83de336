import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** The counts of all lanes of a run: requests, differences, entries of the list; and the report about them. */
final class Tally {
    private final Differences list;
    private final Map<String, Integer> unexplained = new TreeMap<>();
    private final Map<String, String> messages = new TreeMap<>();
    private final Map<String, Integer> sent = new TreeMap<>();
    private int sequences;
    private int byUsers;
    private int refused;
    private boolean stale;

    Tally(Differences list) {
        this.list = list;
    }

    synchronized void sequences(int more) {
        sequences += more;
    }

    synchronized void sends(Exchange.Step step) {
        sent.merge(step.type().name + " v" + step.version(), 1, Integer::sum);
    }

    /** How often each version was sent, by its name. */
    synchronized Map<String, Integer> sent() {
        return new TreeMap<>(sent);
    }

    /** Result of a comparison: the differences that the list does not explain, and whether the brokers are in different states now. */
    record Verdict(List<Compare.Difference> left, boolean diverges, boolean fresh) { }

    /** True if the list does not explain all of this. Counts nothing. */
    boolean unknown(Exchange.Step step, Compare result) {
        return result.differences.stream().anyMatch(one -> list.entries.stream().noneMatch(entry -> entry.explains(step, one)));
    }

    /** Counts the differences; `fresh` in the answer means that one of those left was not met before. */
    synchronized Verdict judge(Exchange.Step step, Compare result) {
        messages.putAll(result.messages);
        if (step.as != null) byUsers++;
        if (step.as != null && String.valueOf(step.answers[0]).contains("AUTHORIZATION_FAILED")) refused++;
        boolean diverges = false;
        boolean fresh = false;
        List<Compare.Difference> left = new ArrayList<>();
        for (Compare.Difference one : result.differences) {
            Differences.Entry entry = list.of(step, one);
            if (entry != null) {
                diverges |= entry.diverges;
                continue;
            }
            left.add(one);
            fresh |= unexplained.merge(step.type().name + " " + one.path() + ": " + brief(one.kafka()) + " / " + brief(one.ottla()), 1, Integer::sum) == 1;
        }
        return new Verdict(left, diverges, fresh);
    }

    static String brief(Object value) {
        String text = String.valueOf(value);
        return text.length() > 120 ? text.substring(0, 120) + "…" : text;
    }

    /** `enough` seeds meet every entry that is not rare. */
    synchronized void report(Served served, int seeds, long seconds, boolean transactional, int enough, boolean all) {
        int requests = sent.values().stream().mapToInt(n -> n).sum();
        System.out.println("\n" + (transactional ? sequences + " sequences, " : "") + requests + " requests, " + sent.size() + " versions of " + served.apis.size() + " APIs in " + seconds + " s");
        if (byUsers > 0) System.out.println(byUsers + " answers to users compared, " + refused + " of them with a refusal");
        if (all) messages.forEach((left, right) -> System.out.println("  Kafka: " + left + "\n  Ottla: " + right));
        System.out.println("intended differences met:");
        for (Differences.Entry entry : list.entries) {
            boolean missed = entry.met == 0 && !transactional && seeds >= enough && !entry.node.path("rare").asBoolean();
            stale |= missed;
            System.out.printf("  %6d  %s %s %s%s%n", entry.met, entry.node.path("api").asText("any"), entry.node.path("path").asText(""), entry.node.path("request").asText(""), missed ? "  STALE: remove it" : "");
        }
        if (unexplained.isEmpty()) System.out.println("no unexplained difference");
        else System.out.println("UNEXPLAINED:");
        unexplained.forEach((what, count) -> System.out.printf("  %6d  %s%n", count, what));
        served.unlisted.forEach(line -> System.out.println("SERVED OTHERWISE THAN LISTED: " + line));
    }

    /** True if the report named nothing that is wrong. */
    synchronized boolean clean() {
        return unexplained.isEmpty() && !stale;
    }
}
