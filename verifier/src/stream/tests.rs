#![allow(clippy::unwrap_used)]
use alloc::vec;
use alloc::vec::Vec;

use super::events::Events;

/// Offsets at which events end, and whether each is terminal.
fn ends(body: &[u8]) -> Vec<(usize, bool)> {
    let mut events = Events::default();
    let mut ends = Vec::new();
    for (index, byte) in body.iter().enumerate() {
        ends.extend(events.push(*byte).map(|end| (index + 1, end.terminal)));
    }
    ends
}

#[test]
fn events_end_at_blank_lines_of_any_kind() {
    assert_eq!(ends(b"data: a\n\ndata: b\r\rdata: c\r\n\r\n"), [(9, false), (18, false), (28, false)]);
    assert_eq!(ends(b"data: a\ndata: b\n"), []);
    assert_eq!(ends(b"\n"), [(1, false)]);
}

#[test]
fn terminal_events_of_each_api_are_known() {
    let terminal = [
        "data: [DONE]\n\n",
        "data:[DONE]\n\n",
        "event: message_stop\ndata: {}\n\n",
        "event: response.completed\ndata: {}\n\n",
        "event: response.failed\n\n",
        "event: response.incomplete\n\n",
    ];
    for event in terminal {
        assert_eq!(ends(event.as_bytes()), [(event.len(), true)], "{event}");
    }
    for event in [
        "data: [DONE] \n\n",
        "data:  [DONE]\n\n",
        "data: {\"x\":\"data: [DONE]\"}\n\n",
        ": [DONE]\n\n",
        "event: message\n\n",
    ] {
        assert_eq!(ends(event.as_bytes()), [(event.len(), false)], "{event}");
    }
}

#[test]
fn long_lines_are_no_terminal_events_and_take_no_room() {
    let mut line = vec![b'x'; 100_000];
    line.extend(b"\n\ndata: [DONE]\n\n");
    assert_eq!(ends(&line), [(100_002, false), (100_016, true)]);
}
