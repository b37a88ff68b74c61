//! The log's checkpoint: size and root in a note that the receipt key signs (C2SP tlog-checkpoint).

use alloc::format;
use alloc::string::String;

use super::note::{ED25519, Note, NoteSignature, key_id};
use super::{base64, check_size};
use crate::{Digest, FormatError};

/// What the origin of every log begins with; the digest of the statement follows, in hex.
const ORIGIN: &str = "quoth.dev/log/";
/// Bytes of an Ed25519 signature.
const SIGNATURE: usize = 64;

/// What a node says about its log to the world's witnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCheckpoint {
    node: Digest,
    size: u64,
    root: Digest,
}

/// Returns the origin of a node's log, which is also the name of the key that signs its checkpoints.
pub fn origin(node: &Digest) -> String {
    format!("{ORIGIN}{node}")
}

impl LogCheckpoint {
    /// `node` is the digest of the statement.
    ///
    /// # Errors
    /// [`FormatError::OutOfRange`] above [`MAX_SIZE`](super::MAX_SIZE).
    pub fn new(node: Digest, size: u64, root: Digest) -> Result<Self, FormatError> {
        check_size(size)?;
        Ok(Self { node, size, root })
    }

    /// Digest of the node's statement.
    pub fn node(&self) -> Digest {
        self.node
    }

    /// Number of receipts in the log.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the log.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Returns the text to sign: origin, size and root in base64, each with a line feed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", origin(&self.node), self.size, base64::encode(&self.root.0))
    }

    /// Returns the note, signed by `sign` with the receipt key `key`: a raw Ed25519 signature over the text.
    pub fn sign(&self, key: &[u8; 32], sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE]) -> Note {
        let (name, text) = (origin(&self.node), self.text());
        let signature = sign(text.as_bytes());
        let line = NoteSignature::new(&name, key_id(&name, ED25519, key), &signature);
        // safe: the name is hex behind ORIGIN, and the text was made above
        line.and_then(|line| Note::new(text, [line].into())).expect("a note of its own text")
    }

    /// Reads the text of a note. Extension lines are refused: no node writes them.
    ///
    /// # Errors
    /// [`FormatError`] for every text that [`text`](Self::text) does not make.
    pub fn decode(text: &str) -> Result<Self, FormatError> {
        let mut lines = text.split('\n');
        let mut line = |field| lines.next().ok_or(FormatError::Missing { field });
        let mut node = [0; 32];
        let origin = line("origin")?.strip_prefix(ORIGIN);
        origin
            .and_then(|digits| hex::decode_to_slice(digits, &mut node).ok())
            .ok_or(FormatError::WrongType { field: "origin", expected: "quoth.dev/log/ and a digest" })?;
        let size =
            line("size")?.parse().map_err(|_| FormatError::WrongType { field: "size", expected: "a decimal" })?;
        let root = base64::decode(line("root")?).and_then(|root| root.try_into().ok());
        let root = root.ok_or(FormatError::WrongType { field: "root", expected: "32 bytes in base64" })?;
        let checkpoint = Self::new(Digest(node), size, Digest(root))?;
        match checkpoint.text() == text {
            true => Ok(checkpoint),
            false => Err(FormatError::NotCanonical),
        }
    }

    /// Returns the signatures of a note that claim to be the node's own: those under its name and the id of `key`.
    pub fn own<'a>(&self, note: &'a Note, key: &[u8; 32]) -> impl Iterator<Item = &'a NoteSignature> {
        let name = origin(&self.node);
        let id = key_id(&name, ED25519, key);
        note.signatures().iter().filter(move |line| line.name() == name && line.key_id() == id)
    }
}
