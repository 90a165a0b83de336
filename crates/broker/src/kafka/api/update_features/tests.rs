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
    let level = 30;
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

/// A tool that meant to lower a level raised it instead, where another one had lowered it further meanwhile.
#[tokio::test]
async fn a_downgrade_raises_no_level() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let lowered = client.call(2, &request(&[update("transaction.version", 0, 2)])).await;
    assert_eq!(lowered.error_code, 0);
    for (version, kind) in [(1, 2), (1, 3), (2, 2), (2, 3)] {
        let refused = client.call(version, &request(&[update("transaction.version", 1, kind)])).await;
        assert_eq!(refused.error_code, 95);
        assert!(refused.error_message.as_deref().unwrap().contains("Can't downgrade to a newer version."));
    }
    assert_eq!(told(&mut client, "transaction.version").await.0, 0);
    // Version 0 has no type: its flag only allows a downgrade.
    let raised =
        client.call(0, &request(&[update("transaction.version", 1, 1).with_allow_downgrade(true)])).await;
    assert_eq!((raised.error_code, told(&mut client, "transaction.version").await.0), (0, 1));
}

/// The finalized level of a feature (0: none), and the features' epoch, as a client is told.
async fn told(client: &mut crate::testing::Client<tokio::net::TcpStream>, name: &str) -> (i16, i64) {
    let request = codec::messages::ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("test"))
        .with_client_software_version(StrBytes::from_static_str("1"));
    let answer = client.call(4, &request).await;
    let level = answer.finalized_features.iter().find(|feature| &*feature.name == name);
    (level.map_or(0, |feature| feature.max_version_level), answer.finalized_features_epoch)
}

#[tokio::test]
async fn the_version_of_transactions_moves_and_the_epoch_with_it() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let name = "transaction.version";
    assert_eq!(told(&mut client, name).await, (2, 1));
    let same = client.call(2, &request(&[update(name, 2, 1)])).await;
    assert_eq!((same.error_code, told(&mut client, name).await), (0, (2, 1)), "nothing has changed");
    let upgrade = client.call(2, &request(&[update(name, 1, 1)])).await;
    assert_eq!(upgrade.error_code, 95, "a downgrade has to be called so");
    let alone = request(&[update(name, 1, 2)]).with_validate_only(true);
    assert_eq!((client.call(2, &alone).await.error_code, told(&mut client, name).await), (0, (2, 1)));
    for (level, epoch) in [(1, 2), (0, 3)] {
        assert_eq!(client.call(2, &request(&[update(name, level, 2)])).await.error_code, 0);
        assert_eq!(told(&mut client, name).await, (level, epoch));
    }
    assert_eq!(client.call(2, &request(&[update(name, 3, 1)])).await.error_code, 95);
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    assert_eq!(told(&mut client, name).await, (0, 3), "it is kept");
    assert_eq!(client.call(2, &request(&[update(name, 2, 1)])).await.error_code, 0);
    assert_eq!(told(&mut client, name).await, (2, 4));
}
