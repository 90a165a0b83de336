//! The things that the flags name: `--topic orders`, or `--entity-type topics --entity-name orders`; a name that is empty is the default of all.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs as _;

use super::super::flags::Given;
use super::super::refusal::Refusal;
use crate::configs::Kind;
use crate::output::escaped;
use crate::quota::wire::{CLIENT_ID, IP, Match, USER};

/// A type of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntityType {
    Topic,
    Client,
    User,
    Broker,
    Ip,
    ClientMetrics,
    Group,
    BrokerLogger,
}

impl EntityType {
    /// In the order in which Kafka lists them.
    const ALL: [Self; 8] = [
        Self::Topic,
        Self::Client,
        Self::User,
        Self::Broker,
        Self::Ip,
        Self::ClientMetrics,
        Self::Group,
        Self::BrokerLogger,
    ];

    /// Its name for `--entity-type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Topic => "topics",
            Self::Client => "clients",
            Self::User => "users",
            Self::Broker => "brokers",
            Self::Ip => "ips",
            Self::ClientMetrics => "client-metrics",
            Self::Group => "groups",
            Self::BrokerLogger => "broker-loggers",
        }
    }

    /// One of them in Kafka's lines: the name without its last letter, whatever that is.
    pub(super) fn singular(self) -> &'static str {
        let name = self.name();
        name.strip_suffix('s').unwrap_or(name)
    }

    /// The kind of resource that has its configs; quotas have none.
    fn resource(self) -> Option<Kind> {
        match self {
            Self::Topic => Some(Kind::Topic),
            Self::Broker => Some(Kind::Broker),
            Self::BrokerLogger => Some(Kind::BrokerLogger),
            Self::Group => Some(Kind::Group),
            Self::ClientMetrics => Some(Kind::ClientMetrics),
            Self::Client | Self::User | Self::Ip => None,
        }
    }

    /// True if there may be a default for all of them.
    fn has_default(self) -> bool {
        matches!(self, Self::Client | Self::User | Self::Broker | Self::Ip)
    }

    /// The part of an entity of quotas that it is.
    fn quota(self) -> Option<&'static str> {
        match self {
            Self::Client => Some(CLIENT_ID),
            Self::User => Some(USER),
            Self::Ip => Some(IP),
            _ => None,
        }
    }
}

/// The flags that name an entity, by the type of each, in Kafka's order.
const NAMES: [(&str, EntityType); 8] = [
    ("topic", EntityType::Topic),
    ("client", EntityType::Client),
    ("user", EntityType::User),
    ("broker", EntityType::Broker),
    ("broker-logger", EntityType::BrokerLogger),
    ("ip", EntityType::Ip),
    ("client-metrics", EntityType::ClientMetrics),
    ("group", EntityType::Group),
];
/// The flags that name the default of a type.
const DEFAULTS: [(&str, EntityType); 4] = [
    ("client-defaults", EntityType::Client),
    ("user-defaults", EntityType::User),
    ("broker-defaults", EntityType::Broker),
    ("ip-defaults", EntityType::Ip),
];

/// One thing, or all of a type: the names belong to the types in their order, and the last types may have none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entity {
    types: Vec<EntityType>,
    /// An empty one is the default.
    names: Vec<String>,
}

impl Entity {
    /// # Errors
    /// The flags do not fit together.
    pub(super) fn of(given: &Given) -> Result<Self, Refusal> {
        let types = types(given)?;
        let has_old = ["entity-type", "entity-name", "entity-default"].iter().any(|name| given.has(name));
        if has_old && NAMES.iter().chain(&DEFAULTS).any(|(name, _)| given.has(name)) {
            return argument(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            );
        }
        let entity = Self { types, names: names(given)? };
        entity.check_values(given)?;
        match given.has("alter") {
            true => entity.check_alter()?,
            false => entity.check_describe(given)?,
        }
        Ok(entity)
    }

    /// Brokers have numbers, and addresses can be resolved.
    fn check_values(&self, given: &Given) -> Result<(), Refusal> {
        let kind = self.kind();
        let (flag, rule) = match kind {
            EntityType::Broker => ("broker", "a valid integer broker id"),
            EntityType::BrokerLogger => ("broker-logger", "a valid integer broker id"),
            EntityType::Ip => ("ip", "a valid IP or resolvable host"),
            _ => return Ok(()),
        };
        for flag in ["entity-name", flag].into_iter().filter(|_| self.has_name()) {
            let Some(name) = given.value(flag)? else { continue };
            let is_good = match kind {
                EntityType::Ip => (name, 0).to_socket_addrs().is_ok(),
                _ => name.parse::<i32>().is_ok(),
            };
            if !is_good {
                let text = format!(
                    "The entity name for {} must be {rule}, but it is: {}",
                    kind.name(),
                    escaped(name)
                );
                return argument(&text);
            }
        }
        Ok(())
    }

    fn check_describe(&self, given: &Given) -> Result<(), Refusal> {
        if given.has("entity-default") && !self.types.iter().any(|kind| kind.has_default()) {
            let text = format!("--entity-default must not be specified with --describe of {}", self.types());
            return argument(&text);
        }
        if self.types.contains(&EntityType::BrokerLogger) && !self.has_name() {
            return argument(&format!(
                "An entity name must be specified with --describe of {}",
                self.types()
            ));
        }
        Ok(())
    }

    fn check_alter(&self) -> Result<(), Refusal> {
        match self.types.iter().any(|kind| kind.has_default()) {
            true if self.names.is_empty() => argument(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            ),
            false if !self.has_name() => {
                argument(&format!("An entity name must be specified with --alter of {}", self.types()))
            }
            _ => Ok(()),
        }
    }

    /// Compares the number of names with that of types. Kafka ignores a second name of a topic.
    ///
    /// # Errors
    /// There are too many, or for a change too few.
    pub(super) fn check_names(&self, given: &Given) -> Result<(), Refusal> {
        if given.has("alter") && self.names.len() != self.types.len() {
            return argument("An entity name must be specified for every entity type");
        }
        if self.names.len() > self.types.len() {
            return argument("More entity names specified than entity types");
        }
        Ok(())
    }

    /// The first type.
    pub(super) fn kind(&self) -> EntityType {
        // There is one at least.
        self.types.first().copied().unwrap_or(EntityType::Topic)
    }

    /// The name for the first type; none for all of the type.
    pub(super) fn name(&self) -> Option<&str> {
        self.names.first().map(String::as_str)
    }

    /// The names of users, without any for all; `None` where the entity is none that may have a password.
    pub(super) fn users(&self) -> Option<&[String]> {
        let is_of_users = self.types == [EntityType::User] && !self.has_default();
        is_of_users.then_some(self.names.as_slice())
    }

    /// True for clients, also for those of a user.
    pub(super) fn has_client(&self) -> bool {
        self.types.contains(&EntityType::Client)
    }

    /// True if one of the names is the default.
    pub(super) fn has_default(&self) -> bool {
        self.names.iter().any(String::is_empty)
    }

    /// The kind of resource that has its configs; quotas have none.
    pub(super) fn resource(&self) -> Option<Kind> {
        self.kind().resource()
    }

    /// The parts of an entity of quotas, for a description.
    pub(super) fn parts(&self) -> Vec<(&'static str, Match<'_>)> {
        let names = self.names.iter().map(|name| match name.as_str() {
            "" => Match::Default,
            name => Match::Name(name),
        });
        let kinds = self.types.iter().filter_map(|kind| kind.quota());
        kinds.zip(names.chain(std::iter::repeat(Match::Any))).collect()
    }

    fn has_name(&self) -> bool {
        self.names.iter().any(|name| !name.is_empty())
    }

    /// The types as Kafka's lines have them.
    fn types(&self) -> String {
        self.types.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",")
    }
}

/// The types that the flags name, in the order that decides which name belongs to which.
fn types(given: &Given) -> Result<Vec<EntityType>, Refusal> {
    let flags = NAMES.iter().chain(&DEFAULTS).filter(|(name, _)| given.has(name));
    let names: Vec<&str> = given.values("entity-type").chain(flags.map(|(_, kind)| kind.name())).collect();
    let (mut seen, mut twice) = (BTreeSet::new(), Vec::new());
    for name in &names {
        if !seen.insert(*name) && !twice.contains(name) {
            twice.push(name);
        }
    }
    if !twice.is_empty() {
        return argument(&format!("Duplicate entity type(s) specified: {}", escaped(&twice.join(","))));
    }
    if !given.has("bootstrap-server") {
        return argument("Either --bootstrap-server or --bootstrap-controller must be specified.");
    }
    let kind = |name: &str| {
        let unknown = || {
            let all = EntityType::ALL.map(EntityType::name).join(", ");
            Refusal::Argument(format!(
                "Invalid entity type {}, the entity type must be one of {all} with a --bootstrap-server or --bootstrap-controller argument",
                escaped(name)
            ))
        };
        EntityType::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(unknown)
    };
    let types: Vec<EntityType> = names.into_iter().map(kind).collect::<Result<_, _>>()?;
    match types.as_slice() {
        [] => argument("At least one entity type must be specified"),
        [_] | [EntityType::User, EntityType::Client] | [EntityType::Client, EntityType::User] => Ok(types),
        _ => argument("Only 'users' and 'clients' entity types may be specified together"),
    }
}

/// The names that the flags have, in the order of the types.
fn names(given: &Given) -> Result<Vec<String>, Refusal> {
    let old = given.all().filter_map(|(name, value)| match name {
        "entity-name" => value.map(str::to_owned),
        "entity-default" => Some(String::new()),
        _ => None,
    });
    let mut names: Vec<String> = old.collect();
    for (flag, _) in NAMES {
        names.extend(given.value(flag)?.map(str::to_owned));
    }
    names.extend(DEFAULTS.iter().filter(|(flag, _)| given.has(flag)).map(|_| String::new()));
    Ok(names)
}

fn argument<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::Argument(text.to_owned()))
}
