//! `ottla token`: delegation tokens (APIs 38 to 41, KIP-48). A token is named by its id; its HMAC, the password, is printed when it is made.

use std::time::Duration;

use clap::{Args, Subcommand};
use codec::messages::create_delegation_token_request::CreatableRenewers;
use codec::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use codec::messages::describe_delegation_token_response::DescribedDelegationToken;
use codec::messages::{
    CreateDelegationTokenRequest, DescribeDelegationTokenRequest, ExpireDelegationTokenRequest,
    RenewDelegationTokenRequest, StrBytes,
};
use security::{Principal, Secret, delegation_token};
use serde_json::{Value, json};

use crate::client::{Cluster, Target, refused};
use crate::failure::Failure;
use crate::output::{Format, Table, escaped};
use crate::time::{date, period};

/// `ottla token …`
#[derive(Debug, Args)]
pub struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Makes a token of the user that this command logs in as, and prints its HMAC.
    Create {
        /// Another owner.
        #[arg(long, value_name = "PRINCIPAL")]
        owner: Option<Principal>,
        /// A principal that may renew it besides the owner; may be given several times.
        #[arg(long, value_name = "PRINCIPAL")]
        renewer: Vec<Principal>,
        /// Longest life, such as 7d; the broker's limit counts as well [default: the broker's limit]
        #[arg(long, value_name = "TIME", value_parser = period)]
        max_life: Option<Duration>,
    },
    /// Lists tokens.
    List {
        /// Those of this owner alone; may be given several times.
        #[arg(long, value_name = "PRINCIPAL")]
        owner: Vec<Principal>,
        /// Shows their HMACs, by which their holder can log in as their owners.
        #[arg(long)]
        show_hmac: bool,
    },
    /// Makes a token expire later.
    Renew {
        /// Its id.
        id: String,
        /// From now, such as 1d [default: as the broker has it configured]
        #[arg(long, value_name = "TIME", value_parser = period)]
        period: Option<Duration>,
    },
    /// Makes a token expire, at once unless a time is given.
    Expire {
        /// Its id.
        id: String,
        /// From now, such as 1h.
        #[arg(long, value_name = "TIME", value_parser = period)]
        period: Option<Duration>,
    },
}

fn ms(period: Option<Duration>) -> i64 {
    // The broker's own limit, and for the end of a token: at once.
    period.map_or(-1, |period| i64::try_from(period.as_millis()).unwrap_or(i64::MAX))
}

pub(crate) fn run(arguments: &TokenArguments) -> Result<String, Failure> {
    let mut cluster = Cluster::connect(&arguments.target)?;
    let format = arguments.output;
    match &arguments.command {
        TokenCommand::Create { owner, renewer, max_life } => {
            create(&mut cluster, owner.as_ref(), renewer, *max_life, format)
        }
        TokenCommand::List { owner, show_hmac } => {
            Ok(list(&describe(&mut cluster, owner)?, *show_hmac, format))
        }
        TokenCommand::Renew { id, period } => {
            let hmac = hmac_of(&mut cluster, id)?;
            let request =
                RenewDelegationTokenRequest::default().with_hmac(hmac).with_renew_period_ms(ms(*period));
            let answer = cluster.change(0, &request, |answer| vec![answer.error_code])?;
            ended(id, "renew", answer.error_code, answer.expiry_timestamp_ms, format)
        }
        TokenCommand::Expire { id, period } => {
            let hmac = hmac_of(&mut cluster, id)?;
            let request = ExpireDelegationTokenRequest::default()
                .with_hmac(hmac)
                .with_expiry_time_period_ms(ms(*period));
            let answer = cluster.change(0, &request, |answer| vec![answer.error_code])?;
            ended(id, "expire", answer.error_code, answer.expiry_timestamp_ms, format)
        }
    }
}

fn create(
    cluster: &mut Cluster,
    owner: Option<&Principal>,
    renewers: &[Principal],
    max_life: Option<Duration>,
    format: Format,
) -> Result<String, Failure> {
    let renewer = |renewer: &Principal| {
        CreatableRenewers::default()
            .with_principal_type(text(renewer.principal_type()))
            .with_principal_name(text(renewer.name()))
    };
    let mut request = CreateDelegationTokenRequest::default()
        .with_renewers(renewers.iter().map(renewer).collect())
        .with_max_lifetime_ms(ms(max_life));
    if let Some(owner) = owner {
        request = request
            .with_owner_principal_type(Some(text(owner.principal_type())))
            .with_owner_principal_name(Some(text(owner.name())));
    }
    // Another owner can be named since version 3 (KIP-373).
    let at_least = if owner.is_some() { 3 } else { 0 };
    let answer = cluster.change(at_least, &request, |answer| vec![answer.error_code])?;
    if answer.error_code != 0 {
        return Err(refused("create a token", answer.error_code, None));
    }
    let hmac = base64(&answer.hmac);
    let owner = Principal::new(&answer.principal_type, &answer.principal_name).to_string();
    let (expires, last) = (date(answer.expiry_timestamp_ms), date(answer.max_timestamp_ms));
    Ok(match format {
        Format::Json | Format::Yaml => format.document(&json!({
            "id": *answer.token_id, "hmac": hmac, "owner": owner, "expires": expires, "last_expiry": last,
        })),
        // The only place that prints an HMAC without being asked to: the token would be of no use otherwise.
        Format::Table | Format::Wide => format!(
            "created token {} of {}\nhmac: {hmac}\nexpires {expires} unless it is renewed, at the latest {last}\n\
             A client logs in by SCRAM with the id as username, the hmac as password, and tokenauth=\"true\"\n",
            escaped(&answer.token_id),
            escaped(&owner),
        ),
    })
}

fn describe(cluster: &mut Cluster, owners: &[Principal]) -> Result<Vec<DescribedDelegationToken>, Failure> {
    let owner = |owner: &Principal| {
        DescribeDelegationTokenOwner::default()
            .with_principal_type(text(owner.principal_type()))
            .with_principal_name(text(owner.name()))
    };
    let owners = if owners.is_empty() { None } else { Some(owners.iter().map(owner).collect()) };
    let answer = cluster.call(&DescribeDelegationTokenRequest::default().with_owners(owners))?;
    match answer.error_code {
        0 => Ok(answer.tokens),
        code => Err(refused("list tokens", code, None)),
    }
}

fn hmac_of(cluster: &mut Cluster, id: &str) -> Result<bytes::Bytes, Failure> {
    let tokens = describe(cluster, &[])?;
    let found = tokens.into_iter().find(|token| token.token_id.as_str() == id);
    found.map(|token| token.hmac).ok_or_else(|| {
        Failure::failed(format!("there is no token {id:?} that this user may see; see `ottla token list`"))
    })
}

/// An HMAC as the text that a client logs in with.
fn base64(hmac: &[u8]) -> String {
    let text = delegation_token::password(&Secret::new(hmac));
    text.expose_text().expect("Base64 is ASCII").to_owned()
}

fn list(tokens: &[DescribedDelegationToken], shows_hmac: bool, format: Format) -> String {
    let owner = |token: &DescribedDelegationToken| {
        Principal::new(&token.principal_type, &token.principal_name).to_string()
    };
    let renewers = |token: &DescribedDelegationToken| -> Vec<String> {
        let renewers = token.renewers.iter();
        renewers.map(|one| Principal::new(&one.principal_type, &one.principal_name).to_string()).collect()
    };
    match format {
        Format::Table | Format::Wide => {
            let titles: &[&str] = &["ID", "OWNER", "RENEWERS", "EXPIRES", "LAST-EXPIRY", "HMAC"];
            let mut table = Table::new(if shows_hmac {
                titles
            } else {
                &["ID", "OWNER", "RENEWERS", "EXPIRES", "LAST-EXPIRY"]
            });
            for token in tokens {
                let row = [
                    token.token_id.to_string(),
                    owner(token),
                    renewers(token).join(","),
                    date(token.expiry_timestamp),
                    date(token.max_timestamp),
                ];
                table.push(row.into_iter().chain(shows_hmac.then(|| base64(&token.hmac))));
            }
            table.text("no tokens")
        }
        Format::Json | Format::Yaml => {
            let object = |token: &DescribedDelegationToken| {
                let mut object = json!({
                    "id": *token.token_id, "owner": owner(token), "renewers": renewers(token),
                    "expires": date(token.expiry_timestamp), "last_expiry": date(token.max_timestamp),
                });
                if let (true, Some(map)) = (shows_hmac, object.as_object_mut()) {
                    map.insert("hmac".to_owned(), Value::String(base64(&token.hmac)));
                }
                object
            };
            format.document(&tokens.iter().map(object).collect())
        }
    }
}

fn ended(id: &str, verb: &str, code: i16, expires_ms: i64, format: Format) -> Result<String, Failure> {
    if code != 0 {
        return Err(refused(&format!("{verb} token {id:?}"), code, None));
    }
    let expires = date(expires_ms);
    Ok(match format {
        Format::Json | Format::Yaml => format.document(&json!({"id": id, "expires": expires})),
        Format::Table | Format::Wide => format!("token {} expires {expires}\n", escaped(id)),
    })
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_period_is_the_limit_of_the_broker() {
        assert_eq!(ms(None), -1);
        assert_eq!(ms(Some(Duration::from_secs(7))), 7_000);
    }
}
