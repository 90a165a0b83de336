import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools, many in one JVM and several at a time, each as if it had a process to itself: its own
 * standard streams, exit status, shutdown hooks and static fields. Requests and answers are lines of JSON:
 * {id, class, args, stdin} is answered {id, status, output} once the tool has ended; {id, peek} with what it printed so
 * far, {id, stop} by doing what Ctrl-C does. Standard output and error are one, in the order they were written.
 */
public class Tools {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream ANSWERS = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    private static final Map<Integer, Command> RUNNING = new ConcurrentHashMap<>();
    /** Threads that a tool starts belong to its command too. */
    private static final InheritableThreadLocal<Command> CURRENT = new InheritableThreadLocal<>();

    public static void main(String[] arguments) throws Exception {
        BufferedReader requests = new BufferedReader(new InputStreamReader(new FileInputStream(FileDescriptor.in), StandardCharsets.UTF_8));
        PrintStream errors = System.err;
        System.setOut(new PrintStream(new Routed(errors), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new Routed(errors), true, StandardCharsets.UTF_8));
        System.setIn(new RoutedInput());
        Exit.setExitProcedure((status, message) -> CURRENT.get().exit(status));
        Exit.setHaltProcedure((status, message) -> CURRENT.get().exit(status));
        Exit.setShutdownHookAdder((name, hook) -> CURRENT.get().addHook(hook));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            JsonNode request = JSON.readTree(line);
            int id = request.get("id").asInt();
            Command running = RUNNING.get(id);
            if (request.has("class")) {
                RUNNING.put(id, new Command(request));
                RUNNING.get(id).start();
            } else if (running == null) {
                continue; // Its end is answered already, and was no answer to this.
            } else if (request.has("peek")) {
                answer(id, -1, running.printed());
            } else {
                new Thread(running::runHooks).start();
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private static synchronized void answer(int id, int status, String output) {
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("id", id);
        answer.put("status", status);
        answer.put("output", output);
        try {
            ANSWERS.println(JSON.writeValueAsString(answer));
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Unwinds a tool that has called exit. */
    private static final class Exited extends Error {
        Exited() {
            super("exit", null, false, false);
        }
    }

    private static final class Command extends Thread {
        final InputStream input;
        private final List<Runnable> hooks = new ArrayList<>();
        private final ClassLoader classes = new Isolated();
        private final JsonNode request;
        private final ByteArrayOutputStream output = new ByteArrayOutputStream();
        private Integer status;

        Command(JsonNode request) {
            this.request = request;
            input = new ByteArrayInputStream(request.path("stdin").asText().getBytes(StandardCharsets.UTF_8));
        }

        /** Drops output after the exit was requested, which a process of its own would never have printed: some tools catch every exception. */
        synchronized void write(byte[] bytes, int from, int count) {
            if (status == null) output.write(bytes, from, count);
        }

        synchronized String printed() {
            return output.toString(StandardCharsets.UTF_8);
        }

        void exit(int wanted) {
            runHooks();
            end(wanted);
            throw new Exited();
        }

        private synchronized void end(int wanted) {
            if (status == null) status = wanted;
        }

        synchronized void addHook(Runnable hook) {
            hooks.add(hook);
        }

        /** Each once, and to its end. */
        void runHooks() {
            CURRENT.set(this);
            List<Runnable> due;
            synchronized (this) {
                due = new ArrayList<>(hooks);
                hooks.clear();
            }
            due.forEach(Runnable::run);
            List<Thread> handed = takeHooks(classes);
            handed.forEach(Thread::start);
            for (Thread hook : handed) {
                try {
                    hook.join();
                } catch (InterruptedException nobody) {
                    throw new IllegalStateException(nobody);
                }
            }
        }

        @Override
        public void run() {
            CURRENT.set(this);
            try {
                List<String> arguments = new ArrayList<>();
                request.get("args").forEach(argument -> arguments.add(argument.asText()));
                setContextClassLoader(classes);
                classes.loadClass(request.get("class").asText()).getMethod("main", String[].class)
                    .invoke(null, (Object) arguments.toArray(new String[0]));
                runHooks();
                end(0);
            } catch (InvocationTargetException thrown) {
                if (!(thrown.getCause() instanceof Exited)) fail(thrown.getCause());
            } catch (Throwable thrown) {
                fail(thrown);
            }
            end(1);
            RUNNING.remove(request.get("id").asInt());
            answer(request.get("id").asInt(), status, printed());
        }

        private void fail(Throwable thrown) {
            System.err.print("Exception in thread \"main\" ");
            thrown.printStackTrace();
        }
    }

    /** Takes back the hooks that a tool gave to the JVM itself, told apart by its class loader. Needs java.lang opened. */
    private static List<Thread> takeHooks(ClassLoader classes) {
        List<Thread> taken = new ArrayList<>();
        try {
            Class<?> registry = Class.forName("java.lang.ApplicationShutdownHooks");
            Field hooks = registry.getDeclaredField("hooks");
            hooks.setAccessible(true);
            synchronized (registry) {
                for (Object hook : ((Map<?, ?>) hooks.get(null)).keySet()) {
                    if (((Thread) hook).getContextClassLoader() == classes) taken.add((Thread) hook);
                }
            }
        } catch (ReflectiveOperationException changed) {
            throw new IllegalStateException(changed);
        }
        taken.removeIf(hook -> !Runtime.getRuntime().removeShutdownHook(hook));
        return taken;
    }

    /** Loads the tools' own classes anew, as some count in static fields; the clients below them stay loaded and compiled. */
    private static final class Isolated extends URLClassLoader {
        private static final URL[] JARS = jars();

        Isolated() {
            super(JARS, Tools.class.getClassLoader());
        }

        private static URL[] jars() {
            List<URL> jars = new ArrayList<>();
            try {
                for (String entry : System.getProperty("java.class.path").split(":")) {
                    if (entry.contains("kafka-tools-")) jars.add(Path.of(entry).toUri().toURL());
                }
            } catch (IOException wrong) {
                throw new IllegalStateException(wrong);
            }
            return jars.toArray(new URL[0]);
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith("org.apache.kafka.tools.") || name.startsWith("org.apache.kafka.tools.api.")) return super.loadClass(name, resolve);
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded == null ? findClass(name) : loaded;
            }
        }
    }

    private static final class Routed extends OutputStream {
        private final OutputStream otherwise;

        Routed(OutputStream otherwise) {
            this.otherwise = otherwise;
        }

        @Override
        public void write(int one) throws IOException {
            write(new byte[] {(byte) one}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws IOException {
            Command command = CURRENT.get();
            if (command == null) otherwise.write(bytes, from, count);
            else command.write(bytes, from, count);
        }
    }

    private static final class RoutedInput extends InputStream {
        @Override
        public int read() throws IOException {
            return CURRENT.get().input.read();
        }

        @Override
        public int read(byte[] into, int from, int count) throws IOException {
            return CURRENT.get().input.read(into, from, count);
        }

        @Override
        public int available() throws IOException {
            return CURRENT.get().input.available();
        }
    }
}
