use std::path::Path;

use crate::config::{BrokerConfig, Sources, load};

const CLASS: &str = "org.apache.kafka.common.config.provider.";

fn loaded(pairs: &[(&str, &str)]) -> Result<BrokerConfig, String> {
    let overrides = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let env = [("DATA", "/srv/ottla"), ("PARTITIONS", "7"), ("BAD", "hunter2")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let sources = Sources { overrides, env, ..Sources::default() };
    load(&sources).map(|loaded| loaded.config).map_err(|error| error.to_string())
}

/// With providers `env`, `file` and `dir`, and one setting more.
fn with(setting: (&str, &str)) -> Result<BrokerConfig, String> {
    let class = |name: &str| format!("{CLASS}{name}ConfigProvider");
    let (env, file, dir) = (class("EnvVar"), class("File"), class("Directory"));
    loaded(&[
        ("config.providers", "env, file,dir"),
        ("config.providers.env.class", &env),
        ("config.providers.file.class", &file),
        ("config.providers.dir.class", &dir),
        setting,
    ])
}

fn data_dir(value: &str) -> Result<String, String> {
    with(("log.dirs", value)).map(|config| config.data_dir().display().to_string())
}

#[test]
fn variables_are_found() {
    assert_eq!(data_dir("${env:DATA}").unwrap(), "/srv/ottla");
    assert_eq!(data_dir("/a/${env:PARTITIONS}${env:PARTITIONS}/b").unwrap(), "/a/77/b");
    assert_eq!(with(("num.partitions", "${env:PARTITIONS}")).unwrap().num_partitions, 7);
}

#[test]
fn files_and_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kafka.properties"), "data=/first\ndata = /from\\u0041\n").unwrap();
    std::fs::write(folder.path().join("data"), "/whole\n").unwrap();
    let at = |text: &str| text.replace("DIR", folder.path().to_str().unwrap());
    assert_eq!(data_dir(&at("${file:DIR/kafka.properties:data}/x")).unwrap(), "/fromA/x");
    assert_eq!(data_dir(&at("${dir:DIR:data}")).unwrap(), "/whole", "without the new line");
    for (reference, reason) in [
        ("${file:DIR/kafka.properties:other}", "the file has no such key"),
        ("${file:DIR/none:data}", "No such file"),
        ("${dir:DIR:none}", "No such file"),
        ("${dir:DIR:../data}", "is not the name of a file in the folder"),
        ("${env:NONE}", "there is no such variable"),
        ("${env:x:DATA}", "a variable has no path"),
    ] {
        let text = data_dir(&at(reference)).unwrap_err();
        assert!(text.contains(reason) && text.contains("--override: log.dirs: ${"), "{reference}: {text}");
    }
}

#[test]
fn what_is_allowed_bounds_references() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("allowed");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("data"), "/in").unwrap();
    std::fs::write(folder.path().join("data"), "/out").unwrap();
    std::os::unix::fs::symlink(folder.path().join("data"), inner.join("link")).unwrap();
    let directory = format!("{CLASS}DirectoryConfigProvider");
    let read = |path: &Path, name: &str| {
        let reference = format!("${{dir:{}:{name}}}", path.display());
        let pairs = [
            ("config.providers", "dir"),
            ("config.providers.dir.class", directory.as_str()),
            ("config.providers.dir.param.allowed.paths", inner.to_str().unwrap()),
            ("log.dirs", reference.as_str()),
        ];
        loaded(&pairs).map(|config| config.data_dir().display().to_string())
    };
    assert_eq!(read(&inner, "data").unwrap(), "/in");
    for (path, name) in [(folder.path(), "data"), (&inner.join(".."), "data"), (&inner, "link")] {
        assert!(read(path, name).unwrap_err().contains("allowed.paths does not allow the file"), "{name}");
    }

    let env = format!("{CLASS}EnvVarConfigProvider");
    let variable = |reference: &str| {
        loaded(&[
            ("config.providers", "env"),
            ("config.providers.env.class", &env),
            ("config.providers.env.param.allowlist.pattern", "D.*|X"),
            ("log.dirs", reference),
        ])
    };
    assert!(variable("${env:DATA}").is_ok());
    assert!(variable("${env:BAD}").unwrap_err().contains("does not allow the variable"));
}

#[test]
fn what_a_reference_leads_to_is_in_no_error() {
    let text = with(("num.partitions", "${env:BAD}")).unwrap_err();
    assert!(text.contains("--override, by a config provider: num.partitions: "), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn other_classes_stop_the_start() {
    for (pairs, expected) in [
        (
            &[("config.providers", "a"), ("config.providers.a.class", "com.example.Vault")][..],
            "Ottla cannot load com.example.Vault",
        ),
        (&[("config.providers", "a")][..], "config.providers.a.class: it is not set"),
    ] {
        let text = loaded(pairs).unwrap_err();
        assert!(text.contains(expected) && text.contains("EnvVarConfigProvider"), "{text}");
    }
}

#[test]
fn slips_of_the_pen_open_nothing() {
    let file = format!("{CLASS}FileConfigProvider");
    let providers = [("config.providers", "file"), ("config.providers.file.class", file.as_str())];
    for (key, value, reason) in [
        ("config.providers.file.param.allowed.path", "/run", "the provider has no such setting"),
        ("config.providers.file.param.allowlist.pattern", "A", "the provider has no such setting"),
        ("config.providers.file.param.allowed.paths", " ,", "it names no path"),
        ("config.providers.files.param.allowed.paths", "/", "config.providers does not name this provider"),
    ] {
        let pairs: Vec<_> = providers.into_iter().chain([(key, value)]).collect();
        let text = loaded(&pairs).unwrap_err();
        assert!(text.contains(key) && text.contains(reason), "{text}");
    }
    // The text would be the password, with a provider and without.
    let jaas = "listener.name.x.plain.sasl.jaas.config";
    for pairs in [&providers[..], &[]] {
        let pairs: Vec<_> = pairs.iter().copied().chain([(jaas, "a user_a=\"${fiel:/a:b}\";")]).collect();
        let text = loaded(&pairs).unwrap_err();
        assert!(text.contains(jaas) && text.contains("names none that is called so"), "{text}");
    }
}

#[test]
fn without_its_provider_a_reference_is_plain_text() {
    let plain = loaded(&[("log.dirs", "/a/${env:DATA}")]).unwrap();
    assert_eq!(plain.data_dir(), Path::new("/a/${env:DATA}"));
    for text in ["/a/${envy:DATA}", "/a/${env}", "/a/${env:DATA"] {
        assert_eq!(data_dir(text).unwrap(), text);
    }
    assert_eq!(data_dir("${x${env:DATA}").unwrap(), "${x/srv/ottla");
}

/// Such as a version of TLS, which is no secret by its key.
#[test]
fn no_value_of_a_provider_is_shown() {
    let text = with(("listeners", "${env:BAD}")).unwrap_err();
    assert!(text.contains("listeners") && !text.contains("hunter2"), "{text}");
    let text = with(("ssl.protocol", "${env:BAD}")).map(drop);
    assert!(text.is_ok(), "without a listener of TLS it is not looked at: {text:?}");
}
