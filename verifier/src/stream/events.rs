//! Where events of a stream end, and which is the last (WHATWG HTML §9.2.6, as far as ends go).

use alloc::vec::Vec;

use quoth_attestation::record::ends_stream;

/// Longer lines are none of those, bytes.
const MAX_LINE: usize = 64;

/// Follows a body byte by byte.
#[derive(Default)]
pub(super) struct Events {
    /// The current line, at most [`MAX_LINE`] and one bytes of it.
    line: Vec<u8>,
    /// The current event has a terminal line.
    terminal: bool,
    /// The last byte was a CR: an LF that follows belongs to the same line end.
    cr: bool,
}

/// An event has ended: a blank line has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// It was a terminal one.
    pub(super) terminal: bool,
}

impl Events {
    /// Whether `byte` is the LF of a CRLF whose CR has already ended the line.
    pub(super) fn completes_line_end(&self, byte: u8) -> bool {
        self.cr && byte == b'\n'
    }

    /// Takes one byte; says so when it ends an event.
    pub(super) fn push(&mut self, byte: u8) -> Option<End> {
        let completes = self.completes_line_end(byte);
        self.cr = byte == b'\r';
        match byte {
            b'\n' if completes => None,
            b'\n' | b'\r' if self.line.is_empty() => {
                let terminal = core::mem::take(&mut self.terminal);
                Some(End { terminal })
            }
            b'\n' | b'\r' => {
                self.terminal |= ends_stream(&self.line);
                self.line.clear();
                None
            }
            _ => {
                if self.line.len() <= MAX_LINE {
                    self.line.push(byte);
                }
                None
            }
        }
    }
}
