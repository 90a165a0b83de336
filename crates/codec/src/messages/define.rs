//! The macro by which this crate defines messages, in the manner of kafka-protocol: public fields, defaults
//! of Kafka's message definitions, and a `with_…` method for each field.

/// Defines a struct with a default for each field and a `with_…` method for each.
/// Defaults are those of Kafka's message definitions.
macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident, $with:ident: $kind:ty = $default:expr;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }

        impl $name {
            $(
                $(#[$field_doc])*
                pub fn $with(mut self, value: $kind) -> Self {
                    self.$field = value;
                    self
                }
            )*
        }
    };
}
pub(crate) use message;
