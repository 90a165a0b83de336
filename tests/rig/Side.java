import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.IncrementalAlterConfigsRequestData;
import org.apache.kafka.common.message.IncrementalAlterConfigsResponseData;
import org.apache.kafka.common.message.SaslAuthenticateRequestData;
import org.apache.kafka.common.message.SaslHandshakeRequestData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.Struct;

/** One of the two brokers: how to reach it and what its own values are for the symbols both share. */
public class Side {
    /** How long an answer may be awaited before the broker counts as silent, in ms. */
    static final int PATIENCE = Integer.getInteger("rig.patience", 5_000);

    final String name;
    private final InetSocketAddress address;
    /** The listener on which users log in; null if no user does. */
    private final InetSocketAddress logins;
    private final Map<Symbol, Object> values = new HashMap<>();
    private final Map<Object, Symbol> symbols = new HashMap<>();
    private Line main;
    private final Map<Identity, Line> users = new HashMap<>();

    /** `addresses`: HOST:PORT of the listener without logins, and after a comma of that for users. */
    Side(String name, String addresses) {
        this.name = name;
        String[] both = addresses.split(",");
        address = address(both[0]);
        logins = both.length > 1 ? address(both[1]) : null;
    }

    private static InetSocketAddress address(String text) {
        int colon = text.lastIndexOf(':');
        return new InetSocketAddress(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    void bind(Symbol symbol, Object value) {
        values.put(symbol, value);
        symbols.put(symbol.kind() + ":" + value, symbol);
    }

    Symbol symbolOf(Symbol.Kind kind, Object value) {
        return symbols.get(kind + ":" + value);
    }

    Object valueOf(Symbol symbol) {
        return values.get(symbol);
    }

    void forget() throws IOException {
        values.clear();
        symbols.clear();
        if (main != null) main.close();
        main = null;
        users.values().forEach(Line::close);
        users.clear();
    }

    /** The connection that requests go over which are answered at once; opened anew after the broker closed it. */
    Line main() throws IOException {
        if (main == null || main.closed) main = open();
        return main;
    }

    Line open() throws IOException {
        return new Line(null);
    }

    /** As {@link #main()}, of a user; null is the client without a login. */
    Line main(Identity who) throws IOException {
        if (who == null) return main();
        Line line = users.get(who);
        if (line == null || line.closed) users.put(who, line = open(who));
        return line;
    }

    /** A connection of its own, of a user; null is the client without a login. */
    Line open(Identity who) throws IOException {
        return new Line(who);
    }

    /** Asks every client for its metrics: Ottla advertises the APIs of KIP-714 only while it has a subscription. */
    void subscribe() throws IOException {
        var configs = new IncrementalAlterConfigsRequestData.AlterableConfigCollection();
        Map.of("interval.ms", "60000", "metrics", "org.apache.kafka.consumer.").forEach((key, value) ->
            configs.add(new IncrementalAlterConfigsRequestData.AlterableConfig().setName(key).setValue(value)));
        var request = new IncrementalAlterConfigsRequestData();
        request.resources().add(new IncrementalAlterConfigsRequestData.AlterConfigsResource()
            .setResourceType(ConfigResource.Type.CLIENT_METRICS.id()).setResourceName("rig").setConfigs(configs));
        ByteBuffer frame = once(ApiMessageType.INCREMENTAL_ALTER_CONFIGS, bytes(request, 0));
        var answer = new IncrementalAlterConfigsResponseData(new ByteBufferAccessor(frame), (short) 0).responses().get(0);
        if (answer.errorCode() != 0) throw new IOException(name + " refuses a subscription: " + answer);
    }

    private static byte[] bytes(Message request, int version) {
        ByteBuffer body = MessageUtil.toByteBufferAccessor(request, (short) version).buffer();
        byte[] bytes = new byte[body.remaining()];
        body.get(bytes);
        return bytes;
    }

    /** Key → oldest and newest version that it advertises. */
    Map<Short, short[]> versions() throws IOException {
        ByteBuffer frame = once(ApiMessageType.API_VERSIONS, new byte[0]);
        Map<Short, short[]> versions = new TreeMap<>();
        for (Object one : ApiMessageType.API_VERSIONS.responseSchemas()[0].read(frame).getArray("api_keys")) {
            var entry = (Struct) one;
            versions.put(entry.getShort("api_key"), new short[] {entry.getShort("min_version"), entry.getShort("max_version")});
        }
        return versions;
    }

    /** The answer to a request of version 0 by a connection of its own, without the header. */
    private ByteBuffer once(ApiMessageType type, byte[] body) throws IOException {
        Line line = open();
        line.send(type.apiKey(), (short) 0, 1, 1, body);
        ByteBuffer frame = line.receive(PATIENCE);
        line.close();
        if (frame == null) throw new IOException(name + " does not answer " + type.name);
        frame.getInt();
        return frame;
    }

    /** A connection, with at most one request under way. */
    class Line {
        private final Socket socket = new Socket();
        private final DataInputStream in;
        boolean closed;

        Line(Identity who) throws IOException {
            if (who != null) socket.bind(new InetSocketAddress(who.host(), 0));
            socket.connect(who == null ? address : logins, PATIENCE);
            socket.setTcpNoDelay(true);
            in = new DataInputStream(socket.getInputStream());
            if (who != null) logIn(who);
        }

        /** Logs in by PLAIN. */
        private void logIn(Identity who) throws IOException {
            send(ApiMessageType.SASL_HANDSHAKE.apiKey(), (short) 1, 1, 1, bytes(new SaslHandshakeRequestData().setMechanism("PLAIN"), 1));
            ByteBuffer answer = receive(PATIENCE);
            byte[] token = ("\0" + who.user() + "\0" + who.password()).getBytes(StandardCharsets.UTF_8);
            send(ApiMessageType.SASL_AUTHENTICATE.apiKey(), (short) 1, 1, 2, bytes(new SaslAuthenticateRequestData().setAuthBytes(token), 1));
            ByteBuffer done = receive(PATIENCE);
            if (answer == null || answer.getShort(4) != 0 || done == null || done.getShort(4) != 0) throw new IOException(name + " refuses the login of " + who);
        }

        /** Sends header and body; what the broker does to the connection meanwhile shows when the answer is read. */
        void send(short key, short version, int headerVersion, int correlation, byte[] body) {
            byte[] client = "rig".getBytes(StandardCharsets.UTF_8);
            int header = 2 + 2 + 4 + 2 + client.length + (headerVersion >= 2 ? 1 : 0);
            ByteBuffer frame = ByteBuffer.allocate(4 + header + body.length);
            frame.putInt(header + body.length).putShort(key).putShort(version).putInt(correlation);
            frame.putShort((short) client.length).put(client);
            if (headerVersion >= 2) frame.put((byte) 0);
            frame.put(body);
            try {
                socket.getOutputStream().write(frame.array());
            } catch (IOException gone) {
                closed = true;
            }
        }

        /** The next frame; null if none came within that many ms; EOFException once the broker has closed. */
        ByteBuffer receive(int millis) throws IOException {
            if (closed) throw new EOFException();
            try {
                socket.setSoTimeout(Math.max(1, millis));
                int first = in.read();
                if (first < 0) throw new EOFException();
                socket.setSoTimeout(PATIENCE);
                byte[] rest = in.readNBytes(3);
                int length = ByteBuffer.wrap(new byte[] {(byte) first, rest[0], rest[1], rest[2]}).getInt();
                byte[] frame = in.readNBytes(length);
                if (frame.length < length) throw new EOFException();
                return ByteBuffer.wrap(frame);
            } catch (SocketTimeoutException silent) {
                return null;
            } catch (IOException gone) {
                close();
                throw new EOFException();
            }
        }

        void close() {
            closed = true;
            try {
                socket.close();
            } catch (IOException already) {
                closed = true;
            }
        }
    }
}
