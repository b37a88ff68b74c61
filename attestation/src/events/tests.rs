//! Where events end, and what each of them says.
#![allow(clippy::unwrap_used)]
use alloc::vec::Vec;
use alloc::{format, vec};

use proptest::prelude::*;

use super::*;

const TERMINAL_END: Option<End> = Some(End::Terminal);
const ERROR_END: Option<End> = Some(End::Error);

/// Offsets at which events end, and how each ends the stream; or the fault that comes first.
fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<(usize, Event)>, Ambiguous> {
    let (mut scanner, mut events, mut offset) = (Scanner::default(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, event) = scanner.scan(rest)?;
            offset += taken;
            events.extend(event.map(|event| (offset, event)));
            assert!(taken == rest.len() || event.is_some());
            rest = &rest[taken..];
        }
    }
    Ok(events)
}

fn ends(stream: &str) -> Vec<(usize, Option<End>)> {
    scan([stream.as_bytes()]).unwrap().into_iter().map(|(at, event)| (at, event.end)).collect()
}

/// How a stream of one event ends.
fn end(event: &str) -> Result<Option<End>, Ambiguous> {
    let events = scan([event.as_bytes()])?;
    assert_eq!(events.len(), 1, "{event:?}");
    Ok(events[0].1.end)
}

#[test]
fn events_end_at_blank_lines_of_any_kind() {
    let ends = |stream| ends(stream).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    // The LF of a CRLF comes after the end, and belongs to it.
    assert_eq!(ends("data: a\n\ndata: b\r\rdata: c\r\n\r\ndata: d\n\n"), [9, 18, 28, 38]);
    assert_eq!(ends("data: a\ndata: b\n"), []);
    assert_eq!(ends("\n"), [1]);
    assert_eq!(ends("\r\n\n"), [1, 3]);
    assert_eq!(ends("\u{feff}\n"), [4]);
    assert_eq!(ends("data: a\n\r\n"), [9]);
}

#[test]
fn every_api_has_an_end() {
    for event in [
        "data: [DONE]\n\n",
        "data:[DONE]\r\n\r",
        "\u{feff}data: [DONE]\n\n",
        ": c\nid: 1\nretry: 2\nevent: x\ndata: [DONE]\n\n",
        "event: message_stop\ndata: {}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
        "event:response.completed\rdata:{\"x\":{\"type\":\"y\"},\"type\":\"response.completed\"}\r\r",
        "event: response.failed\n\n",
        "data: {\"type\": \"response.incomplete\", \"response\": {}}\n\n",
    ] {
        assert_eq!(end(event), Ok(TERMINAL_END), "{event:?}");
    }
    for event in [
        "data: {\"choices\":[]}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"type\":\"message_stop\"}}\n\n",
        "data: {\"x\":\"data: [DONE]\"}\n\n",
        "data: {\"x\":[{\"type\":\"message_stop\",\"error\":1}]}\n\n",
        "data: [{\"type\":\"message_stop\"}]\n\n",
        "data: \"message_stop\"\n\n",
        "data: {\"typ\":\"message_stop\"}\n\n",
        "data: {\"type\":[\"message_stop\"]}\n\n",
        "data: {\"a\":\"type\",\"b\":\"message_stop\"}\n\n",
        "data: {\"a\":\"\\\"type\\\":\",\"b\":\"\\\\\"}\n\n",
        "data: {}{\"type\":\"message_stop\"}\n\n",
        "data: x[DONE]\n\n",
        "data: [DON\ndata: E]\n\n",
        ": [DONE]\n\n",
        "id: message_stop\n\n",
        "data : [DONE]\n\n",
        "event: message\n\n",
        "event\n\n",
        "\n",
    ] {
        assert_eq!(end(event), Ok(None), "{event:?}");
    }
}

#[test]
fn what_any_sdk_could_take_for_an_end_is_one() {
    for event in [
        "data: [DONE] \n\n",
        "data: [DONE]x\nid: 1\n\n",
        "data:  \t[DONE]\n\n",
        "data:\ndata: [DONE]\n\n",
        "data: [done]\n\n",
        "event:  Message_Stop \n\n",
        "event: a\nevent\ndata: 1\n\ndata: [DONE]\n\n",
        "data: {\"\\u0074ype\":\"message\\u005fstop\"}\n\n",
        "data: {\"type\":\ndata: \"message_stop\"\ndata: }\n\n",
        "data:{ \"type\" : \"message_stop\" }\n\n",
        "event:\ndata: {\"type\":\"message_stop\"}\n\n",
        "event\ndata: {\"type\":\"message_stop\"}\n\n",
        "data: {\"type\":\"message_stop\",\"x\":\n\n",
    ] {
        let first = scan([event.as_bytes()]).map(|events| events.last().unwrap().1.end);
        match event.starts_with("event: a") {
            true => assert_eq!(first, Err(Ambiguous::Repeated)),
            false => assert_eq!(first, Ok(TERMINAL_END), "{event:?}"),
        }
    }
}

#[test]
fn an_error_that_sdks_raise_ends_a_stream() {
    for value in
        ["{}", "{\"message\":\"m\"}", "[]", "\"m\"", "\"\\n\"", "true", "1", "-0.5", "10", "0.0e0,\"error2\":1,\"x\":2"]
    {
        let expected = if value.starts_with("0.0e0") { None } else { ERROR_END };
        for event in [
            format!("data: {{\"error\":{value}}}\n\n"),
            format!("event: x\ndata: {{\"a\":[1,{{}}],\"error\" : {value} ,\"b\":\"c\"}}\n\n"),
            format!("data: {{\"err\\u006fr\":{value}}}\n\n"),
        ] {
            assert_eq!(end(&event), Ok(expected), "{event:?}");
        }
    }
    for value in ["null", "false", "0", "-0", "0.00", "0E9", "\"\""] {
        assert_eq!(end(&format!("data: {{\"error\":{value},\"x\":\"1\",\"y\":2}}\n\n")), Ok(None), "{value}");
        assert_eq!(end(&format!("data: {{\"error\": {value} }}\n\n")), Ok(None), "{value}");
        let stop = format!("data: {{\"error\":{value},\"type\":\"message_stop\"}}\n\n");
        assert_eq!(end(&stop), Ok(TERMINAL_END), "{value}");
    }
    for event in ["event: error\n\n", "data: {\"type\":\"error\"}\n\n", "event: error\ndata: {\"type\":\"error\"}\n\n"]
    {
        assert_eq!(end(event), Ok(ERROR_END), "{event:?}");
    }
    assert_eq!(end("data: {\"error\":{\"type\":\"x\"},\"type\":\"response.completed\"}\n\n"), Ok(ERROR_END));
    assert_eq!(end("data: {\"x\":{\"error\":1},\"errors\":1}\n\n"), Ok(None));
}

#[test]
fn a_name_that_is_not_the_type_is_ambiguous() {
    for (name, kind) in [
        ("message_delta", "message_stop"),
        ("message_stop", "message_delta"),
        ("response.in_progress", "response.completed"),
        ("message_stop ", "message_stop"),
        ("a", "A"),
        ("ping", ""),
    ] {
        let event = format!("event: {name}\ndata: {{\"type\":\"{kind}\"}}\n\n");
        assert_eq!(end(&event), Err(Ambiguous::Name), "{event:?}");
    }
    assert_eq!(end("event: \u{e9}\u{20ac}\ndata: {\"type\":\"\\u00e9\\u20AC\"}\n\n"), Ok(None));
    assert_eq!(end("event: \u{e9}\ndata: {\"type\":\"\u{e9}\"}\n\n"), Ok(None));
    assert_eq!(end("event: a/b\ndata: {\"type\":\"a\\/b\"}\n\n"), Ok(None));
    assert_eq!(end("event: x\ndata: {\"type\":null}\n\n"), Ok(None));
    let long = |length: usize| format!("event: {0}\ndata: {{\"type\":\"{0}\"}}\n\n", "x".repeat(length));
    assert_eq!(end(&long(MAX_NAME)), Ok(None));
    assert_eq!(end(&long(MAX_NAME + 1)), Err(Ambiguous::Name));
    assert_eq!(end(&format!("event: {}\n\n", "x".repeat(MAX_NAME + 1))), Ok(None));
}

#[test]
fn what_stands_twice_is_ambiguous() {
    for event in [
        "event: a\nevent: a\n\n",
        "event: a\nevent: message_stop\n\n",
        "event: \nevent: message_stop\n\n",
        "data: {\"type\":\"a\",\"type\":\"a\"}\n\n",
        "data: {\"type\":\"message_stop\",\"\\u0074ype\":null}\n\n",
        "data: {\"error\":null,\"error\":null}\n\n",
    ] {
        assert_eq!(end(event), Err(Ambiguous::Repeated), "{event:?}");
    }
    assert_eq!(ends("event: a\n\nevent: a\n\n").len(), 2, "each event has its own");
    assert_eq!(ends("data: {\"type\":\"a\"}\n\ndata: {\"type\":\"a\"}\n\n").len(), 2);
}

#[test]
fn a_byte_order_mark_stands_at_the_start_alone() {
    assert_eq!(end("\u{feff}event: message_stop\n\n"), Ok(TERMINAL_END));
    for stream in ["data: a\n\u{feff}data: [DONE]\n\n", "\n\u{feff}\n", "\n\n\u{feff}: c\n\n", "\r\u{feff}\r"] {
        assert_eq!(scan([stream.as_bytes()]), Err(Ambiguous::Mark), "{stream:?}");
    }
    let twice = scan(["\u{feff}\u{feff}data: [DONE]\n\n".as_bytes()]).unwrap();
    assert_eq!((twice[0].1.end, twice[0].1.standard), (None, false));
}

#[test]
fn fields_that_the_standard_does_not_name_are_seen() {
    let standard = |stream: &str| scan([stream.as_bytes()]).unwrap().iter().all(|(_, event)| event.standard);
    assert!(standard("event: a\ndata: b\nid: c\nretry: 1\n: comment\ndata\n:\n\n"));
    for stream in ["<html>\n\n", "datum: a\n\n", "Data: a\n\n", " data: a\n\n", &format!("{}\n\n", "x".repeat(1000))] {
        assert!(!standard(stream), "{stream:?}");
    }
    assert!(scan([&b"x: y\n\ndata: a\n\n"[..]]).unwrap()[1].1.standard, "each event has its own");
}

#[test]
fn long_lines_end_nothing() {
    let mut line = vec![b'x'; 100_000];
    line.extend(b"\n\ndata: [DONE]\n\n");
    let found = scan([&line[..]]).unwrap();
    assert_eq!((found[0].0, found[0].1.end), (100_002, None));
    assert_eq!((found[1].0, found[1].1.end), (100_016, TERMINAL_END));
}

/// Pieces that streams are made of, right and wrong.
const PARTS: [&str; 30] = [
    "event: ",
    "event:",
    "data: ",
    "data:",
    "data",
    "id: 1",
    ": c",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\u{feff}",
    "[DONE]",
    "{",
    "}",
    "\"type\"",
    "\"error\"",
    ":",
    ",",
    "\"message_stop\"",
    "message_stop",
    "error",
    "null",
    "0",
    "1",
    "[",
    "]",
    "\\u0074ype",
    " ",
    "\"",
];

proptest! {
    #[test]
    fn cuts_change_nothing(
        parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..40),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let stream: Vec<u8> = parts.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(scan(pieces), scan([&stream[..]]));
        prop_assert_eq!(scan(stream.chunks(1)), scan([&stream[..]]));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = scan([&bytes[..]]);
        let data = [b"data: {\"type\":\"", &bytes[..], b"\"}\n\n"].concat();
        let _ = scan([&data[..]]);
    }
}
