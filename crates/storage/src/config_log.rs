//! Configurations that are given at run time to what is no topic: brokers, client metrics, groups. Which resources and
//! keys there are is the caller's to know.

use std::collections::BTreeMap;

use crate::keys::{self, ConfigRecord};
use crate::{StorageError, engine::Engine};

/// All that one resource was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceConfigs {
    /// The kind of the resource, as the caller numbers it.
    pub resource_type: u8,
    /// Its name, which may be empty.
    pub name: String,
    /// Names and values of at most 65 535 bytes, at most 65 535 of them. None removes the resource.
    pub configs: BTreeMap<String, String>,
}

/// Everything that was given and not taken back, by kind and name.
pub(crate) fn all(engine: &Engine) -> Result<Vec<ResourceConfigs>, StorageError> {
    let mut all = Vec::new();
    engine.scan_state(&[keys::Tag::Configs as u8], |key, value| {
        let (resource_type, name) = keys::configs_resource(key)?;
        let configs = ConfigRecord::decode(value)?.configs;
        all.push(ResourceConfigs { resource_type, name, configs });
        Ok(())
    })?;
    Ok(all)
}
