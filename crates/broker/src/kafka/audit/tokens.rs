//! Delegation tokens. A renewal names its token by the HMAC alone, which is as good as a password: the line has the id of the token in
//! its place, and nothing if there is no such token.

use codec::messages::{
    CreateDelegationTokenRequest, CreateDelegationTokenResponse, ExpireDelegationTokenRequest,
    ExpireDelegationTokenResponse, RenewDelegationTokenRequest, RenewDelegationTokenResponse,
};
use serde_json::json;

use super::{Audited, Change, change};
use crate::session::delegation_tokens::DelegationTokens;

const TOKEN: &str = "DelegationToken";

impl Audited for CreateDelegationTokenRequest {
    fn changes(&self, response: &CreateDelegationTokenResponse) -> Vec<Change> {
        let renewers = self.renewers.iter();
        let renewers: Vec<String> =
            renewers.map(|one| format!("{}:{}", one.principal_type, one.principal_name)).collect();
        let detail = json!({
            "owner": format!("{}:{}", response.principal_type, response.principal_name),
            "renewers": renewers,
            "expires_ms": response.expiry_timestamp_ms,
        });
        vec![Change { detail, ..change(TOKEN, &response.token_id, "Create", response.error_code) }]
    }
}

impl Audited for RenewDelegationTokenRequest {
    fn resource(&self, tokens: Option<&DelegationTokens>) -> Option<String> {
        id_of(tokens, &self.hmac)
    }

    fn changes(&self, response: &RenewDelegationTokenResponse) -> Vec<Change> {
        vec![moved("Renew", response.expiry_timestamp_ms, response.error_code)]
    }
}

impl Audited for ExpireDelegationTokenRequest {
    fn resource(&self, tokens: Option<&DelegationTokens>) -> Option<String> {
        id_of(tokens, &self.hmac)
    }

    fn changes(&self, response: &ExpireDelegationTokenResponse) -> Vec<Change> {
        vec![moved("Expire", response.expiry_timestamp_ms, response.error_code)]
    }
}

fn id_of(tokens: Option<&DelegationTokens>, hmac: &[u8]) -> Option<String> {
    Some(tokens?.by_hmac(hmac)?.facts.id.clone())
}

fn moved(operation: &'static str, expires_ms: i64, error_code: i16) -> Change {
    Change { detail: json!({ "expires_ms": expires_ms }), ..change(TOKEN, "", operation, error_code) }
}
