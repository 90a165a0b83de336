//! The load of a client that asks for all topics, of which it may see a hundredth.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::{CreateTopicsRequest, MetadataRequest};

use crate::clock::Clock;
use crate::control::{Control, topic_name};
use crate::endpoint::Endpoint;
use crate::handshakes::{METADATA_VERSION, ONE, repeat};
use crate::loads::Load;
use crate::rules::PREFIX;
use crate::tally::Tally;

/// Topics of one request.
const AT_ONCE: usize = 500;
/// One topic of each hundred is visible.
const HIDDEN: usize = 100;
/// A broker that is slow to create topics says so by this code, and goes on.
const REQUEST_TIMED_OUT: i16 = 7;

/// Creates `partitions` topics of one partition, and waits until the loads' user sees its part of them.
///
/// # Errors
/// The broker refuses one, or shows another number of them for two minutes.
pub(crate) fn prepare(endpoint: Endpoint, load: &Load) -> Result<()> {
    let mut control = Control::connect(endpoint)?;
    let topic = |number: usize| {
        let hidden = if number.is_multiple_of(HIDDEN) { "" } else { "hidden-" };
        let name = topic_name(&format!("{hidden}{PREFIX}listed-{number}"));
        CreatableTopic::default().with_name(name).with_num_partitions(1).with_replication_factor(1)
    };
    let topics: Vec<CreatableTopic> = (0..load.partitions as usize).map(topic).collect();
    for some in topics.chunks(AT_ONCE) {
        let request = CreateTopicsRequest::default().with_topics(some.to_vec()).with_timeout_ms(60_000);
        let answer = control.call(5, &request)?;
        let refused = answer.topics.iter().find(|one| ![0, REQUEST_TIMED_OUT].contains(&one.error_code));
        ensure!(refused.is_none(), "CreateTopics: {refused:?}");
    }
    let mut outcome = Ok(());
    for _ in 0..240 {
        outcome = listed(&mut control, load);
        if outcome.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    outcome
}

/// Asks again and again for all topics, on `connections` connections.
///
/// # Errors
/// An answer has more or fewer than what the user may see.
pub(crate) fn run(
    endpoint: Endpoint,
    load: &Load,
    clock: Clock,
    times: [Duration; 2],
    edge: impl FnMut() -> Result<()>,
) -> Result<Tally> {
    let asking = || {
        let mut control = Control::connect(endpoint)?;
        Ok(move || listed(&mut control, load).map(|()| ONE))
    };
    repeat(load.connections, clock, times, edge, asking)
}

fn listed(control: &mut Control, load: &Load) -> Result<()> {
    let answer = control.call(METADATA_VERSION, &MetadataRequest::default().with_topics(None))?;
    let (seen, may_see) = (answer.topics.len(), (load.partitions as usize).div_ceil(HIDDEN));
    ensure!(seen == may_see, "{seen} topics are visible of {may_see}");
    let first = answer.topics.first().context("no topic")?;
    ensure!(first.error_code == 0, "Metadata: error {}", first.error_code);
    Ok(())
}
