//! The id of one exchange.

use core::fmt;
use core::str::FromStr;

use crate::FormatError;

/// Names one exchange: the claim `cti` (RFC 8392 §3.1.7) of its receipt and checkpoints, and the header `quoth-cti`.
///
/// 16 random bytes, displayed as 32 lower-case hexadecimal digits. Parsing accepts both cases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub [u8; 16]);

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.pad(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ExchangeId {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut bytes = [0; 16];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(FormatError::WrongType { field: "cti", expected: "16 bytes in hex" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = ExchangeId([0xab; 16]);
        assert_eq!((id.to_string(), id.to_string().parse()), ("ab".repeat(16), Ok(id)));
        assert_eq!("AB".repeat(16).parse(), Ok(id));
        for wrong in ["", "ab", &"ab".repeat(15), &"ab".repeat(17), &"xy".repeat(16)] {
            assert!(wrong.parse::<ExchangeId>().is_err(), "{wrong}");
        }
    }
}
