//! AlterUserScramCredentials, key 51: gives users credentials of SCRAM and deletes them (KIP-554). No password comes here: the
//! client sends salt and salted password. The answer is sent once the credentials are on the disk and in force; deleting one
//! ends its sessions at their next request.
//!
//! Version 0.
//!
//! Differences from Kafka: users are answered in the order of the request, which Kafka answers in that of a hash table; more
//! than 10 000 changes in one request are refused; Kafka does not end sessions.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use codec::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, StrBytes};
use security::Secret;
use security::sasl::scram::Hash;

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{code_and_text, error_text};
use crate::services::credentials::{self, Change, Reach, Wanted};

/// See the file's header.
pub(crate) struct AlterUserScramCredentials;

impl Api for AlterUserScramCredentials {
    type Request = AlterUserScramCredentialsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let results = match cx.authorize_cluster(Operation::Alter) {
            Ok(permit) => {
                let credentials = cx.credentials(&permit).clone();
                let (cluster, tasks) =
                    (cx.io(&permit).cluster().clone(), cx.resources(&permit).tasks.clone());
                let outcomes =
                    credentials::alter(Reach { credentials, cluster, tasks }, wanted(request)).await;
                let result = |(user, outcome)| {
                    let (code, text) = code_and_text(outcome);
                    result(StrBytes::from_string(user)).with_error_code(code).with_error_message(text)
                };
                outcomes.into_iter().map(result).collect()
            }
            Err(code) => refused(&request, code),
        };
        Ok(Reply::Response(AlterUserScramCredentialsResponse::default().with_results(results)))
    }

    fn first_error(response: &AlterUserScramCredentialsResponse) -> i16 {
        super::first_code(response.results.iter().map(|one| one.error_code))
    }
}

/// Deletions come first, as in Kafka.
fn wanted(request: AlterUserScramCredentialsRequest) -> Vec<Wanted> {
    let hash = |code: i8| u8::try_from(code).ok().and_then(Hash::from_code);
    let deletions = request.deletions.into_iter().map(|one| Wanted {
        user: one.name.to_string(),
        hash: hash(one.mechanism),
        change: Change::Delete,
    });
    let upsertions = request.upsertions.into_iter().map(|one| Wanted {
        user: one.name.to_string(),
        hash: hash(one.mechanism),
        change: Change::Put {
            iterations: one.iterations,
            salt: one.salt.to_vec(),
            salted_password: Secret::new(&one.salted_password[..]),
        },
    });
    deletions.chain(upsertions).collect()
}

fn result(user: StrBytes) -> AlterUserScramCredentialsResult {
    AlterUserScramCredentialsResult::default().with_user(user)
}

/// One for each user, as `AlterUserScramCredentialsRequest.getErrorResponse`.
fn refused(
    request: &AlterUserScramCredentialsRequest,
    code: ErrorCode,
) -> Vec<AlterUserScramCredentialsResult> {
    let deleted = request.deletions.iter().map(|one| one.name.clone());
    let users: BTreeSet<StrBytes> =
        deleted.chain(request.upsertions.iter().map(|one| one.name.clone())).collect();
    let text = Some(error_text(code.message().to_owned()));
    users
        .into_iter()
        .map(|user| result(user).with_error_code(code.code()).with_error_message(text.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
