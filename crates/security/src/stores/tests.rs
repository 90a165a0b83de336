//! Stores as OpenSSL 3.0 and keytool of OpenJDK 17 write them, all with the elliptic key and the certificates in `golden/`.

use super::encryption::Rounds;
use super::*;
use crate::Secret;

const PASSWORD: &str = "ž, =geheim";
/// Java takes ASCII alone.
const KEYTOOLS_PASSWORD: &str = "geheim, =1";

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("golden/", $name)).as_slice()
    };
}

const KEY: &[u8] = golden!("key.der");
const BROKER: &[u8] = golden!("broker.der");
const AUTHORITY: &[u8] = golden!("authority.der");

/// With the key and its certificate, in files of which each has other algorithms.
const STORES: [(&[u8], &str); 6] = [
    // openssl pkcs12 -export: AES-256, PBKDF2 and codes by SHA-256
    (golden!("openssl.p12"), PASSWORD),
    // … -legacy: RC2 with 40 bits for certificates, three keys of DES for the key, SHA-1
    (golden!("legacy.p12"), PASSWORD),
    // … -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-2DES -macalg sha512
    (golden!("rc2.p12"), PASSWORD),
    // keytool -importkeystore: AES-256, 10 000 rounds
    (golden!("keytool.p12"), KEYTOOLS_PASSWORD),
    // openssl pkcs12 -export -nomac -keypbe NONE -certpbe NONE
    (golden!("plain.p12"), "any"),
    // openssl pkcs12 -export -passout pass:
    (golden!("empty.p12"), ""),
];

fn read(store: &[u8], password: &str) -> Result<Pkcs12, StoreError> {
    read_pkcs12(store, Some(&Secret::new(password)), None)
}

#[test]
fn stores_of_every_tool_are_read() {
    for (number, (bytes, password)) in STORES.into_iter().enumerate() {
        let store = read(bytes, password).unwrap_or_else(|error| panic!("store {number}: {error}"));
        let [key] = store.keys.as_slice() else { panic!("store {number}: {} keys", store.keys.len()) };
        assert!(KEY == key.key.expose(), "store {number}");
        let broker =
            store.certificates.iter().find(|one| one.certificate == BROKER).expect("its certificate");
        assert!(key.id.is_some() && key.id == broker.id, "store {number}");
        let has_authority =
            store.certificates.iter().any(|one| one.certificate == AUTHORITY && one.id.is_none());
        assert_eq!(has_authority, store.certificates.len() == 2, "store {number}");
    }
}

fn random() -> StoreRandom {
    StoreRandom { salt: [1; 16], initial_vector: [2; 16], code_salt: [3; 16] }
}

#[test]
fn written_stores_are_read() {
    let (key, chain) = (Secret::new(KEY), [BROKER.to_vec(), AUTHORITY.to_vec()]);
    let store = NewStore { name: "brökér", key: Some((&key, &chain)), authorities: &[] };
    let bytes = write_pkcs12(&store, &Secret::new(PASSWORD), &random()).unwrap();
    let found = read(bytes.expose(), PASSWORD).unwrap();
    let (found_key, found_chain) = found.key_and_chain().unwrap();
    assert!(found_key.expose() == KEY);
    // An authority is left out of the chain that a server sends.
    assert_eq!(found_chain, [BROKER]);
    for wrong in ["", "geheim"] {
        assert_eq!(read(bytes.expose(), wrong).unwrap_err(), StoreError::WrongPassword);
    }
    // The private number of a key of P-256. The public one stands in the certificate, too.
    assert!(!bytes.expose().windows(32).any(|window| window == &KEY[36..68]), "the key is encrypted");
}

#[test]
fn written_stores_of_authorities_are_read() {
    let authorities = [AUTHORITY.to_vec()];
    let store = NewStore { name: "ca", key: None, authorities: &authorities };
    let bytes = write_pkcs12(&store, &Secret::new("x"), &random()).unwrap();
    let found = read(bytes.expose(), "x").unwrap();
    assert!(found.keys.is_empty());
    assert_eq!(found.certificates[0].certificate, AUTHORITY);
}

#[test]
fn stores_of_authorities_are_read() {
    let store = read(golden!("trust.p12"), KEYTOOLS_PASSWORD).unwrap();
    assert!(store.keys.is_empty());
    let certificates: Vec<&[u8]> = store.certificates.iter().map(|one| one.certificate.as_slice()).collect();
    assert_eq!(certificates, [AUTHORITY]);
}

#[test]
fn a_wrong_password_is_named() {
    for (bytes, _) in STORES.into_iter().take(4) {
        assert_eq!(read(bytes, "geheim").unwrap_err(), StoreError::WrongPassword);
        assert_eq!(read_pkcs12(bytes, None, None).unwrap_err(), StoreError::NoPassword);
    }
    let of_keys = Secret::new("other");
    let (bytes, password) = (STORES[0].0, Secret::new(PASSWORD));
    assert_eq!(read_pkcs12(bytes, Some(&password), Some(&of_keys)).unwrap_err(), StoreError::WrongPassword);
    assert!(read_pkcs12(golden!("plain.p12"), None, None).is_ok(), "nothing of it is encrypted");
}

/// As when another than the owner of the password changed it.
#[test]
fn a_changed_store_is_refused() {
    let (bytes, password) = STORES[0];
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        // A name or a number of rounds may change the algorithm instead.
        assert!(read(&changed, password).is_err() || !covered(bytes, at), "byte {at}");
    }
    for length in 0..bytes.len() {
        assert!(read(bytes.get(..length).unwrap(), password).is_err(), "{length}");
    }
}

/// All but the code at its end, of which some bytes mean nothing.
fn covered(bytes: &[u8], at: usize) -> bool {
    at < bytes.len() - 90
}

#[test]
fn encrypted_keys_of_every_kind_are_read() {
    let password = Secret::new(PASSWORD);
    for (number, bytes) in [
        // openssl pkcs8 -topk8: AES-256, PBKDF2 by SHA-256
        golden!("aes256.k8"),
        // … -v2 aes192 -v2prf hmacWithSHA512
        golden!("aes192.k8"),
        // … -v2 aes128 -v2prf hmacWithSHA1
        golden!("aes128.k8"),
        // … -v2 des3
        golden!("des3.k8"),
        // … -v1 PBE-SHA1-3DES
        golden!("v1.k8"),
    ]
    .into_iter()
    .enumerate()
    {
        let encrypted = Secret::new(bytes);
        let key = decrypt_key(&encrypted, &password).unwrap_or_else(|error| panic!("key {number}: {error}"));
        assert!(KEY == key.expose(), "key {number}");
        for wrong in 0..300 {
            // One in 256 has good padding by luck.
            let error = decrypt_key(&encrypted, &Secret::new(format!("geheim{wrong}"))).unwrap_err();
            assert_eq!(error, StoreError::WrongPassword);
            if number > 0 {
                break;
            }
        }
    }
}

#[test]
fn what_is_not_served_is_named() {
    let password = Secret::new(PASSWORD);
    let refused = |bytes: &[u8]| decrypt_key(&Secret::new(bytes), &password).unwrap_err();
    // openssl pkcs8 -topk8 -scrypt
    assert_eq!(refused(golden!("scrypt.k8")), StoreError::Unserved("1.3.6.1.4.1.11591.4.11".to_owned()));
    // … -v1 PBE-MD5-DES
    assert_eq!(refused(golden!("md5.k8")), StoreError::Unserved("1.2.840.113549.1.5.3".to_owned()));
    assert_eq!(refused(KEY), StoreError::Malformed);
    assert_eq!(read(BROKER, PASSWORD).unwrap_err(), StoreError::Malformed);
    assert_eq!(read(b"", PASSWORD).unwrap_err(), StoreError::Malformed);
}

/// A start must not take hours for a file that its owner did not make.
#[test]
fn rounds_are_bounded() {
    let bytes = golden!("aes256.k8");
    // The 2048 rounds of PBKDF2, in two bytes.
    let at = bytes.windows(4).position(|window| window == [2, 2, 8, 0]).unwrap();
    let mut none = bytes.to_vec();
    none[at + 2] = 0;
    assert_eq!(decrypt_key(&Secret::new(none), &Secret::new(PASSWORD)).unwrap_err(), StoreError::Malformed);
    let take = |iterations, blocks| Rounds::new().take(iterations, blocks);
    assert_eq!(take(MAX_ITERATIONS, 1), Ok(10_000_000));
    for (iterations, blocks) in [(MAX_ITERATIONS, 2), (MAX_ITERATIONS + 1, 1), (u64::MAX, 2), (1, u64::MAX)] {
        assert_eq!(take(iterations, blocks), Err(StoreError::TooManyIterations), "{iterations} × {blocks}");
    }
    // One budget for all keys of a store.
    let mut rounds = Rounds::new();
    rounds.take(MAX_ITERATIONS / 2, 1).unwrap();
    rounds.take(MAX_ITERATIONS / 2, 1).unwrap();
    assert_eq!(rounds.take(1, 1), Err(StoreError::TooManyIterations));
}

/// Many keys of few rounds each are bounded as one of many.
#[test]
fn the_keys_of_a_store_share_their_rounds() {
    // A bag of a key that takes 2048 rounds, and a store that has it several times.
    let identifier = [6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 2];
    let bag = der(0x30, &[&identifier[..], &der(0xa0, golden!("aes256.k8"))].concat());
    let data = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    let content = |octets: &[u8]| der(0x30, &[&data[..], &der(0xa0, &der(4, octets))].concat());
    let keys = |count: usize| {
        let parts = der(0x30, &content(&der(0x30, &bag.repeat(count))));
        let store = der(0x30, &[&[2, 1, 3][..], &content(&parts)].concat());
        let rounds = Rounds { left: 3 * 2048 };
        pkcs12::read_within(&store, None, Some(&Secret::new(PASSWORD)), rounds).map(|found| found.keys.len())
    };
    assert_eq!((keys(3), keys(4)), (Ok(3), Err(StoreError::TooManyIterations)));
}

fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, contents].concat()
}

#[test]
fn no_error_holds_a_part_of_the_password() {
    for error in [
        StoreError::Malformed,
        StoreError::WrongPassword,
        StoreError::NoPassword,
        StoreError::Unserved("1.2.3".to_owned()),
        StoreError::TooManyIterations,
    ] {
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}
