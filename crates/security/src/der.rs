//! The little of DER (X.690) that it takes to find the subject of a certificate, and to open and write a store of keys.

use zeroize::Zeroizing;

/// The first byte of an element. Tags of several bytes are refused: certificates have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u8);

impl Tag {
    pub(crate) const BOOLEAN: Self = Self(1);
    pub(crate) const INTEGER: Self = Self(2);
    pub(crate) const NULL: Self = Self(5);
    pub(crate) const BMP_STRING: Self = Self(30);
    pub(crate) const OCTET_STRING: Self = Self(4);
    pub(crate) const OBJECT_IDENTIFIER: Self = Self(6);
    pub(crate) const SEQUENCE: Self = Self(0x30);
    pub(crate) const SET: Self = Self(0x31);

    /// The tag of context `number`, below 31, around other elements or in place of a plain one's.
    pub(crate) fn context(number: u8, around_others: bool) -> Self {
        Self(if around_others { 0xa0 } else { 0x80 } | number)
    }

    /// Returns true for the types that Java takes for texts (`AVA.isDerString`): UTF8String, PrintableString, T61String, IA5String,
    /// GeneralString, BMPString.
    pub(crate) fn is_string(self) -> bool {
        matches!(self.0, 12 | 19 | 20 | 22 | 27 | 30)
    }
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that were not read.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next element: its tag and its contents. `None` if the bytes are none.
    pub(crate) fn element(&mut self) -> Option<(Tag, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(*first) {
            short @ 0..0x80 => (short, rest),
            long => {
                // 0x80 is a length that only the end tells, which DER does not allow.
                let (bytes, rest) =
                    rest.split_at_checked(long - 0x80).filter(|(bytes, _)| !bytes.is_empty())?;
                let length = bytes.iter().try_fold(0_usize, |length, byte| {
                    length.checked_mul(256).map(|length| length | usize::from(*byte))
                });
                (length?, rest)
            }
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((Tag(*tag), contents))
    }

    /// Passes over the next element if it has that tag.
    pub(crate) fn optional(&mut self, tag: Tag) {
        let mut after = *self;
        if after.element().is_some_and(|(found, _)| found == tag) {
            *self = after;
        }
    }

    pub(crate) fn sequence(&mut self) -> Option<Self> {
        self.of(Tag::SEQUENCE)
    }

    pub(crate) fn set(&mut self) -> Option<Self> {
        self.of(Tag::SET)
    }

    /// The contents of an element with the tag of that context.
    pub(crate) fn explicit(&mut self, number: u8) -> Option<Self> {
        self.of(Tag::context(number, true))
    }

    pub(crate) fn octets(&mut self) -> Option<&'a [u8]> {
        self.of(Tag::OCTET_STRING).map(Self::rest)
    }

    /// The bytes of an object identifier.
    pub(crate) fn identifier(&mut self) -> Option<&'a [u8]> {
        self.of(Tag::OBJECT_IDENTIFIER).map(Self::rest)
    }

    /// A whole number that is not negative and has 64 bits.
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let bytes = self.of(Tag::INTEGER)?.0;
        let is_negative = bytes.first().is_none_or(|first| first & 0x80 != 0);
        let digits = bytes.strip_prefix(&[0]).unwrap_or(bytes);
        if is_negative || digits.len() > 8 {
            return None;
        }
        Some(digits.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn of(&mut self, tag: Tag) -> Option<Self> {
        self.element().filter(|(found, _)| *found == tag).map(|(_, contents)| Self(contents))
    }
}

/// An element: tag, length, and these parts as its contents. A part may be a key, so the copy is overwritten when it is dropped.
pub(crate) fn element(tag: Tag, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let digits = length.to_be_bytes();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count().min(digits.len() - 1);
    let digits = digits.split_at(zeros).1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + digits.len() + 2));
    bytes.push(tag.0);
    if length >= 0x80 {
        // At most eight digits.
        bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
    }
    bytes.extend_from_slice(digits);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// A whole number that is not negative.
pub(crate) fn unsigned(number: u32) -> Zeroizing<Vec<u8>> {
    let digits = number.to_be_bytes();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count().min(3);
    let digits = digits.split_at(zeros).1;
    // The top bit of the first byte would make it negative.
    let lead: &[u8] = if digits.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    element(Tag::INTEGER, &[lead, digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_one_after_the_other() {
        let long = [vec![4, 0x82, 1, 0], vec![7; 256], vec![5, 0]].concat();
        let mut reader = Reader::new(&long);
        assert_eq!(reader.element(), Some((Tag(4), &[7_u8; 256][..])));
        reader.optional(Tag(6));
        assert_eq!(reader.rest(), [5, 0]);
        reader.optional(Tag(5));
        assert!(reader.is_empty() && reader.element().is_none());
    }

    #[test]
    fn written_elements_are_read() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 70_000] {
            let contents = vec![7; length];
            let written = element(Tag::OCTET_STRING, &[&contents, &[9]]);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.octets(), Some([contents, vec![9]].concat().as_slice()), "{length}");
            assert!(reader.is_empty());
        }
        for number in [0, 1, 127, 128, 255, 256, 10_000, u32::MAX] {
            assert_eq!(Reader::new(&super::unsigned(number)).unsigned(), Some(number.into()));
        }
        assert_eq!(super::unsigned(128).as_slice(), [2, 2, 0, 128], "the shortest form");
        assert_eq!(super::unsigned(0).as_slice(), [2, 1, 0]);
    }

    #[test]
    fn whole_numbers_have_64_bits() {
        for (bytes, expected) in [
            (&[2, 1, 0][..], Some(0)),
            (&[2, 2, 0, 0xff], Some(255)),
            (&[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255], Some(u64::MAX)),
            (&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[2, 1, 0xff], None),
            (&[2, 0], None),
            (&[4, 1, 0], None),
        ] {
            assert_eq!(Reader::new(bytes).unsigned(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_malformed_element_is_none() {
        for bytes in [
            &[][..],
            &[4],
            &[4, 1],
            &[4, 0x80, 0, 0],
            &[4, 0x81],
            &[0x1f, 1, 0],
            &[4, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            &[4, 0x88, 255, 255, 255, 255, 255, 255, 255, 255, 0],
        ] {
            assert_eq!(Reader::new(bytes).element(), None, "{bytes:?}");
        }
    }
}
