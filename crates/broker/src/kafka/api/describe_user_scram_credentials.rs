//! DescribeUserScramCredentials, key 50: the mechanisms of users, with the iterations of each, and nothing else of a credential
//! (KIP-554).
//!
//! Version 0. Users are answered in the order of the request, or of their names where all are asked for; Kafka answers in that
//! of a hash table.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use codec::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, StrBytes};
use indexmap::IndexMap;
use security::sasl::scram::Hash;

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;
use crate::session::credentials::Users;

/// See the file's header.
pub(crate) struct DescribeUserScramCredentials;

impl Api for DescribeUserScramCredentials {
    type Request = DescribeUserScramCredentialsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let named = request.users.unwrap_or_default().into_iter().map(|user| user.name);
        let response = DescribeUserScramCredentialsResponse::default();
        Ok(Reply::Response(match cx.authorize_cluster(Operation::Describe) {
            Ok(permit) => {
                let named = named.collect();
                response.with_results(cx.credentials(&permit).look(|users| described(users, named)))
            }
            // For the whole and for each, as `DescribeUserScramCredentialsRequest.getErrorResponse`.
            Err(code) => {
                let text = Some(error_text(code.message().to_owned()));
                let refused = |_| {
                    DescribeUserScramCredentialsResult::default()
                        .with_error_code(code.code())
                        .with_error_message(text.clone())
                };
                response
                    .with_results(named.map(refused).collect())
                    .with_error_code(code.code())
                    .with_error_message(text.clone())
            }
        }))
    }

    fn first_error(response: &DescribeUserScramCredentialsResponse) -> i16 {
        let each = response.results.iter().map(|one| one.error_code);
        super::first_code(std::iter::once(response.error_code).chain(each))
    }
}

/// The users that are named, or all; as `ScramImage.describe`.
fn described(users: &Users, named: Vec<StrBytes>) -> Vec<DescribeUserScramCredentialsResult> {
    if named.is_empty() {
        let all: BTreeSet<&str> = Hash::ALL.into_iter().flat_map(|hash| users.of(hash)).collect();
        return all.into_iter().map(|user| one(users, StrBytes::from_string(user.to_owned()))).collect();
    }
    let mut times: IndexMap<StrBytes, usize> = IndexMap::new();
    for user in named {
        *times.entry(user).or_default() += 1;
    }
    let result = |(user, times): (StrBytes, usize)| match times {
        1 => one(users, user),
        _ => {
            let text = "Cannot describe SCRAM credentials for the same user twice in a single request: ";
            failed(user, ErrorCode::DuplicateResource, text)
        }
    };
    times.into_iter().map(result).collect()
}

fn one(users: &Users, user: StrBytes) -> DescribeUserScramCredentialsResult {
    let info = |hash: Hash| {
        let iterations = i32::try_from(users.iterations(hash, &user)?).unwrap_or(i32::MAX);
        Some(CredentialInfo::default().with_mechanism(hash.code().cast_signed()).with_iterations(iterations))
    };
    let infos: Vec<CredentialInfo> = Hash::ALL.into_iter().filter_map(info).collect();
    if infos.is_empty() {
        let text = "Attempt to describe a user credential that does not exist: ";
        return failed(user, ErrorCode::ResourceNotFound, text);
    }
    DescribeUserScramCredentialsResult::default().with_user(user).with_credential_infos(infos)
}

fn failed(user: StrBytes, code: ErrorCode, text: &str) -> DescribeUserScramCredentialsResult {
    let text = error_text(format!("{text}{user}"));
    DescribeUserScramCredentialsResult::default()
        .with_user(user)
        .with_error_code(code.code())
        .with_error_message(Some(text))
}
