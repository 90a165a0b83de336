//! Quotas as messages: DescribeClientQuotas and AlterClientQuotas.

use codec::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use codec::messages::describe_client_quotas_request::ComponentData;
use codec::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest, StrBytes};

use crate::client::{Cluster, ErrorAnswer};
use crate::failure::Failure;

/// Kinds of parts of an entity.
pub(crate) const USER: &str = "user";
pub(crate) const CLIENT_ID: &str = "client-id";
pub(crate) const IP: &str = "ip";

/// The names of a part that a description is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match<'a> {
    Name(&'a str),
    Default,
    Any,
}

/// An entity with its quotas: user, client id, address (`None`: no such part; the inner `None`: the default), and values by key.
pub(crate) struct Described {
    pub(crate) parts: [Option<Option<String>>; 3],
    pub(crate) values: Vec<(String, f64)>,
}

impl Described {
    pub(super) fn of(parts: &[(&str, Option<&str>)], values: Vec<(String, f64)>) -> Self {
        let part = |kind: &str| {
            let (_, name) = parts.iter().find(|(known, _)| *known == kind)?;
            Some(name.map(str::to_owned))
        };
        Self { parts: [part(USER), part(CLIENT_ID), part(IP)], values }
    }
}

/// The entities that have these parts, sorted; `strict`: and no others. The inner error is the broker's.
///
/// # Errors
/// The connection fails.
pub(crate) fn describe(
    cluster: &mut Cluster,
    parts: &[(&'static str, Match<'_>)],
    strict: bool,
) -> Result<Result<Vec<Described>, ErrorAnswer>, Failure> {
    let component = |(kind, name): &(&str, Match<'_>)| {
        let (code, name) = match name {
            Match::Name(name) => (0, Some(text(name))),
            Match::Default => (1, None),
            Match::Any => (2, None),
        };
        ComponentData::default().with_entity_type(text(kind)).with_match_type(code).with_match(name)
    };
    let request = DescribeClientQuotasRequest::default()
        .with_components(parts.iter().map(component).collect())
        .with_strict(strict);
    let answer = cluster.call(&request)?;
    if let Err(error) = ErrorAnswer::check(answer.error_code, answer.error_message.as_deref()) {
        return Ok(Err(error));
    }
    let mut found = Vec::new();
    for entry in answer.entries.unwrap_or_default() {
        let part = |kind: &str| {
            let entity = entry.entity.iter().find(|entity| entity.entity_type.as_str() == kind)?;
            Some(entity.entity_name.as_ref().map(ToString::to_string))
        };
        let mut values: Vec<_> =
            entry.values.iter().map(|value| (value.key.to_string(), value.value)).collect();
        values.sort_by(|one, other| one.0.cmp(&other.0));
        found.push(Described { parts: [part(USER), part(CLIENT_ID), part(IP)], values });
    }
    found.sort_by(|one, other| one.parts.cmp(&other.parts));
    Ok(Ok(found))
}

/// The change that sets a quota.
pub(crate) fn set(key: &str, value: f64) -> OpData {
    OpData::default().with_key(text(key)).with_value(value)
}

/// The change that takes a quota away.
pub(crate) fn remove(key: &str) -> OpData {
    OpData::default().with_key(text(key)).with_remove(true)
}

/// Changes the quotas of the entity of these parts; one without a name is the default. The inner error is the broker's.
///
/// # Errors
/// The connection fails.
pub(crate) fn alter(
    cluster: &mut Cluster,
    parts: &[(&'static str, Option<&str>)],
    changes: Vec<OpData>,
) -> Result<Result<(), ErrorAnswer>, Failure> {
    let entity = |(kind, name): &(&str, Option<&str>)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    };
    let entry = EntryData::default().with_entity(parts.iter().map(entity).collect()).with_ops(changes);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let answer = cluster
        .change(0, &request, |answer| answer.entries.iter().map(|entry| entry.error_code).collect())?;
    let mut entries = answer.entries.iter();
    Ok(entries.try_for_each(|entry| ErrorAnswer::check(entry.error_code, entry.error_message.as_deref())))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
