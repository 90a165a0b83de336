//! Throttle times and quotas beside those of Kafka's own `ClientQuotaManager`, `ClientRequestQuotaManager` and
//! `ControllerMutationQuotaManager`: random histories on a clock that the test sets.
//!
//! Intended differences, left out of the questions; there must be no other:
//! - A throttle time that does not fit 32 bits is the longest one. In Kafka it wraps around.
//! - A quota that is set while a client uses the broker counts from then on. Kafka counts what a client without a quota did before, if
//!   some other quota exists.
//! - An empty client id is an id. In Kafka a quota by default does not apply to it.

use security::quota::{Accounts, Change, Entity, Key, Quotas, Rate, Tokens, Window};

use crate::kafka::Kafka;
use crate::random::{Random, number};

/// Histories of throttle times of a run, unless `OTTLA_QUOTA_SEEDS` says otherwise. Twice as many sets of entities are compared.
const SEEDS: u64 = 100;
/// Uses of a history.
const STEPS: usize = 100;
/// Questions about a set of entities.
const QUESTIONS: usize = 12;

const USERS: [&str; 4] = ["alice", "bob", "CN=a,O=b", "ünal"];
const CLIENTS: [&str; 3] = ["one", "two", "three words"];

impl Random {
    /// A number of any size: the same number of digits is as likely as any other.
    fn wide(&mut self, most_digits: u32) -> f64 {
        let digits = u32::try_from(self.below(u64::from(most_digits))).unwrap();
        (10_u64.pow(digits) + self.below(9 * 10_u64.pow(digits))) as f64
    }

    /// A part of an entity: none, the default, or one of the names.
    fn part(&mut self, names: &[&'static str]) -> Option<Option<&'static str>> {
        match self.below(4) {
            0 => None,
            1 => Some(None),
            _ => Some(Some(self.of(names))),
        }
    }
}

const PROGRAM: &str = "QuotaOracle.java";

impl Kafka {
    fn begin_in(&mut self, kind: &str, window: Window) {
        let seconds = window.length_ms / 1000;
        self.begin(&["new", kind, &window.samples.to_string(), &seconds.to_string()]);
    }

    fn quota(&mut self, entity: &Parts, value: Option<f64>) {
        let word = |part: Option<Option<&str>>| match part {
            None => "-".to_owned(),
            Some(name) => format!(":{}", name.unwrap_or_default()),
        };
        let value = value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        self.tell(&["quota", &word(entity.user), &word(entity.client_id), &value]);
    }
}

/// An entity as its parts.
#[derive(Clone, Copy)]
struct Parts {
    user: Option<Option<&'static str>>,
    client_id: Option<Option<&'static str>>,
}

impl Parts {
    fn random(random: &mut Random) -> Self {
        loop {
            let parts = Self { user: random.part(&USERS), client_id: random.part(&CLIENTS) };
            if parts.user.is_some() || parts.client_id.is_some() {
                return parts;
            }
        }
    }

    fn entity(self) -> Entity {
        let parts = [("user", self.user), ("client-id", self.client_id)];
        Entity::of(parts.into_iter().filter_map(|(kind, part)| Some((kind, part?)))).unwrap()
    }
}

fn seeds() -> std::ops::Range<u64> {
    let first = number("OTTLA_FIRST_SEED", 1);
    first..first + number("OTTLA_QUOTA_SEEDS", SEEDS)
}

#[test]
#[ignore = "needs a JDK and Kafka's jars: tools/quotas.sh"]
fn the_same_quota_applies_as_in_kafka() {
    let (mut kafka, mut compared, mut limited) = (Kafka::start(PROGRAM), 0, 0);
    let seeds = seeds();
    for seed in seeds.start * 2..seeds.end * 2 {
        let mut random = Random(seed);
        kafka.begin_in("bytes", Window { samples: 11, length_ms: 1000 });
        let mut quotas = Quotas::default();
        for _ in 0..1 + random.below(10) {
            let parts = Parts::random(&mut random);
            // Removed now and then: what remains has to apply again.
            let value = (random.below(5) > 0).then(|| random.wide(6));
            kafka.quota(&parts, value);
            let key = Key::ProducerByteRate;
            quotas = quotas.changed([Change { entity: parts.entity(), key, value }]);
        }
        for _ in 0..QUESTIONS {
            let (user, client_id) = (random.of(&[&USERS[..], &["carol"]].concat()), random.of(&CLIENTS));
            let limit = quotas.of_client(Key::ProducerByteRate, user, client_id);
            let found = limit.map_or_else(
                || "none".to_owned(),
                |limit| format!("{:?} {} {}", limit.quota, limit.scope.user, limit.scope.client_id),
            );
            let expected = kafka.ask(&["limit", user, client_id]);
            kafka.expect(&found, &expected, seed);
            compared += 1;
            limited += usize::from(limit.is_some());
        }
    }
    println!("{compared} questions which quota applies, {limited} times one did: no difference");
    assert!(limited * 4 > compared, "hardly a quota applied: the test compares nothing");
}

/// The kinds of managers, each with its model.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Bytes,
    Request,
    Mutation,
    Strict,
}

/// One history under way.
struct History {
    kind: Kind,
    window: Window,
    quotas: Quotas,
    rates: Accounts<Rate>,
    tokens: Accounts<Tokens>,
    now_ms: i64,
}

impl History {
    fn key(&self) -> Key {
        match self.kind {
            Kind::Bytes => Key::ProducerByteRate,
            Kind::Request => Key::RequestPercentage,
            Kind::Mutation | Kind::Strict => Key::ControllerMutationRate,
        }
    }

    /// Charges a use; `None` if no quota applies.
    fn charge(&mut self, user: &str, client_id: &str, value: f64) -> Option<u32> {
        let limit = self.quotas.of_client(self.key(), user, client_id)?;
        let (now_ms, window) = (self.now_ms, self.window);
        // Used by all: accounts that are idle for an hour leave. In Kafka a task removes them, by the real clock.
        for (user, client_id) in USERS.iter().flat_map(|user| CLIENTS.map(|client_id| (user, client_id))) {
            self.rates.of(limit.scope, user, client_id, now_ms);
            self.tokens.of(limit.scope, user, client_id, now_ms);
        }
        let rate = self.rates.of(limit.scope, user, client_id, now_ms);
        let tokens = self.tokens.of(limit.scope, user, client_id, now_ms);
        Some(match self.kind {
            Kind::Bytes => rate.charge(value, limit.quota, now_ms, window),
            Kind::Request => {
                // One window at most, as the broker bounds it.
                let longest = u32::try_from(window.length_ms).unwrap();
                rate.charge(value, limit.quota, now_ms, window).min(longest)
            }
            Kind::Mutation => tokens.take(value, limit.quota, now_ms, window),
            Kind::Strict => tokens.accept(value, limit.quota, now_ms, window).err().unwrap_or(0),
        })
    }
}

#[test]
#[ignore = "needs a JDK and Kafka's jars: tools/quotas.sh"]
fn throttle_times_are_kafkas() {
    let (mut kafka, mut compared, mut throttled, mut saturated) = (Kafka::start(PROGRAM), 0, 0, 0);
    for seed in seeds() {
        let mut random = Random(seed);
        let random = &mut random;
        let kind = random.of(&[Kind::Bytes, Kind::Bytes, Kind::Request, Kind::Mutation, Kind::Strict]);
        let samples = random.of(&[11, 11, 1, 2, 3, 30]);
        let window = Window { samples, length_ms: random.of(&[1000, 1000, 2000, 5000, 60_000]) };
        let mut history = History {
            kind,
            window,
            quotas: Quotas::default(),
            rates: Accounts::new(1000),
            tokens: Accounts::new(1000),
            now_ms: 1_000_000_000_000,
        };
        kafka.begin_in(
            if kind == Kind::Strict { "mutation".into() } else { format!("{kind:?}").to_lowercase() }
                .as_str(),
            window,
        );
        // Kafka counts the use of clients without a quota too; this one applies to all of them.
        let quota = random.wide(6) / if history.key() == Key::ProducerByteRate { 1.0 } else { 100.0 };
        let all = Parts { user: Some(None), client_id: random.of(&[None, Some(None)]) };
        set(&mut kafka, &mut history, all, quota);
        for _ in 0..STEPS {
            // Mostly moments, now and then longer than all windows, or hours.
            history.now_ms += match random.below(20) {
                0 => i64::try_from(random.below(3_500_000)).unwrap(),
                1 => window.length_ms,
                2 => window.length_ms * i64::from(samples),
                3..8 => 0,
                _ => i64::try_from(random.below(3000)).unwrap(),
            };
            if random.below(15) == 0 {
                set(&mut kafka, &mut history, all, quota * random.of(&[0.1, 0.5, 1.0, 2.0, 10.0]));
            }
            let (user, client_id) = (random.of(&USERS[..2]), random.of(&CLIENTS[..2]));
            let value = (quota * random.of(&[0.01, 0.3, 1.0, 3.0, 20.0, 300.0])).ceil();
            let (text, now) = (value.to_string(), history.now_ms.to_string());
            let found = history.charge(user, client_id, value).expect("a quota applies to all");
            let command = match kind {
                Kind::Bytes | Kind::Request => "charge",
                Kind::Mutation => "permissive",
                Kind::Strict => "strict",
            };
            let expected = kafka.ask(&[command, user, client_id, &text, &now]);
            compared += 1;
            throttled += usize::from(found > 0);
            if found == i32::MAX.cast_unsigned() {
                saturated += 1;
            } else {
                kafka.expect(&found.to_string(), &expected, seed);
            }
            // A fetch that is throttled is answered empty: what it would have sent is taken off again.
            if kind == Kind::Bytes && found > 0 && random.below(2) == 0 {
                let limit = history.quotas.of_client(Key::ProducerByteRate, user, client_id).unwrap();
                let (now_ms, window) = (history.now_ms, history.window);
                history.rates.of(limit.scope, user, client_id, now_ms).record(-value, now_ms, window);
                kafka.tell(&["record", user, client_id, &format!("-{text}"), &now]);
            }
        }
    }
    println!(
        "{compared} uses, {throttled} of them throttled, {saturated} for longer than 32 bits hold: no difference"
    );
    assert!(throttled * 5 > compared, "hardly a use was throttled: the test compares nothing");
    assert!(saturated * 100 < compared, "too many throttle times were not compared");
}

/// Sets the quota of an entity on both sides.
fn set(kafka: &mut Kafka, history: &mut History, parts: Parts, value: f64) {
    kafka.quota(&parts, Some(value));
    let change = Change { entity: parts.entity(), key: history.key(), value: Some(value) };
    history.quotas = history.quotas.changed([change]);
}
