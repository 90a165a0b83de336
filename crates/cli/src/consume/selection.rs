//! The partitions to read: of topics by name, or by a regular expression.

use codec::ErrorCode;
use codec::messages::metadata_response::MetadataResponseTopic;
use regex::Regex;

use crate::client::{Leaders, Partition, refused};
use crate::failure::Failure;

/// Topics, as the command line names them.
#[derive(Debug)]
pub(super) enum Topics {
    Names(Vec<String>),
    /// A topic's whole name must match one of these; internal topics never do.
    Patterns(Vec<Regex>),
}

impl Topics {
    /// # Errors
    /// A regular expression is malformed.
    pub(super) fn of(texts: &[String], are_patterns: bool) -> Result<Self, Failure> {
        if !are_patterns {
            let mut names = texts.to_vec();
            names.sort();
            names.dedup();
            return Ok(Self::Names(names));
        }
        let pattern = |text: &String| {
            // Alone first, so that the error shows the text as it was written.
            let regex = Regex::new(text).and_then(|_| Regex::new(&format!("^(?:{text})$")));
            regex.map_err(|error| Failure::usage(format!("{text:?} is no regular expression: {error}")))
        };
        Ok(Self::Patterns(texts.iter().map(pattern).collect::<Result<_, _>>()?))
    }

    fn has(&self, topic: &MetadataResponseTopic) -> bool {
        match self {
            Self::Names(_) => true,
            Self::Patterns(patterns) => {
                let name = topic.name.as_ref().map_or("", |name| name.as_str());
                !topic.is_internal && patterns.iter().any(|pattern| pattern.is_match(name))
            }
        }
    }

    /// The partitions of the topics, all or those of these indexes.
    ///
    /// # Errors
    /// A topic or a partition is missing, or the user may not see it.
    pub(super) fn partitions(
        &self,
        leaders: &mut Leaders,
        wanted: &[i32],
    ) -> Result<Vec<Partition>, Failure> {
        let answer = match self {
            Self::Names(names) => leaders.refresh(Some(names))?,
            Self::Patterns(_) => leaders.refresh(None)?,
        };
        let topics: Vec<_> = answer.topics.iter().filter(|topic| self.has(topic)).collect();
        if topics.is_empty() {
            return Err(Failure::failed("no topic has such a name; `ottla topic list` shows all"));
        }
        let mut partitions = Vec::new();
        for topic in topics {
            partitions.extend(of_topic(topic, wanted)?);
        }
        partitions.sort();
        Ok(partitions)
    }
}

fn of_topic(topic: &MetadataResponseTopic, wanted: &[i32]) -> Result<Vec<Partition>, Failure> {
    let name = topic.name.as_ref().map_or("", |name| name.as_str());
    match ErrorCode::from_code(topic.error_code) {
        Some(ErrorCode::UnknownTopicOrPartition) => {
            return Err(Failure::failed(format!(
                "topic {name} does not exist; `ottla topic list` shows those that do"
            )));
        }
        _ if topic.error_code != 0 => return Err(unreadable(&format!("read {name}"), topic.error_code)),
        _ => {}
    }
    let all: Vec<i32> = topic.partitions.iter().map(|partition| partition.partition_index).collect();
    if let Some(missing) = wanted.iter().find(|index| !all.contains(index)) {
        return Err(Failure::failed(format!(
            "topic {name} has no partition {missing}: it has {}, counted from 0",
            all.len()
        )));
    }
    let indexes = all.into_iter().filter(|index| wanted.is_empty() || wanted.contains(index));
    Ok(indexes.map(|index| Partition { topic: name.to_owned(), index }).collect())
}

/// The failure for an error code of a reader; `doing` says what was asked for.
pub(super) fn unreadable(doing: &str, code: i16) -> Failure {
    let failure = refused(doing, code, None);
    match ErrorCode::from_code(code) {
        Some(ErrorCode::TopicAuthorizationFailed) => Failure::failed(format!(
            "{failure}; the user that this command logs in as needs Read on the topic: \
             `ottla acl add --allow-principal User:NAME --operation Read --topic NAME`, by an administrator"
        )),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use codec::messages::metadata_response::MetadataResponsePartition;

    use super::*;
    use crate::client::topic_name;

    fn topic(name: &str, is_internal: bool) -> MetadataResponseTopic {
        let partition = |index| MetadataResponsePartition::default().with_partition_index(index);
        MetadataResponseTopic::default()
            .with_name(Some(topic_name(name)))
            .with_is_internal(is_internal)
            .with_partitions((0..3).map(partition).collect())
    }

    #[test]
    fn a_pattern_matches_whole_names_of_topics_that_are_not_internal() {
        let topics = Topics::of(&["ord.*".to_owned(), "a|b".to_owned()], true).unwrap();
        assert!(topics.has(&topic("orders", false)) && topics.has(&topic("b", false)));
        assert!(!topics.has(&topic("reorder", false)) && !topics.has(&topic("bb", false)));
        assert!(!topics.has(&topic("orders", true)));
        assert!(matches!(Topics::of(&["(".to_owned()], true), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_missing_partition_is_named() {
        assert_eq!(of_topic(&topic("t", false), &[]).unwrap().len(), 3);
        assert_eq!(
            of_topic(&topic("t", false), &[2]).unwrap(),
            [Partition { topic: "t".to_owned(), index: 2 }]
        );
        let text = of_topic(&topic("t", false), &[3]).unwrap_err().to_string();
        assert_eq!(text, "topic t has no partition 3: it has 3, counted from 0");
        let unknown = topic("t", false).with_error_code(ErrorCode::UnknownTopicOrPartition.code());
        assert!(of_topic(&unknown, &[]).unwrap_err().to_string().starts_with("topic t does not exist"));
    }
}
