//! Costs of a hundred thousand ACLs: the request that makes them, a start, memory. `--nocapture` shows the figures; times are judged for a machine that
//! does other work as well.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use codec::messages::create_acls_request::AclCreation;
use ottla_tests::broker::Options;
use ottla_tests::client::Client;

use super::{ANONYMOUS, AUTHORIZER, READ, TOPIC, WRITE, allow, any_acl, create, text};

/// As many as one request may hold.
const IN_ONE: u32 = 10_000;
const IN_ALL: u32 = 100_000;
/// Resident memory of one, after a start.
const MOST_BYTES: u64 = 400;

fn entry(number: u32) -> AclCreation {
    let operation = if number.is_multiple_of(2) { READ } else { WRITE };
    let host = IpAddr::from(Ipv4Addr::LOCALHOST);
    allow(TOPIC, &format!("topic-{}", number / 2), operation, host)
        .with_principal(text(&format!("User:{}", number % 500)))
}

#[test]
fn very_many_acls_are_made_kept_and_found_again_at_a_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = Options::default()
        .data(folder.path())
        .set("authorizer.class.name", AUTHORIZER)
        .set("super.users", ANONYMOUS)
        .start()?;
    broker.terminate()?;
    let empty = broker.start()?;
    let before = broker.memory()?.now_bytes;
    let mut client = Client::connect(broker.address())?;
    client.set_patience(Duration::from_secs(60))?;
    let mut longest = Duration::ZERO;
    for first in (0..IN_ALL).step_by(IN_ONE as usize) {
        let entries = (first..first + IN_ONE).map(entry).collect();
        let asked = Instant::now();
        create(&mut client, entries)?;
        longest = longest.max(asked.elapsed());
    }
    broker.kill_9()?;
    let full = broker.start()?;
    let bytes = broker.memory()?.now_bytes.saturating_sub(before) / u64::from(IN_ALL);
    eprintln!(
        "{IN_ONE} ACLs in one request: at most {longest:?}; {bytes} bytes each; ready after {full:?} with {IN_ALL}, {empty:?} without"
    );
    ensure!(bytes <= MOST_BYTES, "{bytes} bytes for an ACL");
    ensure!(
        longest < Duration::from_secs(10) && full < empty + Duration::from_secs(5),
        "{longest:?}, {full:?}"
    );
    let mut client = Client::connect(broker.address())?;
    client.set_patience(Duration::from_secs(60))?;
    let all = client.call(3, &any_acl())?;
    let found: usize = all.resources.iter().map(|resource| resource.acls.len()).sum();
    ensure!(found == IN_ALL as usize, "{found} ACLs after kill -9");
    Ok(())
}
