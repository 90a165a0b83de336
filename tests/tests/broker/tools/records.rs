//! `ottla produce` and `ottla consume`: records that come back as they were, the part that is read, transactions, ends by signals.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ottla_tests::admin::{create_topic, create_topic_with};
use ottla_tests::broker::{TestBroker, binary};
use ottla_tests::client::Client;
use ottla_tests::process::signal;
use ottla_tests::transactions::producer::Producer;
use serde_json::Value;

use super::{Ended, tool};

const SIGINT: i32 = 2;

/// Runs a tool, which must end with this code.
fn run(broker: &TestBroker, code: i32, arguments: &[&str], input: &str) -> Result<Ended> {
    let address = broker.address().to_string();
    let ended = tool(&[arguments, &["--bootstrap-server", &address]].concat(), input)?;
    ensure!(ended.code == code, "{arguments:?}: {ended:?}");
    Ok(ended)
}

fn read(broker: &TestBroker, arguments: &[&str]) -> Result<String> {
    Ok(run(broker, 0, &[&["consume", "-e"], arguments].concat(), "")?.out)
}

/// The records in lines of JSON, without where they are, in the order of their timestamps.
fn records(lines: &str) -> Result<Vec<Value>> {
    let mut records = Vec::new();
    for line in lines.lines() {
        let mut record: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let fields = record.as_object_mut().context("an object")?;
        for field in ["topic", "partition", "offset"] {
            ensure!(fields.remove(field).is_some(), "{line}");
        }
        records.push(record);
    }
    records.sort_by_key(|record| record["timestamp"].as_i64());
    Ok(records)
}

#[test]
fn records_come_back_as_they_were() -> Result<()> {
    let broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    for topic in ["first", "second"] {
        create_topic(&mut client, topic, 3)?;
    }
    let lines = [
        r#"{"timestamp":1,"key":"a","value":"1","headers":[{"key":"h","value":"x"},{"key":"h","value":null}]}"#,
        r#"{"timestamp":2,"key":null,"value":null}"#,
        r#"{"timestamp":3,"key":"","value":"","headers":[]}"#,
        r#"{"timestamp":4,"key":{"base64":"AP8="},"value":{"base64":"/w=="}}"#,
        r#"{"timestamp":5,"key":"ä\u0000","value":"two\nlines","headers":[{"key":"","value":{"base64":"/w=="}}]}"#,
    ];
    let input = lines.map(|line| format!("{line}\n")).concat();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        run(&broker, 0, &["produce", "first", "-f", "json", "-z", codec], &input)?;
    }
    let first = read(&broker, &["first", "-o", "json"])?;
    let expected: Vec<Value> = lines
        .iter()
        .flat_map(|line| [line; 5])
        .map(|line| serde_json::from_str(line))
        .collect::<Result<_, _>>()?;
    for (found, sent) in records(&first)?.iter().zip(&expected) {
        for field in ["timestamp", "key", "value"] {
            assert_eq!(found[field], sent[field], "{found}");
        }
        assert_eq!(
            found["headers"],
            sent.get("headers").cloned().unwrap_or_else(|| Value::Array(Vec::new()))
        );
        assert_eq!(found["timestamp_type"], "CreateTime");
    }
    run(&broker, 0, &["produce", "second", "-f", "json"], &first)?;
    let second = read(&broker, &["second", "-f", "json"])?;
    assert_eq!(records(&second)?, records(&first)?);
    assert_eq!(second.lines().count(), 25);
    // Binary by lengths.
    let sized = "%K{big32}%k%V{big32}%v";
    run(&broker, 0, &["produce", "second", "-p", "1", "-f", sized], "\0\0\0\u{1}k\0\0\0\u{2}\n\n")?;
    assert_eq!(
        read(&broker, &["second", "-p", "1", "--offset", "-1", "-f", sized])?,
        "\0\0\0\u{1}k\0\0\0\u{2}\n\n"
    );
    Ok(())
}

#[test]
fn lines_are_values_and_a_part_of_them_is_read() -> Result<()> {
    let broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, "lines", 1)?;
    create_topic(&mut client, "keyed", 2)?;
    create_topic_with(&mut client, "short", 1, &[("max.message.bytes", "1000")])?;
    let many: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let produced = run(&broker, 0, &["produce", "lines", "-v", "--timestamp", "5000"], &many)?;
    assert!(produced.out.starts_with("lines 0 0\n") && produced.err.is_empty(), "{produced:?}");
    assert_eq!(read(&broker, &["lines"])?, many);
    for (offset, form, expected) in [
        ("19999", "%o %v;", "19999 line 19999;"),
        ("-2", "%o;", "19998;19999;"),
        ("+19999", "%d;", "5000;"),
        ("7:9", "%t %p %o;", "lines 0 7;lines 0 8;"),
        ("end", "%v", ""),
        ("@1970-01-01T00:00:06Z", "%v", ""),
    ] {
        assert_eq!(read(&broker, &["lines", "--offset", offset, "-f", form])?, expected, "{offset}");
    }
    let between = "@1970-01-01T00:00:05Z:1970-01-01T00:00:06Z";
    assert_eq!(read(&broker, &["lines", "--offset", between])?, many);
    // Ends by number, also without -e.
    assert_eq!(run(&broker, 0, &["consume", "lines", "-n", "2"], "")?.out, "line 0\nline 1\n");
    // Kafka's partition of a key: murmur2("21") is even, that of "abc" odd.
    run(&broker, 0, &["produce", "keyed", "-K", ":", "-Z", "-H", "a=b"], "21:x\nabc:\n")?;
    let form = "%p %k %V %h{%k=%v}\\n";
    assert_eq!(read(&broker, &["keyed", "-p", "0", "-f", form])?, "0 21 1 a=b\n");
    assert_eq!(read(&broker, &["-r", "key.*", "-p", "1", "-f", form])?, "1 abc 0 a=b\n");
    assert!(read(&broker, &["keyed", "-p", "1", "-o", "json"])?.contains("\"value\":null"));
    refusals(&broker)
}

fn refusals(broker: &TestBroker) -> Result<()> {
    let long = run(broker, 1, &["produce", "short"], &format!("fits\n{}\n", "x".repeat(2000)))?;
    assert!(long.err.contains("cannot produce to short partition 0: MESSAGE_TOO_LARGE"), "{long:?}");
    assert!(long.err.contains("max.message.bytes"), "{long:?}");
    let cases: [(i32, &[&str], &str, &str); 11] = [
        (1, &["produce", "none"], "x\n", "topic none does not exist"),
        (1, &["produce", "keyed", "-p", "2"], "x\n", "topic keyed has no partition 2: it has 2"),
        (1, &["produce", "keyed", "-K", ":"], "a:b\nc\n", "line 2 of the input: it has no :"),
        (1, &["produce", "keyed", "--file", "/"], "", "--file /: it is a folder"),
        (1, &["consume", "none"], "", "topic none does not exist"),
        (1, &["consume", "-r", "x.*"], "", "no topic has such a name"),
        (1, &["consume", "keyed", "--offset", "50"], "", "ends at offset"),
        (2, &["consume", "keyed", "--offset", "x"], "", "is none of start, end"),
        (2, &["consume", "keyed", "-f", "%q"], "", "%q is no verb"),
        (2, &["produce", "keyed", "-f", "%k%v"], "", "%k needs a literal after it"),
        (2, &["produce"], "", "the topic is missing"),
    ];
    for (code, arguments, input, reason) in cases {
        let ended = run(broker, code, arguments, input)?;
        assert!(ended.err.contains(reason) && ended.out.is_empty(), "{arguments:?}: {ended:?}");
    }
    Ok(())
}

/// Users saw: `tail -f log | ottla produce` sent nothing while lines came faster than one in 10 ms, and lost them at Ctrl-C.
#[test]
fn an_input_without_pauses_is_not_held_back() -> Result<()> {
    let broker = TestBroker::start_new()?;
    create_topic(&mut Client::connect(broker.address())?, "steady", 1)?;
    let mut command = Command::new(binary()?);
    command.args(["produce", "steady", "--bootstrap-server", &broker.address().to_string()]);
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("its input")?;
    let came = AtomicBool::new(false);
    thread::scope(|scope| {
        let writing = scope.spawn(|| -> Result<usize> {
            let mut lines = 0;
            while !came.load(Ordering::Relaxed) {
                input.write_all(b"line\n")?;
                lines += 1;
                thread::sleep(Duration::from_millis(3));
            }
            drop(input);
            Ok(lines)
        });
        let since = Instant::now();
        while read(&broker, &["steady"])?.is_empty() && since.elapsed() < Duration::from_secs(20) {}
        came.store(true, Ordering::Relaxed);
        let lines = writing.join().expect("it does not panic")?;
        ensure!(since.elapsed() < Duration::from_secs(20), "nothing came while it was written");
        ensure!(child.wait()?.success());
        ensure!(read(&broker, &["steady"])?.lines().count() == lines);
        Ok(())
    })
}

#[test]
fn records_of_aborted_transactions_are_left_out() -> Result<()> {
    let broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, "paid", 1)?;
    let mut producer =
        Producer { name: "one", v2: true, topics: &["paid"], group: "g", id: -1, epoch: -1, sequence: 0 };
    producer.begin_anew(&mut client)?;
    producer.transact(&mut client, 1, true)?;
    producer.transact(&mut client, 2, false)?;
    producer.transact(&mut client, 3, true)?;
    producer.write(&mut client, 4)?;
    assert_eq!(read(&broker, &["paid"])?.lines().count(), 4);
    let committed = read(&broker, &["paid", "--isolation", "read-committed", "-f", "%o,"])?;
    // Each transaction takes two offsets: its record and its marker.
    assert_eq!(committed, "0,4,");
    producer.end(&mut client, true)?;
    assert_eq!(read(&broker, &["paid", "--isolation", "read-committed", "-f", "%o,"])?, "0,4,6,");
    Ok(())
}

/// A reader of a topic, which has printed its first line.
fn reader(broker: &TestBroker, arguments: &[&str]) -> Result<Child> {
    let mut command = Command::new(binary()?);
    command.args(["consume", "waited", "--bootstrap-server", &broker.address().to_string()]).args(arguments);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().context("its output")?).read_line(&mut line)?;
    ensure!(line == "one\n", "{line:?}");
    Ok(child)
}

#[test]
fn a_signal_ends_a_reader() -> Result<()> {
    let broker = TestBroker::start_new()?;
    create_topic(&mut Client::connect(broker.address())?, "waited", 2)?;
    run(&broker, 0, &["produce", "waited"], "one\n")?;
    let mut endless = reader(&broker, &[])?;
    signal(endless.id(), "INT")?;
    assert_eq!(endless.wait()?.code(), Some(0));
    // It did not get what it was asked for.
    let mut counting = reader(&broker, &["-n", "2"])?;
    signal(counting.id(), "INT")?;
    assert_eq!(counting.wait()?.signal(), Some(SIGINT));
    // A reader of its output that goes away ends it, once there is more to write.
    let mut left = reader(&broker, &[])?;
    drop(left.stdout.take());
    run(&broker, 0, &["produce", "waited"], "two\n")?;
    assert_eq!(left.wait()?.code(), Some(0));
    Ok(())
}

/// Users saw: Ctrl-C said nothing. A test of the tool itself shows that the records which wait are sent before.
#[test]
fn a_signal_ends_a_producer_with_what_it_has() -> Result<()> {
    let broker = TestBroker::start_new()?;
    create_topic(&mut Client::connect(broker.address())?, "waited", 1)?;
    let mut command = Command::new(binary()?);
    command.args(["produce", "waited", "-v", "--bootstrap-server", &broker.address().to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().context("its input")?;
    input.write_all(b"one\n")?;
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().context("its output")?).read_line(&mut line)?;
    ensure!(line == "waited 0 0\n", "{line:?}");
    signal(child.id(), "INT")?;
    let ended = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.signal(), Some(SIGINT), "{text}");
    assert!(text.contains("interrupted (acknowledged records: 1)"), "{text}");
    drop(input);
    Ok(())
}

/// Users saw: an error of the output, and not how many records were written.
#[test]
fn a_full_output_says_how_many_records_are_safe() -> Result<()> {
    let broker = TestBroker::start_new()?;
    create_topic(&mut Client::connect(broker.address())?, "lines", 1)?;
    let mut command = Command::new(binary()?);
    command.args(["produce", "lines", "-v", "--bootstrap-server", &broker.address().to_string()]);
    let full = File::options().write(true).open("/dev/full")?;
    let mut child = command.stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("its input")?.write_all(b"one\ntwo\n")?;
    let ended = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot write to standard output"), "{text}");
    assert!(text.contains("(acknowledged records: 2)"), "{text}");
    Ok(())
}

/// Users saw: the first Ctrl-C did nothing while a broker did not answer, or the reader of the output was slow.
#[test]
fn a_signal_ends_a_reader_that_waits() -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let mut command = Command::new(binary()?);
    command.args(["consume", "any", "--bootstrap-server", &silent.local_addr()?.to_string()]);
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let (_connection, _) = silent.accept()?;
    let since = Instant::now();
    signal(child.id(), "INT")?;
    assert_eq!(child.wait()?.signal(), Some(SIGINT));
    ensure!(since.elapsed() < Duration::from_secs(20), "it waited for the broker");

    let broker = TestBroker::start_new()?;
    create_topic(&mut Client::connect(broker.address())?, "waited", 1)?;
    let many: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
    run(&broker, 0, &["produce", "waited"], &format!("one\n{many}"))?;
    let mut slow = reader(&broker, &[])?;
    // Until the pipe is full: this reader starts after it, and prints all.
    assert_eq!(read(&broker, &["waited"])?.lines().count(), 50_001);
    let since = Instant::now();
    signal(slow.id(), "INT")?;
    let status = slow.wait()?;
    ensure!(since.elapsed() < Duration::from_secs(20), "it waited for its reader");
    assert_eq!(status.signal(), Some(SIGINT));
    let mut rest = String::new();
    slow.stdout.take().context("its output")?.read_to_string(&mut rest)?;
    assert!(rest.ends_with('\n'), "no record is cut off: {:?}", rest.lines().last());
    Ok(())
}

/// Users saw: the first records of a topic that was deleted and made anew were left out.
#[test]
fn a_reader_ends_where_its_topic_is_made_anew() -> Result<()> {
    let broker = TestBroker::start_new()?;
    create_topic(&mut Client::connect(broker.address())?, "waited", 1)?;
    run(&broker, 0, &["produce", "waited"], "one\n")?;
    let mut command = Command::new(binary()?);
    // Old ones and new ones together.
    command.args(["consume", "waited", "-n", "3", "--bootstrap-server", &broker.address().to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().context("its output")?).read_line(&mut line)?;
    ensure!(line == "one\n", "{line:?}");
    run(&broker, 0, &["topic", "delete", "waited", "--yes"], "")?;
    run(&broker, 0, &["topic", "create", "waited"], "")?;
    run(&broker, 0, &["produce", "waited"], "two\nthree\nfour\n")?;
    let ended = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(text.contains("topic waited was deleted and made anew while it was read"), "{text}");
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0), "{text}");
    Ok(())
}
