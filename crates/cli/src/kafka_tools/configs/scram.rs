//! Users of SCRAM, and their passwords: `SCRAM-SHA-256=[iterations=8192,password=…]`. No password is part of an error.

use codec::messages::AlterUserScramCredentialsRequest;
use regex::Regex;
use security::Secret;
use security::sasl::scram::{Hash, MIN_ITERATIONS};

use super::super::refusal::{Refusal, exception, words};
use super::changes::Changes;
use super::{executed, in_future};
use crate::client::{Cluster, ErrorAnswer};
use crate::output::{escaped, print};
use crate::user::wire::{self, Credentials, deletion, upsertion};

/// The mechanism of a key.
pub(super) fn hash(key: &str) -> Option<Hash> {
    Hash::ALL.into_iter().find(|hash| hash.mechanism() == key)
}

/// Shows the mechanisms of users.
pub(super) fn describe(names: &[String], cluster: &mut Cluster) -> Result<(), Refusal> {
    let users = wire::describe(cluster, names)?.map_err(|error| executed(&error))?;
    let line = |(name, credentials): (String, Result<Credentials, ErrorAnswer>)| {
        let name = escaped(&name);
        match credentials {
            Ok(credentials) => {
                let of = |(hash, iterations): (Option<Hash>, i32)| {
                    format!("{}=iterations={iterations}", hash.map_or("UNKNOWN", Hash::mechanism))
                };
                let credentials: Vec<String> = credentials.into_iter().map(of).collect();
                format!(
                    "SCRAM credential configs for user-principal '{name}' are {}\n",
                    credentials.join(", ")
                )
            }
            Err(error) => {
                let text = words(error.code, error.message.as_deref());
                let class = exception(error.code);
                format!(
                    "Error retrieving SCRAM credential configs for user-principal '{name}': ExecutionException: {class}: {text}\n"
                )
            }
        }
    };
    let text: String = users.into_iter().map(line).collect();
    Ok(print(&text)?)
}

/// Sets passwords of a user, and deletes others.
pub(super) fn alter(name: &str, changes: &Changes, cluster: &mut Cluster) -> Result<(), Refusal> {
    let mut request = AlterUserScramCredentialsRequest::default();
    for key in &changes.deleted {
        request.deletions.extend(hash(key).map(|hash| deletion(name, hash)));
    }
    for (key, value) in &changes.added {
        let Some(hash) = hash(key) else { continue };
        let (iterations, password) = credential(hash, value)?;
        if password.expose().is_empty() {
            let class = "org.apache.kafka.common.errors.UnacceptableCredentialException";
            return Err(in_future(class, "Password must not be empty"));
        }
        request.upsertions.push(upsertion(name, hash, iterations, &password));
    }
    if request.deletions.is_empty() && request.upsertions.is_empty() {
        return Ok(());
    }
    wire::alter(cluster, &request)?.map_err(|error| executed(&error))
}

/// Iterations and password of a value.
fn credential(hash: Hash, value: &Secret) -> Result<(u32, Secret), Refusal> {
    let argument = |text: String| Err(Refusal::Argument(text));
    let mechanism = hash.mechanism();
    let text = value.expose_text().unwrap_or_default();
    let form = Regex::new(r"\A(?:iterations=(-?[0-9]*),)?password=(.*)\z").ok();
    let Some(found) = form.and_then(|form| form.captures(text)) else {
        return argument(format!("Invalid credential property {}=(hidden)", mechanism.replace('-', "_")));
    };
    let password = Secret::new(found.get(2).map_or("", |found| found.as_str()));
    let iterations = match found.get(1).map(|found| found.as_str()) {
        None | Some("-1") => return Ok((MIN_ITERATIONS, password)),
        Some(text) => text,
    };
    match iterations.parse::<i32>() {
        Err(_) => argument(format!("For input string: \"{iterations}\"")),
        Ok(number) => match u32::try_from(number) {
            Ok(number) if number >= MIN_ITERATIONS => Ok((number, password)),
            _ => argument(format!(
                "Iterations {number} is less than the minimum {MIN_ITERATIONS} required for {mechanism}"
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_come_with_iterations() {
        let of = |text: &str| {
            let (iterations, password) = credential(Hash::Sha256, &Secret::new(text))?;
            Ok((iterations, password.expose_text().unwrap().to_owned()))
        };
        let good = |iterations, password: &str| Ok((iterations, password.to_owned()));
        assert_eq!(of("password=a=b,c"), good(4096, "a=b,c"));
        assert_eq!(of("iterations=8192,password=x"), good(8192, "x"));
        assert_eq!(of("iterations=-1,password="), good(4096, ""));
        let refused = |text: &str| {
            let refusal: Refusal = of(text).unwrap_err();
            refusal.text().to_owned()
        };
        assert_eq!(
            refused("iterations=100,password=x"),
            "Iterations 100 is less than the minimum 4096 required for SCRAM-SHA-256"
        );
        assert_eq!(refused("iterations=,password=x"), "For input string: \"\"");
        for text in ["hunter2", "iterations=many,password=hunter2", ""] {
            assert_eq!(refused(text), "Invalid credential property SCRAM_SHA_256=(hidden)");
        }
    }

    #[test]
    fn mechanisms_have_their_names_alone() {
        assert_eq!(hash("SCRAM-SHA-512"), Some(Hash::Sha512));
        assert_eq!((hash("scram-sha-512"), hash("SCRAM-SHA-1")), (None, None));
    }
}
