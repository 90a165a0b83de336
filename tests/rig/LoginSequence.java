import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** The bytes that a client sends on one connection of a listener that asks for logins: a usual login and further ones, most of them spoilt. */
final class LoginSequence {
    /** Kinds of bytes that a client sends, or a pause. */
    enum Kind { VERSIONS, HANDSHAKE, TOKEN, REQUEST, BYTES, PAUSE }

    /** Messages of a mechanism. Those after FINAL are wrong in one way each. */
    enum Message {
        GOOD, WRONG_PASSWORD, UNKNOWN_USER, OTHER_USER, MALFORMED, EMPTY, SAME_AUTHZID, OTHER_AUTHZID,
        FIRST, FIRST_MALFORMED, FIRST_UNKNOWN, FIRST_OTHER, FIRST_CHANNEL_BOUND, FINAL, FINAL_WRONG_PASSWORD, FINAL_OTHER_NONCE, FINAL_CUT
    }

    /** One of them. `version` is that of the request; -1 is a message without a header. `text`: the mechanism, or nothing. */
    record Action(Kind kind, int version, String text, Message message, int number) {
        @Override
        public String toString() {
            return switch (kind) {
                case VERSIONS -> "ApiVersions v" + version;
                case HANDSHAKE -> "SaslHandshake v" + version + " " + text;
                case TOKEN -> (version < 0 ? "bare " : "SaslAuthenticate v" + version + " ") + message;
                case REQUEST -> "Metadata v" + version;
                case BYTES -> "bytes " + text;
                case PAUSE -> "pause " + number;
            };
        }
    }

    /** How frames are written: one after the answer to another, several at once, or in pieces. */
    enum Writing { STEP, GLUED, CUT }

    private static final List<String> MECHANISMS = List.of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512");
    /** Longer than Kafka's shortest time between two logins of a connection (1 s), and than the lives that tools/rig.sh gives. */
    private static final int LATE = 1_300;

    final long seed;
    final Writing writing;
    final List<Action> actions = new ArrayList<>();
    private final Random random;

    LoginSequence(long seed) {
        this.seed = seed;
        random = World.random(seed);
        int drawn = random.nextInt(10);
        writing = drawn < 5 ? Writing.STEP : drawn < 8 ? Writing.GLUED : Writing.CUT;
        String mechanism = one(MECHANISMS);
        int handshake = chance(65) ? 1 : 0;
        if (chance(60)) actions.add(versions());
        login(mechanism, handshake);
        actions.add(request());
        for (int again = random.nextInt(3); again > 0; again--) {
            if (chance(60)) actions.add(new Action(Kind.PAUSE, 0, "", null, chance(70) ? LATE : 300));
            login(chance(85) ? mechanism : one(MECHANISMS), chance(90) ? 1 : 0);
            if (chance(70)) actions.add(request());
        }
        for (int fault = chance(25) ? 0 : 1 + random.nextInt(2); fault > 0; fault--) spoil(mechanism);
    }

    private void login(String mechanism, int handshake) {
        actions.add(new Action(Kind.HANDSHAKE, handshake, mechanism, null, 0));
        int version = handshake == 0 ? -1 : random.nextInt(3);
        boolean plain = mechanism.equals("PLAIN");
        Message first = plain ? Message.GOOD : Message.FIRST;
        if (chance(12)) first = plain ? one(List.of(Message.values()).subList(1, 8)) : one(List.of(Message.values()).subList(9, 13));
        actions.add(new Action(Kind.TOKEN, version, mechanism, first, 0));
        if (plain) return;
        Message last = chance(88) ? Message.FINAL : one(List.of(Message.values()).subList(14, 17));
        actions.add(new Action(Kind.TOKEN, version, mechanism, last, 0));
    }

    private Action versions() {
        return new Action(Kind.VERSIONS, one(List.of(0, 1, 2, 3, 3, 3, 4, 99)), "", null, 0);
    }

    private Action request() {
        return new Action(Kind.REQUEST, one(List.of(1, 5, 9)), "", null, 0);
    }

    /** Any action, fit or not. */
    private Action any(String mechanism) {
        return switch (random.nextInt(8)) {
            case 0 -> versions();
            case 1 -> request();
            case 2, 3 -> new Action(Kind.HANDSHAKE, one(List.of(0, 1, 1, 2)), one(List.of("PLAIN", "SCRAM-SHA-256", "GSSAPI", "plain", "")), null, 0);
            case 4, 5 -> new Action(Kind.TOKEN, random.nextInt(4) - 1, mechanism, one(List.of(Message.values())), 0);
            default -> new Action(Kind.BYTES, 0, one(List.of("empty frame", "negative length", "random", "header alone")), null, 0);
        };
    }

    private void spoil(String mechanism) {
        int at = random.nextInt(actions.size());
        switch (random.nextInt(6)) {
            case 0 -> actions.remove(at);
            case 1 -> actions.add(at, actions.get(at));
            case 2 -> Collections.swap(actions, at, (at + 1) % actions.size());
            case 3 -> actions.set(at, any(mechanism));
            case 4 -> actions.add(at, any(mechanism));
            default -> {
                Action old = actions.get(at);
                if (old.kind() == Kind.TOKEN) actions.set(at, new Action(Kind.TOKEN, old.version() < 0 ? 1 : -1, old.text(), old.message(), 0));
                else actions.add(at, any(mechanism));
            }
        }
    }

    private boolean chance(int percent) {
        return random.nextInt(100) < percent;
    }

    private <T> T one(List<T> values) {
        return values.get(random.nextInt(values.size()));
    }

    /** True if the action's bytes depend on an answer. */
    static boolean depends(Action action) {
        return action.kind() == Kind.TOKEN && action.message().ordinal() >= Message.FINAL.ordinal();
    }

    @Override
    public String toString() {
        return writing + " " + actions;
    }
}
