//! Versions 0 that Kafka 4.0 dropped although they are laid out as version 1 is: delegation tokens, replicas' log
//! directories.

use std::ops::RangeInclusive;

use crate::extended::{Extended, Layout};
use crate::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, CreateDelegationTokenRequest,
    CreateDelegationTokenResponse, DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse, RenewDelegationTokenRequest,
    RenewDelegationTokenResponse,
};

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
