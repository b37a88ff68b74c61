//! Secrets for one boot of a node: the operator seals them to the node's attested key (`SPEC.md` §11).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use crate::bounded::{Blob, Text};
use crate::cbor::{self, Field, Map, Value, Writer};
use crate::cose::Payload;
use crate::{Digest, FormatError};

/// HPKE's `info` (RFC 9180 §5.1).
pub const INFO: &[u8] = b"quoth/secret/1";
/// Maximum bytes in a secret's name.
pub const MAX_NAME: usize = 64;
/// Maximum bytes in a secret.
pub const MAX_SECRET: usize = 4096;
/// Bytes that sealing adds to a secret: the tag of ChaCha20-Poly1305 (RFC 8439 §2.8).
const TAG: usize = 16;
/// Hashed before name and secret.
const FINGERPRINT: &[u8] = b"quoth/secret/fingerprint/1\0";

/// A sealed secret: ciphertext and tag.
pub type Ciphertext = Blob<{ TAG + 1 }, { TAG + MAX_SECRET }>;

/// A secret's name: 1 to [`MAX_NAME`] of `a-z 0-9 -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Text<MAX_NAME>);

impl Name {
    /// Returns an error if [`is_name`] is false.
    pub fn new(name: impl Into<String>) -> Result<Self, FormatError> {
        match Text::new(name) {
            Ok(name) if is_name(&name) => Ok(Self(name)),
            _ => Err(NO_NAME),
        }
    }

    fn of(field: Field<'_>) -> Self {
        let name = field.text();
        if !is_name(&name) {
            field.refuse(NO_NAME);
        }
        Self(name)
    }
}

const NO_NAME: FormatError = FormatError::OutOfRange { field: "name", expected: "1 to 64 of a-z, 0-9 and -" };

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl TryFrom<&str> for Name {
    type Error = FormatError;

    fn try_from(name: &str) -> Result<Self, FormatError> {
        Self::new(name)
    }
}

/// An operator's order to a node: store a secret, or remove it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretOrder {
    /// Digest of the node statement, so the order holds for one boot only.
    pub node: Digest,
    /// The secret's name.
    pub name: Name,
    /// Greater than the counter of every order that the node accepted before.
    pub counter: u64,
    /// The sealed secret; `None` removes it.
    pub sealed: Option<Sealed>,
}

/// A secret sealed with HPKE (RFC 9180) in base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, with [`INFO`]
/// and [`SecretOrder::aad`].
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The encapsulated key.
    pub encapsulated: [u8; 32],
    /// Ciphertext and tag.
    pub ciphertext: Ciphertext,
}

impl SecretOrder {
    /// The additional authenticated data of an order's secret: `[node, name, counter]` in deterministic CBOR.
    pub fn aad(node: &Digest, name: &str, counter: u64) -> Vec<u8> {
        Writer::new().array(3).bytes(&node.0).text(name).value(&Value::from(counter)).finish()
    }
}

/// The first 8 bytes of SHA-256("quoth/secret/fingerprint/1" ‖ 0x00 ‖ name ‖ 0x00 ‖ secret). It tells keys apart. It also lets
/// anyone test guesses, so secrets must be random keys.
pub fn fingerprint(name: &str, secret: &[u8]) -> [u8; 8] {
    let mut start = [0; 8];
    start.copy_from_slice(&Digest::of(&[FINGERPRINT, name.as_bytes(), &[0], secret].concat()).0[..8]);
    start
}

/// Returns true if `text` is a valid name: 1 to [`MAX_NAME`] of `a-z 0-9 -`.
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Returns true if `bytes` are a valid secret: 1 to [`MAX_SECRET`] printable ASCII characters.
pub fn is_secret(bytes: &[u8]) -> bool {
    (1..=MAX_SECRET).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

impl Payload for SecretOrder {
    const TYP: &'static str = "application/vnd.quoth.secret+cbor";
    const MAX_BYTES: usize = MAX_SECRET + 512;

    fn encode(&self) -> Vec<u8> {
        let sealed = self.sealed.as_ref();
        let map = Map::new()
            .with(1, &self.node)
            .with(2, &self.name.0)
            .with(3, self.counter)
            .with_some(4, sealed.map(|sealed| Value::from(&sealed.encapsulated)))
            .with_some(5, sealed.map(|sealed| &sealed.ciphertext));
        cbor::encode(&map.build())
    }

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (node, name, counter, encapsulated, ciphertext) = cbor::read(bytes, Self::MAX_BYTES, "secret", |fields| {
            (
                fields.required(1, "node").digest(),
                Name::of(fields.required(2, "name")),
                fields.required(3, "counter").uint(),
                fields.optional(4, "encapsulated key").map(Field::array),
                fields.optional(5, "ciphertext").map(Field::blob),
            )
        })?;
        let sealed = match (encapsulated, ciphertext) {
            (Some(encapsulated), Some(ciphertext)) => Some(Sealed { encapsulated, ciphertext }),
            (None, None) => None,
            _ => {
                let expected = "an encapsulated key and a ciphertext, or neither";
                return Err(FormatError::OutOfRange { field: "sealed", expected });
            }
        };
        Ok(Self { node, name, counter, sealed })
    }
}

impl fmt::Debug for SecretOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = if self.sealed.is_some() { "set" } else { "remove" };
        write!(f, "SecretOrder({action} {})", self.name)
    }
}
