//! A provider's event stream is read the same way however it is cut, and what passes has no record of a node's in it.
#![no_main]

use quoth_attestation::record::{Piece, Splitter};
use quoth_enclave::upstream::{EventReader, Framed, UpstreamError};

/// Events that pass, the one that ends the stream apart, and how it ends.
type Whole = (Vec<u8>, Vec<u8>, Result<(), UpstreamError>);

fn read<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Whole {
    let (mut reader, mut passed, mut last) = (EventReader::default(), Vec::new(), Vec::new());
    let mut go = || -> Result<(), UpstreamError> {
        for part in parts {
            reader.push(part)?;
            while let Some(Framed { bytes, terminal }) = reader.event()? {
                if terminal { &mut last } else { &mut passed }.extend_from_slice(&bytes);
            }
        }
        reader.finish()
    };
    let end = go();
    // Whether it is seen before or after an event that is held back anyway depends on the cuts.
    if end.is_err() {
        last.clear();
    }
    (passed, last, end)
}

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let whole = read([stream].into_iter());
    assert_eq!(whole, read(stream.chunks(usize::from(size).max(1))));
    let (passed, last, end) = whole;
    assert!(stream.starts_with(&passed));
    if end.is_ok() {
        assert_eq!([&passed[..], &last].concat(), stream);
    }
    let (mut splitter, mut pieces) = (Splitter::new(), Vec::new());
    splitter.push(&passed, &mut pieces).unwrap();
    assert!(pieces.iter().all(|piece| matches!(piece, Piece::Body(_))));
});
