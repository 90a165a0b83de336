//! Subjects as Java prints them: the texts are those of `X500Principal.getName()` of OpenJDK 17.

use super::*;

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u8::try_from(contents.len()).unwrap();
    if length < 0x80 {
        [&[tag, length], contents].concat()
    } else {
        [&[tag, 0x81, length], contents].concat()
    }
}

/// An attribute with the last byte of its identifier `2.5.4.x`.
fn attribute(kind: u8, tag: u8, value: &[u8]) -> Vec<u8> {
    element(0x30, &[element(6, &[0x55, 4, kind]), element(tag, value)].concat())
}

fn certificate(subject: &[u8]) -> Vec<u8> {
    with_extensions(subject, &[])
}

fn with_extensions(subject: &[u8], extensions: &[u8]) -> Vec<u8> {
    let empty = element(0x30, &[]);
    let dates = [element(23, b"260101000000Z"), element(24, b"20270101000000Z")].concat();
    let body = [
        element(0xa0, &element(2, &[2])),
        element(2, &[1]),
        empty.clone(),
        element(0x30, b"issuer"),
        element(0x30, &dates),
        element(0x30, subject),
        empty,
        if extensions.is_empty() { vec![] } else { element(0xa3, &element(0x30, extensions)) },
    ];
    element(0x30, &element(0x30, &body.concat()))
}

fn of(parts: &[&[u8]]) -> String {
    let parts: Vec<u8> = parts.iter().flat_map(|part| element(0x31, part)).collect();
    subject(&certificate(&parts)).unwrap()
}

const UTF8: u8 = 12;
const PRINTABLE: u8 = 19;

#[test]
fn the_last_part_comes_first() {
    let parts = [attribute(6, PRINTABLE, b"US"), attribute(10, UTF8, b"shop"), attribute(3, UTF8, b"alice")];
    assert_eq!(of(&parts.each_ref().map(Vec::as_slice)), "CN=alice,O=shop,C=US");
    assert_eq!(of(&[]), "");
}

#[test]
fn several_attributes_of_a_part_are_joined() {
    let both = [attribute(3, UTF8, b"alice"), attribute(11, UTF8, b"sales")].concat();
    assert_eq!(of(&[&attribute(10, UTF8, b"shop"), &both]), "CN=alice+OU=sales,O=shop");
}

#[test]
fn separators_and_blanks_at_the_ends_are_escaped() {
    for (value, text) in [
        ("a,b=c+d<e>f#g;h\"i\\j", r#"CN=a\,b\=c\+d\<e\>f\#g\;h\"i\\j"#),
        ("  a b ", r"CN=\ \ a b\ "),
        (" ", r"CN=\ "),
        ("", "CN="),
        ("Žluťoučký 馬", "CN=Žluťoučký 馬"),
        ("a\0b", r"CN=a\00b"),
    ] {
        assert_eq!(of(&[&attribute(3, UTF8, value.as_bytes())]), text, "{value:?}");
    }
}

#[test]
fn attributes_without_a_name_are_in_hexadecimal() {
    let email = element(
        0x30,
        &[element(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1]), element(22, b"a@b.c")].concat(),
    );
    assert_eq!(of(&[&email]), "1.2.840.113549.1.9.1=#16056140622e63");
    assert_eq!(of(&[&attribute(5, PRINTABLE, b"12")]), "2.5.4.5=#13023132");
    // A value that is no text.
    assert_eq!(of(&[&attribute(3, 4, b"x")]), "CN=#040178");
    let uid = element(
        0x30,
        &[element(6, &[9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1]), element(UTF8, b"u")].concat(),
    );
    assert_eq!(of(&[&uid]), "UID=u");
}

#[test]
fn malformed_bytes_are_no_certificate() {
    let good = certificate(&element(0x31, &attribute(3, UTF8, b"alice")));
    assert_eq!(subject(&good).unwrap(), "CN=alice");
    // Dropping the validity or what follows the subject would still be found by the checks of TLS.
    for cut in 0..good.len() {
        assert_eq!(subject(good.get(..cut).unwrap()), Err(MalformedCertificate), "{cut}");
    }
    let no_identifier = element(0x31, &element(0x30, &[element(2, &[1]), element(UTF8, b"x")].concat()));
    let cut_identifier = element(0x31, &element(0x30, &[element(6, &[0x88]), element(UTF8, b"x")].concat()));
    for subject_bytes in [no_identifier, cut_identifier] {
        assert_eq!(subject(&certificate(&subject_bytes)), Err(MalformedCertificate));
    }
}

/// Random names with texts of every type, as OpenJDK 17 prints them: the name in hexadecimal, and `=` with its text.
#[test]
fn random_names_are_those_of_java() {
    for line in include_str!("java.tsv").lines() {
        let (bytes, expected) = line.split_once("\t=").unwrap();
        let digits = bytes.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        let text = name(Reader::new(&bytes).sequence().unwrap()).unwrap();
        assert_eq!(text.replace('\0', "<NUL>").replace('\r', "<CR>"), expected, "{line}");
    }
}

#[test]
fn facts_are_those_of_the_certificate() {
    let made = certificate(b"subject");
    let (not_before, not_after) = (1_767_225_600, 1_798_761_600);
    let expected = Facts {
        serial: &[1],
        issuer: b"issuer",
        subject: b"subject",
        not_before,
        not_after,
        is_authority: false,
    };
    assert_eq!(facts(&made), Ok(expected));
    for length in 0..made.len() {
        assert_eq!(facts(made.get(..length).unwrap()), Err(MalformedCertificate), "{length}");
    }
}

/// A certificate of a client, trusted as an authority, would let its holder make certificates of any name.
#[test]
fn authorities_say_so_themselves() {
    let with = |extensions: Option<Vec<u8>>| {
        let plain = certificate(&[]);
        let body = Reader::new(&plain).sequence().unwrap().sequence().unwrap().rest().to_vec();
        let extensions = extensions.map(|bytes| element(0xa3, &element(0x30, &bytes))).unwrap_or_default();
        facts(&element(0x30, &element(0x30, &[body, extensions].concat()))).map(|facts| facts.is_authority)
    };
    let extension = |last: u8, value: &[u8]| {
        let critical = element(1, &[0xff]);
        element(0x30, &[element(6, &[0x55, 29, last]), critical, element(4, value)].concat())
    };
    let (usage, yes, no) = (extension(15, &[3, 2, 1, 6]), element(0x30, &[1, 1, 0xff]), element(0x30, &[]));
    assert_eq!(with(None), Ok(false));
    assert_eq!(with(Some([usage.clone(), extension(19, &yes)].concat())), Ok(true));
    assert_eq!(with(Some([usage, extension(19, &no)].concat())), Ok(false));
    assert_eq!(with(Some(extension(19, &element(0x30, &[1, 1, 0])))), Ok(false));
    assert_eq!(with(Some(vec![1, 2, 3])), Err(MalformedCertificate));
}

#[test]
fn names_and_addresses_of_a_server_are_read() {
    let golden = include_bytes!("../stores/golden/broker.der");
    assert_eq!(alternative_names(golden).unwrap(), [AlternativeName::Dns("localhost".to_owned())]);
    // Two addresses as `rcgen` writes them, and a mail address, which is no name of a server.
    let names = [
        element(0x82, b"*.shop.example"),
        element(0x87, &[10, 0, 0, 1]),
        element(0x81, b"a@b"),
        element(0x87, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ];
    let names = element(4, &element(0x30, &names.concat()));
    let extension = element(0x30, &[element(6, &[0x55, 29, 17]), names].concat());
    let other =
        element(0x30, &[element(6, &[0x55, 29, 15]), element(1, &[0xff]), element(4, &[5, 0])].concat());
    let extended = with_extensions(&[], &[other, extension].concat());
    let texts: Vec<String> = alternative_names(&extended).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["*.shop.example", "10.0.0.1", "::1"]);
    assert_eq!(alternative_names(&certificate(&[])).unwrap(), [], "without extensions");
    assert!(alternative_names(b"x").is_err());
    for end in 0..golden.len() {
        let _ = alternative_names(&golden[..end]);
    }
    assert_eq!(issuer(golden).unwrap(), "CN=authority");
}
