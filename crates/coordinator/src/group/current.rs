//! The assignment that a member of a consumer or streams group has now, and how far it is on its way to its target.

use super::records::{Reader, Writer};
use crate::state_machine::RecordError;

/// How far a member is on its way to the target assignment: Kafka's two `MemberState`s in one. `Unrevoked` is
/// UNREVOKED_PARTITIONS or UNREVOKED_TASKS there, `Unreleased` the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberState {
    /// Has all that the target of its epoch gives it.
    #[default]
    Stable,
    /// Has been asked to give up partitions or tasks and has not said yet that it did.
    Unrevoked,
    /// Waits for partitions or tasks that other members have not given up yet.
    Unreleased,
}

impl MemberState {
    /// The state's name, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "Stable",
            Self::Unrevoked => "Unrevoked",
            Self::Unreleased => "Unreleased",
        }
    }
}

/// The assignment that a member is told. Persisted whenever it changes. `Held` is a set of partitions or tasks, each with the
/// member epoch in which it was assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Current<Held> {
    pub state: MemberState,
    /// 0 before the first assignment; in consumer groups `LEAVE_STATIC_EPOCH` while a static member is away.
    pub epoch: i32,
    /// The epoch before: accepted once more, should the answer that named the new one have been lost.
    pub previous_epoch: i32,
    /// The member is told these and may use them.
    pub assigned: Held,
    /// Taken away, but perhaps still in use by the member.
    /// No other member gets them before it says that it gave them up, or is removed.
    pub revoking: Held,
}

impl<Held> Current<Held> {
    /// The value of its record: `version ‖ state: u8 ‖ member_epoch: i32 ‖ previous_epoch: i32 ‖ assigned ‖ revoking`,
    /// the last two by `put`.
    pub(super) fn encode(&self, put: impl Fn(&mut Writer, &Held)) -> Writer {
        let mut out = Writer::value();
        out.u8(match self.state {
            MemberState::Stable => 0,
            MemberState::Unrevoked => 1,
            MemberState::Unreleased => 2,
        });
        out.i32(self.epoch);
        out.i32(self.previous_epoch);
        put(&mut out, &self.assigned);
        put(&mut out, &self.revoking);
        out
    }

    /// Reads the value of such a record.
    ///
    /// # Errors
    /// If it is of a newer version, or does not parse to its last byte.
    pub(super) fn decode(
        value: &[u8],
        take: impl Fn(&mut Reader<'_>) -> Result<Held, RecordError>,
    ) -> Result<Self, RecordError> {
        let mut from = Reader::new(value);
        from.version()?;
        let state = match from.u8()? {
            0 => MemberState::Stable,
            1 => MemberState::Unrevoked,
            2 => MemberState::Unreleased,
            _ => return Err(RecordError::Damaged("has a member in an unknown state")),
        };
        let current = Current {
            state,
            epoch: from.i32()?,
            previous_epoch: from.i32()?,
            assigned: take(&mut from)?,
            revoking: take(&mut from)?,
        };
        from.end()?;
        Ok(current)
    }
}
