use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell};

use super::Writer;
use crate::{FormatError, base64url};

/// Objects and arrays inside each other, at most.
const MAX_DEPTH: usize = 8;

/// A value, and where it stands.
struct Node<'a> {
    at: usize,
    value: Value<'a>,
}

enum Value<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Array(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Reads text that is one value in its canonical form: `take` takes it apart.
pub(crate) fn read<'a, T>(
    text: &'a [u8],
    limit: usize,
    take: impl FnOnce(Field<'a, '_>) -> T,
) -> Result<T, FormatError> {
    if text.len() > limit {
        return Err(FormatError::TooLong { limit, actual: text.len() });
    }
    let errors = Errors::default();
    let root = match core::str::from_utf8(text) {
        Ok(text) => Parser { text, at: 0 }.whole(),
        Err(error) => Err(error.valid_up_to()),
    };
    let root = root.map_err(|at| place(text, at))?;
    let canonical = root.is_written(text);
    let taken = take(Field { at: 0, node: Some(root), errors: &errors });
    match (errors.shape.get(), errors.wrong.into_inner()) {
        (Some(at), _) => Err(place(text, at)),
        (None, _) if !canonical => Err(FormatError::NotCanonical),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(taken),
    }
}

fn place(text: &[u8], at: usize) -> FormatError {
    let before = &text[..at.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    FormatError::Json { line, column: 1 + before.len() - line_start }
}

impl Node<'_> {
    /// Whether `text` is the canonical form.
    fn is_written(&self, text: &[u8]) -> bool {
        let mut writer = Writer::with_capacity(text.len());
        self.write(&mut writer) && writer.finish().as_bytes() == text
    }

    /// False for an object whose members are out of order.
    fn write(&self, writer: &mut Writer) -> bool {
        let mut sorted = true;
        match &self.value {
            Value::Text(text) => writer.text(text),
            Value::Number(number) => writer.number(*number),
            Value::Array(items) => writer.array(items, |writer, item| sorted &= item.write(writer)),
            Value::Object(members) => {
                sorted = members.is_sorted_by(|(one, _), (next, _)| one < next);
                writer.object(|writer| {
                    members.iter().for_each(|(name, value)| sorted &= value.write(writer.key(name)));
                });
            }
        }
        sorted
    }
}

/// The first things that are wrong: where the text is not of its format's shape, and what is wrong with what is.
#[derive(Default)]
struct Errors {
    shape: Cell<Option<usize>>,
    wrong: OnceCell<FormatError>,
}

/// A value on its way to a typed one.
pub(crate) struct Field<'a, 'e> {
    at: usize,
    /// None where that is wrong already.
    node: Option<Node<'a>>,
    errors: &'e Errors,
}

/// The members of an object.
pub(crate) struct Members<'a, 'e> {
    at: usize,
    members: Vec<(Cow<'a, str>, Node<'a>)>,
    errors: &'e Errors,
}

impl Errors {
    fn misshapen(&self, at: usize) {
        self.shape.set(self.shape.get().or(Some(at)));
    }

    fn refuse(&self, error: FormatError) {
        // The first one counts.
        let _ = self.wrong.set(error);
    }
}

impl<'a, 'e> Field<'a, 'e> {
    fn value(self) -> Option<Value<'a>> {
        Some(self.node?.value)
    }

    /// A text.
    pub(crate) fn text(self) -> String {
        let (at, errors) = (self.at, self.errors);
        match self.value() {
            Some(Value::Text(text)) => text.into_owned(),
            _ => {
                errors.misshapen(at);
                String::new()
            }
        }
    }

    /// Bytes in base64url, without padding.
    pub(crate) fn base64(self, field: &'static str) -> Vec<u8> {
        let errors = self.errors;
        base64url::decode(&self.text()).unwrap_or_else(|| {
            errors.refuse(FormatError::Base64 { field });
            Vec::new()
        })
    }

    /// An integer.
    pub(crate) fn number(self, greatest: u64) -> u64 {
        let (at, errors) = (self.at, self.errors);
        match self.value() {
            Some(Value::Number(number)) if number <= greatest => number,
            _ => {
                errors.misshapen(at);
                0
            }
        }
    }

    /// The elements of an array.
    pub(crate) fn array(self) -> impl Iterator<Item = Self> {
        let (at, errors) = (self.at, self.errors);
        let items = match self.value() {
            Some(Value::Array(items)) => items,
            _ => {
                errors.misshapen(at);
                Vec::new()
            }
        };
        items.into_iter().map(move |node| Self { at: node.at, node: Some(node), errors })
    }

    /// An object, of which nothing may be left.
    pub(crate) fn object<T>(self, take: impl FnOnce(&mut Members<'a, 'e>) -> T) -> T {
        let mut members = self.members();
        let taken = take(&mut members);
        members.finish();
        taken
    }

    fn members(self) -> Members<'a, 'e> {
        let (at, errors) = (self.at, self.errors);
        let members = match self.value() {
            Some(Value::Object(members)) => members,
            _ => {
                errors.misshapen(at);
                Vec::new()
            }
        };
        Members { at, members, errors }
    }
}

impl<'a, 'e> Members<'a, 'e> {
    /// Takes a member, if there is one.
    pub(crate) fn optional(&mut self, name: &str) -> Option<Field<'a, 'e>> {
        let at = self.members.iter().position(|(found, _)| found == name)?;
        let (_, node) = self.members.remove(at);
        Some(Field { at: node.at, node: Some(node), errors: self.errors })
    }

    /// Takes a member.
    pub(crate) fn required(&mut self, name: &str) -> Field<'a, 'e> {
        let (at, errors) = (self.at, self.errors);
        self.optional(name).unwrap_or_else(|| {
            errors.misshapen(at);
            Field { at, node: None, errors }
        })
    }

    /// Whether a member is there that was not taken.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(found, _)| found == name)
    }

    /// Remembers what is wrong.
    pub(crate) fn refuse(&self, error: FormatError) {
        self.errors.refuse(error);
    }

    fn finish(&self) {
        if let Some((_, node)) = self.members.first() {
            self.errors.misshapen(node.at);
        }
    }
}

/// Where the text ceases to be JSON of the types that are used.
type Wrong = usize;

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn whole(mut self) -> Result<Node<'a>, Wrong> {
        let node = self.node(0)?;
        match self.peek() {
            None => Ok(node),
            Some(_) => Err(self.at),
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    /// Whether the next byte is this one, which is passed.
    fn passes(&mut self, byte: u8) -> bool {
        let passes = self.peek() == Some(byte);
        self.at += usize::from(passes);
        passes
    }

    fn expect(&mut self, byte: u8) -> Result<(), Wrong> {
        match self.passes(byte) {
            true => Ok(()),
            false => Err(self.at),
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node<'a>, Wrong> {
        let first = self.peek();
        let at = self.at;
        let value = match first {
            Some(b'"') => Value::Text(self.string()?),
            Some(b'0'..=b'9') => Value::Number(self.number()?),
            Some(b'[' | b'{') if depth == MAX_DEPTH => return Err(at),
            Some(b'[') => Value::Array(self.items(b']', |parser| parser.node(depth + 1))?),
            Some(b'{') => Value::Object(self.items(b'}', |parser| {
                let name = parser.string()?;
                parser.expect(b':')?;
                Ok((name, parser.node(depth + 1)?))
            })?),
            _ => return Err(at),
        };
        Ok(Node { at, value })
    }

    /// What stands between brackets, one after the other.
    fn items<T>(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
        self.at += 1;
        let mut items = Vec::new();
        if self.passes(end) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if !self.passes(b',') {
                return self.expect(end).map(|()| items);
            }
        }
    }

    fn number(&mut self) -> Result<u64, Wrong> {
        let start = self.at;
        let digits = self.text.as_bytes()[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        let digits = &self.text[start..self.at];
        match digits.parse() {
            Ok(number) if digits == "0" || !digits.starts_with('0') => Ok(number),
            _ => Err(start),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Wrong> {
        self.expect(b'"')?;
        let mut whole = Cow::Borrowed("");
        loop {
            let rest = &self.text[self.at..];
            let ends = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
            let plain = rest.bytes().position(ends).unwrap_or(rest.len());
            // Most texts are one piece, which is lent.
            whole += &rest[..plain];
            self.at += plain + 1;
            match rest.as_bytes().get(plain) {
                Some(b'"') => return Ok(whole),
                Some(b'\\') => whole.to_mut().push(self.escaped()?),
                _ => return Err(self.at - 1),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Wrong> {
        let at = self.at;
        let escape = self.text.as_bytes().get(at);
        self.at += 1;
        Ok(match escape {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let digits = self.text.get(at + 1..at + 5).filter(|digits| !digits.starts_with('+'));
                let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or(at)?;
                self.at += 4;
                // Half a pair stands for no character of its own, and no canonical text has one.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(at),
        })
    }
}
