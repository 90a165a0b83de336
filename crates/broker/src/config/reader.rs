//! Reads typed values out of settings, and leaves the settings normalised.

use super::key::{Key, Units};
use super::problem::Problem;
use super::setting::Settings;
use super::value::Value;

/// See the module. What is malformed is among the problems afterwards.
pub(super) struct SettingsReader<'a> {
    settings: &'a mut Settings,
    problems: &'a mut Vec<Problem>,
}

impl<'a> SettingsReader<'a> {
    /// Reads `settings`.
    pub(super) fn new(settings: &'a mut Settings, problems: &'a mut Vec<Problem>) -> Self {
        Self { settings, problems }
    }

    /// The value of the key. If it is malformed that is among the problems, and the default stands in for it, so that what
    /// depends on it can be checked too. `None` only if the key contradicts itself.
    pub(super) fn read<T: Value>(&mut self, key: &'static Key) -> Option<T::Held> {
        self.set_value::<T>(key).or_else(|| match key.default {
            Some(default) => T::read(default),
            None => T::null(),
        })
    }

    fn set_value<T: Value>(&mut self, key: &'static Key) -> Option<T::Held> {
        let setting = self.settings.get_mut(key.name)?;
        let read = key.normalise(&setting.value, Units::Accepted).and_then(|normalised| {
            // Fails only where a key's range lets in what its type cannot hold; a test sets every key to both
            // ends of its range.
            let value = T::read(&normalised).ok_or_else(|| "cannot be read".to_owned());
            value.map(|value| (normalised, value))
        });
        match read {
            Ok((normalised, value)) => {
                setting.value = normalised;
                Some(value)
            }
            Err(reason) => {
                let (value, origin) = (setting.value.clone(), setting.origin.clone());
                self.problems.push(Problem::Malformed { key, value, origin, reason });
                None
            }
        }
    }
}
