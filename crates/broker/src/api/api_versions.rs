//! ApiVersions, key 18: which APIs and versions this broker serves, and which features are on.
//!
//! Versions 0–4. v1: throttle time. v3: flexible, the client names its software (KIP-511), features (KIP-584). v4: a
//! supported feature may start at version 0 (KIP-1022). A version above 4 is answered at version 0 with
//! UNSUPPORTED_VERSION and one entry for this API, so that the client can come back with one that is served (KIP-511).
//!
//! Features: none is finalized yet, and none is listed as supported. `metadata.version`, `group.version`,
//! `share.version` and `transaction.version` will appear with what they promise (KIP-848, KIP-932, KIP-890).

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::api_versions_response::ApiVersion;
use codec::messages::{ApiVersionsRequest, ApiVersionsResponse};

use crate::api::{Answer, Api, Entry, Phase, REGISTRY, Reply};
use crate::context::{Context, Software};

/// See the file's header.
pub(crate) struct ApiVersions;

impl Api for ApiVersions {
    type Request = ApiVersionsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const PHASE: Phase = Phase::Any;

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        if cx.api_version() >= 3 {
            let (name, version) = (request.client_software_name, request.client_software_version);
            if !is_software_name(&name) || !is_software_name(&version) {
                let refusal =
                    ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
                return Ok(Reply::Response(refusal));
            }
            cx.peer().set_software(Software { name, version });
        }
        let keys = REGISTRY.iter().map(advertise).collect();
        Ok(Reply::Response(ApiVersionsResponse::default().with_api_keys(keys)))
    }

    fn unsupported_version() -> Option<ApiVersionsResponse> {
        let own = REGISTRY.iter().filter(|entry| entry.key == <ApiVersionsRequest as codec::Request>::KEY);
        let refusal = ApiVersionsResponse::default().with_error_code(ErrorCode::UnsupportedVersion.code());
        Some(refusal.with_api_keys(own.map(advertise).collect()))
    }
}

fn advertise(entry: &Entry) -> ApiVersion {
    let (least, greatest) = entry.advertised;
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
    fn unknown_version_is_told_this_apis_range_alone() {
        let answer = ApiVersions::unsupported_version().unwrap();
        assert_eq!(answer.error_code, 35);
        let told: Vec<_> =
            answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        assert_eq!(told, [(18, 0, 4)]);
    }
}
