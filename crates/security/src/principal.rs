//! Identities of clients, as Kafka writes them: `User:alice` (`KafkaPrincipal`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Type of every principal that a login makes (`KafkaPrincipal.USER_TYPE`).
pub const USER: &str = "User";

/// Name of a client without a login (`KafkaPrincipal.ANONYMOUS`).
const ANONYMOUS: &str = "ANONYMOUS";

/// The identity of a client: a type and a name, both compared byte by byte. A copy shares the texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    principal_type: Arc<str>,
    name: Arc<str>,
}

/// A text without the `:` that ends a principal's type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a principal is written Type:name, such as User:alice")]
pub struct NoPrincipal;

impl Principal {
    /// The identity of a type and a name, which may be any texts.
    pub fn new(principal_type: &str, name: &str) -> Self {
        Self { principal_type: Arc::from(principal_type), name: Arc::from(name) }
    }

    /// `User:name`.
    pub fn user(name: &str) -> Self {
        Self::new(USER, name)
    }

    /// `User:ANONYMOUS`: the identity of every client on a listener without logins.
    pub fn anonymous() -> Self {
        Self::user(ANONYMOUS)
    }

    /// Such as `User`.
    pub fn principal_type(&self) -> &str {
        &self.principal_type
    }

    /// Such as `alice`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns true for the identity of clients without a login.
    pub fn is_anonymous(&self) -> bool {
        &*self.principal_type == USER && &*self.name == ANONYMOUS
    }
}

impl FromStr for Principal {
    type Err = NoPrincipal;

    /// Reads `Type:name`. The first `:` divides, so a name may hold others; both parts may be empty, as in Kafka
    /// (`SecurityUtils.parseKafkaPrincipal`).
    fn from_str(text: &str) -> Result<Self, NoPrincipal> {
        let (principal_type, name) = text.split_once(':').ok_or(NoPrincipal)?;
        Ok(Self::new(principal_type, name))
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.principal_type, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_colon_divides() {
        for (text, principal_type, name) in [
            ("User:alice", "User", "alice"),
            ("User:CN=a:b,O=c", "User", "CN=a:b,O=c"),
            ("User:", "User", ""),
            (":alice", "", "alice"),
            ("Group: x ", "Group", " x "),
        ] {
            let principal: Principal = text.parse().unwrap();
            assert_eq!((principal.principal_type(), principal.name()), (principal_type, name));
            assert_eq!(principal.to_string(), text);
        }
        for text in ["", "alice", "User"] {
            assert_eq!(text.parse::<Principal>(), Err(NoPrincipal));
        }
    }

    #[test]
    fn type_and_name_are_compared_exactly() {
        assert_eq!(Principal::user("alice"), "User:alice".parse().unwrap());
        assert_ne!(Principal::user("alice"), Principal::user("Alice"));
        assert_ne!(Principal::user("alice"), Principal::new("user", "alice"));
    }

    #[test]
    fn a_client_without_login_is_user_anonymous() {
        assert_eq!(Principal::anonymous().to_string(), "User:ANONYMOUS");
        assert!(Principal::anonymous().is_anonymous());
        assert!(!Principal::user("anonymous").is_anonymous());
        assert!(!Principal::new("Group", "ANONYMOUS").is_anonymous());
    }
}
