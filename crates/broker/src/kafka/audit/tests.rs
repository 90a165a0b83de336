use codec::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use codec::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use codec::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use codec::messages::create_topics_response::CreatableTopicResult;
use codec::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use codec::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use codec::messages::*;
use serde_json::json;

use super::*;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

#[test]
fn topics_are_told_with_what_was_asked_for() {
    let config = CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(Some(text("5")));
    let topic = CreatableTopic::default()
        .with_name(text("a").into())
        .with_num_partitions(-1)
        .with_configs(vec![config]);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    let result = CreatableTopicResult::default().with_name(text("a").into()).with_num_partitions(3);
    let response = CreateTopicsResponse::default().with_topics(vec![result]);
    let detail = json!({ "partitions": 3, "configs": { "retention.ms": "5" } });
    let expected = Change { detail, ..change("Topic", "a", "Create", 0) };
    assert_eq!(request.changes(&response), [expected]);
    let checked = request.with_validate_only(true);
    assert_eq!(checked.changes(&response), [], "nothing is changed");
}

/// S18: values of passwords, and of keys that no table has, are in no line.
#[test]
fn values_that_may_be_secret_are_left_out() {
    let config = |name, value| AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)));
    let configs = vec![
        config("ssl.keystore.password", "hunter2"),
        config("listener.name.x.plain.sasl.jaas.confg", "hunter2"),
        config("num.io.threads", "8"),
    ];
    let resource = AlterConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(text("1"))
        .with_configs(configs);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let result = AlterConfigsResourceResponse::default()
        .with_resource_type(4)
        .with_resource_name(text("1"))
        .with_error_code(40);
    let response = IncrementalAlterConfigsResponse::default().with_responses(vec![result]);
    let [told] = &request.changes(&response)[..] else { panic!("one change") };
    assert_eq!((told.resource_type, told.error_code), ("Broker", 40));
    let detail = json!({ "configs": [
        ["SET", "ssl.keystore.password", null],
        ["SET", "listener.name.x.plain.sasl.jaas.confg", null],
        ["SET", "num.io.threads", "8"],
    ] });
    assert_eq!(told.detail, detail);

    let upsertion = ScramCredentialUpsertion::default()
        .with_name(text("alice"))
        .with_mechanism(1)
        .with_iterations(4096)
        .with_salted_password(bytes::Bytes::from_static(b"hunter2"));
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
    let result = AlterUserScramCredentialsResult::default().with_user(text("alice"));
    let response = AlterUserScramCredentialsResponse::default().with_results(vec![result]);
    let changes = request.changes(&response);
    assert!(!format!("{changes:?}").contains("hunter2"));
    let detail = json!({ "mechanism": "SCRAM-SHA-256", "iterations": 4096 });
    assert_eq!(changes, [Change { detail, ..change("User", "alice", "UpsertScramCredential", 0) }]);
}

/// S18: an HMAC is in no line.
#[test]
fn tokens_are_told_without_their_hmac() {
    let hmac = bytes::Bytes::from_static(b"hunter2");
    let response = CreateDelegationTokenResponse::default()
        .with_principal_type(text("User"))
        .with_principal_name(text("alice"))
        .with_token_id(text("id"))
        .with_expiry_timestamp_ms(5)
        .with_hmac(hmac.clone());
    let changes = CreateDelegationTokenRequest::default().changes(&response);
    let detail = json!({ "owner": "User:alice", "renewers": [], "expires_ms": 5 });
    assert_eq!(changes, [Change { detail, ..change("DelegationToken", "id", "Create", 0) }]);
    let renewal = RenewDelegationTokenRequest::default().with_hmac(hmac.clone());
    let answer = RenewDelegationTokenResponse::default().with_error_code(63).with_expiry_timestamp_ms(0);
    let [told] = &renewal.changes(&answer)[..] else { panic!("one change") };
    assert_eq!((told.operation, told.error_code), ("Renew", 63));
    let end = ExpireDelegationTokenRequest::default().with_hmac(hmac);
    let ended = end.changes(&ExpireDelegationTokenResponse::default());
    assert!(!format!("{changes:?} {told:?} {ended:?}").contains("hunter2"));
}

#[test]
fn quotas_are_told_with_their_owner_and_values() {
    use codec::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
    use codec::messages::alter_client_quotas_response::EntryData as Altered;
    use codec::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
    let part = |kind: &'static str, name: Option<&'static str>| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    };
    let set = OpData::default().with_key(text("producer_byte_rate")).with_value(5.0);
    let removal = OpData::default().with_key(text("request_percentage")).with_remove(true);
    let entity = vec![part("user", Some("alice")), part("client-id", None)];
    let entry = EntryData::default().with_entity(entity).with_ops(vec![set, removal]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let response =
        AlterClientQuotasResponse::default().with_entries(vec![Altered::default().with_error_code(42)]);
    let detail = json!({ "quotas": [["producer_byte_rate", 5.0], ["request_percentage", null]] });
    let told = change("ClientQuota", "user=alice,client-id=<default>", "Alter", 42);
    assert_eq!(request.changes(&response), [Change { detail, ..told }]);
    assert!(request.with_validate_only(true).changes(&response).is_empty());
}
