//! `ottla topic delete` (DeleteTopics), after a look at what would go.

use clap::Args;
use codec::messages::DeleteTopicsRequest;
use codec::messages::delete_topics_response::DeletableTopicResult;

use super::report::{Done, report};
use super::select::{self, Topic};
use super::wanted::Wanted;
use super::{TIMEOUT_MS, describe, offsets};
use crate::client::{Leaders, refused, topic_name};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table, escaped};

/// Arguments of `ottla topic delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Names, or regular expressions that match whole names; these match no internal topics.
    #[arg(value_name = "NAME|PATTERN", required = true)]
    topics: Vec<Wanted>,
    /// Deletes them without a question.
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(
    arguments: &DeleteArguments,
    leaders: &mut Leaders,
    format: Format,
) -> Result<Outcome, Failure> {
    let topics = select::select(&arguments.topics, false, leaders)?.whole()?;
    if !arguments.yes {
        let question = format!("{}delete these topics and their records?", plan(&topics, leaders)?);
        confirm(&question, "--yes", false)?;
    }
    let request = DeleteTopicsRequest::default()
        .with_topic_names(topics.iter().map(|topic| topic_name(&topic.name)).collect())
        .with_timeout_ms(TIMEOUT_MS);
    // From version 6 on topics are in another field, where they may have ids.
    let answer = leaders.cluster().change_between(0, 5, &request, |answer| {
        answer.responses.iter().map(|topic| topic.error_code).collect()
    })?;
    Ok(report(answer.responses.into_iter().map(done).collect(), format))
}

/// The topics that would go, with what is in them.
fn plan(topics: &[Topic], leaders: &mut Leaders) -> Result<String, Failure> {
    let ranges = offsets::ranges(leaders, topics)?;
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "RECORDS"]);
    for topic in topics {
        let records = describe::records(topic, &ranges);
        let records = records.map_or_else(|| "unknown".to_owned(), |records| records.to_string());
        table.push([topic.name.clone(), topic.partitions.len().to_string(), records]);
    }
    Ok(table.text(""))
}

fn done(result: DeletableTopicResult) -> Done {
    let name = result.name.map_or_else(String::new, |name| name.to_string());
    let doing = format!("delete topic {}", escaped(&name));
    let result = match result.error_code {
        0 => Ok(("deleted", Vec::new())),
        code => Err(refused(&doing, code, result.error_message.as_deref())),
    };
    Done::of(name, result)
}

#[cfg(test)]
mod tests {
    use codec::ErrorCode;

    use super::*;

    #[test]
    fn a_topic_is_deleted_or_the_reason_is_named() {
        let of = |code: ErrorCode| {
            let name = Some(topic_name("a"));
            done(DeletableTopicResult::default().with_name(name).with_error_code(code as i16))
        };
        assert_eq!(of(ErrorCode::None).done.map(|(verb, _)| verb), Some("deleted"));
        let refused = of(ErrorCode::TopicAuthorizationFailed);
        assert!(refused.done.is_none());
        let error = refused.error.unwrap().to_string();
        assert!(error.starts_with("cannot delete topic a: TOPIC_AUTHORIZATION_FAILED"), "{error}");
    }
}
