//! `ottla group lag`: the records that groups have yet to read, by topic and in total.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::describe::missing;
use super::names::Groups;
use super::rows::{self, Row, total};
use super::{described, watch};
use crate::client::{Cluster, Coordinators, Target};
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table, shown};

/// `ottla group lag`
#[derive(Debug, Args)]
pub(super) struct LagArguments {
    #[command(flatten)]
    groups: Groups,
    /// Exits with 1 if the total of a group is above this.
    #[arg(long, value_name = "N", conflicts_with = "watch")]
    max_lag: Option<u32>,
    /// Shows it again after this time (2 by default), until Ctrl-C; give the groups before it
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = seconds)]
    watch: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|number| (0.1..=86_400.0).contains(number));
    let wrong = "write a number of seconds from 0.1 to 86400, or the groups before --watch";
    number.map(Duration::from_secs_f64).ok_or_else(|| wrong.to_owned())
}

/// The lag of a group.
#[derive(Debug)]
pub(super) struct Lag {
    group: String,
    topics: BTreeMap<String, OfTopic>,
    total: i64,
}

#[derive(Debug, Default)]
struct OfTopic {
    /// Those with a committed offset.
    partitions: usize,
    lag: i64,
}

/// The groups that exist, and the names of the others.
struct Found {
    lags: Vec<Lag>,
    missing: Vec<String>,
}

impl Found {
    /// The lags, after the missing groups were named on standard error.
    ///
    /// # Errors
    /// None exists.
    fn reported(self) -> Result<Vec<Lag>, Failure> {
        let found = self.if_any()?;
        found.missing.iter().for_each(|name| {
            missing(name).report();
        });
        Ok(found.lags)
    }

    /// # Errors
    /// Groups are missing, and none exists.
    fn if_any(self) -> Result<Self, Failure> {
        match (self.lags.is_empty(), self.missing.as_slice()) {
            (true, [others @ .., last]) => {
                others.iter().for_each(|name| {
                    missing(name).report();
                });
                Err(missing(last))
            }
            _ => Ok(self),
        }
    }
}

/// # Errors
/// A broker does not answer; with `--watch` only at first.
pub(super) fn run(arguments: &LagArguments, target: &Target, format: Format) -> Result<Outcome, Failure> {
    let mut cluster = Some(connect(target)?);
    // A connection that failed is not used again.
    let mut read = || -> Result<Found, Failure> {
        let mut open = cluster.take().map_or_else(|| connect(target), Ok)?;
        let all = all(&arguments.groups, &mut open)?;
        cluster = Some(open);
        Ok(all)
    };
    if let Some(every) = arguments.watch {
        watch::run(every, |time| Ok(watched(&read()?.if_any()?, format, time)))?;
        return Ok(Outcome::good(String::new()));
    }
    let found = read()?;
    let are_all = found.missing.is_empty();
    let all = found.reported()?;
    let is_low = arguments.max_lag.is_none_or(|most| all.iter().all(|lag| lag.total <= i64::from(most)));
    let is_good = is_low && are_all;
    Ok(Outcome { text: shown(format, || all.iter().map(object).collect(), || text(&all)), is_good })
}

fn connect(target: &Target) -> Result<Coordinators, Failure> {
    Cluster::connect(target).map(Coordinators::of)
}

fn all(groups: &Groups, cluster: &mut Coordinators) -> Result<Found, Failure> {
    let mut found = Found { lags: Vec::new(), missing: Vec::new() };
    for name in groups.find(cluster)? {
        match described::describe(cluster, &name)? {
            Some(group) => found.lags.push(Lag::of(name, &rows::of(cluster, &group.name, Some(&group))?)),
            None => found.missing.push(name),
        }
    }
    Ok(found)
}

impl Lag {
    fn of(group: String, rows: &[Row]) -> Self {
        let mut topics: BTreeMap<String, OfTopic> = BTreeMap::new();
        for row in rows {
            let Some(lag) = row.lag() else { continue };
            let topic = topics.entry(row.partition.topic.clone()).or_default();
            topic.partitions += 1;
            topic.lag = topic.lag.saturating_add(lag);
        }
        Self { group, topics, total: total(rows) }
    }

    /// A row for each topic, and one for all of them: group, topic, partitions, lag.
    fn cells(&self) -> Vec<[String; 4]> {
        let row = |topic: &str, partitions: usize, lag: i64| {
            [self.group.clone(), topic.to_owned(), partitions.to_string(), lag.to_string()]
        };
        let partitions = self.topics.values().map(|topic| topic.partitions).sum();
        let topics = self.topics.iter().map(|(topic, of)| row(topic, of.partitions, of.lag));
        // No topic has such a name.
        topics.chain([row("(all)", partitions, self.total)]).collect()
    }
}

fn text(all: &[Lag]) -> String {
    let mut table = Table::new(&["GROUP", "TOPIC", "PARTITIONS", "LAG"]);
    all.iter().flat_map(Lag::cells).for_each(|cells| table.push(cells));
    table.text("no groups")
}

fn object(lag: &Lag) -> Value {
    let topic = |(topic, of): (&String, &OfTopic)| json!({"topic": topic, "partitions": of.partitions, "lag": of.lag});
    json!({"group": lag.group, "total_lag": lag.total, "topics": lag.topics.iter().map(topic).collect::<Value>()})
}

/// One frame: a table with the time in each row, a line of JSON, or a document of YAML. It names the missing groups: a line on standard error would
/// be drawn over on a terminal.
fn watched(found: &Found, format: Format, time: &str) -> String {
    let Found { lags, missing } = found;
    let object =
        || json!({"time": time, "groups": lags.iter().map(object).collect::<Value>(), "missing": missing});
    match format {
        Format::Json => return format.document(&object()),
        Format::Yaml => return format!("---\n{}", format.document(&object())),
        Format::Table | Format::Wide => (),
    }
    let mut table = Table::new(&["TIME", "GROUP", "TOPIC", "PARTITIONS", "LAG"]);
    // No topic has such a name.
    let absent = |name: &String| [name.as_str(), "(missing)", "-", "-"].map(str::to_owned);
    for cells in lags.iter().flat_map(Lag::cells).chain(missing.iter().map(absent)) {
        table.push([time.to_owned()].into_iter().chain(cells));
    }
    table.text("no groups")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::group::bare;
    use crate::group::rows::tests::row;

    fn billing() -> Lag {
        let rows = [
            row("a", 0, Some(3), Ok(10)),
            row("a", 1, Some(9), Ok(10)),
            row("b", 0, None, Ok(10)),
            row("c", 0, Some(1), Err(3)),
        ];
        Lag::of("billing".to_owned(), &rows)
    }

    fn found(lags: Vec<Lag>, missing: &[&str]) -> Found {
        Found { lags, missing: missing.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn topics_and_their_total_are_shown() {
        assert_eq!(
            bare(&text(&[billing()])),
            "GROUP    TOPIC  PARTITIONS  LAG\nbilling  a      2           8\nbilling  (all)  2           8\n"
        );
        let expected = json!({"group": "billing", "total_lag": 8, "topics": [{"topic": "a", "partitions": 2, "lag": 8}]});
        assert_eq!(object(&billing()), expected);
        let found = found(vec![billing()], &["none"]);
        let frame = watched(&found, Format::Json, "now");
        let whole = json!({"time": "now", "groups": [expected], "missing": ["none"]});
        assert_eq!(frame, format!("{whole}\n"));
        let frame = bare(&watched(&found, Format::Table, "now"));
        assert!(frame.ends_with("\nnow   none     (missing)  -           -\n"), "{frame}");
    }

    #[test]
    fn a_missing_group_leaves_the_others() {
        assert_eq!(found(vec![billing()], &["none"]).reported().map(|lags| lags.len()), Ok(1));
        let error = found(Vec::new(), &["none"]).reported().unwrap_err();
        assert_eq!(error, missing("none"));
        let error = found(Vec::new(), &["a", "b"]).reported().unwrap_err();
        assert_eq!(error, missing("b"), "a was named before it");
        assert!(found(Vec::new(), &["a", "b"]).if_any().is_err());
        assert_eq!(found(Vec::new(), &[]).reported().map(|lags| lags.len()), Ok(0), "no group at all");
    }

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        lag: LagArguments,
    }

    #[test]
    fn the_time_between_two_frames_is_read() {
        let watch = |text: &str| {
            let line = Line::try_parse_from(["lag"].into_iter().chain(text.split_whitespace()));
            line.map(|line| line.lag.watch.map(|every| every.as_millis())).map_err(|error| error.to_string())
        };
        assert_eq!(watch("g"), Ok(None));
        assert_eq!(watch("g --watch"), Ok(Some(2000)));
        assert_eq!(watch("g --watch 0.5"), Ok(Some(500)));
        assert!(watch("--watch g").unwrap_err().contains("the groups before --watch"));
        assert!(watch("g --watch --max-lag 1").is_err());
        assert!(watch("g --watch NaN").is_err());
    }
}
