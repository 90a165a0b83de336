//! Versions that came after kafka-protocol's, one file per API. Where an API also has older ones that kafka-protocol lacks,
//! they are in the same file.

mod api_versions;
mod describe_log_dirs;
mod offset_commit;
mod offset_fetch;
