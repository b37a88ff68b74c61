//! Answers that hyper would not write: invalid HTTP, byte by byte.

use std::iter;

use hyper::HeaderMap;
use hyper::body::Bytes;

use crate::{Notice, TRAILER};

/// Bytes for the wire, made when they are written.
pub(crate) type Chunks = Box<dyn Iterator<Item = Bytes> + Send>;

const FRAME: usize = 16_384;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// Returns an HTTP/1.1 header with endless fields.
pub(crate) fn endless_fields() -> Chunks {
    let fields = (0_u64..).map(|number| Bytes::from(format!("x-field-{number}: value\r\n")));
    Box::new(iter::once(Bytes::from_static(b"HTTP/1.1 200 OK\r\n")).chain(fields))
}

/// Returns an HTTP/1.1 header with one endless field.
pub(crate) fn endless_field() -> Chunks {
    let head = Bytes::from_static(b"HTTP/1.1 200 OK\r\nx-field: ");
    Box::new(iter::once(head).chain(iter::repeat(Bytes::from_static(&[b'x'; FRAME]))))
}

/// Returns endless fields for the HTTP/2 stream of a connection's `request`-th request, in CONTINUATION frames.
pub(crate) fn endless_fields_h2(request: u32) -> Chunks {
    // Literals without indexing. Names and values are shorter than 127 bytes, so their lengths take one byte.
    let block: Bytes = (0_u32..500).flat_map(|number| literal(&format!("x-field-{number}"), b"value")).collect();
    blocks(request, iter::repeat(block))
}

/// Returns one field with an announced length of 256 MiB, the maximum of some decoders.
pub(crate) fn endless_field_h2(request: u32) -> Chunks {
    let mut start = literal("x-field", b"");
    start.pop();
    start.extend([0x7f, 0xff, 0xff, 0xff, 0x7f]);
    blocks(request, iter::once(start.into()).chain(iter::repeat(Bytes::from_static(&[b'x'; FRAME]))))
}

/// Returns the frames that say that a connection's `request`-th request was not processed.
pub(crate) fn unprocessed(request: u32, by: Notice) -> Chunks {
    let frame = match by {
        // No last stream, and no error.
        Notice::GoAway => frame(GOAWAY, 0, &[0; 8]),
        // GOAWAY announces the end of the connection, too. Otherwise a later request on it could be lost.
        Notice::RefusedStream => {
            let stream = 2 * request + 1;
            let last = [&stream.to_be_bytes()[..], &[0; 4]].concat();
            [frame(RST_STREAM, stream, &[0, 0, 0, 7]), frame(GOAWAY, 0, &last)].concat().into()
        }
    };
    Box::new(iter::once(frame))
}

/// Returns `:status: 200` and pieces of a header block without the last one.
fn blocks(request: u32, pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Chunks {
    // Clients number their streams 1, 3, 5 and so on.
    let stream = 2 * request + 1;
    let status = frame(HEADERS, stream, &[0x88]);
    Box::new(iter::once(status).chain(pieces.map(move |piece| frame(CONTINUATION, stream, &piece))))
}

fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    [&[0, length(name.as_bytes())], name.as_bytes(), &[length(value)], value].concat()
}

fn frame(kind: u8, stream: u32, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, 0], &stream.to_be_bytes(), payload].concat().into()
}

/// Returns a chunked HTTP/1.1 answer with [`TRAILER`]. hyper sends trailers only to clients that request them.
pub(crate) fn with_trailer(headers: &HeaderMap, body: impl Iterator<Item = Bytes> + Send + 'static) -> Chunks {
    let mut head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n".to_vec();
    for (name, value) in headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(format!("trailer: {}\r\n\r\n", TRAILER.0).bytes());
    let chunks = body.map(|bytes| [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat().into());
    let end = format!("0\r\n{}: {}\r\n\r\n", TRAILER.0, TRAILER.1);
    Box::new(iter::once(head.into()).chain(chunks).chain(iter::once(end.into())))
}
