//! Configurations given at run time to resources other than topics: brokers, client metrics, groups. The caller knows which
//! resources and names exist.

use std::collections::BTreeMap;

use crate::{
    StorageError, TooLarge,
    engine::{keys, rocks::Engine, values::ConfigRecord},
};

/// All that one resource was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceConfigs {
    /// The kind of the resource, as the caller numbers it.
    pub resource_type: u8,
    /// Its name, which may be empty; at most 65 535 bytes.
    pub name: String,
    /// At most 65 535 names and values, each of at most 65 535 bytes. An empty map removes the resource.
    pub configs: BTreeMap<String, String>,
}

/// The configurations found in the folder, by kind and name.
#[derive(Clone, Debug, Default)]
pub struct StoredConfigs {
    /// Those that could be read.
    pub readable: Vec<ResourceConfigs>,
    /// Those that could not. Each concerns one resource only, and a later write replaces it.
    pub unreadable: Vec<UnreadableConfigs>,
}

/// The configuration of one resource that is on the disk but cannot be read.
#[derive(Clone, Debug)]
pub struct UnreadableConfigs {
    /// The kind of the resource; `None` if even that is missing.
    pub resource_type: Option<u8>,
    /// Its name, as far as it is text.
    pub name: String,
    /// The fault of the record.
    pub error: StorageError,
}

/// Key and value of a record; no value removes the key.
pub(crate) type KeyValue = (Vec<u8>, Option<Vec<u8>>);

/// The record that keeps these configurations.
///
/// # Errors
/// A name, a value or their number does not fit its `u16` length.
pub(crate) fn record(configs: ResourceConfigs) -> Result<KeyValue, TooLarge> {
    let ResourceConfigs { resource_type, name, configs } = configs;
    let key = keys::configs(resource_type, &name)?;
    let value = if configs.is_empty() { None } else { Some(ConfigRecord { configs }.encode()?) };
    Ok((key, value))
}

/// Everything that was given and not removed.
pub(crate) fn all(engine: &Engine) -> Result<StoredConfigs, StorageError> {
    let mut all = StoredConfigs::default();
    engine.scan_state(&[keys::Tag::Configs as u8], |key, value| {
        match read(key, value) {
            Ok(configs) => all.readable.push(configs),
            // It concerns one resource, so it does not stop the start: the broker goes on with defaults
            // there.
            Err(error) => {
                // For the log only: a key that is too short has no name.
                let name = String::from_utf8_lossy(key.get(2..).unwrap_or_default()).into_owned();
                all.unreadable.push(UnreadableConfigs { resource_type: key.get(1).copied(), name, error });
            }
        }
        Ok(())
    })?;
    Ok(all)
}

fn read(key: &[u8], value: &[u8]) -> Result<ResourceConfigs, StorageError> {
    let (resource_type, name) = keys::configs_resource(key)?;
    Ok(ResourceConfigs { resource_type, name, configs: ConfigRecord::decode(value)?.configs })
}
