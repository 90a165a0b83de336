use crate::config::{BrokerConfig, HttpAccess};

const AUTHENTICATION: &str = "http.authentication";
const USERS: &str = "http.basic.users.location";
const TOKENS: &str = "http.bearer.token.location";

fn access(pairs: &[(&str, &str)]) -> Result<HttpAccess, String> {
    let config = BrokerConfig::from_pairs(pairs).map_err(|error| error.to_string())?;
    Ok(config.start().http_access().clone())
}

#[test]
fn kinds_have_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let (users, tokens) = (folder.path().join("users"), folder.path().join("tokens"));
    let hash = "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe";
    std::fs::write(&users, format!("prometheus:{hash}\n")).unwrap();
    std::fs::write(&tokens, "0123456789abcdef\n").unwrap();
    let (users_text, tokens_text) = (users.to_str().unwrap(), tokens.to_str().unwrap());
    let with = |kind: &str, file: Option<(&str, &str)>| {
        let pairs: Vec<_> = [(AUTHENTICATION, kind)].into_iter().chain(file).collect();
        access(&pairs)
    };
    assert_eq!(access(&[]), Ok(HttpAccess::Open));
    assert_eq!(with("basic", None), Ok(HttpAccess::ScramUsers));
    assert_eq!(with("basic", Some((USERS, users_text))), Ok(HttpAccess::UsersOf(users.clone())));
    assert_eq!(with("bearer", Some((TOKENS, tokens_text))), Ok(HttpAccess::TokensOf(tokens.clone())));

    for (kind, file, reason) in [
        (
            "none",
            Some((USERS, users_text)),
            "http.basic.users.location: it is used only with http.authentication=basic",
        ),
        ("none", Some((TOKENS, tokens_text)), "it is used only with http.authentication=bearer"),
        ("basic", Some((TOKENS, tokens_text)), "it is used only with http.authentication=bearer"),
        ("bearer", Some((USERS, users_text)), "it is used only with http.authentication=basic"),
        ("bearer", None, "http.authentication: bearer needs http.bearer.token.location"),
        ("basic", Some((USERS, tokens_text)), "line 1 is not NAME:HASH"),
        ("basic", Some((USERS, "/nowhere/users")), "/nowhere/users: it cannot be read"),
        ("digest", None, "http.authentication"),
    ] {
        let text = with(kind, file).unwrap_err();
        assert!(text.contains(reason), "{kind} {file:?}: {text}");
    }
}
