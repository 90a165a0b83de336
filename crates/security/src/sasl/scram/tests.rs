//! Vectors of the RFCs, and messages that must not log in.

use std::sync::LazyLock;

use super::*;
use crate::secret::Secret;

/// RFC 7677, section 3.
const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVERS_PART: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

/// Of the vector's user. Made once: 4096 iterations take long in a build for tests.
fn credential(hash: Hash) -> Credential {
    static BOTH: LazyLock<[Credential; 2]> = LazyLock::new(|| {
        [Hash::Sha256, Hash::Sha512].map(|hash| {
            let salt = base64::decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
            Credential::from_password(hash, salt, 4096, &Secret::new("pencil"))
        })
    });
    let [of_256, of_512] = &*BOTH;
    if hash == Hash::Sha256 { of_256.clone() } else { of_512.clone() }
}

/// The state after the vector's first two messages; its nonce is not one that is drawn here.
fn vector() -> Challenged {
    Challenged {
        hash: Hash::Sha256,
        credential: credential(Hash::Sha256),
        is_known: true,
        named: Named { name: "user".to_owned(), is_token: false },
        header: "n,,".to_owned(),
        nonce: format!("rOprNGfwEbeRWgbNEkqO{SERVERS_PART}"),
        messages: format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{SERVER_FIRST}"),
    }
}

/// The store of a broker that has one user.
fn find(hash: Hash) -> impl Fn(&Named) -> (Credential, bool) {
    move |named| match named.name.as_str() {
        "user" => (credential(hash), true),
        user => (decoy(&Secret::new("folder"), hash, user, Shape::default()), false),
    }
}

impl Challenged {
    /// As [`Challenged::finish`], where no credential changed meanwhile.
    fn end(self, last: &[u8]) -> Option<(String, Vec<u8>)> {
        let hash = self.hash;
        self.finish(last, find(hash)).map(|(named, answer)| (named.name, answer))
    }
}

/// A client that knows the password, and may leave the protocol in any part of its final message.
struct TestClient {
    hash: Hash,
    password: &'static str,
    first: String,
    channel_binding: &'static str,
}

impl TestClient {
    fn new(hash: Hash) -> Self {
        Self { hash, password: "pencil", first: "n,,n=user,r=abc".to_owned(), channel_binding: "biws" }
    }

    fn begin(&self) -> Option<(Challenged, String)> {
        let (challenged, answer) =
            challenge(self.hash, self.first.as_bytes(), [9; NONCE_BYTES], find(self.hash))?;
        Some((challenged, String::from_utf8(answer).unwrap()))
    }

    /// The final message that answers the server's first one.
    fn last(&self, server_first: &str) -> String {
        let nonce = server_first.split(',').next().unwrap().strip_prefix("r=").unwrap();
        self.last_with_nonce(server_first, nonce)
    }

    /// As [`TestClient::last`], with another nonce, for which the proof is right.
    fn last_with_nonce(&self, server_first: &str, nonce: &str) -> String {
        let part = |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
        let without_proof = format!("c={},r={nonce}", self.channel_binding);
        let bare = self.first.splitn(3, ',').nth(2).unwrap();
        let salt = base64::decode(part("s=")).unwrap();
        let iterations = part("i=").parse().unwrap();
        let mut salted = vec![0; self.hash.length()];
        match self.hash {
            Hash::Sha256 => {
                pbkdf2::pbkdf2_hmac::<sha2::Sha256>(self.password.as_bytes(), &salt, iterations, &mut salted)
            }
            Hash::Sha512 => {
                pbkdf2::pbkdf2_hmac::<sha2::Sha512>(self.password.as_bytes(), &salt, iterations, &mut salted)
            }
        }
        let client_key = self.hash.hmac(&salted, b"Client Key");
        let proved = format!("{bare},{server_first},{without_proof}");
        let signature = self.hash.hmac(&self.hash.digest(&client_key), proved.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        format!("{without_proof},p={}", base64::encode(&proof))
    }

    fn logs_in(&self) -> bool {
        self.begin()
            .is_some_and(|(challenged, answer)| challenged.end(self.last(&answer).as_bytes()).is_some())
    }
}

#[test]
fn the_vector_of_rfc_7677_logs_in() {
    let first = ClientFirst::parse(FIRST.as_bytes()).unwrap();
    assert_eq!((first.user.as_str(), first.nonce.as_str()), ("user", "rOprNGfwEbeRWgbNEkqO"));
    let (user, last) = vector().end(FINAL.as_bytes()).unwrap();
    assert_eq!(user, "user");
    assert_eq!(last, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    let stored = credential(Hash::Sha256).stored_key;
    assert_eq!(base64::encode(stored.expose()), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
}

#[test]
fn both_hashes_log_in() {
    for hash in [Hash::Sha256, Hash::Sha512] {
        let client = TestClient::new(hash);
        let (challenged, answer) = client.begin().unwrap();
        assert!(
            answer.starts_with("r=abc") && answer.ends_with(",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
            "{answer}"
        );
        let (user, last) = challenged.end(client.last(&answer).as_bytes()).unwrap();
        assert_eq!((user.as_str(), &last[..2]), ("user", &b"v="[..]));
        assert!(!TestClient { password: "pencil ", ..client }.logs_in());
    }
}

/// A token's id must not be taken for a user's name, nor a name for an id.
#[test]
fn only_tokenauth_names_a_token() {
    for (extensions, is_token) in [
        ("", false),
        (",tokenauth=true", true),
        (",x=y,tokenauth=TRUE", true),
        (",tokenauth=false", false),
        (",tokenautx=true", false),
    ] {
        let first = format!("n,,n=user,r=x{extensions}");
        let (challenged, _) = TestClient { first, ..TestClient::new(Hash::Sha256) }.begin().unwrap();
        assert_eq!(challenged.named.is_token, is_token, "{extensions}");
    }
}

#[test]
fn first_messages_of_other_forms_are_read_or_refused() {
    let begins =
        |first: &str| TestClient { first: first.to_owned(), ..TestClient::new(Hash::Sha256) }.begin();
    let user_of = |first: &str| begins(first).map(|(challenged, _)| challenged.named.name);
    for (first, user) in [
        ("n,,n=a=2Cb=3Dc,r=x", "a,b=c"),
        ("n,a=user,n=user,r=x", "user"),
        ("n,,n=user,r=x,tokenauth=true", "user"),
        ("n,,n=ü ,r=!", "ü "),
    ] {
        assert_eq!(user_of(first).as_deref(), Some(user), "{first}");
    }
    for first in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=user,",
        "n,,n=user,r=",
        "n,,n=,r=x",
        "y,,n=user,r=x",
        "p=tls-unique,,n=user,r=x",
        "n,a=other,n=user,r=x",
        "n,a=,n=user,r=x",
        "n,user,n=user,r=x",
        "n,,m=x,n=user,r=x",
        "n,,n=user,r=x,m=y",
        "n,,n=a=2cb,r=x",
        "n,,n=a=,r=x",
        "n,,n=a=2,r=x",
        "n,,n=user,r=a b",
        "n,,n=user,r=ä",
        "n,,r=x,n=user",
        "n,,n=user,r=x,",
        "n,,n=user,r=x,ext",
        "N,,n=user,r=x",
        "n,,n=us\0er,r=x",
    ] {
        assert!(begins(first).is_none(), "{first}");
    }
    assert!(challenge(Hash::Sha256, b"n,,n=\xff,r=x", [0; NONCE_BYTES], |_| unreachable!()).is_none());
}

/// CVE-2024-56128: the end of the nonce alone was compared. Redpanda 3015: it was not compared at all.
#[test]
fn another_nonce_fails() {
    let client = TestClient::new(Hash::Sha256);
    let (_, answer) = client.begin().unwrap();
    let nonce = answer.split(',').next().unwrap().strip_prefix("r=").unwrap().to_owned();
    for other in [
        nonce.strip_prefix("abc").unwrap().to_owned(),
        format!("xyz{}", nonce.strip_prefix("abc").unwrap()),
        format!("x{nonce}"),
        format!("{nonce}x"),
        nonce[..nonce.len() - 1].to_owned(),
        "abc".to_owned(),
        nonce.chars().rev().collect(),
    ] {
        let (challenged, answer) = client.begin().unwrap();
        let last = client.last_with_nonce(&answer, &other);
        assert!(challenged.end(last.as_bytes()).is_none(), "{other}");
    }
}

#[test]
fn the_channel_binding_must_be_the_header() {
    let fails = |first: &str, channel_binding| {
        let client = TestClient { first: first.to_owned(), channel_binding, ..TestClient::new(Hash::Sha256) };
        !client.logs_in()
    };
    // `n,,`, which some clients send after any header, and `n,a=user,`.
    assert!(!fails("n,,n=user,r=abc", "biws") && !fails("n,a=user,n=user,r=abc", "biws"));
    assert!(!fails("n,a=user,n=user,r=abc", "bixhPXVzZXIs"));
    assert!(fails("n,,n=user,r=abc", "bixhPXVzZXIs"), "the header of another login");
    assert!(
        fails("n,,n=user,r=abc", "eSws") && fails("n,,n=user,r=abc", "") && fails("n,,n=user,r=abc", "biw=")
    );
}

#[test]
fn a_proof_is_good_for_its_own_login_alone() {
    // Another server's part of the nonce: a replay of the vector.
    let (challenged, _) = TestClient::new(Hash::Sha256).begin().unwrap();
    assert!(challenged.end(FINAL.as_bytes()).is_none());
    // Of the other mechanism, and of another number of iterations.
    let (challenged, answer) = TestClient::new(Hash::Sha256).begin().unwrap();
    assert!(challenged.end(TestClient::new(Hash::Sha512).last(&answer).as_bytes()).is_none());
    let (challenged, answer) = TestClient::new(Hash::Sha256).begin().unwrap();
    let last = TestClient::new(Hash::Sha256).last(&answer.replace("i=4096", "i=4097"));
    assert!(challenged.end(last.as_bytes()).is_none());
    // An unknown user, whatever the password.
    let unknown = TestClient { first: "n,,n=nobody,r=abc".to_owned(), ..TestClient::new(Hash::Sha256) };
    assert!(unknown.begin().is_some() && !unknown.logs_in());
}

/// A comparison of some bytes alone lets a client in that tries proofs: one of 256 has a digest that begins as the right one.
#[test]
fn no_other_proof_logs_in() {
    let (without_proof, proof) = FINAL.rsplit_once(",p=").unwrap();
    let proof = base64::decode(proof).unwrap();
    for number in 1..=4000_u32 {
        let mut other = proof.clone();
        for (byte, change) in other.iter_mut().zip(number.to_be_bytes()) {
            *byte ^= change;
        }
        let last = format!("{without_proof},p={}", base64::encode(&other));
        assert!(vector().end(last.as_bytes()).is_none(), "{number}");
    }
}

/// S7: a login that is under way while its user is deleted, or gets another password.
#[test]
fn a_credential_that_changed_meanwhile_fails() {
    let client = TestClient::new(Hash::Sha256);
    let other = Credential::from_salted_password(Hash::Sha256, vec![1], 4096, &Secret::new("other"));
    for now in [(other, true), (credential(Hash::Sha256), false)] {
        let (challenged, answer) = client.begin().unwrap();
        let last = client.last(&answer);
        assert!(challenged.finish(last.as_bytes(), |_| now).is_none());
    }
}

#[test]
fn any_change_of_the_final_message_fails() {
    for end in 0..FINAL.len() {
        assert!(vector().end(&FINAL.as_bytes()[..end]).is_none(), "cut at {end}");
    }
    for at in 0..FINAL.len() {
        let mut changed = FINAL.as_bytes().to_vec();
        changed[at] ^= 1;
        assert!(vector().end(&changed).is_none(), "changed at {at}");
    }
    for changed in [
        FINAL.replace("c=biws,", ""),
        FINAL.replace("c=biws,", "m=x,c=biws,"),
        FINAL.replace(",p=", ",m=x,p="),
        format!("{FINAL},x=y"),
        format!("{FINAL}="),
        FINAL.replace(",p=", ",P="),
        "c=biws,r=x,p=".to_owned(),
    ] {
        assert!(vector().end(changed.as_bytes()).is_none(), "{changed}");
    }
}

#[test]
fn a_decoy_looks_like_a_credential_and_stays_the_same() {
    let shape = Shape { iterations: 8192, salt: SaltForm::Number };
    let of = |secret: &str, user: &str| decoy(&Secret::new(secret), Hash::Sha512, user, shape);
    let one = of("a", "x");
    assert_eq!((one.iterations, one.salt == of("a", "x").salt), (8192, true));
    assert!(one.salt != of("a", "y").salt && one.salt != of("b", "x").salt);
    let other = decoy(&Secret::new("a"), Hash::Sha256, "x", shape);
    assert!(other.salt != one.salt && other.stored_key.expose().len() == 32);
    // As many digits as those of Kafka's tools, of which 4 in 10 have 26.
    let lengths: Vec<usize> = (0..500).map(|user| of("a", &user.to_string()).salt.len()).collect();
    let long = lengths.iter().filter(|length| **length == 26).count();
    assert!((150..250).contains(&long) && lengths.iter().all(|length| (22..=26).contains(length)), "{long}");
}

/// A user whom a tool other than Kafka's had made could be told from an unknown one by the length of the salt.
#[test]
fn a_decoy_has_the_form_that_it_is_asked_for() {
    for (salt, form) in [
        (&b"1omfro7zwmumr3umxudzyj6scf"[..], SaltForm::Number),
        (b"salt", SaltForm::Bytes(4)),
        (b"1omfro7zwmumr3umxudzyj6scF", SaltForm::Bytes(26)),
        (&[7; 64], SaltForm::Bytes(64)),
        (&[7; 100], SaltForm::Bytes(100)),
    ] {
        let password = Secret::new("pw");
        let shape = Credential::from_password(Hash::Sha256, salt.to_vec(), 4096, &password).shape();
        assert_eq!(shape, Shape { iterations: 4096, salt: form });
        let of = |user| decoy(&Secret::new("a"), Hash::Sha256, user, shape);
        assert_eq!(of("x").shape(), shape);
        assert!(of("x").salt == of("x").salt && of("x").salt != of("y").salt);
    }
    // The second half of a long salt is not the first one again.
    let long =
        decoy(&Secret::new("a"), Hash::Sha256, "x", Shape { iterations: 1, salt: SaltForm::Bytes(64) });
    assert!(long.salt[..32] != long.salt[32..]);
}

#[test]
fn a_salt_is_a_number_in_base_36() {
    let salt_of = |number: u128| {
        let mut bytes = [0; SALT_BYTES];
        bytes[1..].copy_from_slice(&number.to_be_bytes());
        String::from_utf8(salt(bytes)).unwrap()
    };
    for (number, text) in [(0, ""), (35, "z"), (36, "10"), (36 * 36 + 1, "101")] {
        assert_eq!(salt_of(number), text);
    }
    // 2^130 - 1; the other bits of the first byte do not count.
    assert_eq!(salt([0xff; SALT_BYTES]), b"1omfro7zwmumr3umxudzyj6scf");
}
