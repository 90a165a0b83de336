//! Values of the families of batches that tell where a batch lies. `docs/storage-format.md` describes them; tests
//! with golden bytes hold them.

use codec::records::BatchHeader;

use super::file_name::{FileName, SettledNumber};
use crate::{StorageError, log::BatchFamily};

/// The first byte of a pointer into the journal of its generation; no batch begins with it, as no offset is negative.
const IN_JOURNAL: u8 = 0x81;
/// The first byte of a pointer into a settled file.
const IN_SETTLED: u8 = 0x82;

/// Place of a body: of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyPlace {
    /// In the journal of the generation that holds the pointer.
    Journal { offset: u64 },
    /// In a settled file.
    Settled { file: SettledNumber, offset: u64 },
}

impl BodyPlace {
    /// Its file, of a pointer in this family.
    ///
    /// # Errors
    /// A pointer into a journal lies in the settled family, which has none.
    pub(crate) fn file(self, family: BatchFamily) -> Result<FileName, StorageError> {
        match (self, family) {
            (Self::Settled { file, .. }, _) => Ok(FileName::Settled(file)),
            (Self::Journal { .. }, BatchFamily::Generation(generation)) => Ok(FileName::Journal(generation)),
            (Self::Journal { .. }, BatchFamily::Settled) => {
                Err(StorageError::corrupt("batch", "a pointer into a journal lies in the settled family"))
            }
        }
    }

    /// The offset in its file.
    pub(crate) fn offset(self) -> u64 {
        match self {
            Self::Journal { offset } | Self::Settled { offset, .. } => offset,
        }
    }
}

/// The place of a batch in a file of our own, with the batch's own header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) place: BodyPlace,
    pub(crate) header: BatchHeader,
}

impl Pointer {
    /// The value that points to a batch which begins with `head`.
    pub(crate) fn encode(place: BodyPlace, head: &[u8; BatchHeader::LEN]) -> Vec<u8> {
        let mut out = Vec::with_capacity(13 + BatchHeader::LEN);
        match place {
            BodyPlace::Journal { .. } => out.push(IN_JOURNAL),
            BodyPlace::Settled { file, .. } => {
                out.push(IN_SETTLED);
                out.extend_from_slice(&file.0.to_be_bytes());
            }
        }
        out.extend_from_slice(&place.offset().to_be_bytes());
        out.extend_from_slice(head);
        out
    }

    /// The pointer that a value is; `None`: it is a batch.
    pub(crate) fn decode(value: &[u8]) -> Option<Result<Self, StorageError>> {
        let (kind, rest) = value.split_first()?;
        match *kind {
            IN_JOURNAL => Some(Self::parse(rest, |offset| BodyPlace::Journal { offset })),
            IN_SETTLED => Some(match rest.split_first_chunk() {
                Some((file, rest)) => {
                    let file = SettledNumber(u32::from_be_bytes(*file));
                    Self::parse(rest, |offset| BodyPlace::Settled { file, offset })
                }
                None => Err(StorageError::corrupt("pointer", "it is cut")),
            }),
            _ => None,
        }
    }

    /// The number of the file that a pointer into a settled file begins with, whatever follows.
    pub(crate) fn settled_file_of(value: &[u8]) -> Option<SettledNumber> {
        let number = value.strip_prefix(&[IN_SETTLED])?.first_chunk()?;
        Some(SettledNumber(u32::from_be_bytes(*number)))
    }

    fn parse(rest: &[u8], place: impl FnOnce(u64) -> BodyPlace) -> Result<Self, StorageError> {
        let corrupt = |detail| StorageError::corrupt("pointer", detail);
        let (offset, head) = rest.split_first_chunk::<8>().ok_or_else(|| corrupt("it is cut".to_owned()))?;
        if head.len() != BatchHeader::LEN {
            return Err(corrupt(format!("{} bytes of header", head.len())));
        }
        let header = BatchHeader::parse(head).map_err(|error| corrupt(error.to_string()))?;
        Ok(Self { place: place(u64::from_be_bytes(*offset)), header })
    }
}

#[cfg(test)]
mod tests {
    use codec::records::BatchBuilder;

    use super::*;

    #[test]
    fn a_pointer_holds_the_header_of_its_batch_and_is_no_batch() {
        let batch = BatchBuilder::new().record(1, None, Some(b"value")).build();
        let header = BatchHeader::parse(&batch).unwrap();
        let cases: [(_, &[u8]); 2] = [
            (BodyPlace::Journal { offset: 99 }, &[0x81, 0, 0, 0, 0, 0, 0, 0, 99]),
            (
                BodyPlace::Settled { file: SettledNumber(0x0102), offset: 0x0304 },
                &[0x82, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4],
            ),
        ];
        for (place, golden) in cases {
            let pointer = Pointer::encode(place, batch.first_chunk().unwrap());
            assert_eq!(pointer, [golden, &batch[..BatchHeader::LEN]].concat());
            assert_eq!(Pointer::decode(&pointer).unwrap().unwrap(), Pointer { place, header });
            for cut in 1..pointer.len() {
                assert!(Pointer::decode(&pointer[..cut]).unwrap().is_err(), "{cut} bytes");
            }
        }
        assert!(Pointer::decode(&batch).is_none() && Pointer::decode(&[]).is_none());
    }
}
