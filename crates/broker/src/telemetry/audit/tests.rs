use std::path::Path;
use std::time::Duration;

use super::*;

fn client(id: &str) -> Client<'_> {
    Client {
        principal: Some("User:alice"),
        address: "[::ffff:10.0.0.7]:4711".parse().unwrap(),
        listener: "SAFE",
        client_id: Some(id),
    }
}

fn change(name: &str) -> Change {
    Change {
        resource_type: "Topic",
        resource: name.to_owned(),
        operation: "Create",
        error_code: 0,
        detail: json!({"partitions": 3}),
    }
}

struct Fixture {
    audit: Audit,
    dropped: Arc<Counter>,
    stopping: CancellationToken,
    tasks: Tasks,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new(max_bytes: u64, max_files: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = AuditTarget::file(&folder.path().join("audit.log"), max_bytes, max_files).unwrap();
        Self::with(target, folder)
    }

    fn with(target: AuditTarget, folder: tempfile::TempDir) -> Self {
        let (tasks, dropped) = (Tasks::new(), Arc::<Counter>::default());
        let clock = Clock::manual(1_700_000_000_123);
        let stopping = CancellationToken::new();
        let audit = Audit::new(target, false, Arc::clone(&dropped), clock, (stopping.clone(), &tasks));
        Self { audit, dropped, stopping, tasks, folder }
    }

    async fn end(&self) {
        self.tasks.cancel();
        self.tasks.drain(Duration::from_secs(10)).await;
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_line_of_json_for_each_event() {
    let fixture = Fixture::new(1 << 20, 2);
    fixture.audit.changed(&client("tool"), "CreateTopics", vec![change("a")], |_| "NONE").await;
    fixture.audit.login_accepted(&client("c"), "PLAIN");
    fixture.audit.login_refused(&client("c"), Some("PLAIN"), "wrong password");
    fixture.audit.changed_by_broker(change("b"), "NONE").await;
    fixture.end().await;
    assert_eq!(
        fixture.lines("audit.log"),
        [
            r#"{"time":"2023-11-14T22:13:20.123Z","address":"10.0.0.7","api":"CreateTopics","client_id":"tool","detail":{"partitions":3},"event":"change","listener":"SAFE","operation":"Create","principal":"User:alice","resource":"a","resource_type":"Topic","result":"NONE"}"#,
            r#"{"time":"2023-11-14T22:13:20.123Z","address":null,"api":null,"client_id":null,"detail":{"partitions":3},"event":"change","listener":null,"operation":"Create","principal":null,"resource":"b","resource_type":"Topic","result":"NONE"}"#,
            r#"{"time":"2023-11-14T22:13:20.123Z","address":"10.0.0.7","client_id":"c","event":"login","listener":"SAFE","mechanism":"PLAIN","principal":"User:alice","reason":"wrong password","result":"refused"}"#,
        ],
        "accepted logins are not asked for"
    );
}

/// S24: a client's text forged a line.
#[tokio::test]
async fn texts_of_clients_are_escaped_and_cut() {
    let fixture = Fixture::new(1 << 20, 2);
    let forged = "x\"}\n{\"time\":\"now\",\u{1b}[31m";
    fixture.audit.denied(&client(forged), "Produce", "Write", ("Topic", &"y".repeat(10_000)));
    fixture.end().await;
    let lines = fixture.lines("audit.log");
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(!line.contains('\u{1b}') && line.len() < 1000, "{line}");
    let parsed: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&parsed["client_id"], &parsed["resource"]), (&json!(forged), &json!("y".repeat(MAX_TEXT))));
    assert_eq!((&parsed["event"], &parsed["result"]), (&json!("authorization"), &json!("denied")));
}

#[tokio::test]
async fn equal_refusals_are_counted_and_changes_are_not() {
    let fixture = Fixture::new(1 << 20, 2);
    for number in 0..30 {
        let topic = if number % 3 == 0 { "a" } else { "b" };
        fixture.audit.denied(&client("c"), "Produce", "Write", ("Topic", topic));
    }
    for _ in 0..2 {
        fixture.audit.changed(&client("c"), "CreateTopics", vec![change("a")], |_| "NONE").await;
    }
    fixture.end().await;
    let lines = fixture.lines("audit.log");
    let parsed: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |resource: &str| {
        let found =
            parsed.iter().find(|line| line["event"] == "authorization" && line["resource"] == resource);
        found.unwrap()["count"].as_u64()
    };
    assert_eq!((count("a"), count("b"), lines.len()), (Some(10), Some(20), 4));
}

/// A second without further events must not hold back what came.
#[tokio::test]
async fn refusals_are_written_within_a_second() {
    let fixture = Fixture::new(1 << 20, 2);
    fixture.audit.denied(&client("c"), "Produce", "Write", ("Topic", "a"));
    let soon = async {
        while fixture.lines("audit.log").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), soon).await.expect("it is written though nothing follows");
}

#[tokio::test]
async fn full_files_are_renamed_and_the_oldest_is_removed() {
    let fixture = Fixture::new(600, 2);
    for number in 0..9 {
        fixture
            .audit
            .changed(&client("c"), "CreateTopics", vec![change(&number.to_string())], |_| "NONE")
            .await;
    }
    fixture.end().await;
    let counts: Vec<_> = ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3"]
        .iter()
        .map(|name| fixture.lines(name).len())
        .collect();
    assert_eq!(counts, [1, 2, 2, 0], "two lines fit into a file");
    assert!(fixture.lines("audit.log")[0].contains(r#""resource":"8""#));
    assert!(fixture.lines("audit.log.2")[0].contains(r#""resource":"4""#));
}

/// /dev/full refuses every byte, as a full disk does.
#[tokio::test]
async fn a_full_disk_drops_denials_and_keeps_changes_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let target = AuditTarget::file(Path::new("/dev/full"), u64::MAX, 0).unwrap();
    let fixture = Fixture::with(target, folder);
    let (first, tool) = (fixture.audit.clone(), client("c"));
    let waits = first.changed(&tool, "CreateTopics", vec![change("a")], |_| "NONE");
    let waited = tokio::time::timeout(Duration::from_millis(200), waits).await;
    assert!(waited.is_err(), "a change waits for its line");
    // The first write fails meanwhile, and the queue is not read.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for number in 0..QUEUE + 10 {
        fixture.audit.denied(&client("c"), "Produce", "Write", ("Topic", &number.to_string()));
    }
    assert!(fixture.dropped.value() >= 10, "{}", fixture.dropped.value());
    let client = client("c");
    let waits = fixture.audit.changed(&client, "CreateTopics", vec![change("b")], |_| "NONE");
    let waited = tokio::time::timeout(Duration::from_millis(200), waits).await;
    assert!(waited.is_err(), "a change waits");
    fixture.end().await;
}

/// With a full disk every stop was a forced one: the requests that made changes waited for their lines.
#[tokio::test]
async fn a_stop_waits_for_no_full_disk_and_logs_what_the_audit_lacks() {
    let logged = crate::testing::Logged::by_this_thread();
    let target = AuditTarget::file(Path::new("/dev/full"), u64::MAX, 0).unwrap();
    let fixture = Fixture::with(target, tempfile::tempdir().unwrap());
    let tool = client("c");
    fixture.audit.denied(&tool, "Produce", "Write", ("Topic", "z"));
    let mut waits =
        Box::pin(fixture.audit.changed(&tool, "CreateTopics", vec![change("a"), change("b")], |_| "NONE"));
    let waited = tokio::time::timeout(Duration::from_millis(300), waits.as_mut()).await;
    assert!(waited.is_err(), "it waits until the stop");
    assert_eq!(logged.lines("lacks a change"), [""; 0]);
    fixture.stopping.cancel();
    tokio::time::timeout(Duration::from_secs(60), waits).await.expect("it is answered");
    // So is one that comes later.
    fixture.audit.changed(&tool, "CreateTopics", vec![change("c")], |_| "NONE").await;
    assert_eq!(fixture.tasks.drain(Duration::from_secs(60)).await, crate::tasks::Drained::Clean);
    let lacking = logged.lines("lacks a change");
    assert_eq!(lacking.len(), 3, "{lacking:?}");
    for (line, name) in lacking.iter().zip(["a", "b", "c"]) {
        assert!(line.contains(&format!("\\\"resource\\\":\\\"{name}\\\"")), "{line}");
    }
    assert!(!logged.lines("these lines are not in the audit log").is_empty());
}

#[tokio::test]
async fn without_a_target_nothing_is_made() {
    let audit = Audit::default();
    assert!(!audit.is_on());
    audit.droppable(|| panic!("made for nothing"));
    audit.changed(&client("c"), "CreateTopics", vec![change("a")], |_| panic!("made for nothing")).await;
}
