//! The result of a change for each topic: a line of text, or an element of a JSON array. Errors go to standard error as well.

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output::{Format, Outcome, escaped};

/// Facts about a change, such as `partitions`, as numbers.
pub(super) type Facts = Vec<(&'static str, Value)>;

/// The result of a change of one topic. One that has two parts can be done in part.
pub(super) struct Done {
    pub(super) topic: String,
    /// The change in the past tense, such as `created`, and facts about it.
    pub(super) done: Option<(&'static str, Facts)>,
    /// Why it was not made, or not all of it.
    pub(super) error: Option<Failure>,
}

impl Done {
    /// The result of a change that is made or not.
    pub(super) fn of(topic: String, result: Result<(&'static str, Facts), Failure>) -> Self {
        let (done, error) = result.map_or_else(|error| (None, Some(error)), |done| (Some(done), None));
        Self { topic, done, error }
    }
}

/// The results, sorted by topic, as text or a document. It is good if all changes were made.
pub(super) fn report(mut done: Vec<Done>, format: Format) -> Outcome {
    // Kafka answers in any order.
    done.sort_by(|one, other| one.topic.cmp(&other.topic));
    let errors = done.iter().filter_map(|one| one.error.as_ref());
    errors.for_each(|error| eprintln!("ottla: {error}"));
    let is_good = done.iter().all(|one| one.error.is_none());
    let text = match format {
        Format::Table | Format::Wide => done.iter().filter_map(sentence).collect(),
        Format::Json | Format::Yaml => format.document(&done.iter().map(object).collect()),
    };
    Outcome { text, is_good }
}

/// Such as `created topic orders (partitions 3)`.
fn sentence(done: &Done) -> Option<String> {
    let (verb, facts) = done.done.as_ref()?;
    let fact = |(name, value): &(&str, Value)| format!("{} {value}", name.replace('_', " "));
    let facts: Vec<String> = facts.iter().map(fact).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    Some(escaped(&format!("{verb} topic {}{facts}", done.topic)) + "\n")
}

fn object(done: &Done) -> Value {
    let mut object = Map::from_iter([("topic".to_owned(), json!(done.topic))]);
    if let Some((verb, facts)) = &done.done {
        object.insert("result".to_owned(), json!(verb));
        object.extend(facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    if let Some(error) = &done.error {
        object.insert("error".to_owned(), json!(error.to_string()));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> Vec<Done> {
        let created = Ok(("created", vec![("partitions", json!(3)), ("replication_factor", json!(1))]));
        let failed = Err(Failure::failed("cannot create topic b: x"));
        vec![Done::of("b".to_owned(), failed), Done::of("a".to_owned(), created)]
    }

    #[test]
    fn one_error_makes_the_outcome_bad_and_the_rest_is_shown() {
        let outcome = report(done(), Format::Table);
        assert_eq!(outcome.text, "created topic a (partitions 3, replication factor 1)\n");
        assert!(!outcome.is_good);
        let outcome = report(done(), Format::Json);
        assert_eq!(
            serde_json::from_str::<Value>(&outcome.text).unwrap(),
            json!([{"topic": "a", "result": "created", "partitions": 3, "replication_factor": 1},
                {"topic": "b", "error": "cannot create topic b: x"}])
        );
    }
}
