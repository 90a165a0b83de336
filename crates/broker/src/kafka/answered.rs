//! The outcome of a request.

use codec::chain::Frame;

/// The outcome of a request.
pub(crate) struct Answered {
    /// The frame that answers it, length prefix included; `None` if none was asked for.
    pub(crate) frame: Option<Frame>,
    /// Counts it, once it is sent.
    pub(crate) receipt: Receipt,
}

/// The facts that metrics need of a request besides its times.
pub(crate) struct Receipt {
    /// The index of its API in the registry.
    pub(crate) api: usize,
    /// At which version it came.
    pub(crate) version: i16,
    /// First error code of the answer, 0 for none.
    pub(crate) error_code: i16,
}
