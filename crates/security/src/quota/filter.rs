//! Searches among entities, as DescribeClientQuotas asks them (`ClientQuotasImage.describe`).

use thiserror::Error;

use super::{Entity, EntityType};

/// A search: all components must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    components: Vec<Component>,
    /// Entities with further parts do not fit.
    strict: bool,
}

/// A condition on one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The type of the part.
    pub entity_type: EntityType,
    /// Its name.
    pub name: Match,
}

/// A condition on the name of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// This one.
    Exact(String),
    /// The default.
    Default,
    /// Any, the default too.
    Specified,
}

/// Why components are no search. The texts are Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidFilter {
    /// An empty type.
    #[error("Invalid empty entity type.")]
    EmptyType,
    /// Not a type.
    #[error("Unsupported entity type {0}")]
    UnsupportedType(String),
    /// A type twice.
    #[error("Entity type {0} cannot appear more than once in the filter.")]
    Duplicate(&'static str),
    /// No name to match.
    #[error("Request specified MATCH_TYPE_EXACT, but set match string to null.")]
    NoName,
    /// A name beside the default.
    #[error("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.")]
    NameOfDefault,
    /// A name beside any.
    #[error("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.")]
    NameOfAny,
    /// Not a kind of match.
    #[error("Unknown match type {0}")]
    MatchType(i8),
    /// An address beside a user or a client id.
    #[error(
        "Invalid entity filter component combination. IP filter component should not be used with user or clientId \
         filter component."
    )]
    Mixed,
}

impl Match {
    /// The match of this code with this text.
    ///
    /// # Errors
    /// They do not fit together.
    pub fn of(code: i8, text: Option<&str>) -> Result<Self, InvalidFilter> {
        match (code, text) {
            (0, Some(text)) => Ok(Self::Exact(text.to_owned())),
            (0, None) => Err(InvalidFilter::NoName),
            (1, None) => Ok(Self::Default),
            (1, Some(_)) => Err(InvalidFilter::NameOfDefault),
            (2, None) => Ok(Self::Specified),
            (2, Some(_)) => Err(InvalidFilter::NameOfAny),
            (other, _) => Err(InvalidFilter::MatchType(other)),
        }
    }

    fn fits(&self, entity_type: EntityType, name: Option<&str>) -> bool {
        match self {
            Self::Specified => true,
            Self::Default => name.is_none(),
            Self::Exact(wanted) if entity_type == EntityType::Ip => {
                // In any notation of the address.
                let wanted = Entity::of([(entity_type.name(), Some(&**wanted))]);
                name.is_some() && wanted == Entity::of([(entity_type.name(), name)])
            }
            Self::Exact(wanted) => name == Some(wanted),
        }
    }
}

impl Filter {
    /// The search with these components: each a type, a code of a match and its text, in the order of the request.
    ///
    /// # Errors
    /// They are none: the first fault, in Kafka's order.
    pub fn of<'a>(
        parts: impl IntoIterator<Item = (&'a str, i8, Option<&'a str>)>,
        strict: bool,
    ) -> Result<Self, InvalidFilter> {
        let mut components: Vec<Component> = Vec::new();
        for (type_name, code, text) in parts {
            if type_name.is_empty() {
                return Err(InvalidFilter::EmptyType);
            }
            let unsupported = || InvalidFilter::UnsupportedType(type_name.to_owned());
            let entity_type = EntityType::named(type_name).ok_or_else(unsupported)?;
            if components.iter().any(|one| one.entity_type == entity_type) {
                return Err(InvalidFilter::Duplicate(entity_type.name()));
            }
            components.push(Component { entity_type, name: Match::of(code, text)? });
        }
        let has = |wanted| components.iter().any(|one| one.entity_type == wanted);
        if has(EntityType::Ip) && components.len() > 1 {
            return Err(InvalidFilter::Mixed);
        }
        Ok(Self { components, strict })
    }

    /// Returns true if the search finds the entity.
    pub fn fits(&self, entity: &Entity) -> bool {
        let parts = entity.parts();
        if self.strict && parts.len() != self.components.len() {
            return false;
        }
        self.components.iter().all(|wanted| {
            parts.iter().any(|(entity_type, name)| {
                *entity_type == wanted.entity_type && wanted.name.fits(*entity_type, name.as_deref())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(parts: &[(&'static str, i8, Option<&'static str>)], strict: bool) -> Vec<usize> {
        let entities: Vec<Entity> = [
            vec![("user", Some("a"))],
            vec![("user", None)],
            vec![("user", Some("a")), ("client-id", Some("c"))],
            vec![("user", Some("b")), ("client-id", None)],
            vec![("client-id", Some("c"))],
            vec![("ip", Some("::1"))],
            vec![("ip", None)],
        ]
        .into_iter()
        .map(|parts| Entity::of(parts).unwrap())
        .collect();
        let filter = Filter::of(parts.iter().copied(), strict).unwrap();
        entities.iter().enumerate().filter(|(_, one)| filter.fits(one)).map(|(index, _)| index).collect()
    }

    #[test]
    fn finds_what_the_components_say() {
        assert_eq!(found(&[], false), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(found(&[], true), [0; 0]);
        assert_eq!(found(&[("user", 2, None)], false), [0, 1, 2, 3]);
        assert_eq!(found(&[("user", 2, None)], true), [0, 1]);
        assert_eq!(found(&[("user", 0, Some("a"))], false), [0, 2]);
        assert_eq!(found(&[("user", 1, None)], false), [1]);
        assert_eq!(found(&[("user", 2, None), ("client-id", 1, None)], true), [3]);
        assert_eq!(found(&[("ip", 0, Some("0:0:0:0:0:0:0:1"))], true), [5]);
        assert_eq!(found(&[("ip", 0, Some("no address"))], true), [0; 0]);
    }

    #[test]
    fn components_that_cannot_be_meant_are_refused() {
        let refused = |parts: &[(&'static str, i8, Option<&'static str>)]| {
            Filter::of(parts.iter().copied(), false).unwrap_err()
        };
        assert_eq!(refused(&[("", 2, None)]), InvalidFilter::EmptyType);
        assert_eq!(refused(&[("topic", 2, None)]), InvalidFilter::UnsupportedType("topic".into()));
        assert_eq!(refused(&[("user", 2, None), ("user", 1, None)]), InvalidFilter::Duplicate("user"));
        assert_eq!(refused(&[("user", 0, None)]), InvalidFilter::NoName);
        assert_eq!(refused(&[("user", 1, Some("a"))]), InvalidFilter::NameOfDefault);
        assert_eq!(refused(&[("user", 2, Some("a"))]), InvalidFilter::NameOfAny);
        assert_eq!(refused(&[("user", 3, None)]), InvalidFilter::MatchType(3));
        assert_eq!(refused(&[("ip", 2, None), ("user", 2, None)]), InvalidFilter::Mixed);
    }
}
