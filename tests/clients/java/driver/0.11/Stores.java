import com.fasterxml.jackson.databind.JsonNode;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Map;

/** Stores of PKCS12 made of PEM files: clients before 2.7 read no others (KIP-651). */
class Stores {
    private static final String PASSWORD = "store-password";

    /** Adds the truststore of the case, and the keystore if it has a certificate. */
    static void addTo(Map<String, Object> settings, JsonNode asked) throws GeneralSecurityException, IOException {
        KeyStore trusted = empty();
        trusted.setCertificateEntry("authority", certificate(asked.get("ca").asText()));
        put(settings, "truststore", trusted);
        // Clients before 2.0 check names only if told to (KIP-294).
        settings.put("ssl.endpoint.identification.algorithm", "HTTPS");
        if (asked.has("cert")) {
            KeyStore own = empty();
            Certificate[] chain = {certificate(asked.get("cert").asText())};
            own.setKeyEntry("own", key(asked.get("key").asText()), PASSWORD.toCharArray(), chain);
            put(settings, "keystore", own);
            settings.put("ssl.key.password", PASSWORD);
        }
    }

    private static KeyStore empty() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static Certificate certificate(String file) throws GeneralSecurityException, IOException {
        try (InputStream in = new FileInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    private static PrivateKey key(String file) throws GeneralSecurityException, IOException {
        String text = new String(Files.readAllBytes(Paths.get(file)), StandardCharsets.US_ASCII).replaceAll("-----[^-]+-----|\\s", "");
        return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
    }

    private static void put(Map<String, Object> settings, String kind, KeyStore store) throws GeneralSecurityException, IOException {
        Path file = Files.createTempFile(kind, ".p12");
        file.toFile().deleteOnExit();
        try (OutputStream out = Files.newOutputStream(file)) {
            store.store(out, PASSWORD.toCharArray());
        }
        settings.put("ssl." + kind + ".type", "PKCS12");
        settings.put("ssl." + kind + ".location", file.toString());
        settings.put("ssl." + kind + ".password", PASSWORD);
    }
}
