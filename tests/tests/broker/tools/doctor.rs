//! `ottla doctor` against set-ups that are broken in one way each.

use std::path::Path;

use anyhow::Result;

use super::{ADMIN, At, Secured, json, tool};

/// Each broken set-up is named, with the line to change.
#[test]
fn the_doctor_names_what_is_wrong() -> Result<()> {
    let broker = Secured::start()?;
    broker.admin(0, &["user", "add", "alice", "--password-stdin"], "alice's secret\n")?;
    let other = broker.folder.path().join("other").display().to_string();
    assert_eq!(tool(&["tls", "dev", &other], "")?.code, 0);
    let (ca, good) = (broker.ca(), broker.login("admin", ADMIN, ""));
    let ssl = format!("security.protocol=SSL\nssl.truststore.location={ca}\n");
    let client = Path::new(&ca).with_file_name("clients/alice.pem").display().to_string();
    let mutual = format!("{ssl}ssl.keystore.location={client}\n");
    let foreign = format!("{ssl}ssl.keystore.location={other}/clients/client.pem\n");
    for (at, keys) in [(At::SaslSsl, good.as_str()), (At::Plaintext, ""), (At::Ssl, mutual.as_str())] {
        let well = broker.doctor(at, keys, &[])?;
        assert!(well.code == 0 && well.out.ends_with("nothing is wrong\n"), "{well:?}");
    }
    let alice = broker.login("alice", "alice's secret", "");
    let without_login = good.replace("SASL_SSL", "SSL");
    let cases: [(&str, At, String, &[&str], &str); 13] = [
        (
            "wrong authority",
            At::SaslSsl,
            good.replace(&ca, &format!("{other}/ca.pem")),
            &[],
            "no trusted authority has signed it",
        ),
        (
            "no TLS to a port of TLS",
            At::SaslSsl,
            good.replace("SASL_SSL", "SASL_PLAINTEXT"),
            &[],
            "speaks TLS: set security.protocol=SASL_SSL",
        ),
        (
            "TLS to a port without",
            At::SaslPlaintext,
            good.clone(),
            &[],
            "speaks no TLS: set security.protocol=SASL_PLAINTEXT",
        ),
        (
            "TLS to a port without",
            At::Plaintext,
            ssl.clone(),
            &[],
            "speaks no TLS: set security.protocol=PLAINTEXT",
        ),
        (
            "wrong mechanism",
            At::SaslSsl,
            good.replace("SCRAM-SHA-512", "SCRAM-SHA-256"),
            &[],
            "but by SCRAM-SHA-512: set sasl.mechanism",
        ),
        (
            "wrong password",
            At::SaslSsl,
            broker.login("admin", "hunter2", ""),
            &[],
            "check username and password in sasl.jaas.config",
        ),
        ("unknown user", At::SaslSsl, broker.login("nemo", "hunter2", ""), &[], "`ottla user list`"),
        (
            "no login",
            At::SaslSsl,
            without_login,
            &[],
            "asks for a login: set security.protocol=SASL_SSL, sasl.mechanism to one of SCRAM-SHA-512",
        ),
        (
            "a login too many",
            At::Plaintext,
            good.replace("SASL_SSL", "SASL_PLAINTEXT"),
            &[],
            "asks for no login: set security.protocol=PLAINTEXT",
        ),
        ("no client certificate", At::Ssl, ssl.clone(), &[], "set ssl.keystore.location"),
        ("certificate of another authority", At::Ssl, foreign, &[], "refuses the client's certificate"),
        (
            "missing permission",
            At::SaslSsl,
            alice,
            &["--topic", "orders"],
            "ottla acl add --allow-principal User:alice --operation Read --topic orders",
        ),
        (
            "advertised address",
            At::Unreachable,
            String::new(),
            &[],
            "localhost:1 of broker 1: cannot connect",
        ),
    ];
    for (name, at, keys, more, expected) in cases {
        let ended = broker.doctor(at, &keys, more)?;
        assert!(ended.code == 1 && ended.out.contains(expected), "{name}: {ended:?}");
        assert!(ended.out.contains("WRONG") && !ended.out.contains("nothing is wrong"), "{name}: {ended:?}");
        assert!(!ended.out.contains("hunter2") && !ended.out.contains(ADMIN), "{name}: {ended:?}");
    }
    without_a_broker(&broker)
}

fn without_a_broker(broker: &Secured) -> Result<()> {
    let gone = tool(&["doctor", "--bootstrap-server", "localhost:1"], "")?;
    assert!(gone.code == 1 && gone.out.contains("no process listens on that port"), "{gone:?}");
    let unknown = tool(&["doctor", "--bootstrap-server", "no-such-host.invalid:9092", "-o", "json"], "")?;
    assert!(unknown.code == 1 && json(&unknown)?["steps"][1]["result"] == "WRONG", "{unknown:?}");
    let wrong = broker.doctor(At::SaslSsl, "security.protocol=TLS\n", &[])?;
    assert!(wrong.code == 78 && wrong.err.contains("line 1: security.protocol"), "{wrong:?}");
    Ok(())
}
