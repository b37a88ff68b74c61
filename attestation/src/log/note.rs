//! Signed notes: a text and lines with signatures over it (C2SP signed-note).

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::base64;
use crate::FormatError;

/// Maximum bytes in a note.
pub const MAX_BYTES: usize = 128 * 1024;
/// Maximum number of signatures in a note.
pub const MAX_SIGNATURES: usize = 64;
/// The type of an Ed25519 signature over the text itself.
pub const ED25519: u8 = 0x01;
/// What a signature line begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// A text and its signatures, **not yet verified**.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

/// Returns the id of a key: the first 4 bytes of SHA-256(name ‖ 0x0A ‖ signature type ‖ public key).
pub fn key_id(name: &str, signature_type: u8, key: &[u8]) -> [u8; 4] {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', signature_type]).chain_update(key);
    let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
    [a, b, c, d]
}

impl Note {
    /// Joins a text and its signatures. The text ends with a line feed.
    ///
    /// # Errors
    /// [`FormatError`] for a text or a number of signatures that a note cannot have.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, FormatError> {
        let note = Self { text, signatures };
        match Self::decode(note.encode().as_bytes()) {
            Ok(same) if same == note => Ok(note),
            Ok(_) => Err(FormatError::NotCanonical),
            Err(error) => Err(error),
        }
    }

    /// The signed text, its last line feed included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Returns the note as its text.
    pub fn encode(&self) -> String {
        let mut note = format!("{}\n", self.text);
        for signature in &self.signatures {
            let bytes = [&signature.key_id[..], &signature.bytes].concat();
            note += &format!("{DASH}{} {}\n", signature.name, base64::encode(&bytes));
        }
        note
    }

    /// Decodes a note. Does not verify signatures.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that are no note, and above [`MAX_BYTES`] and [`MAX_SIGNATURES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > MAX_BYTES {
            return Err(FormatError::TooLong { limit: MAX_BYTES, actual: bytes.len() });
        }
        let note =
            core::str::from_utf8(bytes).map_err(|error| FormatError::InvalidUtf8 { offset: error.valid_up_to() })?;
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(FormatError::OutOfRange { field: "note", expected: "no control characters but line feeds" });
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(FormatError::Missing { field: "empty line of a note" })?;
        let lines = lines.strip_suffix('\n').ok_or(FormatError::Missing { field: "line feed at the end of a note" })?;
        let signatures: Vec<_> =
            lines.split('\n').take(MAX_SIGNATURES + 1).map(NoteSignature::decode).collect::<Result<_, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(FormatError::OutOfRange { field: "signatures", expected: "at most 64" });
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }
}

impl NoteSignature {
    /// Joins the name of a key, its id and what it signed.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] for an empty name, one with white space or a plus, and for no signature bytes.
    pub fn new(name: &str, key_id: [u8; 4], bytes: &[u8]) -> Result<Self, FormatError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(FormatError::OutOfRange { field: "key name", expected: "no white space and no plus" });
        }
        if bytes.is_empty() {
            return Err(FormatError::OutOfRange { field: "note signature", expected: "more than a key id" });
        }
        Ok(Self { name: name.to_owned(), key_id, bytes: bytes.to_owned() })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// The signature.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn decode(line: &str) -> Result<Self, FormatError> {
        let expected = "an em dash, a name and base64";
        let wrong = || FormatError::WrongType { field: "signature line", expected };
        let (name, text) = line.strip_prefix(DASH).and_then(|line| line.split_once(' ')).ok_or_else(wrong)?;
        let bytes = base64::decode(text).ok_or_else(wrong)?;
        let (key_id, bytes) = bytes.split_first_chunk().ok_or_else(wrong)?;
        Self::new(name, *key_id, bytes)
    }
}
