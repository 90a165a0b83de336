//! The common part of random histories: seeds, and the numbers that follow from them.

/// The number of histories that `OTTLA_…_HISTORIES` asks for.
pub(crate) fn count(kind: &str) -> Option<u64> {
    number(&format!("OTTLA_{kind}_HISTORIES"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|number| number.parse().ok())
}

/// Plays the history of every seed below `count`, or of the one that `OTTLA_…_SEED` names.
pub(crate) fn play_all(kind: &str, count: u64, play: impl Fn(u64) + std::panic::RefUnwindSafe) {
    let one = number(&format!("OTTLA_{kind}_SEED"));
    for seed in one.map_or(0..count, |seed| seed..seed + 1) {
        let outcome = std::panic::catch_unwind(|| play(seed));
        assert!(outcome.is_ok(), "seed {seed}: to see it again, set OTTLA_{kind}_SEED={seed}");
    }
}

/// SplitMix64: small, and the same for ever, so that a seed in a failure report keeps its meaning.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}
