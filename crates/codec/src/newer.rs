//! Versions that came after kafka-protocol's, one file per API.

mod api_versions;
mod describe_log_dirs;
mod offset_commit;
mod offset_fetch;
