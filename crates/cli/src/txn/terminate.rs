//! `ottla txn terminate`: ends the open transaction of a transactional id as a new producer of that id would (InitProducerId, API 22; KIP-1119).

use std::thread;
use std::time::Duration;

use clap::Args;
use codec::ErrorCode;
use codec::messages::{InitProducerIdRequest, ProducerId, StrBytes, TransactionalId};
use serde_json::json;

use super::coordinated::describe;
use crate::client::{Coordinators, refused};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Format, escaped, shown};

/// Tries while the transaction ends, and the time between two.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(super) struct TerminateArguments {
    /// A transactional id.
    id: String,
    /// Does it without a question.
    #[arg(short, long)]
    yes: bool,
}

/// # Errors
/// The id is unknown, the answer to the question is no, or the coordinator refuses.
pub(super) fn run(
    arguments: &TerminateArguments,
    cluster: &mut Coordinators,
    format: Format,
) -> Result<String, Failure> {
    let (id, name) = (arguments.id.as_str(), escaped(&arguments.id));
    let doing = format!("end the transaction of {name}");
    // An unknown id would be made by the request.
    let known = describe(cluster, id)?.map_err(|code| refused(&doing, code, None))?;
    let state = known.state.transaction_state.to_string();
    confirm(
        &format!(
            "end the transaction of {name} (state {}), and refuse whatever its producer sends from now on?",
            escaped(&state)
        ),
        "--yes",
        arguments.yes,
    )?;
    let code = end(cluster, id)?;
    match code {
        0 => Ok(shown(
            format,
            || json!({"transactional_id": id, "terminated": true, "state_before": state}),
            || format!("ended the transaction of {name}\n"),
        )),
        code => Err(refused(&doing, code, None)),
    }
}

/// The last error code, or 0. The coordinator says CONCURRENT_TRANSACTIONS until the old transaction has ended.
fn end(cluster: &mut Coordinators, id: &str) -> Result<i16, Failure> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(StrBytes::from_string(id.to_owned()))))
        .with_transaction_timeout_ms(1_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let mut code = 0;
    for _ in 0..TRIES {
        code = cluster.call(id, 0..=5, &request, |answer| vec![answer.error_code])?.error_code;
        if code != ErrorCode::ConcurrentTransactions as i16 {
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(code)
}
