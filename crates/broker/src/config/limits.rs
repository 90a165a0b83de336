//! The one place that limits what a resource may be given, whatever its kind.
//!
//! Guarantees that what passes has room in its record on the disk (`storage::ResourceConfigs`, 65 535 bytes a string):
//! the limits are about half of that. A value is checked before anything is written, and refused with INVALID_CONFIG.

use super::overrides::{ConfigRefusal, Overrides};

/// Longest name of a resource: the longest string of Kafka's protocol before its flexible versions.
pub(crate) const MAX_NAME_BYTES: usize = 32_767;
/// Longest value of a key, as in Kafka's `ConfigurationControlManager`.
pub(crate) const MAX_VALUE_BYTES: usize = 32_767;
/// Longest key. Every table has shorter ones; a kind whose keys are free, such as a user's, goes by this.
const MAX_KEY_BYTES: usize = 1_000;
/// Most keys of one resource. No table has that many that may change.
const MAX_KEYS: usize = 1_000;
/// Most bytes of all keys and values of one resource: each change writes all of them.
const MAX_TOTAL_BYTES: usize = 256 << 10;

/// Checks the name of a resource.
///
/// # Errors
/// It is too long.
pub(crate) fn check_name(name: &str) -> Result<(), ConfigRefusal> {
    if name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    let text =
        format!("The resource's name has {} bytes, more than the maximum of {MAX_NAME_BYTES}.", name.len());
    Err(ConfigRefusal::InvalidConfig(text))
}

/// Checks the value of a key, before it is looked at closer.
///
/// # Errors
/// It is too long, in Kafka's words.
pub(crate) fn check_value(name: &str, value: &str) -> Result<(), ConfigRefusal> {
    if value.len() <= MAX_VALUE_BYTES {
        return Ok(());
    }
    Err(ConfigRefusal::InvalidConfig(format!(
        "The configuration value for {name} cannot be added because it exceeds the maximum value size of \
         {MAX_VALUE_BYTES} bytes."
    )))
}

/// Checks all that a resource would have been given.
///
/// # Errors
/// The first limit that is exceeded.
pub(crate) fn check_all(set: &Overrides) -> Result<(), ConfigRefusal> {
    let refuse = |text| Err(ConfigRefusal::InvalidConfig(text));
    if set.len() > MAX_KEYS {
        return refuse(format!(
            "The resource would have {} keys, more than the maximum of {MAX_KEYS}.",
            set.len()
        ));
    }
    // Also what does not change: each change writes all of it.
    for (name, value) in set {
        // The refusal does not repeat the key: it is as long as the client likes.
        if name.len() > MAX_KEY_BYTES {
            return refuse(format!(
                "A key has {} bytes, more than the maximum of {MAX_KEY_BYTES}.",
                name.len()
            ));
        }
        check_value(name, value)?;
    }
    let total: usize = set.iter().map(|(name, value)| name.len() + value.len()).sum();
    if total > MAX_TOTAL_BYTES {
        return refuse(format!(
            "The configuration of the resource would have {total} bytes, more than the maximum of {MAX_TOTAL_BYTES}."
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(keys: usize, key_bytes: usize, value_bytes: usize) -> Overrides {
        let key = |index: usize| (format!("{index:0key_bytes$}"), "v".repeat(value_bytes));
        (0..keys).map(key).collect()
    }

    fn refusal(set: &Overrides) -> String {
        match check_all(set) {
            Err(ConfigRefusal::InvalidConfig(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_largest_of_each_passes() {
        for set in [
            set(0, 1, 1),
            set(MAX_KEYS, 4, 1),
            set(1, MAX_KEY_BYTES, 1),
            set(1, 1, MAX_VALUE_BYTES),
            set(8, 1, MAX_VALUE_BYTES),
        ] {
            assert_eq!(check_all(&set), Ok(()));
        }
        assert_eq!(check_name(&"n".repeat(MAX_NAME_BYTES)), Ok(()));
    }

    #[test]
    fn one_more_of_any_is_refused() {
        assert!(refusal(&set(MAX_KEYS + 1, 4, 1)).contains("1001 keys"));
        assert!(refusal(&set(1, MAX_KEY_BYTES + 1, 1)).contains("A key has 1001 bytes"));
        assert!(refusal(&set(1, 1, MAX_VALUE_BYTES + 1)).contains("maximum value size of 32767 bytes"));
        assert!(
            refusal(&set(9, 1, MAX_VALUE_BYTES)).contains("294912 bytes, more than the maximum of 262144")
        );
        assert!(check_name(&"n".repeat(MAX_NAME_BYTES + 1)).is_err());
    }

    /// A configuration that passes has room in a record of the storage, whose lengths and counts are of 16 bits.
    #[test]
    fn limits_are_within_those_of_a_record() {
        for limit in [MAX_NAME_BYTES, MAX_VALUE_BYTES, MAX_KEY_BYTES, MAX_KEYS] {
            assert!(limit < usize::from(u16::MAX));
        }
    }
}
