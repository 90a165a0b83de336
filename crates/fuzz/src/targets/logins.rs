//! Messages of logins, and the texts that name users.

use std::sync::LazyLock;

use security::Secret;
use security::bearer::{Accepted, Expected, KeySet, Refused, judge};
use security::jaas;
use security::sasl::plain::PlainUsers;
use security::sasl::scram::client::Client;
use security::sasl::scram::new_user::NewUser;
use security::sasl::scram::{Credential, Hash, NONCE_BYTES, Named, Shape, decoy};
use security::sasl::{Exchange, Identity, Mechanism, Step, Users};

use super::{MIB, kind};
use crate::Target;

/// The messages of a login by each mechanism, or a text; the first byte chooses. Messages are divided by the byte 0xff.
pub(super) const LOGIN: Target =
    Target { name: "login", run: login, seeds: login_seeds, memory: |len| MIB + 64 * len };

/// A key set, and a token that is judged by a fixed one; divided by the byte 0xff.
pub(super) const BEARER: Target =
    Target { name: "bearer", run: bearer, seeds: bearer_seeds, memory: |len| MIB + 64 * len };

/// An Ed25519 key whose private half signed [`TOKEN`] and was thrown away.
const KEY_SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"lwq6hAe0FVIHn7UlRNDtljwGuMTl5H69HNeHZbGiqL8"}]}"#;
const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.eyJpc3MiOiJodHRwczovL2lzc3VlciIsImF1ZCI6ImthZmthIiwic3ViIjoiYWxpY2UiLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTkwMDAwMDAwMH0.D_W7Lw3ytjZxAeuM_k4V4hrLF3O00ER2lYOUR5Lr9gIkjPABhL-omDp-Lbva4J6JvkEs3RUuLUcKhPdDlAkhDw";
/// A second before the token's end.
const NOW_MS: i64 = 1_899_999_999_000;

static KEYS: LazyLock<KeySet> = LazyLock::new(|| KeySet::parse(KEY_SET.as_bytes()).expect("it is a set"));
static EXPECTED: LazyLock<Expected> = LazyLock::new(|| Expected {
    issuer: Some("https://issuer".to_owned()),
    audience: Some(vec!["kafka".to_owned()]),
    clock_skew_seconds: 30,
    subject_claim: "sub".to_owned(),
    scope_claim: "scope".to_owned(),
});

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

    fn scram(&self, hash: Hash, named: &Named) -> (Credential, bool) {
        match named.name.as_str() {
            "alice" => (Credential::from_salted_password(hash, b"salt".to_vec(), 1, &self.salted), true),
            other => (decoy(&Secret::new("folder"), hash, other, Shape::default()), false),
        }
    }

    /// A token has the id "alice", too.
    fn delegation_token(&self, id: &str) -> Option<Identity> {
        (id == "alice").then(|| Identity::user("alice"))
    }

    fn bearer(&self, token: &str) -> Result<Accepted, Refused> {
        judge(token, &KEYS, &EXPECTED, NOW_MS)
    }
}

fn login(data: &[u8]) -> String {
    let Some((choice, bytes)) = data.split_first() else { return "no choice".to_owned() };
    match choice % 6 {
        5 => exchange(Mechanism::OauthBearer, bytes),
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
            Ok(Step::LoggedIn { identity, .. }) => {
                assert_eq!(identity.user, "alice");
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

/// Only the one token counts, for its user; a key set of any bytes makes it count only if it holds the key that signed it.
fn bearer(data: &[u8]) -> String {
    let mut parts = data.splitn(2, |byte| *byte == END);
    let (set, token) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let of_token = text(token, |token| match judge(token, &KEYS, &EXPECTED, NOW_MS) {
        Ok(accepted) => {
            assert_eq!((accepted.subject.as_str(), token), ("alice", TOKEN));
            "it counts".to_owned()
        }
        Err(refused) => kind(&refused),
    });
    let of_set = match KeySet::parse(set) {
        Ok(keys) => {
            judge(TOKEN, &keys, &EXPECTED, NOW_MS).map_or_else(|error| kind(&error), |_| "a set".to_owned())
        }
        Err(error) => kind(&error),
    };
    format!("{of_set}, {of_token}")
}

fn bearer_seeds() -> Vec<Vec<u8>> {
    let rsa =
        format!(r#"{{"keys":[{{"kty":"RSA","kid":"a","use":"sig","n":"{}","e":"AQAB"}}]}}"#, "x".repeat(342));
    let point = format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","alg":"ES256","x":"{0}","y":"{0}"}}]}}"#,
        "A".repeat(43)
    );
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.";
    let pairs =
        [(KEY_SET, TOKEN), (&rsa, header), (&point, "eyJhbGciOiJub25lIn0.e30."), ("{\"keys\":[]}", "a.b.c")];
    pairs.iter().map(|(set, token)| [set.as_bytes(), &[END], token.as_bytes()].concat()).collect()
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
    seeds.push([&[5][..], b"n,a=alice,\x01auth=Bearer ", TOKEN.as_bytes(), b"\x01k=v\x01\x01"].concat());
    seeds.push([&[5][..], b"n,,\x01auth=Bearer a.b.c\x01\x01", &[END], &[1]].concat());
    seeds.push([&[1][..], b"n,,n=alice,r=x,tokenauth=true", &[END], b"c=biws,r=x,p=AA=="].concat());
    // A whole login. A client refuses so few iterations, so it is given the salted password that they make.
    let mut exchange = Exchange::new(Mechanism::Scram(Hash::Sha256), [5; NONCE_BYTES]);
    let (client, first) = Client::begin(Hash::Sha256, "alice", Secret::new(PASSWORD), "abc");
    if let Ok(Step::Challenge(challenge)) = exchange.step(&first, &users)
        && let Some((_, last)) = client.prove_by(&challenge, &users.salted)
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

    #[test]
    fn seeds_reach_tokens_that_count() {
        let answers: Vec<String> = bearer_seeds().iter().map(|seed| bearer(seed)).collect();
        assert_eq!(answers[0], "a set, it counts", "{answers:?}");
        assert!(login_seeds().iter().any(|seed| seed[0] == 5 && login(seed) == "logged in"));
    }
}
