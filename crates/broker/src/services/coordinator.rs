//! The coordinators of this broker: one shell that hosts every kind of state machine.
//!
//! ```text
//! join_group … delete_groups ──────► group (requests of groups) ──► Shell ──► coordinator::group (pure)
//! end_txn … list_transactions ─► transaction (of transactional ids) ─► Shell ──► coordinator::transaction (pure)
//!                                                                    │ hosted      one machine under its lock
//!                                                                    │ resting     machines that are on the disk only
//!                                                                    │ together    several machines, one write
//!                                                                    │ alarms      wakes machines at their deadlines
//!                                                                    │ waiting     requests that wait for a reply
//!                                                                    │ durability  holds replies back until records are durable
//!                                                                    └ log         records, in storage
//! ```
//!
//! Guarantees: a request's step runs before its first await, so requests take effect in the order in which they come;
//! the records of a machine are written in the order of its steps; a reply is sent when everything that the machine wrote
//! up to its step is durable. A machine's lock is held for a step only. A waiting request ends by its reply, when its client
//! leaves, when this broker gives up the shard of the records, or at shutdown. Machines are asked only in the term of the log in which
//! they were loaded, and write in no other. A machine whose stored records cannot be read is refused, and the others go on.
//!
//! A kind of machine is added by implementing `kind::Kind`. What the machines decide is in the coordinator crate; who may ask,
//! and how it looks on the wire, in `kafka::api`.

mod alarms;
mod announcing;
mod durability;
mod finding;
pub(crate) mod group;
mod hosted;
mod kind;
mod load;
mod log;
mod resting;
mod shell;
mod together;
pub(crate) mod transaction;
mod waiting;
