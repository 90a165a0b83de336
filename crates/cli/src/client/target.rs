//! The broker to talk to, and how: options, environment variables, and a file of client keys.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use security::Secret;

use super::Address;
use super::properties::Properties;
use super::settings::Settings;
use crate::failure::Failure;

/// Addresses of brokers, as `--bootstrap-server` takes them.
const SERVER_VARIABLE: &str = "OTTLA_BOOTSTRAP_SERVER";
/// A path, as `--command-config` takes it.
const CONFIG_VARIABLE: &str = "OTTLA_COMMAND_CONFIG";
/// The key that names brokers.
const SERVERS: &str = "bootstrap.servers";

/// The options of every command that connects.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Addresses of brokers, of which the first that answers is used [default: bootstrap.servers of -X or --command-config, else
    /// OTTLA_BOOTSTRAP_SERVER, else localhost:9092]
    #[arg(long = "bootstrap-server", value_name = "HOST:PORT,…", value_delimiter = ',', global = true)]
    bootstrap_server: Vec<Address>,
    /// A file of Kafka's client keys: security.protocol, sasl.…, ssl.… [default: OTTLA_COMMAND_CONFIG]
    #[arg(long = "command-config", value_name = "FILE", global = true)]
    command_config: Option<PathBuf>,
    /// Sets one of these keys, in place of the file; may be given several times. Other users of the machine can see it: write passwords
    /// into a file
    #[arg(short = 'X', value_name = "KEY=VALUE", global = true, value_parser = secret)]
    client_keys: Vec<Secret>,
}

/// Keeps an argument out of clap's errors, which repeat what they refuse.
#[allow(clippy::unnecessary_wraps, reason = "a parser of clap")]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

impl Target {
    #[cfg(test)]
    pub(crate) fn of(address: Address, command_config: PathBuf) -> Self {
        Self {
            bootstrap_server: vec![address],
            command_config: Some(command_config),
            client_keys: Vec::new(),
        }
    }

    /// The addresses and the settings. Warnings about keys without an effect go to standard error.
    ///
    /// # Errors
    /// The file, an option or a variable is wrong.
    pub(crate) fn read(&self) -> Result<(Vec<Address>, Settings), Failure> {
        // A variable that is set to nothing counts as not set.
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let (properties, warnings) = self.properties(variable)?;
        warnings.iter().for_each(|warning| eprintln!("ottla: warning: {warning}"));
        Ok((self.addresses(&properties, variable)?, Settings::of(&properties)?))
    }

    /// The keys of the file, replaced by those of `-X`, and warnings.
    fn properties(
        &self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(Properties, Vec<String>), Failure> {
        let (mut properties, mut warnings) = match (&self.command_config, variable(CONFIG_VARIABLE)) {
            (Some(path), _) => Properties::read(path, "--command-config")?,
            (None, Some(path)) => Properties::read(&PathBuf::from(path), CONFIG_VARIABLE)?,
            (None, None) => (Properties::default(), Vec::new()),
        };
        for (at, key) in self.client_keys.iter().enumerate() {
            warnings.extend(properties.set(at + 1, key)?);
        }
        Ok((properties, warnings))
    }

    /// The command line, also a file that it names, comes before the environment: a command that names
    /// another cluster's file never reaches the usual cluster.
    fn addresses(
        &self,
        properties: &Properties,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Vec<Address>, Failure> {
        let key = properties.text(SERVERS);
        let is_of_command_line = self.command_config.is_some() || properties.is_option(SERVERS);
        let variable = variable(SERVER_VARIABLE);
        match (self.bootstrap_server.as_slice(), key, variable) {
            ([_, ..], ..) => Ok(self.bootstrap_server.clone()),
            ([], Some(text), variable) if is_of_command_line || variable.is_none() => {
                addresses(text).map_err(|reason| properties.wrong(SERVERS, &reason))
            }
            ([], _, Some(text)) => addresses(&text.to_string_lossy())
                .map_err(|reason| Failure::Config(format!("{SERVER_VARIABLE}: {reason}"))),
            ([], _, None) => Ok(vec![Address { host: "localhost".to_owned(), port: 9092 }]),
        }
    }
}

fn addresses(text: &str) -> Result<Vec<Address>, String> {
    text.split(',').map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        target: Target,
    }

    fn target(line: &str) -> Target {
        Line::try_parse_from(["tool"].into_iter().chain(line.split_whitespace())).unwrap().target
    }

    /// The first address of a command line, with these variables.
    fn address(line: &str, variables: &[(&str, &str)]) -> Result<String, Failure> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let target = target(line);
        let (properties, _) = target.properties(variable)?;
        Ok(target.addresses(&properties, variable)?[0].to_string())
    }

    #[test]
    fn the_command_line_comes_before_the_environment() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "bootstrap.servers=file:1\n").unwrap();
        let path = file.path().to_str().unwrap();
        let named = format!("--command-config {path}");
        let (server, config) = ((SERVER_VARIABLE, "variable:1"), (CONFIG_VARIABLE, path));
        for (line, variables, expected) in [
            ("", &[][..], "localhost:9092"),
            ("", &[config], "file:1"),
            ("", &[server, config], "variable:1"),
            (&named, &[server], "file:1"),
            (&format!("{named} -X bootstrap.servers=x:1"), &[server], "x:1"),
            ("-X bootstrap.servers=x:1", &[server, config], "x:1"),
            (&format!("{named} -X bootstrap.servers=x:1 --bootstrap-server o:1"), &[server], "o:1"),
            ("-X bootstrap.servers=x:1 -X bootstrap.servers=y:1", &[], "y:1"),
        ] {
            assert_eq!(address(line, variables).as_deref(), Ok(expected), "{line} {variables:?}");
        }
        let wrong = address("", &[(SERVER_VARIABLE, "nowhere")]).unwrap_err();
        assert!(matches!(&wrong, Failure::Config(text) if text.starts_with("OTTLA_BOOTSTRAP_SERVER: ")));
        let missing = address("", &[(CONFIG_VARIABLE, "/none")]).unwrap_err();
        assert!(matches!(&missing, Failure::Config(text) if text.starts_with("OTTLA_COMMAND_CONFIG: /none")));
    }

    #[test]
    fn an_option_replaces_the_key_of_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "client.id=a\nsecurity.protocol=SSL\n").unwrap();
        let line = format!("--command-config {} -X security.protocol=PLAINTEXT", file.path().display());
        let (properties, warnings) = target(&line).properties(|_| None).unwrap();
        let settings = Settings::of(&properties).unwrap();
        assert_eq!((settings.protocol(), settings.client_id.as_str(), warnings.len()), ("PLAINTEXT", "a", 0));
    }

    #[test]
    fn no_error_shows_the_value_of_an_option() {
        let failure = |line: &str| {
            let (properties, _) = target(line).properties(|_| None)?;
            Settings::of(&properties)
        };
        let login = "-X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=PLAIN";
        for (line, expected) in [
            ("-X a=b -X hunter2", "number 2 is none"),
            ("-X =hunter2", "number 1 is none"),
            (&format!("{login} -X sasl.jaas.config=hunter2"), "-X sasl.jaas.config: "),
            ("-X request.timeout.ms=hunter2", "-X request.timeout.ms: it is no number"),
            (login, "set it by -X"),
        ] {
            let error = failure(line).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{line}: {error}");
        }
        assert!(!format!("{:?}", target("-X ssl.key.password=hunter2")).contains("hunter2"));
        let (_, warnings) = target("-X retries=hunter2").properties(|_| None).unwrap();
        assert_eq!(warnings, ["-X retries has no effect on this command"]);
    }
}
