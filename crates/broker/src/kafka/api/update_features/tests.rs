//! `update_features.rs` through a socket.

use codec::messages::StrBytes;

use super::*;
use crate::testing::Running;

fn update(name: &'static str, level: i16, kind: i8) -> FeatureUpdateKey {
    FeatureUpdateKey::default()
        .with_feature(StrBytes::from_static_str(name))
        .with_max_version_level(level)
        .with_upgrade_type(kind)
}

fn request(updates: &[FeatureUpdateKey]) -> UpdateFeaturesRequest {
    UpdateFeaturesRequest::default().with_feature_updates(updates.to_vec())
}

#[tokio::test]
async fn the_level_in_effect_is_the_only_one() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let level = features().iter().find(|feature| &*feature.name == "metadata.version").unwrap().level;
    let (same, other) = (update("metadata.version", level, 1), update("no.such.feature", 1, 1));
    let cases = [
        (same.clone(), ""),
        (update("metadata.version", level, 2), ""),
        (update("metadata.version", level - 1, 1), "Can't downgrade the version of this feature without"),
        (update("metadata.version", level - 1, 3), "Here the level is always"),
        (update("metadata.version", level + 1, 1), "Local controller 1 only supports versions 7-"),
        (update("metadata.version", -1, 1), "A feature version cannot be less than 0."),
        (update("metadata.version", level, 4), "does not support the given upgrade type"),
        (other.clone(), "Local controller 1 does not support this feature."),
    ];
    for (case, text) in &cases {
        let code = if text.is_empty() { 0 } else { 95 };
        let new = client.call(2, &request(std::slice::from_ref(case))).await;
        assert_eq!((new.error_code, new.results.len()), (code, 0), "{case:?}");
        let message = new.error_message.as_deref().unwrap_or_default();
        assert!(message.contains(text) && message.is_empty() == text.is_empty(), "{message}");
        let old = client.call(1, &request(std::slice::from_ref(case))).await;
        let results: Vec<i16> = old.results.iter().map(|result| result.error_code).collect();
        assert_eq!(
            (old.error_code, results.as_slice()),
            (code, if code == 0 { &[0][..] } else { &[] }),
            "{case:?}"
        );
    }
    // All or none.
    let both = client.call(1, &request(&[same.clone(), other])).await;
    assert_eq!((both.error_code, both.results.len()), (95, 0));
    let twice = client.call(2, &request(&[same.clone(), same])).await;
    assert_eq!(twice.error_code, 42);
}

#[tokio::test]
async fn version_zero_says_by_a_flag_that_it_lowers() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    for (allowed, text) in [(false, "Can't downgrade"), (true, "Here the level is always")] {
        let lower = update("metadata.version", 8, 1).with_allow_downgrade(allowed);
        let response = client.call(0, &request(&[lower])).await;
        assert_eq!((response.error_code, response.results.len()), (95, 0));
        assert!(response.error_message.as_deref().unwrap().contains(text));
    }
}
