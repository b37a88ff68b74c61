//! An event stream (WHATWG HTML §9.2) as it passes: whole events only, byte for byte, so that a record of this node's can
//! stand between any two of them, and nothing that imitates one.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use quoth_attestation::record::ends_stream;

use super::{Seen, UpstreamError};
use crate::limits;

/// Cuts a stream into events.
#[derive(Default)]
pub struct EventReader {
    buffer: BytesMut,
    /// Bytes of the buffer that are whole lines of the event under way.
    lines: usize,
    /// Bytes of the buffer in which no line ends but those.
    searched: usize,
    /// Whether some event has ended the stream.
    ended: bool,
    /// What was seen of the answer.
    pub seen: Seen,
}

/// A whole event with the blank line behind it.
pub struct Framed {
    /// As received.
    pub bytes: Bytes,
    /// Whether it ends the stream.
    pub terminal: bool,
}

impl EventReader {
    /// Takes bytes from the provider.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), UpstreamError> {
        match (self.ended, self.buffer.len() + bytes.len() > limits::UPSTREAM_EVENT) {
            (true, _) if !bytes.is_empty() => Err(UpstreamError::AfterEnd),
            (_, true) => Err(UpstreamError::TooLong),
            _ => {
                self.buffer.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The next whole event, if there is one.
    pub fn event(&mut self) -> Result<Option<Framed>, UpstreamError> {
        while let Some((line, end)) = self.line() {
            if imitates(&self.buffer[line.clone()]) {
                return Err(UpstreamError::Imitation);
            }
            self.lines = end;
            if !line.is_empty() {
                continue;
            }
            (self.lines, self.searched) = (0, 0);
            let bytes = self.buffer.split_to(end).freeze();
            let terminal = self.look(&bytes)?;
            self.ended |= terminal;
            return match self.ended && !self.buffer.is_empty() {
                true => Err(UpstreamError::AfterEnd),
                false => Ok(Some(Framed { bytes, terminal })),
            };
        }
        Ok(None)
    }

    /// Bytes of an event that is not whole yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The provider has closed the stream: whether it had come to its end.
    pub fn finish(&self) -> Result<(), UpstreamError> {
        if self.ended { Ok(()) } else { Err(UpstreamError::Cut) }
    }

    /// The line after those that were looked at, without its end, and where the next one begins.
    fn line(&mut self) -> Option<(Range<usize>, usize)> {
        let from = self.searched.max(self.lines);
        let found = self.buffer[from..].iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        self.searched = found.map_or(self.buffer.len(), |found| from + found);
        let at = from + found?;
        let end = match (self.buffer[at], self.buffer.get(at + 1)) {
            (b'\r', Some(b'\n')) => at + 2,
            // The other half of a line's end may be under way.
            (b'\r', None) => return None,
            _ => at + 1,
        };
        Some((self.lines..at, end))
    }

    /// Takes note of an event; whether it ends the stream.
    fn look(&mut self, event: &[u8]) -> Result<bool, UpstreamError> {
        let text = std::str::from_utf8(event).map_err(|_| UpstreamError::Malformed)?;
        let (mut data, mut terminal) = (None::<Cow<'_, str>>, false);
        for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
            terminal |= ends_stream(line.as_bytes());
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match (field, &mut data) {
                ("data", None) => data = Some(value.into()),
                ("data", Some(data)) => data.to_mut().extend(["\n", value]),
                // A comment, or what tells nothing of the answer.
                ("" | "event" | "id" | "retry", _) => {}
                _ => return Err(UpstreamError::Malformed),
            }
        }
        self.seen.note(data.unwrap_or_default().as_bytes());
        Ok(terminal)
    }
}

/// A comment that a careless reader could take for a record.
fn imitates(line: &[u8]) -> bool {
    line.strip_prefix(b":").is_some_and(|comment| comment.trim_ascii_start().starts_with(b"quoth"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<(Bytes, bool)>, UpstreamError> {
        let (mut reader, mut events) = (EventReader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece)?;
            while let Some(event) = reader.event()? {
                events.push((event.bytes, event.terminal));
            }
        }
        reader.finish().map(|()| events)
    }

    const STREAM: &[u8] = b": hello\r\n\r\ndata: {\"model\":\"m\"}\n\nevent: x\rdata: 1\r\rdata: [DONE]\n\n";

    #[test]
    fn events_come_out_whole_and_byte_for_byte() {
        let events = read(&[STREAM]).unwrap();
        let found: Vec<_> = events.iter().map(|(bytes, terminal)| (&bytes[..], *terminal)).collect();
        assert_eq!(found[0], (&b": hello\r\n\r\n"[..], false));
        assert_eq!(found[1], (&b"data: {\"model\":\"m\"}\n\n"[..], false));
        assert_eq!(found[2], (&b"event: x\rdata: 1\r\r"[..], false));
        assert_eq!(found[3], (&b"data: [DONE]\n\n"[..], true));
    }

    #[test]
    fn every_apis_end_is_known_and_a_stream_without_one_is_cut() {
        for end in ["message_stop", "response.completed", "response.failed", "response.incomplete"] {
            let stream = format!("event: {end}\ndata: {{}}\n\n");
            assert!(read(&[stream.as_bytes()]).unwrap()[0].1, "{end}");
        }
        for cut in [&b""[..], b"data: 1\n\n", b"data: [DONE]\n", b"data: [DONE]"] {
            assert_eq!(read(&[cut]), Err(UpstreamError::Cut));
        }
    }

    #[test]
    fn nothing_that_imitates_a_record_passes() {
        for line in [": quoth receipt AAAA", ":quoth", ":  quoth checkpoint"] {
            for (before, end) in [("", "\n"), ("data: 1\n\n", "\r"), ("data: 1\r", "\r\n"), ("data: 1\r\n", "\n")] {
                let stream = format!("{before}{line}{end}\n");
                assert_eq!(read(&[stream.as_bytes()]), Err(UpstreamError::Imitation), "{stream:?}");
            }
        }
        assert!(read(&[b"data: : quoth receipt\n\ndata: [DONE]\n\n"]).is_ok());
    }

    #[test]
    fn what_is_no_stream_of_events_is_refused() {
        assert_eq!(read(&[b"<html>\n\n"]), Err(UpstreamError::Malformed));
        assert_eq!(read(&[b"data: \xff\n\n"]), Err(UpstreamError::Malformed));
        assert_eq!(read(&[b"data: [DONE]\n\ndata: more\n\n"]), Err(UpstreamError::AfterEnd));
        assert_eq!(read(&[b"data: [DONE]\n\n", b"\n"]), Err(UpstreamError::AfterEnd));
    }

    #[test]
    fn an_event_has_a_limit() {
        let event = |length: usize| [&vec![b'x'; length][..]].concat();
        let mut reader = EventReader::default();
        assert_eq!(reader.push(&event(limits::UPSTREAM_EVENT)), Ok(()));
        assert_eq!(reader.push(b"x"), Err(UpstreamError::TooLong));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(cuts in proptest::collection::vec(0..STREAM.len(), 0..6)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &STREAM[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[STREAM]));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), end in any::<bool>()) {
            let _ = read(&[&bytes, if end { b"\n\n" } else { b"" }]);
        }
    }
}
