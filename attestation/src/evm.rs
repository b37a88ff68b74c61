//! What Ethereum knows a node by: the key that signs its heads, and its operator's address.

use core::fmt;
use core::str::FromStr;

use crate::FormatError;
use crate::cbor::Field;

/// A compressed point on secp256k1 (SEC 1 §2.3.3): 0x02 or 0x03, then x, most significant byte first.
///
/// The form is checked, not that there is such a point: whoever verifies a signature finds that out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SettlementKey([u8; 33]);

/// An Ethereum address, 20 bytes. Displays as `0x` and lower-case hex. Parsing accepts one letter case, not a mixture, because
/// it does not check the checksum in the case of letters (ERC-55).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EvmAddress(pub [u8; 20]);

impl SettlementKey {
    /// Returns an error unless the first byte is 0x02 or 0x03.
    pub fn new(bytes: [u8; 33]) -> Result<Self, FormatError> {
        match bytes[0] {
            2 | 3 => Ok(Self(bytes)),
            _ => Err(FormatError::WrongType { field: "settlement key", expected: "a compressed point" }),
        }
    }

    /// The 33 bytes.
    pub fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    pub(crate) fn of(field: Field<'_>) -> Self {
        let bytes = field.array();
        Self::new(bytes).unwrap_or_else(|error| {
            field.refuse(error);
            Self(bytes)
        })
    }
}

impl fmt::Debug for SettlementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for EvmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for EvmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EvmAddress {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut bytes = [0; 20];
        let mixed = text.bytes().any(|c| (b'a'..=b'f').contains(&c)) && text.bytes().any(|c| c.is_ascii_uppercase());
        let digits =
            text.strip_prefix("0x").filter(|_| !mixed).and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok());
        digits
            .map(|()| Self(bytes))
            .ok_or(FormatError::WrongType { field: "address", expected: "0x and 20 bytes in hex of one letter case" })
    }
}
