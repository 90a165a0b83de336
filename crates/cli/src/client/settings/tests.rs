//! Values that mean something, and those that end the command; none of them shows a secret.

use super::*;

fn settings(text: &str) -> Result<Settings, Failure> {
    Settings::of(&Properties::of(text))
}

#[test]
fn without_keys_there_is_neither_tls_nor_login() {
    let settings = settings("").unwrap();
    assert!(settings.tls.is_none() && settings.login.is_none());
    assert_eq!((settings.protocol(), settings.timeout), ("PLAINTEXT", Duration::from_secs(30)));
}

#[test]
fn logins_are_those_of_java() {
    let of = |mechanism: &str, jaas: &str| {
        let text = format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\nsasl.jaas.config={jaas}\n"
        );
        settings(&text).map(|settings| settings.login.unwrap())
    };
    let plain =
        of("PLAIN", &format!("{PLAIN_LOGIN_MODULE} required username=\"a\" password=\"p\";")).unwrap();
    assert!(matches!(&plain, Login::Plain { user, password } if user == "a" && password.equals(b"p")));
    let scram = format!("{SCRAM_LOGIN_MODULE} required username=\"a\" password=\"p\"");
    let login = of("SCRAM-SHA-512", &format!("{scram};")).unwrap();
    assert!(matches!(login, Login::Scram { hash: Hash::Sha512, is_token: false, .. }));
    let login = of("SCRAM-SHA-256", &format!("{scram} tokenauth=\"true\";")).unwrap();
    assert!(matches!(login, Login::Scram { hash: Hash::Sha256, is_token: true, .. }));
    let login = of("OAUTHBEARER", &format!("{OAUTHBEARER_LOGIN_MODULE} required token=\"abc\";")).unwrap();
    assert!(matches!(login, Login::Bearer { token } if token.equals(b"abc")));
}

#[test]
fn a_token_comes_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "abc.def\n").unwrap();
    for prefix in ["file:", "file://"] {
        let text = format!(
            "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.jaas.config={OAUTHBEARER_LOGIN_MODULE} required;\n\
             sasl.oauthbearer.token.endpoint.url={prefix}{}\n",
            file.path().display()
        );
        let login = settings(&text).unwrap().login.unwrap();
        assert!(matches!(login, Login::Bearer { token } if token.equals(b"abc.def")), "{prefix}");
    }
}

#[test]
fn every_wrong_value_is_named_and_no_secret_shown() {
    let sasl = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=";
    let folder = tempfile::tempdir().unwrap();
    let jks = folder.path().join("store.jks");
    std::fs::write(&jks, [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).unwrap();
    let trust =
        |path: &std::path::Path| format!("security.protocol=SSL\nssl.truststore.location={}", path.display());
    for (text, expected) in [
        ("security.protocol=TLS".to_owned(), "F line 1: security.protocol: \"TLS\" is none of"),
        ("request.timeout.ms=0".to_owned(), "request.timeout.ms: it is no number"),
        ("security.protocol=SASL_SSL".to_owned(), "sasl.mechanism: \"GSSAPI\" is not served"),
        (
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN".to_owned(),
            "sasl.jaas.config: it is missing; write",
        ),
        (
            format!("{sasl}{PLAIN_LOGIN_MODULE} required username=\"hunter2\" password=\"hunter2\""),
            "sasl.jaas.config: character",
        ),
        (
            format!("{sasl}{SCRAM_LOGIN_MODULE} required username=\"hunter2\" password=\"hunter2\";"),
            "its class is not that of PLAIN",
        ),
        (
            format!("{sasl}{PLAIN_LOGIN_MODULE} required username=\"hunter2\";"),
            "the option password is missing",
        ),
        (
            format!("{sasl}{PLAIN_LOGIN_MODULE} required password=\"hunter2\";"),
            "the option username is missing",
        ),
        (
            "security.protocol=SSL\nssl.endpoint.identification.algorithm=LDAPS".to_owned(),
            "ssl.endpoint.identification.algorithm: only https",
        ),
        (
            "security.protocol=SSL\nssl.enabled.protocols=TLSv1.1".to_owned(),
            "ssl.enabled.protocols: served are",
        ),
        ("security.protocol=SSL\nssl.truststore.type=BKS".to_owned(), "ssl.truststore.type: it is none of"),
        (trust(&jks), "keytool -importkeystore"),
        (trust(folder.path()), "cannot be read"),
        (
            "security.protocol=SSL\nssl.truststore.location=/nowhere".to_owned(),
            "ssl.truststore.location: /nowhere cannot be read",
        ),
        ("security.protocol=SSL\nssl.truststore.certificates=hunter2".to_owned(), "neither PEM"),
    ] {
        let error = settings(&text).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert_eq!(error.exit_code(), 78, "{text}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

/// The files of `ottla tls dev`, in every form.
#[test]
fn stores_are_read_as_pem_and_pkcs12() {
    let folder = tempfile::tempdir().unwrap();
    crate::tls_dev::make_for_tests(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let password = std::fs::read_to_string(path("password")).unwrap();
    let made = settings(&std::fs::read_to_string(path("client.properties")).unwrap()).unwrap().tls.unwrap();
    assert!(made.identity.is_some() && made.authorities.len() == 1 && made.checks_name);
    made.config().unwrap();
    let base = "security.protocol=SSL\n";
    let trust = format!("ssl.truststore.location={}\n", path("truststore.p12"));
    let key = format!("ssl.keystore.location={}\n", path("clients/client.p12"));
    let good =
        format!("{base}{trust}ssl.truststore.password={password}\n{key}ssl.keystore.password={password}\n");
    let tls = settings(&good).unwrap().tls.unwrap();
    assert!(tls.identity.is_some() && tls.authorities.len() == 1);
    tls.config().unwrap();
    let wrong = format!("{base}{trust}ssl.truststore.password=hunter2\n");
    let error = settings(&wrong).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("ssl.truststore.password: the password does not open the store"), "{error}");
    let error = settings(&format!("{base}{key}")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("ssl.keystore.password: the store is encrypted"), "{error}");
    // A keystore of PEM without a key.
    let error = settings(&format!("{base}ssl.keystore.location={}\n", path("ca.pem")))
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(error.contains("it has no private key"), "{error}");
    let off = settings(&format!(
        "{base}{trust}ssl.truststore.password={password}\nssl.endpoint.identification.algorithm=\n"
    ));
    assert!(!off.unwrap().tls.unwrap().checks_name);
}
