//! Files that hold secrets: read whole, within a bound, into memory that is overwritten afterwards.

use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

/// Bytes of such a file: thousands of users, or a chain of certificates.
const MAX_BYTES: u64 = 1024 * 1024;

/// The text of the file.
///
/// # Errors
/// Why it cannot be read, without its name and without any part of its content.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = read_bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The bytes of the file.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let cannot = |error: std::io::Error| format!("it cannot be read: {error}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        Err(format!("it has more than {MAX_BYTES} bytes"))
    } else {
        Ok(bytes)
    }
}
