//! An event stream in whole events, as SDKs take it.

/// What SDKs take for the end of a stream, whatever follows it in its line.
const DONE: [&[u8]; 2] = [b"data:[DONE]", b"data: [DONE]"];

/// Holds back the event that is not whole yet: were the stream to break inside it, what is said next would be taken for
/// part of it.
#[derive(Default)]
pub(super) struct WholeEvents {
    held: Vec<u8>,
    /// Where in `held` the current line begins.
    line: usize,
    /// The last byte was a CR: an LF that follows belongs to the same line end.
    cr: bool,
    /// An event has come that ends the stream for SDKs. The rest waits until all is proven.
    done: bool,
}

impl WholeEvents {
    /// The events that became whole with `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = 0;
        for &byte in bytes {
            let completes = self.cr && byte == b'\n';
            self.cr = byte == b'\r';
            self.held.push(byte);
            match byte {
                b'\n' if completes => {
                    if whole + 1 == self.held.len() && !self.done {
                        whole += 1;
                    }
                    self.line = self.held.len();
                }
                b'\n' | b'\r' => whole = self.end_line().unwrap_or(whole),
                _ => {}
            }
        }
        self.line -= whole;
        self.held.drain(..whole).collect()
    }

    /// What is left when all is proven.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(self).held
    }

    /// A line has ended with the last byte; says where, when it was the blank one after an event that may pass.
    fn end_line(&mut self) -> Option<usize> {
        let end = self.held.len();
        let line = self.held.get(self.line..end - 1).unwrap_or_default();
        let blank = line.is_empty();
        self.done |= DONE.iter().any(|done| line.starts_with(done));
        self.line = end;
        (blank && !self.done).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_pass_when_they_are_whole_however_the_stream_is_cut() {
        for end in ["\n\n", "\r\n\r\n", "\r\r", "\n\r\n"] {
            let event = format!("event: x\ndata: {{}}{end}");
            let stream = event.repeat(3);
            for size in 1..stream.len() {
                let mut events = WholeEvents::default();
                let mut passed = Vec::new();
                for piece in stream.as_bytes().chunks(size) {
                    passed.extend(events.push(piece));
                    let text = String::from_utf8_lossy(&passed);
                    // An LF may follow the CR that has already ended the event.
                    assert!(text.is_empty() || text.ends_with(end) || text.ends_with(end.trim_end_matches('\n')));
                }
                assert_eq!((&passed[..], events.held.len()), (stream.as_bytes(), 0), "{end:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn an_event_waits_for_its_end() {
        let mut events = WholeEvents::default();
        assert_eq!(events.push(b"data: 1\n\nda"), b"data: 1\n\n");
        assert_eq!(events.push(b"ta: 2\n"), b"");
        assert_eq!(events.push(b"\ndata: 3"), b"data: 2\n\n");
        assert_eq!(events.finish(), b"data: 3");
    }

    #[test]
    fn nothing_that_an_sdk_takes_for_the_end_passes_before_all_is_proven() {
        for done in ["data: [DONE]\n\n", "data:[DONE]\r\n\r\n", "data: [DONE] \n\n", "data: [DONE]x\nid: 1\n\n"] {
            let mut events = WholeEvents::default();
            let stream = format!("data: 1\n\n{done}data: 2\n\n");
            assert_eq!(events.push(stream.as_bytes()), b"data: 1\n\n", "{done:?}");
            assert_eq!(events.push(b"data: 3\n\n"), b"");
            assert_eq!(events.finish(), format!("{done}data: 2\n\ndata: 3\n\n").as_bytes());
        }
    }
}
