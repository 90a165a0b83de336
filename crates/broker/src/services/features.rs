//! Features of the cluster and their levels (KIP-584): which there are, at which level each is, and changes of them.
//!
//! Guarantees that a change is on the disk before it is in effect, and that the epoch rises with each: Java's producers look at
//! the levels only in an answer whose epoch is newer than the one they know, which is 0 for a broker without any.

use std::ops::RangeInclusive;

use crate::config::Overrides;
use crate::config::resources::resource_type::FEATURES;
use crate::config::runtime::{ChangeError, RuntimeConfigs};
use crate::io::ClusterIo;

/// A feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feature {
    /// Such as `metadata.version`.
    pub(crate) name: &'static str,
    /// The levels that this program knows.
    pub(crate) supported: RangeInclusive<i16>,
    /// The level that is in effect; 0: the feature is off.
    pub(crate) level: i16,
    /// True if clients may change the level.
    pub(crate) changes: bool,
}

/// All features at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Features {
    /// Greater with each change.
    pub(crate) epoch: i64,
    /// In a fixed order.
    pub(crate) all: Vec<Feature>,
}

/// `MetadataVersion.MINIMUM_VERSION` (3.3-IV3) and `IBP_4_3_IV0` of Kafka 4.3.
const METADATA_VERSION: RangeInclusive<i16> = 7..=30;
/// `GroupVersion.GV_1` of Kafka 4.3.
const GROUP_VERSION: RangeInclusive<i16> = 0..=1;
const STREAMS: &str = "streams.version";
/// `StreamsVersion.SV_1` of Kafka 4.3: with 1 there are streams groups (KIP-1071).
const STREAMS_VERSION: RangeInclusive<i16> = 0..=1;
/// `TransactionVersion.TV_2` of Kafka 4.3: with 2 producers announce partitions by writing to them (KIP-890).
const TRANSACTION_VERSION: RangeInclusive<i16> = 0..=2;

/// The key under which the epoch is kept beside the levels.
const EPOCH: &str = "epoch";
/// The epoch of a folder in which nothing was changed.
const FIRST_EPOCH: i64 = 1;

impl Features {
    /// The features as of now.
    pub(crate) fn now(configs: &RuntimeConfigs) -> Features {
        Features::kept(&configs.given(FEATURES, ""))
    }

    /// True if streams groups are served.
    pub(crate) fn have_streams_groups(&self) -> bool {
        self.all.iter().any(|feature| feature.name == STREAMS && feature.level >= 1)
    }

    fn kept(kept: &Overrides) -> Features {
        // A level that this program does not know any more is as if it was never given.
        let level = |name: &str, supported: &RangeInclusive<i16>| {
            let kept = kept.get(name).and_then(|level| level.parse().ok());
            kept.filter(|level| supported.contains(level)).unwrap_or(*supported.end())
        };
        let feature = |(name, supported, changes): (&'static str, RangeInclusive<i16>, bool)| {
            let level = if changes { level(name, &supported) } else { *supported.end() };
            Feature { name, supported, level, changes }
        };
        let all = [
            ("metadata.version", METADATA_VERSION, false),
            ("group.version", GROUP_VERSION, false),
            (STREAMS, STREAMS_VERSION, true),
            ("transaction.version", TRANSACTION_VERSION, true),
        ];
        let epoch = kept.get(EPOCH).and_then(|epoch| epoch.parse().ok()).unwrap_or(FIRST_EPOCH);
        Features { epoch, all: all.map(feature).into() }
    }

    /// Changes levels, all or none. `check` sees the features as they are, and gives the levels that are wanted.
    ///
    /// # Errors
    /// The refusal of `check`; or the levels could not be stored.
    pub(crate) async fn change<E: From<ChangeError>>(
        configs: &RuntimeConfigs,
        cluster: &ClusterIo,
        check: impl FnOnce(&Features) -> Result<Vec<(&'static str, i16)>, E>,
    ) -> Result<(), E> {
        // Of two changes at a time the second sees what the first has made.
        let changing = configs.lock().await;
        let now = Features::now(configs);
        let is_new = |(name, level): &(&'static str, i16)| {
            now.all.iter().any(|feature| feature.name == *name && feature.level != *level)
        };
        let changed: Vec<_> = check(&now)?.into_iter().filter(is_new).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let mut kept = configs.given(FEATURES, "");
        kept.insert(EPOCH.to_owned(), now.epoch.saturating_add(1).to_string());
        kept.extend(changed.iter().map(|(name, level)| ((*name).to_owned(), level.to_string())));
        for (feature, level) in changed {
            tracing::info!(feature, level, "the level of a feature changes");
        }
        Ok(changing.change(cluster, FEATURES, "", kept).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(features: &Features, name: &str) -> i16 {
        features.all.iter().find(|feature| feature.name == name).unwrap().level
    }

    #[test]
    fn levels_that_are_unknown_are_as_if_never_given() {
        let kept = |pairs: &[(&str, &str)]| {
            let kept = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Features::kept(&kept.collect())
        };
        let new = kept(&[]);
        assert_eq!((new.epoch, level(&new, "transaction.version")), (1, 2));
        let lowered = kept(&[("transaction.version", "1"), ("epoch", "7")]);
        assert_eq!((lowered.epoch, level(&lowered, "transaction.version")), (7, 1));
        for unknown in ["3", "-1", "x"] {
            assert_eq!(level(&kept(&[("transaction.version", unknown)]), "transaction.version"), 2);
        }
        assert_eq!(level(&kept(&[("group.version", "0")]), "group.version"), 1, "it does not change");
    }
}
