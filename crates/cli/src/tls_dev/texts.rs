//! Configurations for the broker and its clients. None of them holds the password.

/// For `ottla serve`. Relative paths begin at its folder, so that the folder can be mounted anywhere.
pub(super) const SERVER_PROPERTIES: &str = "\
# Made by `ottla tls dev`, once: change it as you like.
# Clients show a certificate; alice's makes her User:alice. Names of the server's certificate:
#   openssl x509 -in server.pem -noout -ext subjectAltName
listeners=SSL://:9093
ssl.keystore.type=PEM
ssl.keystore.location=server.pem
ssl.truststore.type=PEM
ssl.truststore.location=ca.pem
ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+)$/$1/,DEFAULT
# With logins in place of certificates: listeners=SASL_SSL://:9093, ssl.client.auth=none and
#   sasl.enabled.mechanisms=SCRAM-SHA-512
# and the first user by OTTLA_BOOTSTRAP_USER_FILE, a file that holds name:password.
";

/// For clients of Java, Kafka's tools, and `--command-config` here. Java looks for relative paths in its own folder, so that these
/// are absolute.
pub(super) fn client_properties(folder: &str, client: &str) -> String {
    format!(
        "# Made by `ottla tls dev`, once: change it as you like. For clients of Java and --command-config.\n\
         security.protocol=SSL\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={folder}/ca.pem\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={folder}/clients/{client}.pem\n\
         # With a login: security.protocol=SASL_SSL, no ssl.keystore.…, and\n\
         #   sasl.mechanism=SCRAM-SHA-512\n\
         #   sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"…\" password=\"…\";\n"
    )
}

/// A page with a piece of code for each library.
pub(super) fn clients_page(folder: &str, client: &str) -> String {
    let (ca, pem) = (format!("{folder}/ca.pem"), format!("{folder}/clients/{client}.pem"));
    let p12 = format!("{folder}/clients/{client}.p12");
    format!(
        r#"# Clients of this broker
Written by each run of `ottla tls dev`. `{ca}` is the authority that clients trust, `{pem}` holds the key and the certificate of
the client `{client}`. Other clients: `ottla tls dev {folder} --client NAME`. The broker's address here is `localhost:9093`.

Java, Kafka's tools, Streams, Connect (`--command-config {folder}/client.properties`); with PKCS12 in place of PEM:
```properties
security.protocol=SSL
ssl.truststore.type=PKCS12
ssl.truststore.location={folder}/truststore.p12
ssl.truststore.password=…   # the text in {folder}/password
ssl.keystore.type=PKCS12
ssl.keystore.location={p12}
ssl.keystore.password=…     # the same
ssl.key.password=…          # the same
```

kafka-python
```python
KafkaProducer(bootstrap_servers="localhost:9093", security_protocol="SSL", ssl_cafile="{ca}",
              ssl_certfile="{pem}", ssl_keyfile="{pem}")
```

aiokafka
```python
context = aiokafka.helpers.create_ssl_context(cafile="{ca}", certfile="{pem}", keyfile="{pem}")
AIOKafkaProducer(bootstrap_servers="localhost:9093", security_protocol="SSL", ssl_context=context)
```

confluent-kafka, librdkafka, kcat (`-X KEY=VALUE`)
```python
Producer({{"bootstrap.servers": "localhost:9093", "security.protocol": "ssl", "ssl.ca.location": "{ca}",
          "ssl.certificate.location": "{pem}", "ssl.key.location": "{pem}"}})
```

franz-go and Sarama
```go
ca, _ := os.ReadFile("{ca}")
roots := x509.NewCertPool()
roots.AppendCertsFromPEM(ca)
own, _ := tls.LoadX509KeyPair("{pem}", "{pem}")
settings := &tls.Config{{RootCAs: roots, Certificates: []tls.Certificate{{own}}}}
client, err := kgo.NewClient(kgo.SeedBrokers("localhost:9093"), kgo.DialTLSConfig(settings)) // franz-go
config := sarama.NewConfig()                                                             // Sarama
config.Net.TLS.Enable, config.Net.TLS.Config = true, settings
```

KafkaJS
```js
const own = fs.readFileSync("{pem}")
new Kafka({{ brokers: ["localhost:9093"], ssl: {{ ca: [fs.readFileSync("{ca}")], cert: own, key: own }} }})
```
"#
    )
}
