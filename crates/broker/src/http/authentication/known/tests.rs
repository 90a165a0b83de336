use std::sync::Arc;

use super::*;
use crate::session::credentials::Credentials;

/// As `htpasswd -B` writes it, by the least work.
fn hash(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

fn basic(user: &str, password: &str) -> Secret {
    security::http::basic_header(user, &Secret::new(password))
}

#[test]
fn users_of_a_file_log_in_by_their_passwords() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("a:{}\nb:{}\n", hash("one"), hash("two"))).unwrap();
    let known = Known::Users(Users::of_file(file.path().to_owned()));
    assert!(!known.remembers(&basic("a", "one")), "nobody logged in yet");
    for (user, password, is_good) in
        [("a", "one", true), ("b", "two", true), ("a", "two", false), ("a", "", false), ("c", "one", false)]
    {
        assert_eq!(known.admits(&basic(user, password)), is_good, "{user} {password}");
        assert_eq!(known.remembers(&basic(user, password)), is_good, "{user} {password}");
    }
    assert!(!known.admits(&Secret::new("Basic x")) && !known.admits(&Secret::new("Bearer one")));
}

#[test]
fn a_changed_password_counts_after_the_file_is_read_again() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("a:{}\n", hash("old"))).unwrap();
    let users = Users::of_file(file.path().to_owned());
    assert!(users.admits(&basic("a", "old")));
    std::fs::write(file.path(), format!("a:{}\n", hash("new"))).unwrap();
    age(&users);
    assert!(!users.remembers(&basic("a", "old")), "what was remembered is of the old hash");
    assert!(!users.admits(&basic("a", "old")) && users.admits(&basic("a", "new")));
    // Half-written: what it held before counts.
    std::fs::write(file.path(), "a").unwrap();
    age(&users);
    assert!(users.admits(&basic("a", "new")) && !users.admits(&basic("a", "old")));
    std::fs::write(file.path(), format!("b:{}\n", hash("new"))).unwrap();
    age(&users);
    assert!(!users.admits(&basic("a", "new")), "a user who is gone");
}

/// As if the file had been read long ago.
fn age(users: &Users) {
    let Source::File(file) = &users.source else { panic!("users of a file") };
    if let Some((read, _)) = file.last.lock().as_mut() {
        *read = read.checked_sub(REREAD).unwrap();
    }
}

#[test]
fn users_of_scram_log_in_by_their_passwords() {
    let users = ScramUsers::default();
    let known = Known::Users(Users::of_scram(users.clone()));
    assert!(!known.admits(&basic("a", "one")), "the data folder is not open yet");
    let credential = |hash, password: &str| {
        Credential::from_password(hash, b"salt".to_vec(), 4096, &Secret::new(password))
    };
    let kept = [
        (Hash::Sha256, "a".to_owned(), credential(Hash::Sha256, "one")),
        (Hash::Sha512, "b".to_owned(), credential(Hash::Sha512, "two")),
    ];
    let credentials = Arc::new(Credentials::new(kept, [1; 32]));
    users.are(Arc::clone(&credentials));
    assert!(known.admits(&basic("a", "one")) && known.admits(&basic("b", "two")));
    assert!(known.remembers(&basic("a", "one")));
    assert!(!known.admits(&basic("a", "two")) && !known.admits(&basic("c", "one")));
    credentials.change(|users| users.delete(Hash::Sha256, "a"));
    assert!(!known.remembers(&basic("a", "one")) && !known.admits(&basic("a", "one")), "deleted");
}

#[test]
fn tokens_of_a_file_are_good() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0123456789abcdef\nfedcba9876543210\n").unwrap();
    let known = Known::Tokens(Tokens::new(file.path().to_owned()));
    let bearer = |token: &str| Secret::new(format!("Bearer {token}"));
    for (token, is_good) in
        [("0123456789abcdef", true), ("fedcba9876543210", true), ("0123456789abcdeF", false), ("0123", false)]
    {
        assert_eq!(known.admits(&bearer(token)), is_good, "{token}");
    }
    assert!(known.remembers(&bearer("0123456789abcdef")), "fresh");
    assert!(!known.admits(&basic("0123456789abcdef", "")));
}

#[test]
fn what_is_remembered_is_bounded() {
    let users = Users::of_scram(ScramUsers::default());
    for user in 0..3 * REMEMBERED {
        users.remember(&user.to_string(), b"", &Secret::new(""));
        assert!(users.remembered.lock().len() <= REMEMBERED);
    }
}
