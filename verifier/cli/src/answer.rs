//! Extracts the text of an OpenAI chat completion, whole or as an event stream.

use serde_json::Value;

/// Maximum bytes in a line of an event stream; longer lines are skipped.
const MAX_LINE: usize = 1024 * 1024;

/// Extracts the text of an event stream, however it is cut into pieces.
#[derive(Default)]
pub(crate) struct EventText {
    line: Vec<u8>,
    overlong: bool,
}

impl EventText {
    /// Returns the text of the lines that `bytes` complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        let mut text = String::new();
        for &byte in bytes {
            match byte {
                b'\n' | b'\r' => {
                    if !self.overlong {
                        text.extend(words_of_line(&self.line));
                    }
                    self.line.clear();
                    self.overlong = false;
                }
                _ if self.line.len() < MAX_LINE => self.line.push(byte),
                _ => self.overlong = true,
            }
        }
        text
    }
}

/// The text of an answer in one piece, or the message of an error.
pub(crate) fn whole_text(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = value.pointer("/choices/0/message/content").or_else(|| value.pointer("/choices/0/text"));
    text?.as_str().map(str::to_owned)
}

pub(crate) fn error_message(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.pointer("/error/message")?.as_str().map(str::to_owned)
}

fn words_of_line(line: &[u8]) -> Option<String> {
    let data = line.strip_prefix(b"data:")?;
    let value: Value = serde_json::from_slice(data).ok()?;
    let text = value.pointer("/choices/0/delta/content").or_else(|| value.pointer("/choices/0/text"));
    text?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STREAM: &[u8] = b"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"caf\xc3\xa9\"}}]}\r\n\r\n: comment\n\n\
        data:{\"choices\":[{\"delta\":{\"content\":\" noir\"}}]}\n\ndata: [DONE]\n\n";

    #[test]
    fn words_come_out_however_the_stream_is_cut() {
        for size in 1..STREAM.len() {
            let mut text = EventText::default();
            let words: String = STREAM.chunks(size).map(|piece| text.push(piece)).collect();
            assert_eq!(words, "café noir", "pieces of {size}");
        }
    }

    #[test]
    fn a_line_past_the_limit_is_passed_over() {
        let line = |length: usize| {
            let (head, tail) = ("data: {\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}");
            format!("{head}{}{tail}\n", "a".repeat(length - head.len() - tail.len()))
        };
        let mut text = EventText::default();
        assert_ne!(text.push(line(MAX_LINE).as_bytes()), "");
        assert_eq!(text.push(line(MAX_LINE + 1).as_bytes()), "");
        assert_eq!(text.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"ok\"}}]}\n"), "ok");
    }

    #[test]
    fn whole_answers_and_errors_are_read() {
        assert_eq!(whole_text(br#"{"choices":[{"message":{"content":"hi"}}]}"#).unwrap(), "hi");
        assert_eq!(whole_text(b"[]"), None);
        assert_eq!(error_message(br#"{"error":{"message":"no"}}"#).unwrap(), "no");
        assert_eq!(error_message(b"\xff"), None);
    }
}
