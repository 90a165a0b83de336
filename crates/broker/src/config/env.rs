//! `KAFKA_*` environment variables, mapped to keys as Kafka's own container image maps them.
//!
//! `KAFKA_LOG_DIRS` is `log.dirs`: one `_` is a dot, two are an underscore, three a dash. The variables that the
//! image's start script keeps for the JVM are set aside, and so are those that Kubernetes injects for a service
//! that happens to be called `kafka`.

use super::jaas_file;

/// The meaning of one variable for the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable<'v> {
    Key(String),
    /// It names a JAAS file among options of a JVM; the others are set aside.
    JaasFile(&'v str),
    /// Set aside, with the reason.
    Ignored(&'static str),
    /// Named as another image of Kafka names it; the name that counts here.
    OfAnotherImage(String),
    /// Not ours.
    Other,
}

/// Variables for the JVM and for the start scripts of Kafka's image: none of them is a key.
const JVM: &[&str] = &[
    "KAFKA_VERSION",
    "KAFKA_HEAP_OPTS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_LOG4J_ROOT_LOGLEVEL",
    "KAFKA_LOG4J_LOGGERS",
    "KAFKA_TOOLS_LOG4J_LOGLEVEL",
    "KAFKA_HOME",
    "KAFKA_DEBUG",
];

/// Classifies the variable `name`, whose value is `value`.
pub(super) fn classify<'v>(name: &str, value: &'v str) -> Variable<'v> {
    let Some(suffix) = name.strip_prefix("KAFKA_").filter(|suffix| !suffix.is_empty()) else {
        return Variable::Other;
    };
    if let Some(path) = jaas_file::named_in(value).filter(|_| name == "KAFKA_OPTS") {
        return Variable::JaasFile(path);
    }
    // Kafka's image leaves such variables out too (`KafkaDockerWrapper`); as keys they would be unknown and
    // stop the start.
    if JVM.contains(&name) {
        return Variable::Ignored("it is for the JVM or the start script of Kafka's image");
    }
    if is_kubernetes_service_link(suffix, value) {
        return Variable::Ignored("Kubernetes sets it for a service of this name");
    }
    match suffix.strip_prefix(BITNAMI) {
        Some(suffix) if !suffix.is_empty() => Variable::OfAnotherImage(format!("KAFKA_{suffix}")),
        _ => Variable::Key(key_of(suffix)),
    }
}

/// After `KAFKA_`: begins the variables by which Bitnami's image sets keys.
const BITNAMI: &str = "CFG_";

/// The key that the part after `KAFKA_` spells.
fn key_of(suffix: &str) -> String {
    let mut key = String::with_capacity(suffix.len());
    let mut rest = suffix;
    while let Some(start) = rest.find('_') {
        let (before, from) = rest.split_at_checked(start).unwrap_or((rest, ""));
        let after = from.trim_start_matches('_');
        key.push_str(before);
        key.push_str(match from.len() - after.len() {
            1 => ".",
            2 => "_",
            3 => "-",
            // Longer runs are no spelling of a key: it is then unknown and reported.
            run => from.get(..run).unwrap_or(from),
        });
        rest = after;
    }
    key.push_str(rest);
    key.to_ascii_lowercase()
}

/// `KAFKA_SERVICE_HOST`, `KAFKA_PORT=tcp://…`, `KAFKA_BROKER_PORT_9092_TCP_ADDR`, … (Docker-style service links).
fn is_kubernetes_service_link(suffix: &str, value: &str) -> bool {
    // Of a service called `kafka`, and of one whose name only begins so, such as `kafka-headless`.
    let names = |marker: &str| suffix.starts_with(marker) || suffix.contains(&format!("_{marker}"));
    if names("SERVICE_HOST") || names("SERVICE_PORT") {
        return true;
    }
    // With a plain number KAFKA_PORT is the key `port` of early versions; Kubernetes sets it to a URL.
    if (suffix == "PORT" || suffix.ends_with("_PORT")) && value.contains("://") {
        return true;
    }
    let tail = suffix.strip_prefix("PORT_").or_else(|| suffix.split_once("_PORT_").map(|(_, tail)| tail));
    tail.is_some_and(|tail| {
        let after_number = tail.trim_start_matches(|c: char| c.is_ascii_digit());
        after_number.len() < tail.len() && ["_TCP", "_UDP"].iter().any(|link| after_number.starts_with(link))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variable that sets `key`.
    fn variable_of(key: &str) -> String {
        // Dots last: the underscores that they become must not be doubled.
        let name = key.replace('_', "__").replace('-', "___").replace('.', "_");
        format!("KAFKA_{}", name.to_ascii_uppercase())
    }

    #[test]
    fn maps_names_as_kafkas_image_does() {
        for (name, key) in [
            ("KAFKA_LOG_DIRS", "log.dirs"),
            ("KAFKA_ADVERTISED_LISTENERS", "advertised.listeners"),
            ("KAFKA_VALID___PROPERTY__ALL_CASES", "valid-property_all.cases"),
            ("KAFKA_KAFKA_METRICS_REPORTERS", "kafka.metrics.reporters"),
            ("KAFKA_A____B", "a____b"),
            ("KAFKA_X_", "x."),
        ] {
            assert_eq!(classify(name, "1"), Variable::Key(key.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_key_has_one_variable() {
        for key in ["log.dirs", "valid-property_all.cases", "listener.name.a_b.ssl.keystore.location"] {
            assert_eq!(classify(&variable_of(key), "1"), Variable::Key(key.to_owned()));
        }
    }

    #[test]
    fn knows_the_prefix_of_another_image() {
        let ours = Variable::OfAnotherImage("KAFKA_LOG_DIRS".to_owned());
        assert_eq!(classify("KAFKA_CFG_LOG_DIRS", "/data"), ours);
        assert_eq!(classify("KAFKA_CFG_", "x"), Variable::Key("cfg.".to_owned()));
    }

    #[test]
    fn leaves_other_programs_variables_alone() {
        for name in ["PATH", "KAFKA", "KAFKA_", "MY_KAFKA_LOG_DIRS", "kafka_log_dirs"] {
            assert_eq!(classify(name, "1"), Variable::Other, "{name}");
        }
    }

    #[test]
    fn sets_aside_what_is_for_the_jvm_or_from_kubernetes() {
        for (name, value) in [
            ("KAFKA_OPTS", "-Dx=y"),
            ("KAFKA_HEAP_OPTS", "-Xmx1G"),
            ("KAFKA_LOG4J_LOGGERS", "kafka=WARN"),
            ("KAFKA_SERVICE_HOST", "10.0.0.1"),
            ("KAFKA_SERVICE_PORT_CLIENT", "9092"),
            ("KAFKA_HEADLESS_SERVICE_PORT", "9092"),
            ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
            ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
            ("KAFKA_HEADLESS_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(matches!(classify(name, value), Variable::Ignored(_)), "{name}");
        }
        assert_eq!(
            classify("KAFKA_PORT", "9092"),
            Variable::Key("port".to_owned()),
            "an old Kafka key, not a link"
        );
    }
}
