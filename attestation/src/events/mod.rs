//! Where the events of a stream end, and which event ends the stream (`SPEC.md` §9).
//!
//! Nodes, verifiers, clients and proxies all use this one definition. It reads a stream as SDKs do (WHATWG HTML §9.2.6)
//! and takes an event for the end if any of them would: by the name in `event:`, or by the `type` inside the data.

mod data;
mod name;
#[cfg(test)]
mod tests;

use data::Data;
pub use name::MAX_NAME;
use name::Name;

/// A byte order mark, which may stand before the first line.
pub const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Names of events that complete an answer.
const TERMINAL: [&[u8]; 4] = [b"message_stop", b"response.completed", b"response.failed", b"response.incomplete"];
/// The name of events that SDKs turn into an exception.
const ERROR: [&[u8]; 1] = [b"error"];
/// The fields that the standard names; a comment has none.
const FIELDS: [&[u8]; 5] = [b"", b"event", b"data", b"id", b"retry"];

/// How an event ends its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The answer is over: `[DONE]`, `message_stop`, `response.completed` and their like.
    Terminal,
    /// The answer has failed: an event `error`, or data with an `error` in it.
    Error,
}

/// A whole event: its blank line has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// How it ends the stream, if it does.
    pub end: Option<End>,
    /// Whether all its fields are ones that the standard names.
    pub standard: bool,
}

/// Why SDKs could take an event for different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ambiguous {
    /// `event:` names another event than the `type` inside the data.
    #[error("its name is not the type inside its data")]
    Name,
    /// `event:`, `type` or `error` stands twice in one event.
    #[error("what says its kind stands twice")]
    Repeated,
    /// A byte order mark begins a line that is not the first of the stream.
    #[error("a byte order mark stands inside the stream")]
    Mark,
}

/// Follows a stream, however it is cut. Takes constant memory.
#[derive(Debug, Default)]
pub struct Scanner {
    line: Line,
    /// The first line has ended.
    begun: bool,
    /// The last byte was a CR: an LF that follows belongs to the same line end.
    cr: bool,
    name: Option<Name>,
    data: Data,
    repeated: bool,
    /// A field that the standard does not name.
    unknown: bool,
}

/// What is known of the current line.
#[derive(Debug)]
enum Line {
    /// Its field's name, so far.
    Field(Name),
    /// The value of `event`; `space`: nothing of it was read yet, and one space may come before.
    Event { space: bool },
    /// The value of `data`, likewise.
    Data { space: bool },
    /// The value of another field, or a comment.
    Other,
}

impl Default for Line {
    fn default() -> Self {
        Self::Field(Name::default())
    }
}

impl Scanner {
    /// Whether the last byte was a CR. An LF that follows belongs to the same line end, and to no later event.
    pub fn after_cr(&self) -> bool {
        self.cr
    }

    /// Takes bytes up to the end of the current event. Returns how many were taken: all of them if no event has ended.
    ///
    /// # Errors
    /// [`Ambiguous`] at the end of an event that SDKs could take for different things. The stream is of no use then.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<(usize, Option<Event>), Ambiguous> {
        let mut at = usize::from(self.cr && bytes.first() == Some(&b'\n'));
        self.cr &= bytes.is_empty();
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let length = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let (line, end) = rest.split_at(length.unwrap_or(rest.len()));
            self.part(line)?;
            at += line.len();
            let Some(end) = end.first() else { break };
            at += 1;
            if let Some(event) = self.end_line()? {
                self.cr = *end == b'\r';
                return Ok((at, Some(event)));
            }
            match (end, bytes.get(at)) {
                (b'\r', Some(b'\n')) => at += 1,
                (b'\r', None) => self.cr = true,
                _ => {}
            }
        }
        Ok((at, None))
    }

    /// Takes some bytes of the current line.
    fn part(&mut self, mut bytes: &[u8]) -> Result<(), Ambiguous> {
        if let Line::Field(name) = &mut self.line {
            let colon = bytes.iter().position(|byte| *byte == b':');
            let (field, rest) = bytes.split_at(colon.unwrap_or(bytes.len()));
            name.push(field);
            let Some(value) = rest.get(1..) else { return Ok(()) };
            self.field()?;
            bytes = value;
        }
        if let Line::Event { space } | Line::Data { space } = &mut self.line
            && !bytes.is_empty()
            && core::mem::take(space)
        {
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
        }
        match self.line {
            Line::Event { .. } => self.name.get_or_insert_default().push(bytes),
            Line::Data { .. } => self.data.push(bytes),
            Line::Field(_) | Line::Other => {}
        }
        Ok(())
    }

    /// The field's name is whole.
    fn field(&mut self) -> Result<(), Ambiguous> {
        let Line::Field(name) = core::mem::take(&mut self.line) else { return Ok(()) };
        let name = match name.bytes() {
            Some(name) if name.starts_with(MARK) => match self.begun {
                true => return Err(Ambiguous::Mark),
                false => name.get(MARK.len()..),
            },
            name => name,
        };
        self.line = match name {
            Some(b"event") => {
                self.repeated |= self.name.replace(Name::default()).is_some();
                Line::Event { space: true }
            }
            Some(b"data") => {
                self.data.begin_line();
                Line::Data { space: true }
            }
            _ => Line::Other,
        };
        self.unknown |= name.is_none_or(|name| !FIELDS.contains(&name));
        Ok(())
    }

    /// A line has ended. Returns the event that ends with it if it is blank.
    fn end_line(&mut self) -> Result<Option<Event>, Ambiguous> {
        let blank = match &self.line {
            Line::Field(name) => match name.bytes() {
                Some(b"") => true,
                Some(MARK) if !self.begun => true,
                _ => {
                    self.field()?;
                    false
                }
            },
            _ => false,
        };
        self.line = Line::default();
        self.begun = true;
        if blank { self.end_event().map(Some) } else { Ok(None) }
    }

    fn end_event(&mut self) -> Result<Event, Ambiguous> {
        let (name, data) = (self.name.take().filter(|name| !name.is_empty()), core::mem::take(&mut self.data));
        let standard = !core::mem::take(&mut self.unknown);
        if core::mem::take(&mut self.repeated) || data.repeated {
            return Err(Ambiguous::Repeated);
        }
        if let (Some(name), Some(kind)) = (&name, &data.kind)
            && (name.bytes().is_none() || name.bytes() != kind.bytes())
        {
            return Err(Ambiguous::Name);
        }
        let kind = name.or(data.kind);
        let is = |names: &[&[u8]]| kind.as_ref().is_some_and(|kind| kind.is_one_of(names));
        let end = match () {
            () if data.done => Some(End::Terminal),
            () if data.error || is(&ERROR) => Some(End::Error),
            () if is(&TERMINAL) => Some(End::Terminal),
            () => None,
        };
        Ok(Event { end, standard })
    }
}
