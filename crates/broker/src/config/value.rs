//! The Rust types that keys are read into.
//!
//! [`Key::normalise`](super::key::Key::normalise) decides what is allowed; a [`Value`] only turns a text that passed
//! into its type.

use super::key::ConfigType;

/// A type that a key can have.
pub(super) trait Value: Sized {
    /// Kafka's type for it.
    const KIND: ConfigType;
    /// Reads a normalised text; `None` if it is not of this type after all.
    fn read(text: &str) -> Option<Self>;
    /// The value of a key whose default is null; `None` if the type has none.
    fn null() -> Option<Self> {
        None
    }
    /// The value as DescribeConfigs spells it; `None` for null.
    fn show(&self) -> Option<String>;
}

macro_rules! parsed {
    ($($type:ty => $kind:ident),+ $(,)?) => {
        $(impl Value for $type {
            const KIND: ConfigType = ConfigType::$kind;
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        })+
    };
}

parsed!(bool => Boolean, i16 => Short, i32 => Int, i64 => Long, String => String);

impl Value for f64 {
    const KIND: ConfigType = ConfigType::Double;
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl Value for Vec<String> {
    const KIND: ConfigType = ConfigType::List;
    fn read(text: &str) -> Option<Self> {
        Some(text.split(',').filter(|element| !element.is_empty()).map(str::to_owned).collect())
    }
    fn show(&self) -> Option<String> {
        Some(self.join(","))
    }
}

/// A key whose default is null.
impl<T: Value> Value for Option<T> {
    const KIND: ConfigType = T::KIND;
    fn read(text: &str) -> Option<Self> {
        T::read(text).map(Some)
    }
    fn null() -> Option<Self> {
        Some(None)
    }
    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
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
            const KIND: ConfigType = ConfigType::String;
            fn read(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
            fn show(&self) -> Option<String> {
                Some(self.as_str().to_owned())
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
    /// The clock that stamps records (`message.timestamp.type`).
    TimestampType {
        CreateTime = "CreateTime",
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
    pub delete: bool,
    pub compact: bool,
}

impl CleanupPolicy {
    /// The allowed elements of the list.
    pub const NAMES: &'static [&'static str] = &["compact", "delete"];
}

impl Value for CleanupPolicy {
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
    fn show(&self) -> Option<String> {
        let elements = [(self.compact, "compact"), (self.delete, "delete")];
        let set: Vec<&str> = elements.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        Some(set.join(","))
    }
}
