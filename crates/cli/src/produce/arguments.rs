//! The arguments of `ottla produce`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use codec::records::Compression;

use crate::client::Target;
use crate::failure::Failure;
use crate::record::{Header, Input, NewRecord, Pattern, unescape};
use crate::time;

/// Writes records to a topic; each line of standard input is a value.
#[derive(Debug, Args)]
pub struct ProduceArguments {
    /// The topic [default: the topic that each record names, by %t or in JSON]
    topic: Option<String>,
    /// Form of the input: a pattern such as '%k %v\n', or json as `ottla consume -o json` writes it [default: a line is a value]
    ///
    /// %t topic, %k key, %v value, %T %K %V their lengths, %p partition, %d timestamp in ms, %H number of headers and then a pattern for each, as
    /// %h{%k=%v,}; %o %e %x %y are read and not used; %% %{ %} the signs; \t \n \r \\ \xNN. %k{hex} and %k{base64} decode;
    /// %K{big32} reads binary numbers (byte, big16 to big64, little16 to little64).
    #[arg(short, long, value_name = "PATTERN|json", verbatim_doc_comment)]
    format: Option<String>,
    /// The key of every record.
    #[arg(short, long, conflicts_with = "key_delimiter")]
    key: Option<String>,
    /// Splits each line into key and value, at the first of these; escapes such as \t are known.
    #[arg(short = 'K', long, value_name = "DELIM", conflicts_with = "format")]
    key_delimiter: Option<String>,
    /// A header of every record, after its own; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<Header>,
    /// Sends an empty value as null, which deletes its key in a compacted topic.
    #[arg(short = 'Z', long)]
    tombstone: bool,
    /// The partition [default: by the key, as Java's producers; without a key one after the other, 16 KiB each]
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// How batches are compressed.
    #[arg(short = 'z', long, value_enum, default_value_t, value_name = "CODEC")]
    compression: Codec,
    /// Replicas that must have a batch before it counts as written: all in sync, or the leader alone.
    #[arg(long, value_enum, default_value_t)]
    acks: Acks,
    /// The timestamp of every record without one, in ms since 1970 or as 2026-11-30T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::timestamp, allow_hyphen_values = true)]
    timestamp: Option<i64>,
    /// Reads this file in place of standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Prints topic, partition and first offset of every batch.
    #[arg(short, long)]
    pub(super) verbose: bool,
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Codec {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Acks {
    #[default]
    #[value(alias = "-1")]
    All,
    #[value(name = "1")]
    Leader,
}

/// Everything that the arguments ask for.
pub(super) struct Plan {
    pub(super) input: Input,
    pub(super) stream: Box<dyn BufRead + Send>,
    pub(super) defaults: Defaults,
    pub(super) compression: Compression,
    pub(super) acks: i16,
}

/// The parts of records that the command line gives.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) topic: Option<String>,
    pub(super) partition: Option<i32>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) headers: Vec<Header>,
    pub(super) timestamp: Option<i64>,
    pub(super) is_tombstone: bool,
}

impl ProduceArguments {
    /// # Errors
    /// The arguments contradict each other, or the file cannot be opened.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let input = self.input()?;
        let stream: Box<dyn BufRead + Send> = match &self.file {
            None => Box::new(BufReader::with_capacity(64 << 10, io::stdin())),
            Some(path) => {
                let shown = path.display();
                let wrong = |reason: &str| Failure::failed(format!("--file {shown}: {reason}"));
                let file = File::open(path).map_err(|error| wrong(&format!("it cannot be read: {error}")))?;
                if file.metadata().is_ok_and(|found| found.is_dir()) {
                    return Err(wrong("it is a folder; give a file"));
                }
                Box::new(BufReader::with_capacity(64 << 10, file))
            }
        };
        let compression = match self.compression {
            Codec::None => Compression::None,
            Codec::Gzip => Compression::Gzip,
            Codec::Snappy => Compression::Snappy,
            Codec::Lz4 => Compression::Lz4,
            Codec::Zstd => Compression::Zstd,
        };
        let acks = match self.acks {
            Acks::All => -1,
            Acks::Leader => 1,
        };
        let defaults = Defaults {
            topic: self.topic.clone(),
            partition: self.partition,
            key: self.key.clone().map(String::into_bytes),
            headers: self.headers.clone(),
            timestamp: self.timestamp,
            is_tombstone: self.tombstone,
        };
        Ok(Plan { input, stream, defaults, compression, acks })
    }

    fn input(&self) -> Result<Input, Failure> {
        let input = match self.format.as_deref() {
            None => Input::Lines { separator: self.separator()? },
            Some("json") => return self.json(),
            Some(text) => {
                let wrong = |wrong: String| Failure::usage(format!("-f: {wrong}"));
                let pattern = Pattern::parse(text).map_err(wrong)?;
                if pattern.has_key() && self.key.is_some() {
                    return Err(Failure::usage("-k and %k in -f are two keys for one record; leave one out"));
                }
                if pattern.has_topic() == self.topic.is_some() {
                    return Err(Failure::usage("the topic is either TOPIC or %t in -f, and one of them"));
                }
                Input::of(pattern).map_err(wrong)?
            }
        };
        match (&input, &self.topic) {
            (Input::Lines { .. }, None) => Err(Failure::usage("the topic is missing: ottla produce TOPIC")),
            _ => Ok(input),
        }
    }

    fn separator(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(text) = &self.key_delimiter else { return Ok(None) };
        let bytes = unescape(text).map_err(|wrong| Failure::usage(format!("-K: {wrong}")))?;
        if bytes.is_empty() || bytes.contains(&b'\n') {
            return Err(Failure::usage(
                "-K: the delimiter is empty or has a newline; use -f for records of several lines",
            ));
        }
        Ok(Some(bytes))
    }

    fn json(&self) -> Result<Input, Failure> {
        match self.key {
            None => Ok(Input::Json),
            Some(_) => {
                Err(Failure::usage("-k with -f json: the records have keys of their own; leave it out"))
            }
        }
    }
}

impl Defaults {
    /// The record with what it lacks, and its topic.
    ///
    /// # Errors
    /// It names no topic.
    pub(super) fn complete(&self, mut record: NewRecord) -> Result<(String, NewRecord), String> {
        let topic = self.topic.clone().or_else(|| record.topic.take());
        let topic = topic.ok_or("a record names no topic; write it as an argument: ottla produce TOPIC")?;
        record.partition = self.partition.or(record.partition);
        record.key = record.key.or_else(|| self.key.clone());
        record.timestamp = record.timestamp.or(self.timestamp);
        record.headers.extend(self.headers.iter().cloned());
        if self.is_tombstone && record.value.as_ref().is_some_and(Vec::is_empty) {
            record.value = None;
        }
        Ok((topic, record))
    }
}

fn header(text: &str) -> Result<Header, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Some(value.as_bytes().to_vec()))),
        _ => Err("a header is NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ProduceArguments,
    }

    fn plan(line: &str) -> Result<Plan, String> {
        let line = Line::try_parse_from(["produce"].into_iter().chain(line.split(' ')));
        let line = line.map_err(|error| error.to_string())?;
        line.arguments.plan().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_folder_is_no_input() {
        let error = plan("t --file /").err();
        assert_eq!(error.as_deref(), Some("--file /: it is a folder; give a file"));
        assert!(plan("t --file /none").err().is_some_and(|error| error.contains("it cannot be read")));
    }

    #[test]
    fn a_record_gets_what_it_lacks() {
        let defaults = plan("t -k key -H a=b -H c=d -Z -p 3 --timestamp 5").unwrap().defaults;
        let own = NewRecord {
            topic: Some("other".to_owned()),
            partition: Some(1),
            timestamp: Some(7),
            key: Some(b"own".to_vec()),
            value: Some(Vec::new()),
            headers: vec![("x".to_owned(), None)],
        };
        let names =
            |record: &NewRecord| record.headers.iter().map(|(name, _)| name.clone()).collect::<String>();
        let (topic, record) = defaults.complete(own).unwrap();
        assert_eq!((topic.as_str(), record.partition, record.timestamp), ("t", Some(3), Some(7)));
        assert_eq!((record.key.as_deref(), record.value.clone()), (Some(b"own".as_slice()), None));
        assert_eq!(names(&record), "xac");
        let (_, record) = defaults.complete(NewRecord::default()).unwrap();
        assert_eq!((record.key.as_deref(), record.timestamp), (Some(b"key".as_slice()), Some(5)));
        let with_value = NewRecord { value: Some(b"v".to_vec()), ..NewRecord::default() };
        assert_eq!(defaults.complete(with_value).unwrap().1.value.as_deref(), Some(b"v".as_slice()));
        assert!(Defaults::default().complete(NewRecord::default()).is_err());
    }

    #[test]
    fn arguments_that_contradict_each_other_are_refused() {
        for line in
            ["-f %v", "t -f %t,%v", "t -k a -f %k,%v", "t -k a -f json", "t -k a -K :", "t -K \\n", "-K :"]
        {
            assert!(plan(line).is_err(), "{line}");
        }
        assert!(plan("-f json").is_ok());
        let all = plan("t -z zstd --acks 1").unwrap();
        assert_eq!((all.acks, all.compression), (1, Compression::Zstd));
        assert_eq!(plan("t").unwrap().acks, -1);
    }
}
