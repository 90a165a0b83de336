//! Messages of logins, and the texts that name users.

use security::Secret;
use security::jaas;
use security::sasl::plain::PlainUsers;
use security::sasl::scram::client::Client;
use security::sasl::scram::new_user::NewUser;
use security::sasl::scram::{Credential, Hash, NONCE_BYTES, decoy};
use security::sasl::{Exchange, Mechanism, Step, Users};

use super::{MIB, kind};
use crate::Target;

/// The messages of a login by each mechanism, or a text; the first byte chooses. Messages are divided by the byte 0xff.
pub(super) const LOGIN: Target =
    Target { name: "login", run: login, seeds: login_seeds, memory: |len| MIB + 64 * len };

const PASSWORD: &str = "correct horse";
const END: u8 = 0xff;

/// One user, "alice", of every mechanism.
struct Alice {
    plain: PlainUsers,
    salted: Secret,
}

impl Alice {
    fn new() -> Self {
        let password = Secret::new(PASSWORD);
        // Not the 4 096 iterations that a login demands of clients: seeds are made for each run.
        let salted = Hash::Sha256.salted(&password, b"salt", 1);
        Self { plain: PlainUsers::new([("alice", &password)], [1; 32]), salted }
    }
}

impl Users for Alice {
    fn plain(&self) -> &PlainUsers {
        &self.plain
    }

    fn scram(&self, hash: Hash, user: &str) -> (Credential, bool) {
        match user {
            "alice" => (Credential::from_salted_password(hash, b"salt".to_vec(), 1, &self.salted), true),
            _ => (decoy(&Secret::new("folder"), hash, user, 4096), false),
        }
    }
}

fn login(data: &[u8]) -> String {
    let Some((choice, bytes)) = data.split_first() else { return "no choice".to_owned() };
    match choice % 5 {
        0 => exchange(Mechanism::Plain, bytes),
        1 => exchange(Mechanism::Scram(Hash::Sha256), bytes),
        2 => exchange(Mechanism::Scram(Hash::Sha512), bytes),
        3 => text(bytes, |text| {
            let value = jaas::parse(text).map_or_else(|error| kind(&error), |_| "a value".to_owned());
            let file = jaas::parse_file(text).map_or_else(|error| kind(&error), |_| "a file".to_owned());
            format!("{value}, {file}")
        }),
        _ => text(bytes, |text| {
            let long = NewUser::parse(text).map_or_else(|error| kind(&error), |_| "a user".to_owned());
            let short = NewUser::parse_short(text, Hash::Sha512).is_ok();
            format!("{long}, {short}")
        }),
    }
}

/// Whatever was sent, the only user is "alice"; a failure has one of few texts, and nothing counts after it.
fn exchange(mechanism: Mechanism, bytes: &[u8]) -> String {
    let users = Alice::new();
    let mut exchange = Exchange::new(mechanism, [5; NONCE_BYTES]);
    let mut answers = Vec::new();
    let mut is_over = false;
    for message in bytes.split(|byte| *byte == END).take(4) {
        let step = exchange.step(message, &users);
        assert!(!is_over || step.is_err(), "a message counted after the end");
        answers.push(match step {
            Ok(Step::Challenge(_)) => "challenged".to_owned(),
            Ok(Step::LoggedIn { user, .. }) => {
                assert_eq!(user, "alice");
                is_over = true;
                "logged in".to_owned()
            }
            Err(failed) => {
                is_over = true;
                kind(&failed)
            }
        });
    }
    answers.join(", ")
}

fn text(bytes: &[u8], read: impl FnOnce(&str) -> String) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| "no text".to_owned(), read)
}

fn login_seeds() -> Vec<Vec<u8>> {
    let users = Alice::new();
    let mut seeds = vec![
        [&[0][..], b"\0alice\0correct horse"].concat(),
        [&[3][..], b"org.x.Module required user_alice=\"a\\\"b\\101\"; // end"].concat(),
        [&[3][..], b"KafkaServer {\n C required a='b' /* c */;\n};"].concat(),
        [&[4][..], b"SCRAM-SHA-256=[name=alice,iterations=8192,password=\"a,b\"]"].concat(),
        [&[4][..], b"SCRAM-SHA-512=[name=bob,salt=c2FsdA==,saltedpassword=c2FsdA==]"].concat(),
        [&[4][..], b"alice:pw:SCRAM-SHA-256"].concat(),
    ];
    // A whole login; the salted password is that of one iteration of SHA-256.
    let mut exchange = Exchange::new(Mechanism::Scram(Hash::Sha256), [5; NONCE_BYTES]);
    let (client, first) = Client::begin(Hash::Sha256, "alice", Secret::new(PASSWORD), "abc");
    if let Ok(Step::Challenge(challenge)) = exchange.step(&first, &users)
        && let Some((_, last)) = client.prove(&challenge)
    {
        seeds.push([&[1][..], &first, &[END], &last].concat());
    }
    seeds.push([&[2][..], b"n,a=bob,n=bob,r=x,ext=y", &[END], b"c=biws,r=x,p=AA=="].concat());
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_reach_the_end_of_a_login() {
        let answers: Vec<String> = login_seeds().iter().map(|seed| login(seed)).collect();
        assert!(answers.contains(&"logged in".to_owned()), "{answers:?}");
        assert!(answers.contains(&"challenged, logged in".to_owned()), "{answers:?}");
    }
}
