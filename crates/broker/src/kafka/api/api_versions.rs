//! ApiVersions, key 18: which APIs and versions this broker serves, and which features are on.
//!
//! Versions 0–5:
//! - v1: throttle time.
//! - v2: as v1 (KIP-219).
//! - v3: flexible, the client names its software (KIP-511), features (KIP-584).
//! - v4: a supported feature may start at version 0 (KIP-1022).
//! - v5: the client says which broker of which cluster it means; if that is another one, the answer is
//!   REBOOTSTRAP_REQUIRED (KIP-1242).
//!
//! A version above 5 is answered at version 0 with UNSUPPORTED_VERSION and one entry for this API, so that
//! the client can come back with one that is served (KIP-511).
//!
//! Features: `metadata.version` at the level of Kafka 4.3, because consoles tell from it which requests a
//! broker knows, `group.version` 1, the consumer protocol (KIP-848), and `streams.version` 1, the streams
//! protocol (KIP-1071). `share.version` and
//! `transaction.version` are off (level 0, so absent) until what they promise is here (KIP-932, KIP-890).
//! The last two are supported from level 0, which readers before version 4 would stumble over
//! (KAFKA-17011): they are told of their levels only.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use codec::messages::{ApiVersionsRequest, ApiVersionsResponse, StrBytes};

use crate::kafka::api::{Answer, Api, Entry, Phase, REGISTRY, Reply};
use crate::kafka::context::Context;
use crate::session::peer::Software;

/// See the file's header.
pub(crate) struct ApiVersions;

impl Api for ApiVersions {
    type Request = ApiVersionsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    // Clients ask before a login, too: they choose the versions of all other requests by the answer.
    const PHASE: Phase = Phase::Any;

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        if cx.api_version() >= 3 {
            let (name, version) = (request.client_software_name, request.client_software_version);
            // Both or neither, as `ApiVersionsRequest.isValid` of Kafka 4.4 has it.
            let half_an_address = request.cluster_id.is_none() != (request.node_id == NO_NODE);
            if half_an_address || !is_software_name(&name) || !is_software_name(&version) {
                return Ok(Reply::Response(refusal(ErrorCode::InvalidRequest)));
            }
            let own_cluster = cx.io().cluster().id();
            let is_misrouted = |cluster: &str| cluster != own_cluster || request.node_id != cx.node_id();
            if request.cluster_id.as_deref().is_some_and(is_misrouted) {
                return Ok(Reply::Response(refusal(ErrorCode::RebootstrapRequired)));
            }
            // After the checks: what is kept is shown in the log, and subscriptions are matched with it.
            cx.peer().set_software(Software::new(&name, &version));
        }
        let advertised = REGISTRY.iter().filter(|entry| (entry.is_advertised)(cx));
        let response = ApiVersionsResponse::default().with_api_keys(advertised.map(advertise).collect());
        let version = cx.api_version();
        Ok(Reply::Response(if version >= 3 { with_features(response, version) } else { response }))
    }

    fn first_error(response: &ApiVersionsResponse) -> i16 {
        response.error_code
    }

    fn unsupported_version() -> Option<ApiVersionsResponse> {
        // KIP-511: only the own range. A client that asked too high needs no more to ask again.
        let own = REGISTRY.iter().filter(|entry| entry.key == <ApiVersionsRequest as codec::Request>::KEY);
        Some(refusal(ErrorCode::UnsupportedVersion).with_api_keys(own.map(advertise).collect()))
    }
}

/// The node id of a client that does not know it.
const NO_NODE: i32 = -1;

/// An answer with an error code. It has no features, and APIs only if the caller adds them.
fn refusal(code: ErrorCode) -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_error_code(code.code())
}

/// `MetadataVersion.MINIMUM_VERSION` (3.3-IV3) and `IBP_4_3_IV0` of Kafka 4.3.
const METADATA_VERSION: RangeInclusive<i16> = 7..=30;

/// `GroupVersion.GV_1` of Kafka 4.3.
const GROUP_VERSION: RangeInclusive<i16> = 0..=1;

/// `StreamsVersion.SV_1` of Kafka 4.3.
const STREAMS_VERSION: RangeInclusive<i16> = 0..=1;

/// Adds the features as a client of that version may read them.
/// The epoch counts changes of the finalized features: as yet there is none.
fn with_features(response: ApiVersionsResponse, version: i16) -> ApiVersionsResponse {
    let features = [
        ("metadata.version", METADATA_VERSION),
        ("group.version", GROUP_VERSION),
        ("streams.version", STREAMS_VERSION),
    ];
    // KIP-1022: clients that ask below version 4 may refuse an answer in which a range begins with 0.
    let supported = features.iter().filter(|(_, levels)| version >= 4 || *levels.start() > 0);
    let supported = supported.map(|(name, levels)| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_min_version(*levels.start())
            .with_max_version(*levels.end())
    });
    let finalized = features.iter().map(|(name, levels)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            // KIP-584 has a range, but Kafka finalizes one level and tells it as both ends.
            .with_min_version_level(*levels.end())
            .with_max_version_level(*levels.end())
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(0)
}

/// A feature as ApiVersions tells of it.
pub(super) struct Feature {
    /// Such as `metadata.version`.
    pub(super) name: StrBytes,
    /// Least and greatest level that this program knows.
    pub(super) supported: (i16, i16),
    /// The level that is in effect.
    pub(super) level: i16,
}

/// All features.
pub(super) fn features() -> Vec<Feature> {
    let told = with_features(ApiVersionsResponse::default(), i16::MAX);
    let finalized = told.finalized_features.into_iter().filter_map(|finalized| {
        let supported = told.supported_features.iter().find(|supported| supported.name == finalized.name)?;
        Some(Feature {
            name: finalized.name,
            supported: (supported.min_version, supported.max_version),
            level: finalized.max_version_level,
        })
    });
    finalized.collect()
}

/// The range that clients choose a version from: the one that is served, not what the codec could read.
fn advertise(entry: &Entry) -> ApiVersion {
    let (least, greatest) = entry.versions;
    ApiVersion::default().with_api_key(entry.key).with_min_version(least).with_max_version(greatest)
}

/// Kafka's `ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN`: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_software_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_kafkas_pattern() {
        for valid in ["a", "9", "apache-kafka-java", "4.3.0", "a--.b"] {
            assert!(is_software_name(valid), "{valid}");
        }
        for invalid in ["", "-", "a-", ".a", "a b", "a_b", "é", "a\n"] {
            assert!(!is_software_name(invalid), "{invalid}");
        }
    }

    #[test]
    fn features_from_level_zero_are_supported_for_those_who_can_read_it() {
        for (version, supported) in
            [(3, vec!["metadata.version"]), (4, vec!["metadata.version", "group.version", "streams.version"])]
        {
            let answer = with_features(ApiVersionsResponse::default(), version);
            let names: Vec<&str> = answer.supported_features.iter().map(|feature| &*feature.name).collect();
            assert_eq!(names, supported, "version {version}");
            let levels = answer.finalized_features.iter();
            let levels: Vec<_> = levels.map(|feature| (&*feature.name, feature.max_version_level)).collect();
            assert_eq!(levels, [("metadata.version", 30), ("group.version", 1), ("streams.version", 1)]);
        }
    }

    #[test]
    fn unknown_version_is_told_this_apis_range_alone() {
        let answer = ApiVersions::unsupported_version().unwrap();
        assert_eq!(answer.error_code, 35);
        let told: Vec<_> =
            answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        assert_eq!(told, [(18, 0, 5)]);
    }
}
