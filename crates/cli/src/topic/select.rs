//! The topics that arguments are about, out of the cluster's metadata.

use std::collections::BTreeMap;

use clap::Args;
use codec::ErrorCode;
use codec::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

use super::wanted::Wanted;
use crate::client::{Leaders, Partition, refused};
use crate::configs::{self, Configs, Kind};
use crate::failure::Failure;

/// Arguments of `ottla topic list` and `ottla topic describe`.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// Names, or regular expressions that match whole names, such as 'orders-.*' [default: all topics]
    #[arg(value_name = "NAME|PATTERN")]
    topics: Vec<Wanted>,
    /// Includes internal topics, such as __consumer_offsets; one that is named needs no flag.
    #[arg(long)]
    internal: bool,
}

/// A topic as the metadata shows it.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    /// `None` from brokers before Kafka 2.8.
    pub(super) id: Option<String>,
    pub(super) is_internal: bool,
    /// In the order of their numbers.
    pub(super) partitions: Vec<MetadataResponsePartition>,
}

impl Topic {
    pub(super) fn of(topic: MetadataResponseTopic) -> Option<Self> {
        let mut partitions = topic.partitions;
        partitions.sort_by_key(|partition| partition.partition_index);
        Some(Self {
            name: topic.name?.to_string(),
            id: (!topic.topic_id.is_nil()).then(|| id_text(topic.topic_id.as_u128())),
            is_internal: topic.is_internal,
            partitions,
        })
    }

    /// Replicas of the first partition; all have the same number unless they are being moved.
    pub(super) fn replication_factor(&self) -> usize {
        self.partitions.first().map_or(0, |partition| partition.replica_nodes.len())
    }

    /// Its partitions, as the leaders know them.
    pub(super) fn keys(&self) -> impl Iterator<Item = Partition> {
        self.partitions.iter().map(|partition| self.key(partition.partition_index))
    }

    pub(super) fn key(&self, index: i32) -> Partition {
        Partition { topic: self.name.clone(), index }
    }
}

/// The configs of these topics that differ from the defaults.
///
/// # Errors
/// The connection fails.
pub(super) fn configs(topics: &[Topic], leaders: &mut Leaders) -> Result<Configs, Failure> {
    let names = topics.iter().map(|topic| topic.name.as_str());
    configs::ask(leaders.cluster(), Kind::Topic, names, false, false)
}

/// Topics, sorted by name, and the arguments that fit none.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) topics: Vec<Topic>,
    pub(super) problems: Vec<Failure>,
}

impl Selection {
    /// The topics, if every argument fits one: a change is not begun otherwise.
    ///
    /// # Errors
    /// An argument fits none.
    pub(super) fn whole(self) -> Result<Vec<Topic>, Failure> {
        match self.problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(self.topics),
        }
    }

    /// The topics; problems go to standard error, and make the second value false.
    pub(super) fn reported(self) -> (Vec<Topic>, bool) {
        self.problems.iter().for_each(|problem| eprintln!("ottla: {problem}"));
        (self.topics, self.problems.is_empty())
    }
}

/// The topics to show.
///
/// # Errors
/// The connection fails.
pub(super) fn shown(arguments: &ShowArguments, leaders: &mut Leaders) -> Result<Selection, Failure> {
    select(&arguments.topics, arguments.internal, leaders)
}

/// The topics that at least one of `wanted` is about, or all.
///
/// # Errors
/// The connection fails.
pub(super) fn select(
    wanted: &[Wanted],
    with_internal: bool,
    leaders: &mut Leaders,
) -> Result<Selection, Failure> {
    let names: Option<Vec<String>> = wanted.iter().map(|wanted| wanted.name().cloned()).collect();
    let names = names.filter(|names| !names.is_empty());
    let answer = leaders.refresh(names.as_deref())?;
    Ok(fitting(wanted, with_internal, answer.topics))
}

fn fitting(wanted: &[Wanted], with_internal: bool, found: Vec<MetadataResponseTopic>) -> Selection {
    let (mut topics, mut errors) = (BTreeMap::new(), BTreeMap::new());
    for topic in found {
        let code = topic.error_code;
        let Some(topic) = Topic::of(topic) else { continue };
        // Others, such as LEADER_NOT_AVAILABLE, pass.
        let is_refused = matches!(
            ErrorCode::from_code(code),
            Some(
                ErrorCode::UnknownTopicOrPartition
                    | ErrorCode::InvalidTopicException
                    | ErrorCode::TopicAuthorizationFailed
            )
        );
        if is_refused {
            errors.insert(topic.name, code);
        } else {
            topics.insert(topic.name.clone(), topic);
        }
    }
    let fits = |wanted: &Wanted, topic: &Topic| wanted.fits(&topic.name, topic.is_internal, with_internal);
    let unfit = wanted.iter().filter(|wanted| !topics.values().any(|topic| fits(wanted, topic)));
    let problems = unfit.map(|wanted| problem(wanted, &errors)).collect();
    let is_shown = |topic: &Topic| match wanted.is_empty() {
        true => with_internal || !topic.is_internal,
        false => wanted.iter().any(|wanted| fits(wanted, topic)),
    };
    Selection { topics: topics.into_values().filter(is_shown).collect(), problems }
}

fn problem(wanted: &Wanted, errors: &BTreeMap<String, i16>) -> Failure {
    match wanted {
        Wanted::Name(name) => match errors.get(name) {
            Some(code) if *code == ErrorCode::TopicAuthorizationFailed as i16 => {
                refused(&format!("describe topic {name}"), *code, None)
            }
            _ => {
                let pattern = if name.contains('.') {
                    format!(", or write '({name})' for a regular expression")
                } else {
                    String::new()
                };
                Failure::failed(format!("topic {name} does not exist; see `ottla topic list`{pattern}"))
            }
        },
        Wanted::Pattern { text, .. } => {
            Failure::failed(format!("no topic matches {text:?}; see `ottla topic list`"))
        }
    }
}

/// An id as Kafka's tools write it: Base64 for URLs, without padding.
pub(crate) fn id_text(id: u128) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 128 bits are 21 letters of six bits, and one of the last two bits followed by zeros.
    let sixes = (0..21).map(|at| id >> (122 - 6 * at)).chain([id << 4]);
    sixes
        .filter_map(|six| LETTERS.get(usize::try_from(six & 63).ok()?))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::topic_name;

    fn topic(name: &str, is_internal: bool, code: i16) -> MetadataResponseTopic {
        MetadataResponseTopic::default()
            .with_name(Some(topic_name(name)))
            .with_is_internal(is_internal)
            .with_error_code(code)
    }

    fn names(
        wanted: &[&str],
        with_internal: bool,
        found: Vec<MetadataResponseTopic>,
    ) -> (Vec<String>, Vec<String>) {
        let wanted: Vec<Wanted> = wanted.iter().map(|text| text.parse().unwrap()).collect();
        let Selection { topics, problems } = fitting(&wanted, with_internal, found);
        let names = topics.into_iter().map(|topic| topic.name).collect();
        (names, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn internal_topics_are_left_out_unless_they_are_wanted() {
        let all = || vec![topic("b", false, 0), topic("a", false, 0), topic("__c", true, 0)];
        assert_eq!(names(&[], false, all()).0, ["a", "b"]);
        assert_eq!(names(&[], true, all()).0, ["__c", "a", "b"]);
        assert_eq!(names(&[".*"], false, all()).0, ["a", "b"]);
        assert_eq!(names(&["__c", "[a]"], false, all()).0, ["__c", "a"]);
    }

    #[test]
    fn an_argument_that_fits_no_topic_is_named() {
        let found = vec![topic("a", false, 0), topic("gone", false, 3), topic("secret", false, 29)];
        let (found, problems) = names(&["a", "gone", "x.*", "secret"], false, found);
        assert_eq!(found, ["a"]);
        let expected =
            ["topic gone does not exist", "no topic matches \"x.*\"", "TOPIC_AUTHORIZATION_FAILED"];
        assert_eq!(problems.len(), expected.len());
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn ids_are_written_as_kafka_writes_them() {
        assert_eq!(id_text(1), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(id_text(u128::MAX), "_____________________w");
    }
}
