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
//! broker knows, `group.version` 1, the consumer protocol (KIP-848), `streams.version` 1, the streams protocol (KIP-1071),
//! and `transaction.version` 2, with which producers announce
//! their partitions by writing to them (KIP-890). `share.version` is off (level 0, so absent) until what it promises is
//! here (KIP-932). Features that are supported from level 0 would make readers before version 4 stumble (KAFKA-17011): they are told of
//! their levels only. UpdateFeatures can lower `transaction.version`; running producers then go on with the older protocol.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use codec::messages::{ApiVersionsRequest, ApiVersionsResponse, StrBytes};

use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Entry, Phase, REGISTRY, Reply};
use crate::kafka::context::Context;
use crate::services::features::Features;
use crate::session::peer::Software;

/// See the file's header.
pub(crate) struct ApiVersions;

impl Api for ApiVersions {
    type Request = ApiVersionsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const ACCESS: Access = Access::Open("A client asks for it before it logs in.");
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
            let own_cluster = cx.cluster_id();
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
        Ok(Reply::Response(if version >= 3 {
            with_features(response, version, &cx.features())
        } else {
            response
        }))
    }

    fn first_error(response: &ApiVersionsResponse) -> i16 {
        response.error_code
    }

    fn illegal_sasl_state() -> Option<ApiVersionsResponse> {
        Some(ApiVersionsResponse::default().with_error_code(ErrorCode::IllegalSaslState.code()))
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

/// Adds the features as a client of that version may read them.
fn with_features(response: ApiVersionsResponse, version: i16, features: &Features) -> ApiVersionsResponse {
    // KIP-1022: clients that ask below version 4 may refuse an answer in which a range begins with 0.
    let supported =
        features.all.iter().filter(|feature| version >= 4 || *feature.supported.start() > 0).map(|feature| {
            SupportedFeatureKey::default()
                .with_name(StrBytes::from_static_str(feature.name))
                .with_min_version(*feature.supported.start())
                .with_max_version(*feature.supported.end())
        });
    // Level 0 is that of a feature which is not finalized.
    let finalized = features.all.iter().filter(|feature| feature.level > 0).map(|feature| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            // KIP-584 has a range, but Kafka finalizes one level and tells it as both ends.
            .with_min_version_level(feature.level)
            .with_max_version_level(feature.level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(features.epoch)
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
    use crate::services::features::Feature;

    #[test]
    fn software_names_follow_kafkas_pattern() {
        for valid in ["a", "9", "apache-kafka-java", "4.3.0", "a--.b"] {
            assert!(is_software_name(valid), "{valid}");
        }
        for invalid in ["", "-", "a-", ".a", "a b", "a_b", "é", "a\n"] {
            assert!(!is_software_name(invalid), "{invalid}");
        }
    }

    fn feature(name: &'static str, supported: RangeInclusive<i16>, level: i16) -> Feature {
        Feature { name, supported, level, changes: true }
    }

    #[test]
    fn features_from_level_zero_are_supported_for_those_who_can_read_it() {
        let all = vec![feature("old", 7..=30, 30), feature("new", 0..=2, 1), feature("off", 0..=1, 0)];
        let features = Features { epoch: 4, all };
        for (version, supported) in [(3, vec!["old"]), (4, vec!["old", "new", "off"])] {
            let answer = with_features(ApiVersionsResponse::default(), version, &features);
            let names: Vec<&str> = answer.supported_features.iter().map(|feature| &*feature.name).collect();
            assert_eq!(names, supported, "version {version}");
            let levels = answer.finalized_features.iter();
            let levels: Vec<_> = levels.map(|feature| (&*feature.name, feature.max_version_level)).collect();
            assert_eq!(levels, [("old", 30), ("new", 1)]);
            assert_eq!(answer.finalized_features_epoch, 4);
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
