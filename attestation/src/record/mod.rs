//! How checkpoints, receipts and heads travel inside an event stream (`SPEC.md` §9).
//!
//! A record is the comment `: quoth `, its kind, a space, base64url and two line feeds. It stands at the very start
//! of the stream or after a blank line, where clients of server-sent events skip it. Everything else is body.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use crate::{FormatError, base64url};

/// An encoded record, bytes, at most.
pub const MAX_BYTES: usize = 16 * 1024;

const PREFIX: &[u8] = b": quoth ";
/// No line of a body may begin so: clients could take it for a record.
const RESERVED: [&[u8]; 2] = [b":quoth", b": quoth"];

/// What a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signed [`Checkpoint`](crate::checkpoint::Checkpoint).
    Checkpoint,
    /// A signed [`Receipt`](crate::receipt::Receipt).
    Receipt,
    /// A [`HeadProof`](crate::log::head_proof::HeadProof) of that receipt, if the caller asked for one.
    Head,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Checkpoint, Self::Receipt, Self::Head];

    fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Receipt => "receipt",
            Self::Head => "head",
        }
    }
}

/// The record that carries `bytes`.
pub fn encode(kind: Kind, bytes: &[u8]) -> String {
    [": quoth ", kind.name(), " ", &base64url::encode(bytes), "\n\n"].concat()
}

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the body.
    Body(Vec<u8>),
    /// A record.
    Record {
        /// What it carries.
        kind: Kind,
        /// The signed bytes.
        bytes: Vec<u8>,
        /// Body bytes before it.
        offset: u64,
    },
}

/// Separates body and records, however the stream is cut into pieces. Lines end with LF, CR or CRLF.
///
/// A body that Quoth has not made is checked with it too: a line that begins like a record is refused.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    /// The start of a line that may yet become a record.
    held: Vec<u8>,
    offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start of a line; `blank`: of the stream, or after a blank line; `cr`: the line before ended with CR.
    LineStart { blank: bool, cr: bool },
    /// Inside a line that so far could be a reserved one.
    Candidate { blank: bool },
    /// Inside a record, up to its two line feeds.
    Record,
    /// Inside an ordinary line.
    Line,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { state: State::LineStart { blank: true, cr: false }, held: Vec::new(), offset: 0 }
    }
}

impl Splitter {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Body bytes seen so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether a record may stand here: at the start of the stream or after a blank line.
    pub fn at_boundary(&self) -> bool {
        matches!(self.state, State::LineStart { blank: true, .. })
    }

    /// Takes the next bytes of the stream and appends the pieces that are whole.
    pub fn push(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), FormatError> {
        let mut body = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            self.step(byte, &mut body, pieces)?;
        }
        self.flush(&mut body, pieces);
        Ok(())
    }

    /// Ends the stream: returns held bytes that turned out to be body, and refuses an unfinished record.
    pub fn finish(self) -> Result<Vec<u8>, FormatError> {
        match self.state {
            State::Record => Err(FormatError::Record { offset: self.offset }),
            _ => Ok(self.held),
        }
    }

    fn step(&mut self, byte: u8, body: &mut Vec<u8>, pieces: &mut Vec<Piece>) -> Result<(), FormatError> {
        match self.state {
            State::LineStart { cr: true, blank } if byte == b'\n' => {
                self.state = State::LineStart { blank, cr: false };
                body.push(byte);
            }
            State::LineStart { blank, .. } => match byte {
                b':' => {
                    self.held.push(byte);
                    self.state = State::Candidate { blank };
                }
                // An empty line: what follows stands after a blank line.
                b'\n' | b'\r' => self.end_line(byte, true, body),
                _ => self.line(byte, body),
            },
            State::Candidate { blank } => {
                self.held.push(byte);
                let reserved = RESERVED.iter().any(|reserved| self.held == *reserved);
                match reserved {
                    true if blank && self.held == PREFIX[..self.held.len()] => self.state = State::Record,
                    true => return Err(self.misplaced(body)),
                    false if RESERVED.iter().any(|reserved| reserved.starts_with(&self.held)) => {}
                    false => {
                        self.held.pop();
                        body.append(&mut self.held);
                        self.line(byte, body);
                    }
                }
            }
            State::Record => {
                self.held.push(byte);
                if self.held.len() > MAX_BYTES {
                    return Err(self.misplaced(body));
                }
                if self.held.ends_with(b"\n\n") {
                    self.flush(body, pieces);
                    pieces.push(self.record()?);
                    self.state = State::LineStart { blank: true, cr: false };
                }
            }
            State::Line => self.line(byte, body),
        }
        Ok(())
    }

    /// A byte of an ordinary line.
    fn line(&mut self, byte: u8, body: &mut Vec<u8>) {
        match byte {
            b'\n' | b'\r' => self.end_line(byte, false, body),
            _ => {
                body.push(byte);
                self.state = State::Line;
            }
        }
    }

    fn end_line(&mut self, byte: u8, blank: bool, body: &mut Vec<u8>) {
        body.push(byte);
        self.state = State::LineStart { blank, cr: byte == b'\r' };
    }

    fn flush(&mut self, body: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
        if !body.is_empty() {
            self.offset += body.len() as u64;
            pieces.push(Piece::Body(mem::take(body)));
        }
    }

    fn record(&mut self) -> Result<Piece, FormatError> {
        let held = mem::take(&mut self.held);
        match read(&held) {
            Some((kind, bytes)) => Ok(Piece::Record { kind, bytes, offset: self.offset }),
            None => Err(FormatError::Record { offset: self.offset }),
        }
    }

    fn misplaced(&self, body: &[u8]) -> FormatError {
        FormatError::Record { offset: self.offset + body.len() as u64 }
    }
}

/// The kind and the content of a record, or `None` if `held` is not a record.
fn read(held: &[u8]) -> Option<(Kind, Vec<u8>)> {
    let line = core::str::from_utf8(held.strip_suffix(b"\n\n")?.strip_prefix(PREFIX)?).ok()?;
    let (name, encoded) = line.split_once(' ')?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
    Some((kind, base64url::decode(encoded)?))
}

#[cfg(test)]
mod tests;
