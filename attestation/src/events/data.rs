//! Finds in an event's data what SDKs look at: `[DONE]`, and the members `type` and `error` of a JSON object.
//!
//! It reads any JSON that a parser accepts as that parser does, and does not check that it is JSON: SDKs raise an
//! exception for what is none.

use super::name::Name;

const DONE: &[u8] = b"[DONE]";

/// The data of one event, as far as it has come. Lines are joined by line feeds.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// It begins with `[DONE]`, white space before it apart.
    pub(super) done: bool,
    /// The `type` of the object, if it is a string.
    pub(super) kind: Option<Name>,
    /// The object has an `error` that SDKs raise: one that is not null, false, zero or empty.
    pub(super) error: bool,
    /// `type` or `error` stands twice.
    pub(super) repeated: bool,
    /// A line has begun.
    begun: bool,
    state: State,
    member: Member,
    has_type: bool,
    has_error: bool,
}

/// Where in the data the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before the first byte that is not white space.
    #[default]
    Start,
    /// So many bytes of [`DONE`] have come.
    Done(usize),
    /// In a value inside the object's brackets, or between values; `depth` counts open brackets.
    Between { depth: usize },
    /// In a string at that depth. `text`: what it spells, if that matters.
    String { depth: usize, text: Option<Name>, escape: Escape },
    /// Nothing that follows matters.
    Over,
}

/// What of an escape in a string has come.
#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Backslash,
    /// After `\u`, so many digits.
    Unicode {
        digits: u8,
        code: u16,
    },
}

/// Which member of the object the next string or value belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Member {
    /// A string is a name now.
    #[default]
    Name,
    Type,
    Error,
    /// The value of `error` is a number that was zero so far.
    Zero,
    Other,
}

impl Data {
    /// A line of data begins.
    pub(super) fn begin_line(&mut self) {
        if core::mem::replace(&mut self.begun, true) {
            self.push(b"\n");
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.state {
                State::Over => return,
                // Most bytes of a stream are in strings, and few of those are special.
                State::String { text, escape: Escape::None, .. } => {
                    let special = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
                    let (plain, after) = rest.split_at(special.unwrap_or(rest.len()));
                    text.iter_mut().for_each(|text| text.push(plain));
                    rest = after;
                }
                _ => {}
            }
            if let Some((byte, after)) = rest.split_first() {
                self.step(*byte);
                rest = after;
            }
        }
    }

    fn step(&mut self, byte: u8) {
        self.state = match self.state {
            State::Start => match byte {
                b'\x0b' | b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => State::Start,
                b'[' => State::Done(1),
                b'{' => State::Between { depth: 1 },
                _ => State::Over,
            },
            State::Done(length) => match DONE.get(length) {
                Some(next) if next.eq_ignore_ascii_case(&byte) => {
                    self.done = length + 1 == DONE.len();
                    if self.done { State::Over } else { State::Done(length + 1) }
                }
                _ => State::Over,
            },
            State::Between { depth } => self.between(byte, depth),
            State::String { depth, text, escape } => self.string(byte, depth, text, escape),
            State::Over => State::Over,
        };
    }

    fn between(&mut self, byte: u8, depth: usize) -> State {
        if depth == 1 {
            self.value(byte);
        }
        match byte {
            b'"' => {
                let matters = depth == 1 && matches!(self.member, Member::Name | Member::Type | Member::Error);
                State::String { depth, text: matters.then(Name::default), escape: Escape::None }
            }
            b'{' | b'[' => State::Between { depth: depth.saturating_add(1) },
            b'}' | b']' if depth == 1 => State::Over,
            b'}' | b']' => State::Between { depth: depth - 1 },
            _ => State::Between { depth },
        }
    }

    /// A byte between the object's own brackets, outside strings and deeper values.
    fn value(&mut self, byte: u8) {
        match (byte, self.member) {
            (b',', _) => self.member = Member::Name,
            (b' ' | b'\t' | b'\n' | b'\r' | b':' | b'"', _) => {}
            (b'0' | b'-' | b'.', Member::Error | Member::Zero) => self.member = Member::Zero,
            // The exponent of zero.
            (b'e' | b'E', Member::Zero) => self.member = Member::Other,
            // Null, false, or nothing more.
            (b'n' | b'f', Member::Error) | (b'}', Member::Zero) => self.member = Member::Other,
            (_, Member::Error | Member::Zero) => {
                self.error = true;
                self.member = Member::Other;
            }
            _ => {}
        }
    }

    fn string(&mut self, byte: u8, depth: usize, mut text: Option<Name>, escape: Escape) -> State {
        let escape = match (escape, byte) {
            (Escape::None, b'"') => {
                if depth == 1 {
                    self.end_string(text);
                }
                return State::Between { depth };
            }
            (Escape::None, b'\\') => Escape::Backslash,
            (Escape::None, _) => Escape::None,
            (Escape::Backslash, b'u') => Escape::Unicode { digits: 0, code: 0 },
            (Escape::Backslash, byte) => {
                spell(&mut text, u16::from(unescaped(byte)));
                Escape::None
            }
            (Escape::Unicode { digits, code }, byte) => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default() as u16;
                let code = code << 4 | digit;
                match digits {
                    3 => {
                        spell(&mut text, code);
                        Escape::None
                    }
                    _ => Escape::Unicode { digits: digits + 1, code },
                }
            }
        };
        State::String { depth, text, escape }
    }

    /// A string of the object itself has ended: a name, or a value.
    fn end_string(&mut self, text: Option<Name>) {
        match self.member {
            Member::Name => {
                let name = text.as_ref().and_then(Name::bytes);
                self.member = match name {
                    Some(b"type") => Member::Type,
                    Some(b"error") => Member::Error,
                    _ => Member::Other,
                };
                let seen = match self.member {
                    Member::Type => &mut self.has_type,
                    Member::Error => &mut self.has_error,
                    _ => return,
                };
                self.repeated |= core::mem::replace(seen, true);
            }
            Member::Type => {
                self.kind = text;
                self.member = Member::Other;
            }
            Member::Error => {
                self.error |= text.is_some_and(|text| !text.is_empty());
                self.member = Member::Other;
            }
            Member::Zero | Member::Other => self.member = Member::Other,
        }
    }
}

/// Appends a UTF-16 code unit as UTF-8; a surrogate like any other, since no name that matters has one.
fn spell(text: &mut Option<Name>, unit: u16) {
    let Some(text) = text else { return };
    let low = |shift: u16| 0x80 | (unit >> shift) as u8 & 0x3F;
    match unit {
        0..0x80 => text.push(&[unit as u8]),
        0x80..0x800 => text.push(&[0xC0 | (unit >> 6) as u8, low(0)]),
        _ => text.push(&[0xE0 | (unit >> 12) as u8, low(6), low(0)]),
    }
}

/// What a backslash and this byte stand for.
fn unescaped(byte: u8) -> u8 {
    match byte {
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => byte,
    }
}
