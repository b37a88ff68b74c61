//! A provider's event stream is read the same way however it is split.
//!
//! The passed events contain no record of a node, and a verifier finds the same end as the node.
#![no_main]

use quoth_attestation::events::{End, MARK, Scanner};
use quoth_attestation::record::{Piece, Splitter};
use quoth_enclave::upstream::{EventReader, Framed, UpstreamError};

/// The passed events, the event that ends the stream, and how it ends.
type Whole = (Vec<u8>, Vec<u8>, Result<Option<End>, UpstreamError>);

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Whole {
    let (mut reader, mut passed, mut last) = (EventReader::default(), Vec::new(), Vec::new());
    let go = || -> Result<Option<End>, UpstreamError> {
        let mut parts = parts.fuse();
        let mut closed = false;
        while !closed {
            match parts.next() {
                Some(part) => reader.push(part)?,
                None => {
                    reader.close();
                    closed = true;
                }
            }
            while let Some(Framed { bytes, end }) = reader.event()? {
                assert!(last.is_empty(), "nothing follows the end");
                if end.is_some() { &mut last } else { &mut passed }.extend_from_slice(&bytes);
            }
        }
        Ok(reader.end())
    };
    let end = go();
    (passed, last, end)
}

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let whole = read([stream].into_iter());
    assert_eq!(whole, read(stream.chunks(usize::from(size).max(1))));
    let (passed, last, end) = whole;
    let body = [&passed[..], &last].concat();
    assert!(stream.strip_prefix(MARK).unwrap_or(stream).starts_with(&body));
    let (mut splitter, mut pieces) = (Splitter::new(), Vec::new());
    splitter.push(&body, &mut pieces).unwrap();
    assert!(pieces.iter().all(|piece| matches!(piece, Piece::Body(_))));

    let (mut scanner, mut at) = (Scanner::default(), 0);
    while at < body.len() {
        let (taken, event) = scanner.scan(&body[at..]).unwrap();
        at += taken;
        let found = event.and_then(|event| event.end);
        // The LF of a CRLF belongs to the event that its CR has ended.
        let is_last = at == body.len() || scanner.after_cr() && body[at..] == *b"\n";
        assert_eq!(found, end.ok().flatten().filter(|_| event.is_some() && is_last));
    }
});
