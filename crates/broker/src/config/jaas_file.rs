//! The JAAS file that a JVM is given: `-Djava.security.auth.login.config=FILE` in `KAFKA_OPTS`, as Kafka's container images want it,
//! or the key of that name.
//!
//! It is read once, at the start, and judged where a listener takes something from it (`logins.rs`): many images name a file
//! that no listener needs.

use std::path::Path;
use std::sync::Arc;

use super::secret_file;
use super::setting::Settings;
use security::jaas::{self, LoginModule, Section};

/// The key, which is a system property of the JVM in Kafka.
pub(super) const JAAS_FILE: &str = "java.security.auth.login.config";

/// The sections of the file, or the reason why there are none.
#[derive(Clone, Debug, Default)]
pub(super) struct JaasFile(Option<Arc<Result<Vec<Section>, String>>>);

/// The file that `KAFKA_OPTS` names; of several the last one, as in a JVM.
pub(super) fn named_in(kafka_opts: &str) -> Option<&str> {
    let named = kafka_opts
        .split_ascii_whitespace()
        .rev()
        .find_map(|option| option.strip_prefix("-D")?.strip_prefix(JAAS_FILE)?.strip_prefix('='));
    named.map(|path| path.trim_matches(['"', '\''])).filter(|path| !path.is_empty())
}

impl JaasFile {
    /// Reads the file that the settings name, if they name one.
    pub(super) fn read(settings: &Settings) -> Self {
        let Some(setting) = settings.get(JAAS_FILE) else { return Self::default() };
        Self(Some(Arc::new(read(Path::new(setting.value.trim())))))
    }

    /// The module of that class for a listener: in the section of the listener if there is one, else in `KafkaServer`
    /// (`JaasContext.load`). `None`: there is no file, or no such section.
    ///
    /// # Errors
    /// The file cannot be used, or the section has no such module.
    pub(super) fn module(&self, listener: &str, class: &str) -> Result<Option<LoginModule>, String> {
        let Some(read) = &self.0 else { return Ok(None) };
        let sections = read.as_ref().as_ref().map_err(Clone::clone)?;
        let names = [format!("{}.KafkaServer", listener.to_ascii_lowercase()), "KafkaServer".to_owned()];
        let mut found = names.iter().filter_map(|name| sections.iter().find(|section| section.name == *name));
        let Some(section) = found.next() else { return Ok(None) };
        // One section serves all mechanisms: each takes the module of its class.
        let module = section.modules.iter().find(|module| module.class == class);
        let missing = || format!("its section {} has no {class}; add one", section.name);
        module.cloned().map(Some).ok_or_else(missing)
    }
}

fn read(path: &Path) -> Result<Vec<Section>, String> {
    let shown = path.display();
    let text = secret_file::read(path).map_err(|reason| format!("{shown}: {reason}"))?;
    // The error names a position, and no part of the text.
    jaas::parse_file(&text).map_err(|error| format!("{shown}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_among_the_options_of_a_jvm() {
        for (options, file) in [
            ("", None),
            ("-Xmx1g -Dx=y", None),
            ("-Djava.security.auth.login.config=/etc/kafka/jaas.conf", Some("/etc/kafka/jaas.conf")),
            ("-Xmx1g -Djava.security.auth.login.config=\"/a b\" -Dx=y", Some("/a")),
            ("-Djava.security.auth.login.config=/a -Djava.security.auth.login.config=/b", Some("/b")),
            ("-Djava.security.auth.login.config=", None),
        ] {
            assert_eq!(named_in(options), file, "{options}");
        }
    }

    #[test]
    fn the_section_of_a_listener_comes_first() {
        let text = "KafkaServer { A required user_a=\"1\"; B required; };\n safe.KafkaServer { A required user_b=\"2\"; };";
        let file = JaasFile(Some(Arc::new(Ok(jaas::parse_file(text).unwrap()))));
        let user = |listener| {
            let module = file.module(listener, "A").unwrap().unwrap();
            module.options[0].0.clone()
        };
        assert_eq!((user("SAFE"), user("OTHER")), ("user_b".to_owned(), "user_a".to_owned()));
        assert!(file.module("OTHER", "B").unwrap().is_some());
        assert!(file.module("SAFE", "B").unwrap_err().contains("safe.KafkaServer has no B"));
        assert!(JaasFile::default().module("SAFE", "A").unwrap().is_none());
        let failed = read(Path::new("/nowhere/jaas.conf")).unwrap_err();
        assert!(failed.contains("/nowhere/jaas.conf: it cannot be read"), "{failed}");
    }
}
