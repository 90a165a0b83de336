//! Good tokens of every algorithm, and tokens that must not log in.

mod issuer;

use serde_json::{Value, json};

use self::issuer::{Signer, unsigned, url};
use super::*;
use crate::base64;

const NOW: i64 = 1_900_000_000;

fn expected() -> Expected {
    Expected {
        issuer: Some("https://issuer".to_owned()),
        audience: Some(vec!["other".to_owned(), "kafka".to_owned()]),
        clock_skew_seconds: 30,
        subject_claim: "sub".to_owned(),
        scope_claim: "scope".to_owned(),
    }
}

/// The keys of the issuer: one of each kind.
fn set() -> Value {
    let mut only_rs256 = Signer::rsa().jwk("only-rs256");
    only_rs256["alg"] = "RS256".into();
    json!({"keys": [
        Signer::rsa().jwk("rsa"),
        only_rs256,
        Signer::p256().jwk("p256"),
        Signer::p384().jwk("p384"),
        Signer::ed25519(1).jwk("ed"),
    ]})
}

fn keys() -> KeySet {
    KeySet::parse(set().to_string().as_bytes()).unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://issuer", "aud": "kafka", "sub": "alice", "iat": NOW - 10, "exp": NOW + 60})
}

/// Good claims, of which one has another value; null: it is missing.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

fn judged(token: &str) -> Result<Accepted, Refused> {
    judge(token, &keys(), &expected(), NOW * 1000)
}

/// A token by the issuer's key, with these claims.
fn signed(claims: &Value) -> String {
    Signer::rsa().token(&json!({"alg": "RS256", "kid": "rsa"}), claims)
}

fn accepted(token: &str) -> (String, i64) {
    let Accepted { subject, ends_ms } = judged(token).unwrap();
    (subject, ends_ms / 1000 - NOW)
}

#[test]
fn every_algorithm_logs_in() {
    for (algorithm, id, signer) in [
        ("RS256", "rsa", Signer::rsa()),
        ("RS384", "rsa", Signer::rsa()),
        ("RS512", "rsa", Signer::rsa()),
        ("PS256", "rsa", Signer::rsa()),
        ("PS384", "rsa", Signer::rsa()),
        ("PS512", "rsa", Signer::rsa()),
        ("RS256", "only-rs256", Signer::rsa()),
        ("ES256", "p256", Signer::p256()),
        ("ES384", "p384", Signer::p384()),
        ("EdDSA", "ed", Signer::ed25519(1)),
    ] {
        let token = signer.token(&json!({"alg": algorithm, "kid": id, "typ": "JWT"}), &claims());
        assert_eq!(accepted(&token), ("alice".to_owned(), 60), "{algorithm}");
        let without_id = signer.token(&json!({"alg": algorithm}), &claims());
        assert_eq!(accepted(&without_id).0, "alice", "{algorithm} without kid");
    }
}

#[test]
fn good_claims_have_more_than_one_form() {
    for (name, value) in [
        ("aud", json!(["x", "kafka"])),
        ("aud", json!("other")),
        ("exp", json!(f64::from(60_i32) + 1_900_000_000.5)),
        ("nbf", json!(NOW + 30)),
        ("iat", json!(NOW + 30)),
        ("scope", json!("a b")),
        ("scope", json!(["a", "b"])),
        ("more", json!({"realm_access": {"roles": ["x"]}})),
    ] {
        assert_eq!(accepted(&signed(&with(name, value.clone()))).0, "alice", "{name} {value}");
    }
    let by_name = Expected { subject_claim: "preferred_username".to_owned(), ..expected() };
    let token = signed(&with("preferred_username", json!("bob")));
    assert_eq!(judge(&token, &keys(), &by_name, NOW * 1000).unwrap().subject, "bob");
}

/// The end of a login is that of its token; a clock that is behind gets the skew, and no session without an end.
#[test]
fn a_token_ends_to_the_second() {
    let at = |expires: i64| {
        judged(&signed(&with("exp", json!(NOW + expires)))).map(|one| one.ends_ms / 1000 - NOW)
    };
    assert_eq!(at(1), Ok(1));
    assert_eq!(at(0), Ok(30));
    assert_eq!(at(-29), Ok(1));
    assert_eq!(at(-30), Err(Refused::Expired));
}

fn bad(name: &'static str, token: String, reason: Refused) -> (&'static str, String, Refused) {
    (name, token, reason)
}

/// The header of good tokens, in which one member has another value.
fn header(name: &str, value: Value) -> Value {
    let mut header = json!({"alg": "RS256", "kid": "rsa"});
    header[name] = value;
    header
}

fn bad_signatures() -> Vec<(&'static str, String, Refused)> {
    let rs256 = json!({"alg": "RS256", "kid": "rsa"});
    let by_hmac = |secret: &[u8], algorithm: &str| {
        let text = unsigned(&header("alg", algorithm.into()), &claims());
        let key = crate::sasl::scram::Hash::Sha256.hmac(secret, text.as_bytes());
        format!("{text}.{}", url(&key))
    };
    let good = signed(&claims());
    let (front, signature) = good.rsplit_once('.').unwrap();
    let none = |name: &str| format!("{}.", unsigned(&header("alg", name.into()), &claims()));
    let p256 = |signature: &[u8]| {
        format!("{}.{}", unsigned(&json!({"alg": "ES256", "kid": "p256"}), &claims()), url(signature))
    };
    let n = base64::decode_url(Signer::rsa().jwk("")["n"].as_str().unwrap()).unwrap();
    vec![
        // CVE-2021-22160, CVE-2026-33557, KIP-768's default handler: a token without a signature.
        bad("alg none", none("none"), Refused::Algorithm),
        bad("alg None", none("None"), Refused::Algorithm),
        bad("alg nonE with a signature", format!("{}{signature}", none("nonE")), Refused::Algorithm),
        bad("no alg", Signer::rsa().token(&json!({"kid": "rsa"}), &claims()), Refused::Algorithm),
        bad(
            "alg a list",
            format!("{}.{signature}", unsigned(&header("alg", json!(["RS256"])), &claims())),
            Refused::Algorithm,
        ),
        bad(
            "alg in small letters",
            format!("{}.{signature}", unsigned(&header("alg", json!("rs256")), &claims())),
            Refused::Algorithm,
        ),
        bad("no signature", format!("{front}."), Refused::Signature),
        // The public key taken for the secret of an HMAC.
        bad("HS256 by the modulus", by_hmac(&n, "HS256"), Refused::Algorithm),
        bad("HS256 by the key set", by_hmac(set().to_string().as_bytes(), "HS256"), Refused::Algorithm),
        bad("HS512 by nothing", by_hmac(b"", "HS512"), Refused::Algorithm),
        bad("another key with the id", Signer::other_rsa().token(&rs256, &claims()), Refused::Signature),
        bad(
            "another key without an id",
            Signer::other_rsa().token(&json!({"alg": "RS256"}), &claims()),
            Refused::Signature,
        ),
        bad(
            "a foreign id",
            Signer::rsa().token(&header("kid", json!("foreign")), &claims()),
            Refused::UnknownKey,
        ),
        bad(
            "an id like a path",
            Signer::rsa().token(&header("kid", json!("../../dev/null")), &claims()),
            Refused::UnknownKey,
        ),
        bad(
            "an id in capitals",
            Signer::rsa().token(&header("kid", json!("RSA")), &claims()),
            Refused::UnknownKey,
        ),
        bad(
            "an id that is a number",
            Signer::rsa().token(&header("kid", json!(1)), &claims()),
            Refused::Malformed,
        ),
        bad(
            "RS256 with the id of P-256",
            Signer::rsa().token(&header("kid", json!("p256")), &claims()),
            Refused::OtherKind,
        ),
        bad(
            "ES256 with the id of RSA",
            Signer::p256().token(&json!({"alg": "ES256", "kid": "rsa"}), &claims()),
            Refused::OtherKind,
        ),
        bad(
            "ES384 with the id of P-256",
            Signer::p384().token(&json!({"alg": "ES384", "kid": "p256"}), &claims()),
            Refused::OtherKind,
        ),
        bad(
            "PS256 by a key for RS256",
            Signer::rsa().token(&json!({"alg": "PS256", "kid": "only-rs256"}), &claims()),
            Refused::OtherKind,
        ),
        bad(
            "signed by PS256, said to be RS256",
            format!("{front}.{}", url(&Signer::rsa().sign("PS256", front))),
            Refused::Signature,
        ),
        // CVE-2022-21449: a signature of zeros.
        bad("ES256 of zeros", p256(&[0; 64]), Refused::Signature),
        bad("ES256 as DER", p256(&[0x30, 6, 2, 1, 1, 2, 1, 1]), Refused::Signature),
    ]
}

/// Headers that say more than they may, and texts that are no token.
fn bad_forms() -> Vec<(&'static str, String, Refused)> {
    let good = signed(&claims());
    let (front, signature) = good.rsplit_once('.').unwrap();
    let changed = unsigned(&header("alg", json!("RS256")), &with("sub", json!("admin")));
    let jwk = header("jwk", Signer::other_rsa().jwk("rsa"));
    vec![
        // CVE-2018-0114: the token brings its own key.
        bad("a key in the header", Signer::other_rsa().token(&jwk, &claims()), Refused::Signature),
        bad(
            "jku",
            Signer::other_rsa().token(&header("jku", json!("http://evil/keys")), &claims()),
            Refused::Signature,
        ),
        bad("crit", Signer::rsa().token(&header("crit", json!(["b64"])), &claims()), Refused::Critical),
        bad("crit, empty", Signer::rsa().token(&header("crit", json!([])), &claims()), Refused::Critical),
        bad("claims changed", format!("{changed}.{signature}"), Refused::Signature),
        bad("signature cut", format!("{front}.{}", &signature[..336]), Refused::Signature),
        bad("padding", format!("{good}="), Refused::Malformed),
        bad("one part", "abc".to_owned(), Refused::Malformed),
        bad("two parts", front.to_owned(), Refused::Malformed),
        bad("four parts", format!("{good}.x"), Refused::Malformed),
        bad("five parts, as if encrypted", format!("{good}.a.b"), Refused::Malformed),
        bad("header no object", Signer::rsa().token(&json!([1]), &claims()), Refused::NotJson),
        bad("64 KiB of letters", "A".repeat(65_536), Refused::Malformed),
        bad("64 KiB of dots", ".".repeat(65_536), Refused::NotJson),
    ]
}

fn bad_claims() -> Vec<(&'static str, String, Refused)> {
    let table: Vec<(&'static str, Value, Refused)> = vec![
        ("iss", json!("https://issuer/"), Refused::Issuer),
        ("iss", json!("https://issue"), Refused::Issuer),
        ("iss", json!("HTTPS://ISSUER"), Refused::Issuer),
        ("iss", Value::Null, Refused::Issuer),
        // CVE-2026-25537: a claim of another type passed for a missing one.
        ("iss", json!(["https://issuer"]), Refused::Claim("iss")),
        ("aud", json!("kafk"), Refused::Audience),
        ("aud", json!("Kafka"), Refused::Audience),
        ("aud", json!("kafka other"), Refused::Audience),
        ("aud", json!(["x", "y"]), Refused::Audience),
        ("aud", json!([]), Refused::Audience),
        ("aud", Value::Null, Refused::Audience),
        ("aud", json!(1), Refused::Claim("aud")),
        ("aud", json!(["kafka", 1]), Refused::Claim("aud")),
        ("aud", json!({"kafka": true}), Refused::Claim("aud")),
        ("exp", json!(NOW - 30), Refused::Expired),
        ("exp", json!(0), Refused::Expired),
        ("exp", Value::Null, Refused::Claim("exp")),
        ("exp", json!((NOW + 60).to_string()), Refused::Claim("exp")),
        ("exp", json!(-1), Refused::Claim("exp")),
        ("exp", json!(1e300), Refused::Claim("exp")),
        ("exp", json!([NOW + 60]), Refused::Claim("exp")),
        ("exp", json!(true), Refused::Claim("exp")),
        ("nbf", json!(NOW + 31), Refused::NotYet),
        ("nbf", json!("0"), Refused::Claim("nbf")),
        ("iat", json!(NOW + 31), Refused::NotYet),
        ("iat", Value::Null, Refused::Claim("iat")),
        ("iat", json!("0"), Refused::Claim("iat")),
        ("scope", json!(1), Refused::Claim("scope")),
        ("scope", json!(["a", 1]), Refused::Claim("scope")),
    ];
    let of_subject = Refused::Claim("that names the user (sub)");
    let subjects = [
        Value::Null,
        json!(""),
        json!(" alice"),
        json!("alice\n"),
        json!("a\u{0}b"),
        json!(7),
        json!(["alice"]),
        json!("x".repeat(MAX_SUBJECT_BYTES + 1)),
    ];
    let subjects = subjects.into_iter().map(|subject| ("sub", subject, of_subject));
    let table = table.into_iter().chain(subjects);
    table.map(|(name, value, reason)| bad(name, signed(&with(name, value)), reason)).collect()
}

#[test]
fn bad_tokens_are_refused() {
    let all = [bad_signatures(), bad_forms(), bad_claims()].concat();
    assert!(all.len() >= 40, "{}", all.len());
    for (name, token, reason) in all {
        assert_eq!(judged(&token), Err(reason), "{name}: {token:.200}");
    }
}

/// Claims are refused even if the claim is missing from what is expected: the check of a type is not left out.
#[test]
fn without_an_expected_issuer_types_still_count() {
    let open = Expected { issuer: None, audience: None, ..expected() };
    let judged = |claims: &Value| judge(&signed(claims), &keys(), &open, NOW * 1000).map(|one| one.subject);
    assert_eq!(judged(&with("iss", json!("other"))).as_deref(), Ok("alice"));
    assert_eq!(judged(&with("aud", Value::Null)).as_deref(), Ok("alice"));
    assert_eq!(judged(&with("iss", json!(1))), Err(Refused::Claim("iss")));
    assert_eq!(judged(&with("aud", json!(1))), Err(Refused::Claim("aud")));
}

#[test]
fn any_truncation_is_refused() {
    let token = Signer::ed25519(1).token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims());
    assert!(judged(&token).is_ok());
    for end in 0..token.len() {
        assert!(judged(&token[..end]).is_err(), "{end}");
    }
}

/// Keys that cannot check signatures are left out; a set without another one is refused.
#[test]
fn only_keys_for_signatures_are_kept() {
    let parsed = |text: &str| KeySet::parse(text.as_bytes()).map(|set| set.len());
    for (text, error) in [
        ("", NoKeys::NotJson),
        ("{", NoKeys::NotJson),
        ("[]", NoKeys::NotASet),
        ("{}", NoKeys::NotASet),
        (r#"{"keys":{}}"#, NoKeys::NotASet),
        (r#"{"keys":[]}"#, NoKeys::NoneFits),
        (r#"{"keys":[1,"x",{}]}"#, NoKeys::NoneFits),
    ] {
        assert_eq!(parsed(text), Err(error), "{text}");
    }
    let rsa = Signer::rsa().jwk("a");
    let short = url(&[0xff; 255]);
    let changes = [
        ("kty", json!("oct")),
        ("use", json!("enc")),
        ("use", json!(1)),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!("verify")),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
        ("alg", json!(1)),
        ("kid", json!(1)),
        ("crv", json!("P-256")),
        ("n", json!(short)),
        ("n", json!("")),
        ("n", json!("A+/=")),
        ("e", json!("")),
    ];
    for (name, value) in changes {
        let mut key = rsa.clone();
        key[name] = value;
        assert_eq!(parsed(&json!({"keys": [key]}).to_string()), Err(NoKeys::NoneFits), "{name}");
        let both = KeySet::parse(json!({"keys": [key, rsa]}).to_string().as_bytes()).unwrap();
        assert_eq!((both.len(), both.left_out()), (1, 1));
    }
    let mut point = Signer::p256().jwk("a");
    point["x"] = json!(url(&[1; 31]));
    assert_eq!(parsed(&json!({"keys": [point]}).to_string()), Err(NoKeys::NoneFits));
}

/// A point that is on no curve, and an exponent that is none, check no signature.
#[test]
fn a_key_that_is_none_accepts_nothing() {
    let mut point = Signer::p256().jwk("p256");
    point["y"] = json!(url(&[1; 32]));
    let mut rsa = Signer::rsa().jwk("rsa");
    rsa["e"] = json!("AQ");
    let set = KeySet::parse(json!({"keys": [point, rsa]}).to_string().as_bytes()).unwrap();
    for (algorithm, id, signer) in [("ES256", "p256", Signer::p256()), ("RS256", "rsa", Signer::rsa())] {
        let token = signer.token(&json!({"alg": algorithm, "kid": id}), &claims());
        assert_eq!(judge(&token, &set, &expected(), NOW * 1000), Err(Refused::Signature));
    }
}

/// S18: a reason holds no part of the token.
#[test]
fn reasons_are_texts_of_this_program() {
    for (_, token, reason) in [bad_signatures(), bad_forms(), bad_claims()].concat() {
        let (text, debug) = (reason.to_string(), format!("{reason:?}"));
        let parts = token.split('.').filter(|part| part.len() > 16);
        assert!(parts.into_iter().all(|part| !text.contains(part) && !debug.contains(part)));
    }
}
