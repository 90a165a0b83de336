//! A token bucket, for quotas of changes to topics (KIP-599): Kafka's `TokenBucket` and `ControllerMutationQuota`.

use super::{rate::Window, throttle_ms};

/// The tokens of one client. A new one has as many as fit.
#[derive(Debug, Default, Clone)]
pub struct Tokens {
    /// Tokens, and when they were counted.
    state: Option<(f64, i64)>,
}

impl Tokens {
    /// The tokens as of now; less than none after a change that cost more than there were.
    pub fn count(&mut self, quota: f64, now_ms: i64, window: Window) -> f64 {
        let burst = f64::from(window.samples) * (window.length_ms as f64 / 1000.0) * quota;
        let (tokens, counted_ms) = self.state.unwrap_or((burst, now_ms));
        let tokens = (tokens + quota * ((now_ms - counted_ms) as f64 / 1000.0)).min(burst);
        self.state = Some((tokens, now_ms));
        tokens
    }

    /// Pays for a change, if there is no debt. The cost may be more than there is.
    ///
    /// # Errors
    /// There is one: milliseconds until it is paid.
    pub fn accept(&mut self, cost: f64, quota: f64, now_ms: i64, window: Window) -> Result<(), u32> {
        let tokens = self.count(quota, now_ms, window);
        if tokens < 0.0 {
            return Err(debt_ms(tokens, quota));
        }
        self.state = Some((tokens - cost, now_ms));
        Ok(())
    }

    /// Pays for a change that is carried out in any case; milliseconds until the debt is paid, 0 without one.
    pub fn take(&mut self, cost: f64, quota: f64, now_ms: i64, window: Window) -> u32 {
        let tokens = self.count(quota, now_ms, window) - cost;
        self.state = Some((tokens, now_ms));
        if tokens < 0.0 { debt_ms(tokens, quota) } else { 0 }
    }
}

fn debt_ms(tokens: f64, quota: f64) -> u32 {
    throttle_ms(-tokens / quota * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, length_ms: 1000 };

    #[test]
    fn one_request_may_go_deep_below_the_next_is_refused() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.accept(100.0, 2.0, 0, WINDOW), Ok(()), "22 tokens, and no debt");
        assert_eq!(tokens.accept(1.0, 2.0, 0, WINDOW), Err(39_000));
        assert_eq!(tokens.accept(1.0, 2.0, 38_999, WINDOW), Err(1));
        assert_eq!(tokens.accept(1.0, 2.0, 39_000, WINDOW), Ok(()));
    }

    #[test]
    fn an_older_client_is_carried_out_and_throttled() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.take(22.0, 2.0, 0, WINDOW), 0);
        assert_eq!(tokens.take(3.0, 2.0, 0, WINDOW), 1500);
        assert_eq!(tokens.take(3.0, 2.0, 1000, WINDOW), 2000);
    }

    #[test]
    fn tokens_are_never_more_than_the_burst() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.count(2.0, 0, WINDOW), 22.0);
        assert_eq!(tokens.count(2.0, 1_000_000, WINDOW), 22.0);
        assert_eq!(tokens.count(1.0, 1_000_000, WINDOW), 11.0, "a smaller quota has a smaller one");
    }

    #[test]
    fn a_debt_is_saturated() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.take(1e18, 0.001, 0, WINDOW), i32::MAX.cast_unsigned());
    }
}
