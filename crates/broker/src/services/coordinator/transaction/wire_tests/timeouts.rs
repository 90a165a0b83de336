//! Timeouts that are refused, and what the log says of them.

use super::*;
use crate::testing::Logged;

/// Flink's job fails with a timeout above that of the broker, and begins again: each attempt wrote a line.
#[tokio::test]
async fn a_timeout_that_is_too_long_is_explained_once_for_each_id() {
    let logged = Logged::by_this_thread();
    let running = broker_with(&[], &[("transaction.max.timeout.ms", "1000")]).await;
    let mut client = running.client().await;
    for (name, timeout_ms) in
        [("sink-0", 3_600_000), ("sink-1", 1_001), ("sink-0", 3_600_000), ("sink-0", 5_000)]
    {
        assert_eq!(init_as(&mut client, name, timeout_ms, (-1, -1)).await.0, 50);
    }
    let lines = logged.lines("transaction.max.timeout.ms of this broker");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, (name, asked_ms)) in lines.iter().zip([("sink-0", 3_600_000), ("sink-1", 1_001)]) {
        for part in [format!("id={name} "), format!("asked_ms={asked_ms} "), "longest_ms=1000 ".to_owned()] {
            assert!(line.contains(&part), "{line}");
        }
    }
    // No key of the broker admits these.
    for timeout_ms in [0, -1] {
        assert_eq!(init_as(&mut client, "other", timeout_ms, (-1, -1)).await.0, 50);
    }
    assert_eq!(logged.lines("transaction.max.timeout.ms of this broker").len(), 2);
}
