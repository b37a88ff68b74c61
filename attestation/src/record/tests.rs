//! Records in streams, however the network cuts them.
#![allow(clippy::unwrap_used)]

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{Kind, MAX_BYTES, Piece, Splitter, encode};
use crate::FormatError;

/// All pieces of a stream, neighbouring body pieces joined.
fn split(chunks: &[&[u8]]) -> Result<Vec<Piece>, FormatError> {
    let mut splitter = Splitter::new();
    let mut pieces = Vec::new();
    for chunk in chunks {
        splitter.push(chunk, &mut pieces)?;
    }
    let rest = splitter.finish()?;
    if !rest.is_empty() {
        pieces.push(Piece::Body(rest));
    }
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Body(last)), Piece::Body(next)) => last.extend(next),
            (_, piece) => joined.push(piece),
        }
    }
    Ok(joined)
}

fn record(kind: Kind, bytes: &[u8], offset: u64) -> Piece {
    Piece::Record { kind, bytes: bytes.to_vec(), offset }
}

#[test]
fn records_are_taken_out_and_the_body_stays_whole() {
    let stream = [
        encode(Kind::Checkpoint, b"zero").as_bytes(),
        b"data: a\n\n",
        encode(Kind::Checkpoint, b"one").as_bytes(),
        encode(Kind::Receipt, b"two").as_bytes(),
        b"data: [DONE]\n\n",
    ]
    .concat();
    let expected = [
        record(Kind::Checkpoint, b"zero", 0),
        Piece::Body(b"data: a\n\n".to_vec()),
        record(Kind::Checkpoint, b"one", 9),
        record(Kind::Receipt, b"two", 9),
        Piece::Body(b"data: [DONE]\n\n".to_vec()),
    ];
    assert_eq!(split(&[&stream]).unwrap(), expected);
}

#[test]
fn lines_may_end_with_lf_cr_or_crlf() {
    for end in ["\n", "\r", "\r\n"] {
        let body = alloc::format!("data: a{end}{end}");
        let stream = alloc::format!("{body}{}", encode(Kind::Receipt, b"r"));
        let expected = [Piece::Body(body.clone().into_bytes()), record(Kind::Receipt, b"r", body.len() as u64)];
        assert_eq!(split(&[stream.as_bytes()]).unwrap(), expected);
    }
}

#[test]
fn what_looks_like_a_record_and_is_none_is_refused() {
    for stream in [
        "data: a\n: quoth receipt AA\n\n",    // not after a blank line
        ":quoth receipt AA\n\n",              // no space
        ": quoth receipt AA\r\n\r\n",         // other line ends
        ": quoth receipt AA=\n\n",            // padding
        ": quoth receipt A\n\n",              // no whole byte
        ": quoth receipt AB\n\n",             // bits that belong to no byte
        ": quoth receipt  AA\n\n",            // two spaces
        ": quoth Receipt AA\n\n",             // another kind
        ": quoth receipt AA\ndata: more\n\n", // more lines in the event
        ": quothe\n\n",
        ": quoth receipt AA\n", // cut
        "\r: quoth receipt AA", // cut
    ] {
        let error = split(&[stream.as_bytes()]).unwrap_err();
        assert_eq!(error.code(), "format.record", "{stream:?}");
    }
}

#[test]
fn other_comments_are_body() {
    for stream in [": ping\n\n", ":\n\n", ": quot\n\n", ":q", "data: : quoth receipt AA\n\n", ":  quoth x\n\n"] {
        assert_eq!(split(&[stream.as_bytes()]).unwrap(), [Piece::Body(stream.as_bytes().to_vec())]);
    }
}

#[test]
fn a_record_has_a_limit() {
    let fits = |body: usize| {
        let mut stream = b": quoth receipt ".to_vec();
        stream.resize(body - 2, b'A');
        stream.extend(b"\n\n");
        split(&[&stream])
    };
    // A length of 2 modulo 4 base64 characters is always possible: 16 + 4 n + 2.
    assert!(fits(MAX_BYTES - 2).is_ok());
    assert!(fits(MAX_BYTES + 2).is_err());
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"data: x".to_vec()),
        Just(b"".to_vec()),
        Just(b": ping".to_vec()),
        Just(b": quo".to_vec()),
        Just(b":".to_vec()),
        "[a-z: ]{0,8}".prop_map(|text| text.into_bytes()),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![Just(&b"\n"[..]), Just(&b"\r"[..]), Just(&b"\r\n"[..])];
    let part = prop_oneof![
        3 => (line(), end).prop_map(|(line, end)| [&line[..], end].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| {
            [b"\n\n", encode(Kind::Checkpoint, &bytes).as_bytes()].concat()
        }),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_cuts_of_a_stream_do_not_matter(stream in stream(), cuts in prop::collection::vec(0usize..400, 0..8)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (stream.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks: Vec<&[u8]> = vec![];
        let mut from = 0;
        for cut in cuts {
            chunks.push(&stream[from..cut]);
            from = cut;
        }
        chunks.push(&stream[from..]);
        prop_assert_eq!(split(&chunks), split(&[&stream]));
    }

    #[test]
    fn any_bytes_are_safe(bytes: Vec<u8>) {
        let _ = split(&[&bytes]);
    }
}
