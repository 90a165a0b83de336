//! `ottla user`: users of SCRAM (APIs 50 and 51, KIP-554). No password reaches the broker: it gets a salt and a salted password. The messages
//! are in `wire`.

pub(crate) mod wire;

use clap::{Args, Subcommand, ValueEnum};
use codec::messages::AlterUserScramCredentialsRequest;
use security::Secret;
use security::sasl::scram::{Hash, MAX_ITERATIONS, MIN_ITERATIONS};
use serde_json::json;

use self::wire::{Credentials, deletion, upsertion};
use crate::client::{Cluster, ErrorAnswer, Target};
use crate::failure::Failure;
use crate::output::{Format, Table, escaped};
use crate::password::PasswordSource;

/// `ottla user …`
#[derive(Debug, Args)]
pub struct UserArguments {
    #[command(subcommand)]
    command: UserCommand,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Lists users with their mechanisms.
    List {
        /// These alone.
        names: Vec<String>,
    },
    /// Adds a user, who must not exist.
    Add(NewPassword),
    /// Gives a user another password.
    Password(NewPassword),
    /// Deletes a user.
    Delete {
        /// The user's name, such as alice
        name: String,
        /// The password of this mechanism alone [default: all]
        #[arg(long, value_enum)]
        mechanism: Option<MechanismName>,
    },
}

#[derive(Debug, Args)]
struct NewPassword {
    /// The user's name, such as alice
    name: String,
    /// The mechanism that the user logs in by.
    #[arg(long, value_enum, default_value_t = MechanismName::Sha512)]
    mechanism: MechanismName,
    /// Rounds of hashing: more make guesses slower, and logins too.
    #[arg(long, default_value_t = MIN_ITERATIONS, value_parser = clap::value_parser!(u32).range(i64::from(MIN_ITERATIONS)..=i64::from(MAX_ITERATIONS)))]
    iterations: u32,
    #[command(flatten)]
    source: PasswordSource,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MechanismName {
    #[value(name = "SCRAM-SHA-256")]
    Sha256,
    #[value(name = "SCRAM-SHA-512")]
    Sha512,
}

impl MechanismName {
    fn hash(self) -> Hash {
        match self {
            Self::Sha256 => Hash::Sha256,
            Self::Sha512 => Hash::Sha512,
        }
    }
}

/// A user's mechanisms, with the iterations of each.
type Described = (String, Credentials);

pub(crate) fn run(arguments: &UserArguments) -> Result<String, Failure> {
    let mut cluster = Cluster::connect(&arguments.target)?;
    let format = arguments.output;
    match &arguments.command {
        UserCommand::List { names } => list(&mut cluster, names, format),
        UserCommand::Add(new) => set(&mut cluster, new, false, format),
        UserCommand::Password(new) => set(&mut cluster, new, true, format),
        UserCommand::Delete { name, mechanism } => {
            delete(&mut cluster, name, mechanism.map(MechanismName::hash), format)
        }
    }
}

/// The users, or those of these names; one that does not exist is left out.
fn describe(cluster: &mut Cluster, names: &[String]) -> Result<Vec<Described>, Failure> {
    let users = wire::describe(cluster, names)?.map_err(|error| error.failure("list users"))?;
    let described = |(name, credentials): (String, Result<Credentials, ErrorAnswer>)| match credentials {
        Ok(credentials) => Ok((name, credentials)),
        Err(error) => Err(error.failure(&format!("describe user {}", escaped(&name)))),
    };
    users.into_iter().map(described).collect()
}

fn list(cluster: &mut Cluster, names: &[String], format: Format) -> Result<String, Failure> {
    let users = describe(cluster, names)?;
    let mechanism = |hash: Option<Hash>| hash.map_or("unknown", Hash::mechanism);
    let shown = match format {
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["USER", "MECHANISM", "ITERATIONS"]);
            for (name, infos) in &users {
                for (hash, iterations) in infos {
                    table.push([name.clone(), mechanism(*hash).to_owned(), iterations.to_string()]);
                }
            }
            table.text("no users")
        }
        Format::Json | Format::Yaml => {
            let of = |(hash, iterations): &(Option<Hash>, i32)| json!({"mechanism": mechanism(*hash), "iterations": iterations});
            format.document(&users.iter().map(|(name, infos)| json!({"user": name, "credentials": infos.iter().map(of).collect::<Vec<_>>()})).collect())
        }
    };
    match names.iter().find(|name| !users.iter().any(|(known, _)| known == *name)) {
        Some(missing) => Err(Failure::failed(format!("{shown}ottla: user {missing:?} does not exist"))),
        None => Ok(shown),
    }
}

/// Sets a password of a user, who must exist or must not.
fn set(cluster: &mut Cluster, new: &NewPassword, exists: bool, format: Format) -> Result<String, Failure> {
    let (name, hash) = (&new.name, new.mechanism.hash());
    let has = describe(cluster, std::slice::from_ref(name))?
        .iter()
        .any(|(_, infos)| infos.iter().any(|(known, _)| *known == Some(hash)));
    match (has, exists) {
        (true, false) => {
            return Err(Failure::failed(format!(
                "user {name:?} has a password of {} already; `ottla user password` replaces it",
                hash.mechanism()
            )));
        }
        (false, true) => {
            return Err(Failure::failed(format!(
                "user {name:?} has no password of {}; `ottla user add` adds one",
                hash.mechanism()
            )));
        }
        _ => {}
    }
    let (password, is_made) = new.source.read()?;
    let upsertion = upsertion(name, hash, new.iterations, &password);
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
    alter(cluster, &format!("set the password of user {name:?}"), &request)?;
    let made = is_made.then_some(&password);
    let verb = if exists { "changed the password of" } else { "added" };
    Ok(report(verb, name, Some(hash), made, format))
}

fn delete(cluster: &mut Cluster, name: &str, hash: Option<Hash>, format: Format) -> Result<String, Failure> {
    let found = describe(cluster, &[name.to_owned()])?;
    let infos = found.into_iter().flat_map(|(_, infos)| infos);
    let hashes: Vec<Hash> = infos
        .filter_map(|(known, _)| known)
        .filter(|known| hash.is_none_or(|wanted| wanted == *known))
        .collect();
    if hashes.is_empty() {
        let what = hash.map_or_else(
            || "does not exist".to_owned(),
            |hash| format!("has no password of {}", hash.mechanism()),
        );
        return Err(Failure::failed(format!("user {name:?} {what}; see `ottla user list`")));
    }
    // A request names a user once for each mechanism, and some brokers allow one in a request.
    for hash in &hashes {
        let request = AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion(name, *hash)]);
        alter(cluster, &format!("delete user {name:?}"), &request)?;
    }
    Ok(report("deleted", name, hash, None, format))
}

fn alter(
    cluster: &mut Cluster,
    doing: &str,
    request: &AlterUserScramCredentialsRequest,
) -> Result<(), Failure> {
    wire::alter(cluster, request)?.map_err(|error| error.failure(doing))
}

/// The only place where a password is printed: one that was made here, once.
fn report(verb: &str, name: &str, hash: Option<Hash>, made: Option<&Secret>, format: Format) -> String {
    let made = made.and_then(Secret::expose_text);
    let mechanism = hash.map(Hash::mechanism);
    match format {
        Format::Json | Format::Yaml => {
            let mut object = json!({"user": name, "result": verb, "mechanism": mechanism});
            if let (Some(password), Some(map)) = (made, object.as_object_mut()) {
                map.insert("password".to_owned(), json!(password));
            }
            format.document(&object)
        }
        Format::Table | Format::Wide => {
            let mechanism = mechanism.map_or_else(String::new, |mechanism| format!(" ({mechanism})"));
            let password = made.map_or_else(String::new, |made| format!("password: {made}\n"));
            format!("{verb} user {}{mechanism}\n{password}", escaped(name))
        }
    }
}
