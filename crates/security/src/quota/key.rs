//! The five kinds of quotas, by Kafka's names (`QuotaConfig`).

use thiserror::Error;

/// A kind of quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Bytes of Produce requests per second.
    ProducerByteRate,
    /// Bytes of the answers to Fetch requests per second.
    ConsumerByteRate,
    /// Time of threads for requests; 100 is one thread.
    RequestPercentage,
    /// Partitions created and deleted per second.
    ControllerMutationRate,
    /// Connections accepted per second, of an address.
    ConnectionCreationRate,
}

/// Why a value is no quota. The texts are Kafka's, as far as Kafka refuses the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidQuota {
    /// Not a key, or one of another kind of entity.
    #[error("Invalid configuration key {0}")]
    Key(String),
    /// 0 or less.
    #[error("Quota {0} must be greater than 0")]
    NotPositive(&'static str),
    /// Infinite, or no number: in Kafka it never throttles.
    #[error("Quota {0} must be a finite number")]
    NotFinite(&'static str),
    /// More than its type holds.
    #[error("Proposed value for {0} is too large for {1}.")]
    TooLarge(&'static str, &'static str),
    /// A fraction where only whole numbers are quotas.
    #[error("{0} cannot be a fractional value.")]
    Fraction(&'static str),
}

/// The greatest fraction that counts as rounding (`ClientQuotaControlManager.getErrorForIntegralQuotaValue`).
const ROUNDING: f64 = 1e-6;

impl Key {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ProducerByteRate,
        Self::ConsumerByteRate,
        Self::RequestPercentage,
        Self::ControllerMutationRate,
        Self::ConnectionCreationRate,
    ];

    /// Its name in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProducerByteRate => "producer_byte_rate",
            Self::ConsumerByteRate => "consumer_byte_rate",
            Self::RequestPercentage => "request_percentage",
            Self::ControllerMutationRate => "controller_mutation_rate",
            Self::ConnectionCreationRate => "connection_creation_rate",
        }
    }

    /// The key with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Its place in tables of all keys.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Returns true if it is one of addresses, false if of users and client ids.
    pub const fn is_of_addresses(self) -> bool {
        matches!(self, Self::ConnectionCreationRate)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// It is no quota of this key.
    pub fn check(self, value: f64) -> Result<(), InvalidQuota> {
        let name = self.name();
        if value <= 0.0 {
            return Err(InvalidQuota::NotPositive(name));
        }
        if !value.is_finite() {
            return Err(InvalidQuota::NotFinite(name));
        }
        // As `QuotaConfig` types them: long, double, int.
        let (largest, whole) = match self {
            Self::ProducerByteRate | Self::ConsumerByteRate => (i64::MAX as f64, Some("a LONG")),
            Self::RequestPercentage | Self::ControllerMutationRate => return Ok(()),
            Self::ConnectionCreationRate => (f64::from(i32::MAX), Some("an INT")),
        };
        match whole {
            Some(whole) if value > largest => Err(InvalidQuota::TooLarge(name, whole)),
            Some(_) if (value % 1.0).abs() > ROUNDING => Err(InvalidQuota::Fraction(name)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers_above_0_are_quotas() {
        for key in Key::ALL {
            assert_eq!(key.check(1.0), Ok(()));
            assert_eq!(key.check(0.0), Err(InvalidQuota::NotPositive(key.name())));
            assert_eq!(key.check(-1.0), Err(InvalidQuota::NotPositive(key.name())));
            assert_eq!(key.check(f64::NAN), Err(InvalidQuota::NotFinite(key.name())));
            assert_eq!(key.check(f64::INFINITY), Err(InvalidQuota::NotFinite(key.name())));
        }
    }

    #[test]
    fn rates_of_bytes_and_connections_are_whole() {
        for key in Key::ALL {
            let fraction = key.check(1.5).is_ok();
            assert_eq!(
                fraction,
                matches!(key, Key::RequestPercentage | Key::ControllerMutationRate),
                "{key:?}"
            );
        }
        assert_eq!(
            Key::ProducerByteRate.check(1e19).unwrap_err().to_string(),
            "Proposed value for producer_byte_rate is too large for a LONG."
        );
        assert!(Key::ConnectionCreationRate.check(2_147_483_648.0).is_err());
        assert!(Key::ConnectionCreationRate.check(2_147_483_647.0).is_ok());
    }

    #[test]
    fn a_key_is_found_by_its_name() {
        for (index, key) in Key::ALL.into_iter().enumerate() {
            assert_eq!((Key::named(key.name()), key.index()), (Some(key), index));
        }
        assert_eq!(Key::named("Producer_byte_rate"), None);
    }
}
