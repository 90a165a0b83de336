//! Values that count something: times, sizes, counts.
//!
//! Guarantees that a caller never converts: a key's type in its table says what its number counts and which numbers mean
//! "none", and the value leaves with the methods that give it in every form that is used, none of which can fail. A number
//! outside the range of its type is refused when it is read, with the key's name.

use std::fmt;
use std::time::Duration;

use super::key::ConfigType;
use super::value::Value;

/// A time in milliseconds, never negative: `N` is `i32` for Kafka's INT, `i64` for its LONG. Kept as Kafka's number,
/// since that is what requests, answers and stored records hold; timers take it as a [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis<N>(N);

impl Millis<i32> {
    /// As an answer holds it.
    pub fn as_i32(self) -> i32 {
        self.0
    }

    /// As an unsigned number.
    pub fn as_u32(self) -> u32 {
        // The same number: it is not negative.
        self.0.unsigned_abs()
    }
}

impl Millis<i64> {
    /// As a difference of timestamps.
    pub fn as_i64(self) -> i64 {
        self.0
    }

    /// As an unsigned number.
    pub fn as_u64(self) -> u64 {
        self.0.unsigned_abs()
    }
}

impl From<Millis<i32>> for Duration {
    fn from(millis: Millis<i32>) -> Duration {
        Duration::from_millis(millis.as_u32().into())
    }
}

impl From<Millis<i64>> for Duration {
    fn from(millis: Millis<i64>) -> Duration {
        Duration::from_millis(millis.as_u64())
    }
}

/// A number of bytes, never negative: `N` is `i32` for Kafka's INT, `i64` for its LONG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes<N> {
    number: N,
    // Converted once, where that can still be refused.
    size: usize,
}

impl<N> Bytes<N> {
    /// As the size of something in memory.
    pub fn as_usize(self) -> usize {
        self.size
    }
}

impl Bytes<i32> {
    /// As an answer holds it.
    pub fn as_i32(self) -> i32 {
        self.number
    }
}

impl Bytes<i64> {
    /// As an unsigned number.
    pub fn as_u64(self) -> u64 {
        self.number.unsigned_abs()
    }
}

/// A type of a table: a number below `FROM` means that there is no limit, or that something else decides.
pub struct OrNone<T, const FROM: i64 = 0>(std::marker::PhantomData<T>);

/// A type of a table: a time that Kafka counts in minutes.
pub struct Minutes;

/// A type of a table: a time that Kafka counts in hours.
pub struct Hours;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

macro_rules! quantities {
    ($($number:ty => $kind:ident),+ $(,)?) => {
        $(impl Value for Millis<$number> {
            type Held = Self;
            const KIND: ConfigType = ConfigType::$kind;
            fn read(text: &str) -> Option<Self> {
                text.parse().ok().filter(|millis| *millis >= 0).map(Self)
            }
            fn show(held: &Self) -> Option<String> {
                Some(held.to_string())
            }
        }

        impl Value for Bytes<$number> {
            type Held = Self;
            const KIND: ConfigType = ConfigType::$kind;
            fn read(text: &str) -> Option<Self> {
                let number: $number = text.parse().ok()?;
                // Refuses negative numbers, and what a machine with addresses of 32 bits cannot hold.
                Some(Self { number, size: usize::try_from(number).ok()? })
            }
            fn show(held: &Self) -> Option<String> {
                Some(held.to_string())
            }
        })+
    };
}

quantities!(i32 => Int, i64 => Long);

impl<T: Value, const FROM: i64> Value for OrNone<T, FROM> {
    type Held = Option<T::Held>;
    const KIND: ConfigType = T::KIND;
    fn read(text: &str) -> Option<Self::Held> {
        // A number too long for i64 is none of those below `FROM`: the key's range refuses both.
        if text.parse::<i64>().is_ok_and(|number| number < FROM) {
            return Some(None);
        }
        T::read(text).map(Some)
    }
    fn show(held: &Self::Held) -> Option<String> {
        // Kafka spells "none" so wherever it has it, whatever other negative numbers it takes for it.
        held.as_ref().map_or_else(|| Some("-1".to_owned()), T::show)
    }
}

/// A count of steps, INT in Kafka, as milliseconds; `None` if it is negative or no such number.
fn read_steps(text: &str, step_ms: i64) -> Option<Millis<i64>> {
    let steps = text.parse::<i32>().ok().filter(|steps| *steps >= 0)?;
    i64::from(steps).checked_mul(step_ms).map(Millis)
}

impl Value for Minutes {
    type Held = Millis<i64>;
    const KIND: ConfigType = ConfigType::Int;
    fn read(text: &str) -> Option<Millis<i64>> {
        read_steps(text, MINUTE_MS)
    }
    fn show(held: &Millis<i64>) -> Option<String> {
        Some((held.0 / MINUTE_MS).to_string())
    }
}

impl Value for Hours {
    type Held = Millis<i64>;
    const KIND: ConfigType = ConfigType::Int;
    fn read(text: &str) -> Option<Millis<i64>> {
        read_steps(text, HOUR_MS)
    }
    fn show(held: &Millis<i64>) -> Option<String> {
        Some((held.0 / HOUR_MS).to_string())
    }
}

impl<N: fmt::Display> fmt::Display for Millis<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl<N: fmt::Display> fmt::Display for Bytes<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_leave_in_every_form() {
        let int = Millis::<i32>::read("2147483647").unwrap();
        assert_eq!((int.as_i32(), int.as_u32()), (i32::MAX, i32::MAX.unsigned_abs()));
        let long = Millis::<i64>::read("9223372036854775807").unwrap();
        assert_eq!((long.as_i64(), long.as_u64()), (i64::MAX, i64::MAX.unsigned_abs()));
        assert_eq!(Duration::from(long), Duration::from_millis(i64::MAX.unsigned_abs()));
        assert_eq!(Minutes::read("2").map(Duration::from), Some(Duration::from_secs(120)));
        assert_eq!(Hours::read("2147483647").unwrap().as_i64(), 2_147_483_647 * HOUR_MS);
    }

    #[test]
    fn no_number_outside_its_range_is_held() {
        for text in ["-1", "x", "", "9223372036854775808"] {
            assert_eq!(Millis::<i64>::read(text), None, "{text}");
            assert_eq!(Bytes::<i64>::read(text), None, "{text}");
            assert_eq!(Minutes::read(text), None, "{text}");
        }
        assert_eq!(Millis::<i32>::read("2147483648"), None);
    }

    #[test]
    fn none_is_what_lies_below_the_first_number() {
        type Retention = OrNone<Bytes<i64>>;
        assert_eq!(Retention::read("-5"), Some(None));
        assert_eq!(Retention::read("0").unwrap().map(Bytes::as_u64), Some(0));
        assert_eq!(Retention::show(&None).as_deref(), Some("-1"));
        assert_eq!(Retention::read("x"), None, "no number at all is not none");
        type Buffer = OrNone<Bytes<i32>, 1>;
        assert_eq!((Buffer::read("0"), Buffer::read("1").is_some()), (Some(None), true));
    }
}
