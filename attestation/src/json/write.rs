//! Writes JSON.

use alloc::format;
use alloc::string::{String, ToString};

/// Writes JSON piece by piece, without white space. Members keep the order in which the caller writes them; for RFC 8785
/// §3.2.3 the caller sorts them.
#[derive(Default)]
pub struct Writer(String);

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of bytes written so far.
    pub fn written(&self) -> usize {
        self.0.len()
    }

    /// Returns the text written.
    pub fn finish(self) -> String {
        self.0
    }

    fn separate(&mut self) {
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(',');
        }
    }

    /// An object; `members` writes a [`key`](Self::key) before each value.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.separate();
        self.0.push('{');
        members(self);
        self.0.push('}');
    }

    /// An array; `item` writes each element.
    pub fn array<T>(&mut self, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        self.separate();
        self.0.push('[');
        items.into_iter().for_each(|each| item(self, each));
        self.0.push(']');
    }

    /// A member's name.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self.0.push(':');
        self
    }

    /// A text, escaped as RFC 8785 §3.2.2.2 prescribes.
    pub fn text(&mut self, text: &str) {
        self.separate();
        self.0.push('"');
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            self.0.push_str(&rest[..at]);
            self.escape(rest.as_bytes()[at]);
            rest = &rest[at + 1..];
        }
        self.0.push_str(rest);
        self.0.push('"');
    }

    fn escape(&mut self, byte: u8) {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            _ => return self.0.push_str(&format!("\\u{byte:04x}")),
        };
        self.0.push('\\');
        self.0.push(short.into());
    }

    /// An integer.
    pub fn number(&mut self, number: u64) {
        self.separate();
        self.0.push_str(&number.to_string());
    }

    /// A boolean.
    pub fn boolean(&mut self, truth: bool) {
        self.separate();
        self.0.push_str(if truth { "true" } else { "false" });
    }

    /// Null; Quoth's formats do not use it.
    pub fn null(&mut self) {
        self.separate();
        self.0.push_str("null");
    }
}
