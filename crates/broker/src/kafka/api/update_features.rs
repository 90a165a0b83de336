//! UpdateFeatures, key 57: changes the level of a feature for the whole cluster (KIP-584).
//!
//! Versions 0–2:
//! - v1: kinds of downgrade, validation alone.
//! - v2: no results any more (KIP-1022).
//!
//! Errors are told for all at every version. `transaction.version` can be moved between 0 and 2, and `streams.version` between 0 and 1, while clients run. Every other
//! feature stays at the level that this program finalized: asking for that level changes nothing and succeeds; any
//! other is refused as Kafka's `FeatureControlManager` refuses what a controller does not support. A change is on the disk, and
//! the features' epoch has risen, when it is answered.
//!
//! Gaps: `metadata.version` and `group.version` cannot be lowered.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::update_features_request::FeatureUpdateKey;
use codec::messages::update_features_response::UpdatableFeatureResult;
use codec::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::config::runtime::ChangeError;
use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;
use crate::services::features::{Feature, Features};
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct UpdateFeatures;

/// Kafka's `FeatureUpdate.UpgradeType`: the level may only rise.
const UPGRADE: i8 = 1;
/// Those of `UPGRADE`, and the two downgrades, safe and unsafe.
const UPGRADE_TYPES: RangeInclusive<i8> = 1..=3;

impl Api for UpdateFeatures {
    type Request = UpdateFeaturesRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let version = cx.api_version();
        let response = UpdateFeaturesResponse::default();
        let permit = match cx.authorize_cluster(Operation::Alter) {
            Ok(permit) => permit,
            Err(code) => {
                let text = error_text(code.message().to_owned());
                let response = response.with_error_code(code.code()).with_error_message(Some(text));
                return Ok(Reply::Response(response));
            }
        };
        let outcome = update(cx, &permit, &request).await;
        Ok(Reply::Response(match outcome {
            Ok(()) if version >= 2 => response.with_error_message(None),
            Ok(()) => response.with_error_message(None).with_results(results(&request)),
            // At every version, as `ControllerApis`: clients look at the top first.
            Err(Refused(code, text)) => {
                let text = format!(
                    "The update failed for all features since the following feature had an error: {text}"
                );
                response.with_error_code(code.code()).with_error_message(Some(error_text(text)))
            }
        }))
    }

    fn first_error(response: &UpdateFeaturesResponse) -> i16 {
        response.error_code
    }
}

/// Why no feature is changed: the code and the text, for the whole request.
struct Refused(ErrorCode, String);

impl From<ChangeError> for Refused {
    fn from(error: ChangeError) -> Refused {
        Refused(ErrorCode::FeatureUpdateFailed, error.to_string())
    }
}

/// Changes the levels, unless the request is to be validated alone.
async fn update(cx: &Context, permit: &Permit, request: &UpdateFeaturesRequest) -> Result<(), Refused> {
    let (version, node_id) = (cx.api_version(), cx.node_id());
    Features::change(cx.configs(permit), cx.io(permit).cluster(), |known| {
        check(&request.feature_updates, &known.all, node_id, version)?;
        // Since version 1.
        if request.validate_only && version >= 1 {
            return Ok(Vec::new());
        }
        let wanted = |update: &FeatureUpdateKey| {
            let feature = known.all.iter().find(|feature| feature.name == &*update.feature)?;
            Some((feature.name, update.max_version_level))
        };
        Ok(request.feature_updates.iter().filter_map(wanted).collect())
    })
    .await
}

/// All are changed or none: here all.
fn results(request: &UpdateFeaturesRequest) -> Vec<UpdatableFeatureResult> {
    let one = |update: &FeatureUpdateKey| {
        // Null and not `NONE`, which is Kafka's text here: the protocol has null for no error.
        UpdatableFeatureResult::default().with_feature(update.feature.clone()).with_error_message(None)
    };
    request.feature_updates.iter().map(one).collect()
}

/// Checks all updates, in their order, up to the first that is refused.
///
/// # Errors
/// The code and text of that one, for the whole request.
fn check(updates: &[FeatureUpdateKey], known: &[Feature], node_id: i32, version: i16) -> Result<(), Refused> {
    let mut seen = HashSet::new();
    for update in updates {
        if !seen.insert(&update.feature) {
            let text = format!("Feature {} is named twice.", update.feature);
            return Err(Refused(ErrorCode::InvalidRequest, text));
        }
        check_one(update, known, node_id, version)
            .map_err(|reason| Refused(ErrorCode::InvalidUpdateVersion, refusal(update, &reason)))?;
    }
    Ok(())
}

/// The text of `FeatureControlManager.invalidUpdateVersion`, with the reason after it.
fn refusal(update: &FeatureUpdateKey, reason: &str) -> String {
    let FeatureUpdateKey { feature, max_version_level, .. } = update;
    format!("Invalid update version {max_version_level} for feature {feature}. {reason}")
}

/// Checks the update of one feature.
///
/// # Errors
/// The reason, in Kafka's words where Kafka has one.
fn check_one(update: &FeatureUpdateKey, known: &[Feature], node_id: i32, version: i16) -> Result<(), String> {
    // Before version 1 the flag says it.
    let upgrades = if version >= 1 { update.upgrade_type == UPGRADE } else { !update.allow_downgrade };
    if version >= 1 && !UPGRADE_TYPES.contains(&update.upgrade_type) {
        return Err("The controller does not support the given upgrade type.".to_owned());
    }
    let wanted = update.max_version_level;
    if wanted < 0 {
        return Err("A feature version cannot be less than 0.".to_owned());
    }
    let Some(feature) = known.iter().find(|feature| feature.name == &*update.feature) else {
        return Err(format!("Local controller {node_id} does not support this feature."));
    };
    let (least, greatest) = (*feature.supported.start(), *feature.supported.end());
    match wanted {
        _ if wanted == feature.level => Ok(()),
        _ if wanted < least || wanted > greatest => {
            Err(format!("Local controller {node_id} only supports versions {least}-{greatest}"))
        }
        _ if wanted < feature.level && upgrades => Err(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
             unsafe downgrade."
                .to_owned(),
        ),
        // Version 0 has no type for a downgrade: there the flag only allows it.
        _ if wanted > feature.level && version >= 1 && !upgrades => {
            Err("Can't downgrade to a newer version.".to_owned())
        }
        _ if feature.changes => Ok(()),
        _ => Err(format!("Here the level is always {}.", feature.level)),
    }
}

#[cfg(test)]
mod tests;
