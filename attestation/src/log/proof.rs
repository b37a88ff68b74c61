//! A proof for people and other programs: a checkpoint and the path to one receipt, as a text (C2SP tlog-proof).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::checkpoint::LogCheckpoint;
use super::note::Note;
use super::{MAX_PATH, MAX_SIZE, base64, inclusion};
use crate::{Digest, FormatError};

/// The first line.
const VERSION: &str = "c2sp.org/tlog-proof@v1";

/// Proves one entry under a checkpoint. The signatures are **not yet verified**.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    index: u64,
    path: Vec<Digest>,
    note: Note,
    checkpoint: LogCheckpoint,
}

impl LogProof {
    /// Joins the index of an entry, its path from the leaf upwards, and a checkpoint's note.
    ///
    /// # Errors
    /// [`FormatError`] for a note that is no checkpoint, an index that is not below its size, and a path that is too long.
    pub fn new(index: u64, path: Vec<Digest>, note: Note) -> Result<Self, FormatError> {
        let checkpoint = LogCheckpoint::decode(note.text())?;
        if index >= checkpoint.size() {
            return Err(FormatError::OutOfRange { field: "index", expected: "below the size of the log" });
        }
        match path.len() <= MAX_PATH {
            true => Ok(Self { index, path, note, checkpoint }),
            false => Err(FormatError::OutOfRange { field: "path", expected: "at most 40 hashes" }),
        }
    }

    /// The entry's place in the log.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// What the note says. Do not trust it before you verify the signature.
    pub fn checkpoint(&self) -> &LogCheckpoint {
        &self.checkpoint
    }

    /// Returns true if the path leads from this entry to the checkpoint's root.
    pub fn proves(&self, entry: &Digest) -> bool {
        let size = self.checkpoint.size();
        inclusion::root(self.index, size, entry, &self.path) == Some(self.checkpoint.root())
    }

    /// Returns the proof as its text.
    pub fn encode(&self) -> String {
        let mut text = format!("{VERSION}\nindex {}\n", self.index);
        for hash in &self.path {
            text += &base64::encode(&hash.0);
            text.push('\n');
        }
        text.push('\n');
        text + &self.note.encode()
    }

    /// Decodes a proof. Does not verify signatures. A line `extra` is refused: Quoth has no use for one.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let text =
            core::str::from_utf8(bytes).map_err(|error| FormatError::InvalidUtf8 { offset: error.valid_up_to() })?;
        let (head, note) = text.split_once("\n\n").ok_or(FormatError::Missing { field: "empty line of a proof" })?;
        let mut lines = head.split('\n');
        if lines.next() != Some(VERSION) {
            return Err(FormatError::WrongType { field: "first line of a proof", expected: VERSION });
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(number);
        let index = index.ok_or(FormatError::WrongType { field: "index", expected: "a decimal below 2^40" })?;
        let hash = |line| base64::decode(line).and_then(|hash| hash.try_into().ok()).map(Digest);
        let path: Option<Vec<_>> = lines.take(MAX_PATH + 1).map(hash).collect();
        let path = path.ok_or(FormatError::WrongType { field: "path", expected: "32 bytes in base64" })?;
        Self::new(index, path, Note::decode(note.as_bytes())?)
    }
}

/// Reads a decimal without leading zeros.
fn number(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|number| plain && *number <= MAX_SIZE)
}
