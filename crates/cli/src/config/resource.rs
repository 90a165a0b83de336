//! Names of resources, and the broker that has the configs of each.

use crate::client::Cluster;
use crate::configs::Kind;
use crate::failure::Failure;

/// The name of all brokers, whose name on the wire is empty.
pub(crate) const DEFAULT: &str = "default";

/// One resource.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(super) kind: Kind,
    /// As the user writes it.
    pub(super) name: String,
    /// The only broker that knows its configs.
    node: Option<i32>,
}

impl Resource {
    /// # Errors
    /// It is no name of this kind.
    pub(crate) fn of(kind: Kind, name: &str) -> Result<Self, Failure> {
        let node = match kind {
            Kind::Topic | Kind::Group | Kind::ClientMetrics => None,
            Kind::Broker if name == DEFAULT => None,
            Kind::Broker | Kind::BrokerLogger => {
                let or_default =
                    if kind == Kind::Broker { ", or `default`, which is all brokers" } else { "" };
                let wrong = || {
                    Failure::usage(format!("{name:?} is no broker: give its number, such as 1{or_default}"))
                };
                Some(name.parse().ok().filter(|node| *node >= 0).ok_or_else(wrong)?)
            }
        };
        if name.is_empty() {
            return Err(Failure::usage(format!("a name of a {} is needed", kind.name())));
        }
        Ok(Self { kind, name: name.to_owned(), node })
    }

    /// True if only one broker has its configs.
    pub(super) fn is_of_node(&self) -> bool {
        self.node.is_some()
    }

    /// The name on the wire.
    pub(crate) fn wire_name(&self) -> &str {
        match (self.kind, self.name.as_str()) {
            (Kind::Broker, DEFAULT) => "",
            (_, name) => name,
        }
    }

    /// Calls `ask` with a connection to the broker that has its configs.
    ///
    /// # Errors
    /// There is no such broker, the connection fails, or `ask` does.
    pub(crate) fn at<T>(
        &self,
        cluster: &mut Cluster,
        ask: impl FnOnce(&mut Cluster) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(node) = self.node else { return ask(cluster) };
        let brokers = cluster.brokers()?;
        match brokers.get(&node) {
            None => {
                Err(Failure::failed(format!("there is no broker {node}; see `ottla config list broker`")))
            }
            // The address that it advertises may not be reached from here, and is not needed.
            Some(_) if brokers.len() == 1 => ask(cluster),
            Some(address) => ask(&mut cluster.at(address)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_have_numbers_and_a_default() {
        let names =
            |kind, name: &str| Resource::of(kind, name).map(|one| (one.wire_name().to_owned(), one.node));
        assert_eq!(names(Kind::Broker, "1"), Ok(("1".to_owned(), Some(1))));
        assert_eq!(names(Kind::Broker, "default"), Ok((String::new(), None)));
        assert_eq!(names(Kind::BrokerLogger, "2"), Ok(("2".to_owned(), Some(2))));
        // Other resources may have that name.
        assert_eq!(names(Kind::Topic, "default"), Ok(("default".to_owned(), None)));
        for (kind, name) in
            [(Kind::Broker, "a"), (Kind::Broker, "-1"), (Kind::BrokerLogger, "default"), (Kind::Topic, "")]
        {
            assert!(matches!(names(kind, name), Err(Failure::Usage(_))), "{name}");
        }
    }
}
