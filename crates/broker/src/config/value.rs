//! The Rust types that keys are read into.
//!
//! [`Key::normalise`](super::key::Key::normalise) decides what is allowed; a [`Value`] only turns a text that passed
//! into its type.

use coordinator::group::MigrationPolicy;
use coordinator::group::assignor::Assignor;

use super::key::ConfigType;

/// A type that a key can have in its table.
pub trait Value {
    /// The type that callers get. Another than this one where the table says more than a type of values can, such as
    /// which numbers mean "none".
    type Held;
    /// Kafka's type for it.
    const KIND: ConfigType;
    /// Reads a normalised text; `None` if it is not of this type after all.
    fn read(text: &str) -> Option<Self::Held>;
    /// The value of a key whose default is null; `None` if the type has none.
    fn null() -> Option<Self::Held> {
        None
    }
    /// The value as DescribeConfigs spells it; `None` for null.
    fn show(held: &Self::Held) -> Option<String>;
}

macro_rules! parsed {
    ($($type:ty => $kind:ident),+ $(,)?) => {
        $(impl Value for $type {
            type Held = Self;
            const KIND: ConfigType = ConfigType::$kind;
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn show(held: &Self) -> Option<String> {
                Some(held.to_string())
            }
        })+
    };
}

// `u32` and `usize` are for counts: the ranges of their keys begin at 0 or above, and end where INT does.
parsed!(bool => Boolean, i32 => Int, u32 => Int, usize => Int, i64 => Long, String => String);

impl Value for f64 {
    type Held = Self;
    const KIND: ConfigType = ConfigType::Double;
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(held: &Self) -> Option<String> {
        // As `Key::normalise` spells it, with the `.0` that Java shows.
        Some(format!("{held:?}"))
    }
}

impl Value for Vec<String> {
    type Held = Self;
    const KIND: ConfigType = ConfigType::List;
    fn read(text: &str) -> Option<Self> {
        // An empty text is a list without elements, where `split` alone would find one.
        Some(text.split(',').filter(|element| !element.is_empty()).map(str::to_owned).collect())
    }
    fn show(held: &Self) -> Option<String> {
        Some(held.join(","))
    }
}

/// A text that may be secret. It is no field of the tables: those that need it read it off the settings.
pub struct Password;

impl Value for Password {
    type Held = ();
    const KIND: ConfigType = ConfigType::Password;
    fn read(_: &str) -> Option<()> {
        Some(())
    }
    fn show((): &()) -> Option<String> {
        None
    }
}

impl Value for Vec<Assignor> {
    type Held = Self;
    const KIND: ConfigType = ConfigType::List;
    fn read(text: &str) -> Option<Self> {
        // One unknown name fails the whole list; `EachOf` in its table has refused it before.
        text.split(',').filter(|element| !element.is_empty()).map(Assignor::named).collect()
    }
    fn show(held: &Self) -> Option<String> {
        Some(held.iter().map(|assignor| assignor.name()).collect::<Vec<_>>().join(","))
    }
}

/// The allowed spellings of [`MigrationPolicy`].
pub(super) const MIGRATION_POLICIES: &[&str] = &["disabled", "downgrade", "upgrade", "bidirectional"];

impl Value for MigrationPolicy {
    type Held = Self;
    const KIND: ConfigType = ConfigType::String;
    fn read(text: &str) -> Option<Self> {
        Self::named(text)
    }
    fn show(held: &Self) -> Option<String> {
        let is_held = |name: &&&str| Self::named(name) == Some(*held);
        MIGRATION_POLICIES.iter().find(is_held).map(|name| (*name).to_owned())
    }
}

/// A key whose default is null.
impl<T: Value> Value for Option<T> {
    type Held = Option<T::Held>;
    const KIND: ConfigType = T::KIND;
    fn read(text: &str) -> Option<Self::Held> {
        T::read(text).map(Some)
    }
    fn null() -> Option<Self::Held> {
        Some(None)
    }
    fn show(held: &Self::Held) -> Option<String> {
        held.as_ref().and_then(T::show)
    }
}

/// An enum whose variants are spelled in configurations as given.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant),+
        }

        impl $name {
            /// The allowed spellings.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// As it is spelled in configurations.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl Value for $name {
            type Held = Self;
            const KIND: ConfigType = ConfigType::String;
            fn read(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
            fn show(held: &Self) -> Option<String> {
                Some(held.as_str().to_owned())
            }
        }
    };
}

choice! {
    /// When an acks=all record counts as written (`flush.policy`).
    FlushPolicy {
        /// Once fdatasync covers it: survives a power cut.
        Sync = "sync",
        /// Once the operating system has it, as in Kafka: survives kill -9, not a power cut.
        Os = "os",
    }
}

choice! {
    /// How clients of HTTP show who they are (`http.authentication`).
    HttpAuthentication {
        /// They need not.
        None = "none",
        /// By user and password.
        Basic = "basic",
        /// By a token.
        Bearer = "bearer",
        /// By a certificate.
        Certificate = "certificate",
    }
}

choice! {
    /// The clock that stamps records (`message.timestamp.type`).
    TimestampType {
        /// The producer's.
        CreateTime = "CreateTime",
        /// The broker's, when it appends the batch.
        LogAppendTime = "LogAppendTime",
    }
}

choice! {
    /// The codec that a topic keeps its batches in (`compression.type`).
    CompressionType {
        Uncompressed = "uncompressed",
        Zstd = "zstd",
        Lz4 = "lz4",
        Snappy = "snappy",
        Gzip = "gzip",
        /// Whatever the producer chose.
        Producer = "producer",
    }
}

choice! {
    /// How log lines are written to standard error (`log.format`).
    LogFormat {
        /// Text on a terminal, JSON elsewhere.
        Auto = "auto",
        Text = "text",
        Json = "json",
    }
}

choice! {
    /// The least severe lines that are logged (`log.level`).
    LogLevel {
        Off = "off",
        Error = "error",
        Warn = "warn",
        Info = "info",
        Debug = "debug",
        Trace = "trace",
    }
}

impl LogLevel {
    /// The level of that name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::read(&name.to_ascii_lowercase())
    }
}

/// The treatment of old records (`cleanup.policy`); both flags off keeps everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Drops records by age and by size.
    pub delete: bool,
    /// Keeps the newest record of each key.
    pub compact: bool,
}

impl CleanupPolicy {
    /// The allowed elements of the list.
    pub const NAMES: &'static [&'static str] = &["compact", "delete"];
}

impl Value for CleanupPolicy {
    type Held = Self;
    const KIND: ConfigType = ConfigType::List;
    fn read(text: &str) -> Option<Self> {
        let mut policy = Self { delete: false, compact: false };
        for element in text.split(',').filter(|element| !element.is_empty()) {
            match element {
                "delete" => policy.delete = true,
                "compact" => policy.compact = true,
                _ => return None,
            }
        }
        Some(policy)
    }
    fn show(held: &Self) -> Option<String> {
        // Always in this order: the one in which they were given says nothing and is not kept.
        let elements = [(held.compact, "compact"), (held.delete, "delete")];
        let set: Vec<&str> = elements.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        Some(set.join(","))
    }
}
