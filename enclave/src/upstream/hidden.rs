//! Finds the counts of cached tokens in a provider's answer, so that callers who share a key do not learn them.

use std::ops::Range;

use bytes::Bytes;
use quoth_engine::json::{self, Raw};

use super::UpstreamError;
use super::events::data;
use crate::limits;

/// Depth to which objects and arrays are searched, `usage` included. Anthropic's `usage.iterations[0].cache_creation`
/// has four levels.
const DEPTH: usize = 4;

/// Where counts of cached tokens stand in a body or an event, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CachedCounts(Vec<Range<usize>>);

impl CachedCounts {
    /// Finds them in a whole body.
    ///
    /// # Errors [`UpstreamError::Unreadable`] if the body has too many counts, or mentions `"usage"` and is not JSON
    /// that this node accepts. Any other body that is not JSON has no counts.
    pub fn of(body: &[u8]) -> Result<Self, UpstreamError> {
        let mut counts = Self::default();
        match json::check(body) {
            Ok(object) => counts.answer(object)?,
            Err(_) if body.windows(USAGE.len()).any(|part| part == USAGE) => return Err(UpstreamError::Unreadable),
            Err(_) => {}
        }
        Ok(counts)
    }

    /// Finds them in the data of an event.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_event(event: &[u8]) -> Result<Self, UpstreamError> {
        // Replaces everything else by line feeds, so that numbers keep their places.
        let mut text = vec![b'\n'; event.len()];
        for (start, value) in data(event) {
            text[start..start + value.len()].copy_from_slice(value);
        }
        Self::of(&text)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the pieces of `bytes` with `by` in place of each count. `bytes` must be those in which the counts were
    /// found.
    pub fn replaced<'a>(&'a self, bytes: &'a [u8], by: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let starts = [0].into_iter().chain(self.0.iter().map(|place| place.end));
        let ends = self.0.iter().map(move |place| (place.start, by)).chain([(bytes.len(), &b""[..])]);
        starts.zip(ends).flat_map(move |(start, (end, by))| [bytes.get(start..end).unwrap_or_default(), by])
    }

    /// Looks only where the APIs have a `usage`, never into a model's text.
    fn answer(&mut self, object: Raw<'_>) -> Result<(), UpstreamError> {
        for (name, value) in object.members() {
            match &*name {
                "usage" => self.usage(value)?,
                // Of Anthropic's `message_start`, OpenAI's `response.created` and others, and Groq's chunks.
                "message" | "response" | "x_groq" => self.usage_of(value)?,
                // Of Moonshot's chunks.
                "choices" => value.elements().try_for_each(|choice| self.usage_of(choice))?,
                _ => {}
            }
        }
        Ok(())
    }

    fn usage_of(&mut self, object: Raw<'_>) -> Result<(), UpstreamError> {
        object.members().filter(|(name, _)| name == "usage").try_for_each(|(_, value)| self.usage(value))
    }

    fn usage(&mut self, usage: Raw<'_>) -> Result<(), UpstreamError> {
        self.part(usage, false, DEPTH)
    }

    /// `cached`: whether the part, or one around it, has "cache" in its name.
    fn part(&mut self, part: Raw<'_>, cached: bool, depth: usize) -> Result<(), UpstreamError> {
        match part.source().as_bytes() {
            [b'-' | b'0'..=b'9', ..] if cached => {
                if self.0.len() == limits::UPSTREAM_COUNTS {
                    return Err(UpstreamError::Unreadable);
                }
                self.0.push(part.place());
            }
            [b'{', ..] if depth > 0 => {
                for (name, value) in part.members() {
                    let cached = cached || name.to_ascii_lowercase().contains("cache");
                    self.part(value, cached, depth - 1)?;
                }
            }
            [b'[', ..] if depth > 0 => {
                part.elements().try_for_each(|element| self.part(element, cached, depth - 1))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Bytes of an answer as they came, and the counts in them that are hidden.
pub struct Received {
    bytes: Bytes,
    counts: CachedCounts,
}

impl Received {
    /// Bytes, and the counts that were found in them.
    pub fn new(bytes: Bytes, counts: CachedCounts) -> Self {
        Self { bytes, counts }
    }

    /// What receipts commit to: `*` in place of each hidden count.
    pub fn committed(&self) -> impl Iterator<Item = &[u8]> {
        self.counts.replaced(&self.bytes, b"*")
    }

    /// What the caller gets: 0 in place of each hidden count.
    pub fn shown(&self) -> Bytes {
        match self.counts.is_empty() {
            true => self.bytes.clone(),
            false => self.counts.replaced(&self.bytes, b"0").collect::<Vec<_>>().concat().into(),
        }
    }
}

/// Every body with counts contains this.
const USAGE: &[u8] = b"\"usage\"";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
        String::from_utf8(pieces.collect::<Vec<_>>().concat()).unwrap()
    }

    /// `body` has `*N*` where a number is to be hidden, and numbers without stars that stay.
    fn hides(body: &str) {
        let parts: Vec<_> = body.split('*').collect();
        let with = |by: &str| -> String {
            parts.iter().enumerate().map(|(at, part)| if at % 2 == 1 && by != "N" { by } else { part }).collect()
        };
        let received = with("N");
        for (bytes, counts) in [
            (received.clone(), CachedCounts::of(received.as_bytes()).unwrap()),
            (format!("event: x\r\ndata: {received}\n\n"), {
                CachedCounts::of_event(format!("event: x\r\ndata: {received}\n\n").as_bytes()).unwrap()
            }),
        ] {
            for by in ["0", "*"] {
                let expected = bytes.replace(&received, &with(by));
                assert_eq!(text(counts.replaced(bytes.as_bytes(), by.as_bytes())), expected, "{bytes}");
            }
            assert_eq!(counts.is_empty(), parts.len() == 1);
        }
    }

    #[test]
    fn the_counts_of_every_api_are_hidden() {
        for body in [
            r#"{"choices":[{"message":{"content":"7"}}],"usage":{"prompt_tokens":2006,"prompt_tokens_details":{"cached_tokens": *1920* ,"audio_tokens":5}}}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":9,"cached_tokens":*0*,"prompt_cache_hit_tokens":*1e3*}}"#,
            r#"{"choices":[{"index":0,"delta":{},"usage":{"cached_tokens":*8*}}],"x_groq":{"usage":{"cached_tokens":*8*}}}"#,
            r#"{"object":"response","usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":*32*}}}"#,
            r#"{"type":"response.completed","response":{"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":*32*}}}}"#,
            r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"cache_creation_input_tokens":*4*,"cache_read_input_tokens":*-5*,"cache_creation":{"ephemeral_5m_input_tokens":*6*,"ephemeral_1h_input_tokens":*7*},"output_tokens":1}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9,"cache_read_input_tokens":*12*}}"#,
            r#"{"usage":{"iterations":[{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":*2*}}]}}"#,
            r#"{"u\u0073age":{"c\u0061ched_tokens":*7*,"cachedContentTokenCount":*8*,"cached_content_token_count":*9*}}"#,
        ] {
            hides(body);
        }
    }

    #[test]
    fn nothing_else_changes() {
        for body in [
            r#"{"content":[{"type":"tool_use","input":{"usage":{"cached_tokens":7}}}],"cached_tokens":7}"#,
            r#"{"message":{"content":[{"input":{"usage":{"cached_tokens":7}}}],"message":{"usage":{"cached_tokens":7}}}}"#,
            r#"{"choices":[{"message":{"usage":{"cached_tokens":7},"content":"\"usage\":{\"cached_tokens\":7}"}}]}"#,
            r#"{"usage":{"cached_tokens":"7","cache_read_input_tokens":null,"cached":true,"prompt_tokens":7}}"#,
            r#"{"usage":null}"#,
            r#"{"error":{"message":"no"}}"#,
            r#"[{"usage":{"cached_tokens":7}}]"#,
            "[DONE]",
            "<html>usage</html>",
            "",
        ] {
            hides(body);
        }
    }

    #[test]
    fn a_number_is_found_in_data_of_several_lines() {
        let event = "id: 7\r\ndata: {\"usage\":\r\ndata:{\"cached_tokens\":\ndata:  77}\rdata: }\n\n";
        let counts = CachedCounts::of_event(event.as_bytes()).unwrap();
        assert_eq!(text(counts.replaced(event.as_bytes(), b"*")), event.replace("77", "*"));
    }

    #[test]
    fn counts_that_cannot_be_found_do_not_pass() {
        let deep = |depth: usize| {
            let input = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            format!("{{\"content\":[{{\"input\":{input}}}],\"usage\":{{\"cached_tokens\":7}}}}")
        };
        assert!(!CachedCounts::of(deep(61).as_bytes()).unwrap().is_empty());
        for body in [
            &deep(62),
            r#"{"usage":{"cached_tokens":7,"cached_tokens":8}}"#,
            r#"{"usage":{"cached_tokens":7}"#,
            "{\"usage\":{\"cached_tokens\":7}}\n{}",
        ] {
            assert_eq!(CachedCounts::of(body.as_bytes()), Err(UpstreamError::Unreadable), "{body}");
            let event = format!("data: {}\n\n", body.replace('\n', "\ndata: "));
            assert_eq!(CachedCounts::of_event(event.as_bytes()), Err(UpstreamError::Unreadable), "{body}");
        }
    }

    #[test]
    fn there_are_so_many_counts_and_so_deep() {
        let many = |count: usize| format!("{{\"usage\":{{\"cached\":[{}]}}}}", vec!["7"; count].join(","));
        assert_eq!(
            CachedCounts::of(many(limits::UPSTREAM_COUNTS).as_bytes()).unwrap().0.len(),
            limits::UPSTREAM_COUNTS
        );
        assert_eq!(CachedCounts::of(many(limits::UPSTREAM_COUNTS + 1).as_bytes()), Err(UpstreamError::Unreadable));
        let deep = |depth: usize| format!("{{\"usage\":{}7{}}}", "{\"cached\":".repeat(depth), "}".repeat(depth));
        assert!(!CachedCounts::of(deep(DEPTH).as_bytes()).unwrap().is_empty());
        assert!(CachedCounts::of(deep(DEPTH + 1).as_bytes()).unwrap().is_empty());
    }
}
