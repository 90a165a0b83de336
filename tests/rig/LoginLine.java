import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.MetadataRequestData;
import org.apache.kafka.common.message.SaslAuthenticateRequestData;
import org.apache.kafka.common.message.SaslAuthenticateResponseData;
import org.apache.kafka.common.message.SaslHandshakeRequestData;
import org.apache.kafka.common.message.SaslHandshakeResponseData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.security.scram.internals.ScramFormatter;
import org.apache.kafka.common.security.scram.internals.ScramMechanism;
import org.apache.kafka.common.security.scram.internals.ScramMessages.ClientFinalMessage;
import org.apache.kafka.common.security.scram.internals.ScramMessages.ClientFirstMessage;
import org.apache.kafka.common.security.scram.internals.ScramMessages.ServerFirstMessage;

/** One connection that sends a {@link LoginSequence}, and what the broker does. */
final class LoginLine implements AutoCloseable {
    static final String USER = "alice";
    static final String OTHER = "bob";
    private static final String NONCE = "fyko+d2lbbFgONRv9qkxdawL";
    private static final Map<String, byte[]> SALTED = new ConcurrentHashMap<>();

    private final Socket socket = new Socket();
    private final DataInputStream in;
    private final int patience;
    private String clientFirst = "n,,n=,r=" + NONCE;
    private byte[] challenge = new byte[0];
    private int correlation;

    LoginLine(InetSocketAddress broker, String from, int patience) throws IOException {
        this.patience = patience;
        socket.bind(new InetSocketAddress(from, 0));
        socket.connect(broker, 10_000);
        socket.setTcpNoDelay(true);
        in = new DataInputStream(socket.getInputStream());
    }

    static String password(String user) {
        return "password of " + user;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    /** The outcome of each action, and the end of the connection. */
    List<String> run(LoginSequence sequence) throws Exception {
        List<String> told = new ArrayList<>();
        for (int at = 0; at < sequence.actions.size();) {
            int end = at + 1;
            if (sequence.writing == LoginSequence.Writing.GLUED)
                while (end < sequence.actions.size() && !LoginSequence.depends(sequence.actions.get(end)) && sequence.actions.get(end).kind() != LoginSequence.Kind.PAUSE) end++;
            if (sequence.actions.get(at).kind() == LoginSequence.Kind.PAUSE) {
                Thread.sleep(sequence.actions.get(at++).number());
                continue;
            }
            List<LoginSequence.Action> group = sequence.actions.subList(at, end);
            List<Integer> numbers = write(group, sequence);
            for (int n = 0; n < group.size(); n++) {
                String outcome = receive(group.get(n), numbers.get(n));
                told.add(group.get(n) + " -> " + outcome);
                if (outcome.equals("closed")) return told;
                // A broker that does not answer this does not answer the next: it waits for more, or the connection is lost.
                if (outcome.equals("silent")) return told;
            }
            at = end;
        }
        told.add("end -> " + receive(null, 0));
        return told;
    }

    private List<Integer> write(List<LoginSequence.Action> group, LoginSequence sequence) throws Exception {
        List<Integer> numbers = new ArrayList<>();
        ByteBuffer whole = ByteBuffer.allocate(1 << 16);
        for (LoginSequence.Action action : group) {
            numbers.add(++correlation);
            whole.put(bytes(action));
        }
        byte[] bytes = new byte[whole.flip().remaining()];
        whole.get(bytes);
        OutputStream out = socket.getOutputStream();
        try {
            if (sequence.writing != LoginSequence.Writing.CUT || bytes.length < 2) {
                out.write(bytes);
                return numbers;
            }
            int cut = 1 + (int) Math.floorMod(sequence.seed * 31 + correlation, (long) bytes.length - 1);
            out.write(bytes, 0, cut);
            Thread.sleep(3);
            out.write(bytes, cut, bytes.length - cut);
        } catch (IOException gone) {
            // The next receive says so.
        }
        return numbers;
    }

    private byte[] bytes(LoginSequence.Action action) throws Exception {
        int version = action.version();
        return switch (action.kind()) {
            case VERSIONS -> request(ApiMessageType.API_VERSIONS, version, version < 3 ? new byte[0] : version == 99 ? new byte[] {1} : new byte[] {2, 'a', 2, '1', 0});
            case HANDSHAKE -> request(ApiMessageType.SASL_HANDSHAKE, version, body(new SaslHandshakeRequestData().setMechanism(action.text()), Math.min(version, 1)));
            case REQUEST -> request(ApiMessageType.METADATA, version, body(new MetadataRequestData().setTopics(List.of()), version));
            case TOKEN -> {
                byte[] token = token(action.message(), action.text());
                yield version < 0 ? frame(token) : request(ApiMessageType.SASL_AUTHENTICATE, version, body(new SaslAuthenticateRequestData().setAuthBytes(token), version));
            }
            case BYTES -> switch (action.text()) {
                case "empty frame" -> new byte[4];
                case "negative length" -> new byte[] {-1, 0, 0, 0, 1, 2, 3};
                case "random" -> frame(new byte[] {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9, 8});
                default -> request(ApiMessageType.SASL_AUTHENTICATE, 1, new byte[0]);
            };
            case PAUSE -> new byte[0];
        };
    }

    private byte[] request(ApiMessageType type, int version, byte[] body) {
        boolean flexible = type != ApiMessageType.SASL_HANDSHAKE && version != 99 && type.requestHeaderVersion((short) version) >= 2;
        ByteBuffer header = ByteBuffer.allocate(body.length + 20).putShort(type.apiKey()).putShort((short) version).putInt(correlation);
        header.putShort((short) 3).put("rig".getBytes(StandardCharsets.UTF_8));
        if (flexible) header.put((byte) 0);
        header.put(body);
        byte[] bytes = new byte[header.flip().remaining()];
        header.get(bytes);
        return frame(bytes);
    }

    private static byte[] frame(byte[] bytes) {
        return ByteBuffer.allocate(4 + bytes.length).putInt(bytes.length).put(bytes).array();
    }

    static byte[] body(Message message, int version) {
        ByteBuffer body = MessageUtil.toByteBufferAccessor(message, (short) version).buffer();
        byte[] bytes = new byte[body.remaining()];
        body.get(bytes);
        return bytes;
    }

    private byte[] token(LoginSequence.Message message, String mechanism) throws Exception {
        String right = password(USER);
        String text = switch (message) {
            case GOOD -> "\0" + USER + "\0" + right;
            case WRONG_PASSWORD -> "\0" + USER + "\0wrong";
            case UNKNOWN_USER -> "\0nobody\0" + right;
            case OTHER_USER -> "\0" + OTHER + "\0" + password(OTHER);
            case MALFORMED -> "\0" + USER;
            case EMPTY -> "";
            case SAME_AUTHZID -> USER + "\0" + USER + "\0" + right;
            case OTHER_AUTHZID -> OTHER + "\0" + USER + "\0" + right;
            case FIRST -> clientFirst = "n,,n=" + USER + ",r=" + NONCE;
            case FIRST_MALFORMED -> "n,,r=" + NONCE;
            case FIRST_UNKNOWN -> clientFirst = "n,,n=nobody,r=" + NONCE;
            case FIRST_OTHER -> clientFirst = "n,,n=" + OTHER + ",r=" + NONCE;
            case FIRST_CHANNEL_BOUND -> "p=tls-unique,,n=" + USER + ",r=" + NONCE;
            default -> last(message, mechanism);
        };
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** The client's second message; of the last challenge, or without one made up. */
    private String last(LoginSequence.Message message, String mechanism) throws Exception {
        ScramMechanism hash = ScramMechanism.forMechanismName(mechanism);
        String proofless = "c=biws,r=" + NONCE + "none,p=";
        if (hash == null || challenge.length == 0 || !new String(challenge, StandardCharsets.UTF_8).startsWith("r=")) return proofless + "AAAA";
        ScramFormatter formatter = new ScramFormatter(hash);
        var server = new ServerFirstMessage(challenge);
        var client = new ClientFirstMessage(clientFirst.getBytes(StandardCharsets.UTF_8));
        String user = clientFirst.contains("n=" + OTHER + ",") ? OTHER : USER;
        String password = message == LoginSequence.Message.FINAL_WRONG_PASSWORD ? "wrong" : password(user);
        byte[] salted = SALTED.computeIfAbsent(mechanism + password + Base64.getEncoder().encodeToString(server.salt()), any -> salted(formatter, password, server.salt(), server.iterations()));
        String nonce = message == LoginSequence.Message.FINAL_OTHER_NONCE ? NONCE + "other" : server.nonce();
        var last = new ClientFinalMessage("n,,".getBytes(StandardCharsets.UTF_8), nonce);
        last.proof(formatter.clientProof(salted, client, server, last));
        String text = new String(last.toBytes(), StandardCharsets.UTF_8);
        return message == LoginSequence.Message.FINAL_CUT ? text.substring(0, text.indexOf(",p=")) : text;
    }

    static byte[] salted(ScramFormatter formatter, String password, byte[] salt, int iterations) {
        try {
            return formatter.hi(ScramFormatter.normalize(password), salt, iterations);
        } catch (java.security.InvalidKeyException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** The next frame as a text, without what differs between any two logins; of `null` what comes unasked for. */
    private String receive(LoginSequence.Action action, int number) throws IOException {
        ByteBuffer frame;
        try {
            socket.setSoTimeout(action == null ? patience / 3 : patience);
            byte[] bytes = new byte[in.readInt()];
            in.readFully(bytes);
            frame = ByteBuffer.wrap(bytes);
        } catch (SocketTimeoutException quiet) {
            return action == null ? "open" : "silent";
        } catch (IOException gone) {
            return "closed";
        }
        if (action == null) return "a frame";
        if (action.kind() == LoginSequence.Kind.TOKEN && action.version() < 0) return "bare " + token(frame);
        if (frame.remaining() < 4) return frame.remaining() + " bytes";
        int correlation = frame.getInt();
        try {
            return (correlation == number ? "" : "to another request: ") + answer(action, frame);
        } catch (RuntimeException undecodable) {
            return (correlation == number ? "" : "to another request: ") + "not decodable: " + undecodable;
        }
    }

    private String answer(LoginSequence.Action action, ByteBuffer frame) {
        short version = (short) action.version();
        return switch (action.kind()) {
            // At an unknown version the answer has version 0.
            case VERSIONS -> "code " + frame.getShort();
            case HANDSHAKE -> {
                var answer = new SaslHandshakeResponseData(new ByteBufferAccessor(frame), (short) Math.min(version, 1));
                yield "code " + answer.errorCode() + " " + answer.mechanisms().stream().sorted().collect(Collectors.toList());
            }
            case TOKEN -> {
                if (version >= 2) frame.get();
                var answer = new SaslAuthenticateResponseData(new ByteBufferAccessor(frame), version);
                yield "code " + answer.errorCode() + (answer.errorMessage() == null ? "" : " with a text") + " " + token(ByteBuffer.wrap(answer.authBytes())) + (answer.sessionLifetimeMs() > 0 ? " for a time" : "");
            }
            case REQUEST -> "an answer";
            default -> "a frame";
        };
    }

    private String token(ByteBuffer bytes) {
        byte[] copy = new byte[bytes.remaining()];
        bytes.get(copy);
        String text = new String(copy, StandardCharsets.UTF_8);
        if (text.startsWith("r=" + NONCE)) {
            challenge = copy;
            return "challenge" + text.substring(text.indexOf(",s=")).replaceAll("s=[^,]*", "s=…");
        }
        return text.startsWith("v=") ? "verifier" : text.isEmpty() ? "nothing" : text;
    }
}
