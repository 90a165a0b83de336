//! Versions 0 of APIs that kafka-protocol has from version 1 on, which is laid out alike: nothing is by hand.
//!
//! - 0: AlterReplicaLogDirs, and Create, Renew, Expire and DescribeDelegationToken.
//!
//! One file, as there is nothing to lay out. Version 1 of each told clients only that the broker
//! answers before it holds them back (KIP-219).

use std::ops::RangeInclusive;

use crate::extended::{Extended, Layout};
use crate::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, CreateDelegationTokenRequest,
    CreateDelegationTokenResponse, DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse, RenewDelegationTokenRequest,
    RenewDelegationTokenResponse,
};

/// The messages with their last versions; the first is 0 and all are flexible from 2 on.
macro_rules! first_alike {
    ($($message:ident: $last:literal;)+) => {
        $(impl Extended for $message {
            const NAME: &'static str = stringify!($message);
            const VERSIONS: RangeInclusive<i16> = 0..=$last;
            const FLEXIBLE_FROM: i16 = 2;

            fn layout(version: i16) -> Layout {
                Layout::KafkaProtocol(version.max(1))
            }
        })+
    };
}

first_alike! {
    AlterReplicaLogDirsRequest: 2;
    AlterReplicaLogDirsResponse: 2;
    CreateDelegationTokenRequest: 3;
    CreateDelegationTokenResponse: 3;
    RenewDelegationTokenRequest: 2;
    RenewDelegationTokenResponse: 2;
    ExpireDelegationTokenRequest: 2;
    ExpireDelegationTokenResponse: 2;
    DescribeDelegationTokenRequest: 3;
    DescribeDelegationTokenResponse: 3;
}
