//! A configuration key: its name, type, default, allowed values, effect and documentation, in one value.
//!
//! Guarantees: a text that [`Key::normalise`] accepts is one that Kafka's `ConfigDef` accepts too (with units on top
//! where the caller allows them), and comes back in the spelling that DescribeConfigs shows. Which keys exist is in
//! `broker_keys.rs`, `inert_keys.rs`, `resources/topic.rs` and `resources/group.rs`; where values come from is in `load.rs`.

use std::fmt;

use super::units;

/// The type of a key, numbered as in DescribeConfigs (Kafka's `ConfigDef.Type`, KIP-569).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
    /// A key outside every table, accepted with `--lenient` or by a prefix.
    Unknown = 0,
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

impl ConfigType {
    /// The number that stands for this type in a DescribeConfigs answer.
    pub fn code(self) -> i8 {
        self as i8
    }

    /// Kafka's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            ConfigType::Unknown => "UNKNOWN",
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }

    /// The type that Kafka calls `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        use ConfigType::{Boolean, Class, Double, Int, List, Long, Password, Short, String};
        let all = [Boolean, String, Int, Short, Long, Double, List, Class, Password];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// The least and the largest number of the type; `None` for types that are not whole numbers.
    fn bounds(self) -> Option<(i64, i64)> {
        match self {
            ConfigType::Short => Some((i16::MIN.into(), i16::MAX.into())),
            ConfigType::Int => Some((i32::MIN.into(), i32::MAX.into())),
            ConfigType::Long => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }
}

/// Which values of its type a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    /// Every value of the type.
    Any,
    /// This number or a larger one.
    AtLeast(i64),
    /// A number from the first to the second, both included.
    Between(i64, i64),
    /// A range, and one value outside it.
    BetweenOr(i64, i64, i64),
    /// One of these texts; their case counts.
    OneOf(&'static [&'static str]),
    /// Each element of a list.
    EachOf(&'static [&'static str]),
    /// `*`, or a list of `partition:broker` (KIP-73).
    ThrottledReplicas,
}

/// The effect of setting the key today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The broker acts on it.
    Enforced,
    /// Accepted and described; the broker will act on it in a later version. Setting it warns at start.
    NotYet,
    /// Accepted for compatibility; nothing in Ottla corresponds to it. Setting it is noted at start.
    Inert,
}

/// One configuration key. Everything else about it (parsing, DescribeConfigs, documentation) derives from here.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: ConfigType,
    /// `None` where Kafka's default is null.
    pub default: Option<&'static str>,
    pub check: Check,
    pub effect: Effect,
    /// True if the broker can change it while it runs.
    pub dynamic: bool,
    /// May begin with blanks and hold line joins: read it through [`Key::documentation`].
    pub doc: &'static str,
}

/// Acceptance of `7d` and `1GiB` beside plain numbers: in files and flags yes, over the wire (as in Kafka) no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    Accepted,
    Refused,
}

impl Key {
    /// Passwords: their values are never logged, shown or sent.
    pub fn sensitive(&self) -> bool {
        self.kind == ConfigType::Password
    }

    /// The documentation, in sentences.
    pub fn documentation(&self) -> &'static str {
        self.doc.trim()
    }

    /// Checks `text` and returns it as DescribeConfigs spells it (`7d` → `604800000`, `TRUE` → `true`).
    ///
    /// # Errors
    /// The fault, in the words of Kafka's `ConfigException`, without the key and the value.
    pub fn normalise(&self, text: &str, units: Units) -> Result<String, String> {
        // As Kafka's `ConfigDef.parseType` does for every type, passwords included.
        let text = text.trim();
        match self.kind {
            ConfigType::Boolean => match text.to_ascii_lowercase() {
                lower if lower == "true" || lower == "false" => Ok(lower),
                _ => Err("Expected value to be either true or false".to_owned()),
            },
            ConfigType::Short | ConfigType::Int | ConfigType::Long => {
                let value = self.whole_number(text, units)?;
                self.check.whole_number(value)?;
                Ok(value.to_string())
            }
            ConfigType::Double => {
                let value: f64 = text.parse().map_err(|_| self.not_a_number())?;
                self.check.double(value)?;
                // `Debug` keeps the `.0` that Java shows: 1.0, where `Display` writes 1.
                Ok(format!("{value:?}"))
            }
            ConfigType::List => self.list(text),
            ConfigType::String | ConfigType::Class | ConfigType::Password | ConfigType::Unknown => {
                self.check.text(text)?;
                Ok(text.to_owned())
            }
        }
    }

    /// The type, range and units in words, for error messages and the documentation.
    pub fn expectation(&self) -> String {
        let unit = units::of(self.name).map_or(String::new(), |unit| format!("; {}", unit.hint()));
        match self.check {
            Check::Any => format!("{}{unit}", self.kind.name()),
            check => format!("{} {check}{unit}", self.kind.name()),
        }
    }

    /// The number in the key's own unit, if the key's type can hold it.
    fn whole_number(&self, text: &str, units: Units) -> Result<i64, String> {
        let value = match text.parse::<i64>() {
            Ok(value) => value,
            Err(_) if units == Units::Accepted => match units::of(self.name) {
                Some(unit) => unit.parse(text).ok_or_else(|| self.not_a_number())?,
                None => return Err(self.not_a_number()),
            },
            Err(_) => return Err(self.not_a_number()),
        };
        match self.kind.bounds() {
            // Java parses by the key's type, so that a number too large for it is no number of that type.
            Some((low, high)) if value < low || value > high => Err(self.not_a_number()),
            _ => Ok(value),
        }
    }

    fn not_a_number(&self) -> String {
        format!("Not a number of type {}", self.kind.name())
    }

    /// Kafka's `ConfigDef` list: split at commas, blanks around them dropped, repeated elements dropped.
    fn list(&self, text: &str) -> Result<String, String> {
        if text.is_empty() {
            return Ok(String::new());
        }
        let mut elements: Vec<&str> = Vec::new();
        for element in text.split(',').map(str::trim) {
            if element.is_empty() {
                return Err("values must not be empty.".to_owned());
            }
            self.check.element(element)?;
            if !elements.contains(&element) {
                elements.push(element);
            }
        }
        // `*` is all replicas and stands alone (`ThrottledReplicaListValidator`).
        if self.check == Check::ThrottledReplicas && elements.len() > 1 && elements.contains(&"*") {
            return Err(format!("must be {}", Check::ThrottledReplicas));
        }
        Ok(elements.join(","))
    }
}

impl Check {
    /// Judges whole numbers, in the words of Kafka's `ConfigDef.Range`.
    fn whole_number(self, value: i64) -> Result<(), String> {
        match self {
            Check::AtLeast(low) | Check::Between(low, _) if value < low => {
                Err(format!("Value must be at least {low}"))
            }
            Check::Between(_, high) if value > high => Err(format!("Value must be no more than {high}")),
            Check::BetweenOr(low, high, other) if value != other && (value < low || value > high) => {
                Err(format!("Value must be between {low} and {high} or equal to {other}"))
            }
            _ => Ok(()),
        }
    }

    /// Judges numbers with a fraction.
    fn double(self, value: f64) -> Result<(), String> {
        match self {
            // NaN is neither below nor above any bound: no range would refuse it.
            _ if value.is_nan() => Err("Not a number of type DOUBLE".to_owned()),
            Check::AtLeast(low) | Check::Between(low, _) if value < low as f64 => {
                Err(format!("Value must be at least {low}"))
            }
            Check::Between(_, high) if value > high as f64 => {
                Err(format!("Value must be no more than {high}"))
            }
            _ => Ok(()),
        }
    }

    /// Judges texts, in the words of Kafka's `ConfigDef.ValidString`.
    fn text(self, text: &str) -> Result<(), String> {
        match self {
            Check::OneOf(allowed) if !allowed.contains(&text) => {
                Err(format!("String must be one of: {}", allowed.join(", ")))
            }
            _ => Ok(()),
        }
    }

    fn element(self, element: &str) -> Result<(), String> {
        match self {
            Check::EachOf(allowed) if !allowed.contains(&element) => {
                Err(format!("String must be one of: {}", allowed.join(", ")))
            }
            Check::ThrottledReplicas if element != "*" && !is_partition_and_broker(element) => {
                Err(format!("must be {}", Check::ThrottledReplicas))
            }
            _ => Ok(()),
        }
    }
}

fn is_partition_and_broker(element: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    element.split_once(':').is_some_and(|(partition, broker)| digits(partition) && digits(broker))
}

/// The allowed values in words, to stand after the type's name.
impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Any => Ok(()),
            Check::AtLeast(low) => write!(out, "of at least {low}"),
            Check::Between(low, high) if low == high => write!(out, "equal to {low}"),
            Check::Between(low, high) => write!(out, "from {low} to {high}"),
            Check::BetweenOr(low, high, other) => write!(out, "from {low} to {high}, or {other}"),
            Check::OneOf(allowed) => write!(out, "out of {}", allowed.join(", ")),
            Check::EachOf(allowed) => write!(out, "of {}", allowed.join(", ")),
            Check::ThrottledReplicas => out.write_str(
                "the literal '*' or a list of [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
