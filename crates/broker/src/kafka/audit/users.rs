//! Users.

use std::collections::HashMap;

use codec::ErrorCode;
use codec::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use security::sasl::scram::Hash;
use serde_json::json;

use super::{Audited, Change, change};

const USER: &str = "User";

impl Audited for AlterUserScramCredentialsRequest {
    fn changes(&self, response: &AlterUserScramCredentialsResponse) -> Vec<Change> {
        let codes: HashMap<_, _> =
            response.results.iter().map(|result| (result.user.as_str(), result.error_code)).collect();
        // Each user of a request is answered.
        let code = |user: &str| codes.get(user).copied().unwrap_or(ErrorCode::UnknownServerError.code());
        let mechanism = |code: i8| u8::try_from(code).ok().and_then(Hash::from_code).map(Hash::mechanism);
        let deleted = self.deletions.iter().map(|deletion| {
            let detail = json!({ "mechanism": mechanism(deletion.mechanism) });
            Change { detail, ..change(USER, &deletion.name, "DeleteScramCredential", code(&deletion.name)) }
        });
        let put = self.upsertions.iter().map(|upsertion| {
            // Neither salt nor salted password.
            let detail =
                json!({ "mechanism": mechanism(upsertion.mechanism), "iterations": upsertion.iterations });
            Change { detail, ..change(USER, &upsertion.name, "UpsertScramCredential", code(&upsertion.name)) }
        });
        deleted.chain(put).collect()
    }
}
