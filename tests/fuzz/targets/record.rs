//! A stream splits into the same parts however it is cut, and the parts join to the same stream.
#![no_main]

use quoth_attestation::FormatError;
use quoth_attestation::record::{Kind, Piece, Splitter, encode};

type Whole = (Vec<u8>, Vec<(Kind, Vec<u8>, u64)>);

fn split<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Result<Whole, FormatError> {
    let (mut splitter, mut pieces) = (Splitter::new(), Vec::new());
    for part in parts {
        splitter.push(part, &mut pieces)?;
    }
    let rest = splitter.finish()?;
    let (mut body, mut records) = (Vec::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Body(bytes) => body.extend(bytes),
            Piece::Record { kind, bytes, offset } => {
                assert_eq!(offset, body.len() as u64);
                records.push((kind, bytes, offset));
            }
        }
    }
    body.extend(rest);
    Ok((body, records))
}

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let whole = split([stream].into_iter());
    assert_eq!(whole, split(stream.chunks(usize::from(size).max(1))));
    if let Ok((body, records)) = whole {
        let (mut again, mut at) = (Vec::<u8>::new(), 0);
        for (kind, bytes, offset) in records {
            again.extend(&body[at..offset as usize]);
            again.extend(encode(kind, &bytes).as_bytes());
            at = offset as usize;
        }
        again.extend(&body[at..]);
        assert_eq!(again, stream);
    }
});
