//! Flags as Kafka's tools read them (joptsimple, without abbreviations): `--flag value` and `--flag=value`, in any order.

use std::fmt::Write as _;

use super::refusal::Refusal;

/// A flag of a tool.
#[derive(Debug)]
pub(super) struct Flag {
    name: &'static str,
    takes: Takes,
}

/// The value of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// A value, or none.
    Maybe,
    /// Kafka has the flag, with a value if the first part is true; this program does not serve it, and the text says what does.
    NotServed(bool, &'static str),
}

/// A flag without a value.
pub(super) const fn flag(name: &'static str) -> Flag {
    Flag { name, takes: Takes::Nothing }
}

/// A flag with a value.
pub(super) const fn value(name: &'static str) -> Flag {
    Flag { name, takes: Takes::Value }
}

/// A flag with a value or none.
pub(super) const fn maybe(name: &'static str) -> Flag {
    Flag { name, takes: Takes::Maybe }
}

/// A flag of Kafka's that is refused, by a text about what there is instead.
pub(super) const fn not_served(name: &'static str, has_value: bool, text: &'static str) -> Flag {
    Flag { name, takes: Takes::NotServed(has_value, text) }
}

/// The flags that every tool has.
const COMMON: &[Flag] = &[flag("help"), flag("version")];

/// The flags of a tool, besides those of every tool.
#[derive(Debug)]
pub(super) struct Flags(pub(super) &'static [Flag]);

impl Flags {
    fn all(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.0.iter().chain(COMMON)
    }

    /// # Errors
    /// A flag is unknown, lacks its value, has one that it does not take, or is not served.
    pub(super) fn parse(&self, arguments: &[String]) -> Result<Given, Refusal> {
        let mut given = Given::default();
        let mut left = arguments.iter().map(String::as_str).peekable();
        while let Some(argument) = left.next() {
            let Some(text) = argument.strip_prefix("--").filter(|text| !text.is_empty()) else {
                let unknown = argument.strip_prefix('-').filter(|text| !text.is_empty());
                match unknown {
                    Some(text) => return Err(unknown_flag(text)),
                    // Kafka's tools ignore such a word, which hides mistakes.
                    None => return Err(Refusal::Flags(format!("{argument} is no flag"))),
                }
            };
            let (name, with) = text.split_once('=').map_or((text, None), |(name, with)| (name, Some(with)));
            let known = self.all().find(|flag| flag.name == name).ok_or_else(|| unknown_flag(name))?;
            let next_is_value = |next: &&str| !self.is_flag(next);
            let found = match (known.takes, with) {
                (Takes::NotServed(_, text), _) => {
                    return Err(Refusal::NotServed(format!("--{name} is not served here: {text}")));
                }
                (Takes::Nothing, None) => None,
                (Takes::Nothing, Some(_)) => {
                    return Err(Refusal::Flags(format!("Option {name} does not allow arguments")));
                }
                (_, Some(with)) => Some(with),
                // A required value is taken as it is, even if it looks like a flag of another tool; only a flag of this one shows that it is missing.
                (Takes::Value, None) => Some(left.next_if(next_is_value).ok_or_else(|| needs_value(name))?),
                (Takes::Maybe, None) => left.next_if(next_is_value),
            };
            given.0.push((known.name, found.map(str::to_owned)));
        }
        Ok(given)
    }

    fn is_flag(&self, argument: &str) -> bool {
        let name = argument.strip_prefix("--").map(|text| text.split('=').next().unwrap_or(text));
        name.is_some_and(|name| self.all().any(|flag| flag.name == name))
    }

    /// A line for each flag that is served.
    pub(super) fn help(&self) -> String {
        let mut text = "Options:\n".to_owned();
        for Flag { name, takes } in self.all() {
            let value = match takes {
                Takes::Nothing => "",
                Takes::Value => " <value>",
                Takes::Maybe => " [value]",
                Takes::NotServed(..) => continue,
            };
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "  --{name}{value}");
        }
        text
    }
}

fn unknown_flag(name: &str) -> Refusal {
    Refusal::Flags(format!("{} is not a recognized option", name.escape_debug()))
}

fn missing(name: &str) -> Refusal {
    Refusal::Usage(format!("Missing required argument \"[{name}]\""))
}

fn needs_value(name: &str) -> Refusal {
    Refusal::Flags(format!("Option {name} requires an argument"))
}

/// The flags of a command line with their values, in their order.
#[derive(Debug, Default)]
pub(super) struct Given(Vec<(&'static str, Option<String>)>);

impl Given {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| *given == name)
    }

    /// All flags with their values, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (*name, value.as_deref()))
    }

    /// All values of a flag.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(given, _)| *given == name).filter_map(|(_, value)| value.as_deref())
    }

    /// The value of a flag that is given once at most.
    ///
    /// # Errors
    /// It is given several times.
    pub(super) fn value(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.values(name);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Refusal::Argument(format!(
                "Found multiple arguments for option {name}, but you asked for only one"
            ))),
        }
    }

    /// The value of a flag as a number.
    ///
    /// # Errors
    /// It is none, or given several times.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let number = |text: &str| {
            let wrong = || {
                Refusal::Argument(format!("Cannot parse argument '{}' of option {name}", text.escape_debug()))
            };
            text.parse().map_err(|_| wrong())
        };
        self.value(name)?.map(number).transpose()
    }

    /// The value of a flag that must be given.
    ///
    /// # Errors
    /// It is missing, or given several times.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.value(name)?.ok_or_else(|| missing(name))
    }

    /// The value of a flag that must be given, as a number.
    ///
    /// # Errors
    /// It is missing, none, or given several times.
    pub(super) fn required_number<T: std::str::FromStr>(&self, name: &str) -> Result<T, Refusal> {
        self.number(name)?.ok_or_else(|| missing(name))
    }

    /// # Errors
    /// A flag is missing.
    pub(super) fn require(&self, names: &[&str]) -> Result<(), Refusal> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(missing(name)),
            None => Ok(()),
        }
    }

    /// # Errors
    /// The first flag is given together with one of the others.
    pub(super) fn forbid(&self, name: &str, others: &[&str]) -> Result<(), Refusal> {
        match others.iter().find(|other| self.has(name) && **other != name && self.has(other)) {
            Some(other) => {
                Err(Refusal::Usage(format!("Option \"[{name}]\" can't be used with option \"[{other}]\"")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: Flags =
        Flags(&[flag("list"), value("topic"), maybe("state"), not_served("zoo", true, "use `ottla x`")]);

    fn parse(line: &str) -> Result<Given, Refusal> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        FLAGS.parse(&words)
    }

    #[test]
    fn values_follow_a_blank_or_an_equals_sign() {
        let given = parse("--topic a=b --topic=c=d --list --state --state=x").unwrap();
        assert_eq!(given.values("topic").collect::<Vec<_>>(), ["a=b", "c=d"]);
        assert_eq!(given.values("state").collect::<Vec<_>>(), ["x"]);
        assert!(given.has("list") && given.has("state") && !given.has("help"));
        // A value may begin with hyphens, as in --shift-by -2.
        assert_eq!(parse("--topic -2").unwrap().value("topic").unwrap(), Some("-2"));
        assert_eq!(parse("--state --list").unwrap().values("state").count(), 0);
    }

    #[test]
    fn flags_are_refused_in_kafkas_words() {
        let text = |line: &str| parse(line).unwrap_err().text().to_owned();
        assert_eq!(text("--zork"), "zork is not a recognized option");
        assert_eq!(text("--lis"), "lis is not a recognized option");
        assert_eq!(text("--topic"), "Option topic requires an argument");
        assert_eq!(text("--topic --list"), "Option topic requires an argument");
        assert_eq!(text("--list=yes"), "Option list does not allow arguments");
        assert_eq!(text("list"), "list is no flag");
        let twice = parse("--topic a --topic b").unwrap().value("topic").unwrap_err();
        assert_eq!(twice.text(), "Found multiple arguments for option topic, but you asked for only one");
        let number = parse("--topic x").unwrap().number::<i32>("topic").unwrap_err();
        assert_eq!(number.text(), "Cannot parse argument 'x' of option topic");
    }

    #[test]
    fn a_flag_that_is_not_served_says_so_and_is_not_in_the_help() {
        for line in ["--zoo a", "--zoo=a", "--zoo"] {
            let refusal = parse(line).unwrap_err();
            assert_eq!(refusal, Refusal::NotServed("--zoo is not served here: use `ottla x`".to_owned()));
        }
        assert_eq!(
            FLAGS.help(),
            "Options:\n  --list\n  --topic <value>\n  --state [value]\n  --help\n  --version\n"
        );
    }

    #[test]
    fn flags_that_exclude_each_other_are_named() {
        let given = parse("--list --topic a").unwrap();
        let text = |result: Result<(), Refusal>| result.unwrap_err().text().to_owned();
        assert_eq!(
            text(given.forbid("topic", &["state", "list"])),
            "Option \"[topic]\" can't be used with option \"[list]\""
        );
        assert!(given.forbid("state", &["list"]).is_ok() && given.forbid("list", &["list"]).is_ok());
        let missing = "Missing required argument \"[state]\"";
        assert_eq!(text(given.require(&["list", "state"])), missing);
        assert_eq!(text(given.required("state").map(drop)), missing);
        assert_eq!(text(given.required_number::<i32>("state").map(drop)), missing);
        assert_eq!(given.required("topic"), Ok("a"));
    }
}
