//! The changes in requests of administrators, as the audit log tells them.
//!
//! Each request is paired with its answer: what was asked for, and the code of the result. Nothing secret is taken over: no salt,
//! key or token's HMAC, and no value of a configuration key unless a table says that it may be shown.

mod acls;
mod configs;
mod groups;
mod quotas;
mod tokens;
mod topics;
mod users;

use codec::Request;

use crate::session::delegation_tokens::DelegationTokens;
use crate::telemetry::audit::Change;

/// A request that changes what administrators answer for.
pub(crate) trait Audited: Request {
    /// The name of the resource, as far as it is known before the request is served alone: that of a token, which a request names by its
    /// secret and may remove.
    fn resource(&self, _tokens: Option<&DelegationTokens>) -> Option<String> {
        None
    }

    /// Its changes, also those that were refused. Empty if the request was only to be checked.
    fn changes(&self, response: &Self::Response) -> Vec<Change>;
}

/// A change whose operation says all.
fn change(resource_type: &'static str, resource: &str, operation: &'static str, error_code: i16) -> Change {
    let detail = serde_json::Value::Null;
    Change { resource_type, resource: resource.to_owned(), operation, error_code, detail }
}

/// The code of the first error, 0 if there is none.
fn first_error(codes: impl IntoIterator<Item = i16>) -> i16 {
    codes.into_iter().find(|code| *code != 0).unwrap_or_default()
}

#[cfg(test)]
mod tests;
