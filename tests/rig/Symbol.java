/**
 * A value that each broker makes up by itself (a topic id, a member id, a producer id, a fetch session, …), by the name that
 * stands for it on both. A request carries the symbol and each side puts its own value in; answers are compared by it.
 */
public record Symbol(Kind kind, int number) {
    /** Kinds of values that brokers make up, and the fields of answers that hold them. */
    public enum Kind { TOPIC, MEMBER, PRODUCER, SESSION, CLIENT, SUBSCRIPTION }

    @Override
    public String toString() {
        return "<" + kind.name().toLowerCase() + " " + number + ">";
    }
}
