//! `ottla group delete`: deletes groups with their committed offsets (DeleteGroups, API 42).

use clap::Args;
use codec::ErrorCode;
use codec::messages::{DeleteGroupsRequest, GroupId, StrBytes};
use serde_json::json;

use super::names::Groups;
use crate::client::{Coordinators, refused};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Format, Outcome, escaped, shown};

/// `ottla group delete`
#[derive(Debug, Args)]
pub(super) struct DeleteArguments {
    #[command(flatten)]
    groups: Groups,
    /// Deletes without a question.
    #[arg(short, long)]
    yes: bool,
}

/// Deletes all that can be deleted; the others are named on standard error.
///
/// # Errors
/// The answer to the question is no, or a broker does not answer.
pub(super) fn run(
    arguments: &DeleteArguments,
    cluster: &mut Coordinators,
    format: Format,
) -> Result<Outcome, Failure> {
    let names = arguments.groups.find(cluster)?;
    let listed = names.iter().map(|name| escaped(name)).collect::<Vec<_>>().join(", ");
    confirm(&format!("delete {listed}, with committed offsets?"), "--yes", arguments.yes)?;
    let mut deleted = Vec::new();
    for name in &names {
        match delete(cluster, name)? {
            0 => deleted.push(name),
            code => {
                refusal(name, code).report();
            }
        }
    }
    let text = shown(
        format,
        || json!({"deleted": deleted}),
        || deleted.iter().map(|name| format!("deleted group {}\n", escaped(name))).collect(),
    );
    Ok(Outcome { text, is_good: deleted.len() == names.len() })
}

/// Deletes one group; returns the error code.
pub(crate) fn delete(cluster: &mut Coordinators, name: &str) -> Result<i16, Failure> {
    let request = DeleteGroupsRequest::default()
        .with_groups_names(vec![GroupId(StrBytes::from_string(name.to_owned()))]);
    let answer = cluster.call(name, 0..=2, &request, |answer| {
        answer.results.iter().map(|result| result.error_code).collect()
    })?;
    let result = answer.results.first();
    Ok(result.map_or(ErrorCode::UnknownServerError.into(), |result| result.error_code))
}

fn refusal(name: &str, code: i16) -> Failure {
    let name = escaped(name);
    match ErrorCode::from_code(code) {
        Some(ErrorCode::NonEmptyGroup) => {
            Failure::failed(format!("group {name} has members; stop them, then delete it"))
        }
        Some(ErrorCode::GroupIdNotFound) => {
            Failure::failed(format!("there is no group {name}; see `ottla group list`"))
        }
        _ => refused(&format!("delete group {name}"), code, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let text = |code: ErrorCode| refusal("a\u{1b}", code.into()).to_string();
        assert_eq!(text(ErrorCode::NonEmptyGroup), "group a\\u{1b} has members; stop them, then delete it");
        assert!(text(ErrorCode::GroupIdNotFound).contains("there is no group a\\u{1b}"));
        assert!(
            text(ErrorCode::GroupAuthorizationFailed).starts_with("cannot delete group a\\u{1b}: GROUP_")
        );
    }
}
