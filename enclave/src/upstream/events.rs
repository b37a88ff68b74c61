//! Cuts a provider's event stream (WHATWG HTML §9.2) into whole events, byte for byte, so that this node's records can
//! stand between any two. Refuses events that imitate a record.

use bytes::{Buf, Bytes, BytesMut};
use quoth_attestation::events::{Ambiguous, End, Event, MARK, Scanner};

use super::UpstreamError;
use crate::limits;

/// Cuts a stream into events, up to the one that ends it.
#[derive(Default)]
pub struct EventReader {
    scanner: Scanner,
    buffer: BytesMut,
    /// Bytes of the buffer that have been scanned.
    scanned: usize,
    /// An event that ended with a CR. An LF that belongs to it may follow.
    whole: Option<Event>,
    /// The body has ended.
    closed: bool,
    end: Option<End>,
}

/// A whole event with the blank line behind it.
pub struct Framed {
    /// As received, without a byte order mark.
    pub bytes: Bytes,
    /// How the event ends the stream, if it does.
    pub end: Option<End>,
}

impl EventReader {
    /// Takes bytes from the provider. Bytes after the end are dropped.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), UpstreamError> {
        if self.end.is_some() {
            return Ok(());
        }
        if bytes.len() > limits::UPSTREAM_EVENT - self.buffer.len() {
            return Err(UpstreamError::TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Notes that the body has ended properly. An event that waited for this is now complete.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The next whole event, if there is one.
    pub fn event(&mut self) -> Result<Option<Framed>, UpstreamError> {
        let Some(event) = self.scan()? else { return Ok(None) };
        let mut bytes = self.split().freeze();
        if bytes.starts_with(MARK) {
            bytes.advance(MARK.len());
        }
        if !event.standard || std::str::from_utf8(&bytes).is_err() {
            return Err(UpstreamError::Malformed);
        }
        if lines(&bytes).any(imitates) {
            return Err(UpstreamError::Imitation);
        }
        self.end = event.end;
        if self.end.is_some() {
            self.buffer = BytesMut::new();
        }
        Ok(Some(Framed { bytes, end: event.end }))
    }

    /// Whether the event that ends the stream waits for an LF, which may never come.
    pub fn end_waits(&self) -> bool {
        self.whole.is_some_and(|event| event.end.is_some())
    }

    /// Takes what was scanned out of the buffer. An empty buffer starts anew: cut into events, one allocation would stay for
    /// as long as its last event, in thousands of streams.
    fn split(&mut self) -> BytesMut {
        let scanned = std::mem::take(&mut self.scanned);
        if scanned == self.buffer.len() { std::mem::take(&mut self.buffer) } else { self.buffer.split_to(scanned) }
    }

    /// Buffered bytes of an event that is not whole yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// How an event has ended the stream.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Looks for the end of the next event, with the LF that may belong to it.
    fn scan(&mut self) -> Result<Option<Event>, UpstreamError> {
        let event = match self.whole.take() {
            Some(event) => event,
            None => {
                let (taken, event) = self.scanner.scan(self.buffer.get(self.scanned..).unwrap_or_default())?;
                self.scanned += taken;
                let Some(event) = event else { return Ok(None) };
                event
            }
        };
        if self.scanner.after_cr() {
            match self.buffer.get(self.scanned) {
                Some(b'\n') => self.scanned += self.scanner.scan(b"\n")?.0,
                None if !self.closed => {
                    self.whole = Some(event);
                    return Ok(None);
                }
                _ => {}
            }
        }
        Ok(Some(event))
    }
}

impl From<Ambiguous> for UpstreamError {
    fn from(_: Ambiguous) -> Self {
        Self::Ambiguous
    }
}

/// The lines of an event, and empty ones between CR and LF.
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.split(|byte| matches!(byte, b'\r' | b'\n'))
}

/// The values of an event's `data` fields, each with its start in the event.
pub(super) fn data(event: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = 0;
    lines(event).filter_map(move |line| {
        let end = next + line.len();
        next = end + 1;
        let value = line.strip_prefix(b"data:")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        Some((end - value.len(), value))
    })
}

/// Whether a line is a comment that a careless reader could take for a record.
fn imitates(line: &[u8]) -> bool {
    line.strip_prefix(b":").is_some_and(|comment| comment.trim_ascii_start().starts_with(b"quoth"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    type Read = Result<Vec<(Bytes, Option<End>)>, UpstreamError>;

    /// The events of a stream whose body comes to a proper end.
    fn read(pieces: &[&[u8]]) -> Read {
        let (mut reader, mut events) = (EventReader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece)?;
            while let Some(event) = reader.event()? {
                events.push((event.bytes, event.end));
            }
        }
        reader.close();
        while let Some(event) = reader.event()? {
            events.push((event.bytes, event.end));
        }
        Ok(events)
    }

    /// The bytes that pass of a stream, the event that ends it apart.
    fn passed(stream: &str) -> Result<(String, String), UpstreamError> {
        let (last, others): (Vec<_>, Vec<_>) =
            read(&[stream.as_bytes()])?.into_iter().partition(|(_, end)| end.is_some());
        let text = |events: Vec<(Bytes, Option<End>)>| {
            events.iter().map(|(bytes, _)| std::str::from_utf8(bytes).unwrap()).collect::<String>()
        };
        Ok((text(others), text(last)))
    }

    const STREAM: &[u8] = b": hello\r\n\r\ndata: {\"model\":\"m\"}\n\nevent: x\rdata: 1\r\rdata: [DONE]\n\n: bye";

    #[test]
    fn events_come_out_whole_and_byte_for_byte() {
        let events = read(&[STREAM]).unwrap();
        let found: Vec<_> = events.iter().map(|(bytes, end)| (&bytes[..], *end)).collect();
        assert_eq!(found[0], (&b": hello\r\n\r\n"[..], None));
        assert_eq!(found[1], (&b"data: {\"model\":\"m\"}\n\n"[..], None));
        assert_eq!(found[2], (&b"event: x\rdata: 1\r\r"[..], None));
        assert_eq!(found[3], (&b"data: [DONE]\n\n"[..], Some(End::Terminal)));
    }

    #[test]
    fn what_follows_the_end_is_dropped() {
        for end in [
            "data: [DONE]\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            "data: {\"error\":{}}\r\n\r\n",
        ] {
            for after in [
                "\n",
                "\n\n",
                ": bye\n\n",
                "event: ping\ndata: {\"type\":\"ping\"}\n\n",
                "data: [DONE]\n\n",
                "<html>",
                ": quoth receipt AAAA\n\n",
            ] {
                assert_eq!(
                    passed(&format!("data: 1\n\n{end}{after}")),
                    Ok(("data: 1\n\n".into(), end.into())),
                    "{after:?}"
                );
            }
        }
        let mut reader = EventReader::default();
        reader.push(b"data: [DONE]\n\n").unwrap();
        assert_eq!(reader.event().unwrap().unwrap().end, Some(End::Terminal));
        for _ in 0..2 {
            reader.push(&vec![b'x'; limits::UPSTREAM_EVENT]).unwrap();
            assert!(reader.event().unwrap().is_none());
        }
        assert_eq!((reader.end(), reader.buffer.len()), (Some(End::Terminal), 0), "nothing of it is held");
    }

    #[test]
    fn an_end_that_waits_for_a_line_feed_says_so() {
        for stream in ["data: [DONE]\r\r", "data: [DONE]\r\n\r", "data: {\"error\":{}}\r\r"] {
            let mut reader = EventReader::default();
            reader.push(stream.as_bytes()).unwrap();
            assert!(!reader.end_waits() && reader.event().unwrap().is_none() && reader.end_waits(), "{stream:?}");
            reader.close();
            assert!(reader.event().unwrap().unwrap().end.is_some() && !reader.end_waits(), "{stream:?}");
        }
        let mut reader = EventReader::default();
        reader.push(b"data: 1\r\r").unwrap();
        assert!(reader.event().unwrap().is_none() && !reader.end_waits());
    }

    #[test]
    fn a_cr_that_ends_the_body_ends_its_event() {
        for stream in ["data: [DONE]\r\r", "data: [DONE]\n\r", "data: [DONE]\r\n\r\n", "data: [DONE]\r\n\r"] {
            assert_eq!(passed(stream), Ok((String::new(), stream.into())), "{stream:?}");
            let bytes: Vec<_> = stream.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes), read(&[stream.as_bytes()]), "{stream:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(
            passed("\u{feff}data: {}\n\ndata: [DONE]\n\n"),
            Ok(("data: {}\n\n".into(), "data: [DONE]\n\n".into()))
        );
        assert_eq!(passed("\u{feff}data: [DONE]\n\n"), Ok((String::new(), "data: [DONE]\n\n".into())));
        assert_eq!(passed("data: 1\n\n\u{feff}data: 2\n\n"), Err(UpstreamError::Ambiguous));
    }

    #[test]
    fn an_event_without_its_end_is_none() {
        for cut in ["", "data: 1\n\n", "data: [DONE]\n", "data: [DONE]", "data: [DONE]\r"] {
            assert!(read(&[cut.as_bytes()]).unwrap().iter().all(|(_, end)| end.is_none()), "{cut:?}");
        }
    }

    #[test]
    fn nothing_that_imitates_a_record_passes() {
        for line in [": quoth receipt AAAA", ":quoth", ":  quoth checkpoint"] {
            for (before, end) in [("", "\n"), ("data: 1\n\n", "\r"), ("data: 1\r", "\r\n"), ("data: 1\r\n", "\n")] {
                let stream = format!("{before}{line}{end}\n\n");
                assert_eq!(read(&[stream.as_bytes()]), Err(UpstreamError::Imitation), "{stream:?}");
            }
        }
        assert_eq!(read(&[b"\xEF\xBB\xBF: quoth receipt A\n\n"]), Err(UpstreamError::Imitation));
        assert!(read(&[b"data: : quoth receipt\n\ndata: [DONE]\n\n"]).is_ok());
    }

    #[test]
    fn what_is_no_stream_of_events_is_refused() {
        assert_eq!(read(&[b"<html>\n\n"]), Err(UpstreamError::Malformed));
        assert_eq!(read(&[b"data: \xff\n\n"]), Err(UpstreamError::Malformed));
        let differs = b"event: message_delta\ndata: {\"type\":\"message_stop\"}\n\n";
        assert_eq!(read(&[differs]), Err(UpstreamError::Ambiguous));
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
