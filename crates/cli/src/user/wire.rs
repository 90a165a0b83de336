//! Users of SCRAM as messages: DescribeUserScramCredentials and AlterUserScramCredentials.

use codec::ErrorCode;
use codec::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use codec::messages::describe_user_scram_credentials_request::UserName;
use codec::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest, StrBytes};
use security::Secret;
use security::sasl::scram::{Hash, SALT_BYTES, salt};

use crate::client::{Cluster, ErrorAnswer};
use crate::failure::Failure;
use crate::random;

/// A user's mechanisms, with the iterations of each. `None`: one that this version does not know.
pub(crate) type Credentials = Vec<(Option<Hash>, i32)>;

/// Users by name, each with its credentials or the reason why they cannot be read.
pub(crate) type Users = Vec<(String, Result<Credentials, ErrorAnswer>)>;

/// The users, or those of these names, sorted; one that does not exist is left out. The outer of the inner errors is about all of them.
///
/// # Errors
/// The connection fails.
pub(crate) fn describe(
    cluster: &mut Cluster,
    names: &[String],
) -> Result<Result<Users, ErrorAnswer>, Failure> {
    let users = names.iter().map(|name| UserName::default().with_name(text(name))).collect();
    let users = if names.is_empty() { None } else { Some(users) };
    let answer = cluster.call(&DescribeUserScramCredentialsRequest::default().with_users(users))?;
    if let Err(error) = ErrorAnswer::check(answer.error_code, answer.error_message.as_deref()) {
        return Ok(Err(error));
    }
    let mut found = Users::new();
    for result in answer.results {
        if result.error_code == ErrorCode::ResourceNotFound as i16 {
            continue;
        }
        let infos = result.credential_infos.iter();
        let hash = |code: i8| u8::try_from(code).ok().and_then(Hash::from_code);
        let infos = infos.map(|info| (hash(info.mechanism), info.iterations)).collect();
        let checked = ErrorAnswer::check(result.error_code, result.error_message.as_deref());
        found.push((result.user.to_string(), checked.map(|()| infos)));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Ok(found))
}

/// A new password of a user for a mechanism, with a salt of its own.
pub(crate) fn upsertion(
    name: &str,
    hash: Hash,
    iterations: u32,
    password: &Secret,
) -> ScramCredentialUpsertion {
    let salt = salt(random::bytes::<SALT_BYTES>());
    let salted = hash.salted(password, &salt, iterations);
    ScramCredentialUpsertion::default()
        .with_name(text(name))
        .with_mechanism(hash.code().cast_signed())
        .with_iterations(iterations.cast_signed())
        .with_salt(salt.into())
        .with_salted_password(salted.expose().to_vec().into())
}

/// The end of a user's password for a mechanism.
pub(crate) fn deletion(name: &str, hash: Hash) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default().with_name(text(name)).with_mechanism(hash.code().cast_signed())
}

/// Makes the changes of a request. The inner error is the broker's first.
///
/// # Errors
/// The connection fails.
pub(crate) fn alter(
    cluster: &mut Cluster,
    request: &AlterUserScramCredentialsRequest,
) -> Result<Result<(), ErrorAnswer>, Failure> {
    let answer = cluster
        .change(0, request, |answer| answer.results.iter().map(|result| result.error_code).collect())?;
    let mut results = answer.results.iter();
    Ok(results.try_for_each(|one| ErrorAnswer::check(one.error_code, one.error_message.as_deref())))
}

fn text(name: &str) -> StrBytes {
    StrBytes::from_string(name.to_owned())
}
