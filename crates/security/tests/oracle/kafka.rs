//! A process with Kafka's classes, which is told commands and asked questions, one line each.

use std::io::{BufRead, BufReader, BufWriter, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The process.
pub(crate) struct Kafka {
    process: Child,
    commands: BufWriter<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    /// The commands of the history so far, to show where an answer differs.
    history: String,
}

impl Kafka {
    /// Starts a program of `tests/rig`.
    pub(crate) fn start(program: &str) -> Self {
        let libs = std::env::var("OTTLA_KAFKA_LIBS").unwrap_or_else(|_| {
            format!("{}/.cache/ottla/kafka-4.3.0/libs", std::env::var("HOME").unwrap_or_default())
        });
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/rig");
        let mut process = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-cp", &format!("{libs}/*")])
            .arg(folder.join(program))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a JDK is installed");
        let commands = BufWriter::new(process.stdin.take().unwrap());
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, commands, answers, history: String::new() }
    }

    /// Begins a history.
    pub(crate) fn begin<W: AsRef<str>>(&mut self, words: &[W]) {
        self.history.clear();
        self.tell(words);
    }

    /// Gives it a command.
    pub(crate) fn tell<W: AsRef<str>>(&mut self, words: &[W]) {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let line = words.join("\t");
        writeln!(self.commands, "{line}").unwrap();
        self.history.push_str(&line);
        self.history.push('\n');
    }

    /// Asks a question.
    pub(crate) fn ask<W: AsRef<str>>(&mut self, words: &[W]) -> String {
        self.tell(words);
        self.commands.flush().unwrap();
        self.answers.next().expect("an answer to each question").unwrap()
    }

    /// Shows the history if an answer is not what Ottla found.
    pub(crate) fn expect(&self, found: &str, answer: &str, seed: u64) {
        assert_eq!(found, answer, "seed {seed}: left is Ottla, right is Kafka, after\n{}", self.history);
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
