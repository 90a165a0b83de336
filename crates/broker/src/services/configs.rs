//! The table of configuration resources: whose configuration can be asked for and changed, and by which rules.
//!
//! An entry says everything that the config APIs need to know of a kind: its number, the check of a name, its keys with
//! their values, and where a change is kept and what follows from it. AlterConfigs, IncrementalAlterConfigs,
//! DescribeConfigs and ListConfigResources know no kind by name, so that a new kind is an entry here, its file beside this
//! one, and its keys in `config/resources/`.

mod broker;
pub(crate) mod changes;
pub(crate) mod client_metrics;
pub(crate) mod group;
pub(crate) mod kind;
mod logger;
pub(crate) mod table;
mod topic;
