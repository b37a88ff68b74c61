//! Everything that the parsers of the official SDKs treat as the end of a stream is an end for Quoth, too.
//!
//! `./just test-sdk` prepares the SDKs.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use quoth_attestation::events::{End, Scanner};
use serde_json::json;

/// Number of streams.
const STREAMS: usize = 2_000;
/// The text after each stream. A parser that reaches it has seen no end.
const SENTINEL: &str = "event: sentinel\ndata: {\"type\":\"sentinel\"}\n\n";

/// The result of each parser for a stream.
type Verdicts = BTreeMap<String, String>;

/// SplitMix64: the same streams in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 12] = [
    "message_stop",
    "message_delta",
    "response.completed",
    "response.failed",
    "response.incomplete",
    "response.created",
    "error",
    "ping",
    "thread.run.completed",
    "Message_Stop",
    " message_stop",
    "",
];
const DATA: [&str; 26] = [
    "[DONE]",
    "[DONE] ",
    " [DONE]",
    "[DONE]x",
    "[done]",
    "[DON",
    "",
    "1",
    "null",
    "\"[DONE]\"",
    "{}",
    "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}",
    "{\"error\":{\"message\":\"m\"}}",
    "{\"error\":null}",
    "{\"error\":\"\"}",
    "{\"error\":0.0e3,\"type\":\"message_stop\"}",
    "{\"type\":\"message_start\",\"type\":\"message_stop\"}",
    "{\"type\":\"message_stop\",\"type\":null}",
    "{\"\\u0074ype\":\"message\\u005fstop\"}",
    "{\"a\":\"\\\\\",\"type\":\"response.completed\"}",
    "{\"a\":\"\\\"type\\\":\",\"b\":{\"type\":\"message_stop\"}}",
    "{\"a\":[{\"b\":\"}\"}],\"type\" :\t\"message_stop\" }",
    "{\"type\":\"message_stop\"",
    "[{\"type\":\"message_stop\"}]",
    "{\"typ\\u0065\":\n\"message_stop\"}",
    "{\"type\":\"ping\"}",
];

/// Returns a stream of a few events, some of them valid.
fn stream(dice: &mut Dice) -> String {
    let mut stream = String::from(dice.one(&["", "", "", "\u{feff}"]));
    let end = dice.one(&["\n", "\n", "\r\n", "\r"]);
    for _ in 0..=dice.below(4) {
        let mut lines: Vec<String> = Vec::new();
        if dice.below(2) == 0 {
            lines.push(format!("event:{}{}", dice.one(&["", " ", " ", "  "]), dice.one(&NAMES)));
        }
        let data = match dice.below(3) {
            0 => format!("{{\"type\":\"{}\"}}", dice.one(&NAMES)),
            _ => dice.one(&DATA).to_owned(),
        };
        if dice.below(8) > 0 {
            let field = dice.one(&["data:", "data: ", "data: ", "data:  ", "data :"]);
            lines.extend(data.split('\n').map(|line| format!("{field}{line}")));
        }
        let extra =
            ["id: 1", "retry: 1", ": comment", "data", "event", "data:", "event: ping", "\u{feff}data: [DONE]", "x: y"];
        if dice.below(3) == 0 {
            let at = dice.below(lines.len() + 1);
            lines.insert(at, dice.one(&extra).into());
        }
        for line in lines {
            stream += &line;
            stream += if dice.below(12) == 0 { dice.one(&["\n", "\r", "\r\n", "\n\r"]) } else { end };
        }
        stream += if dice.below(12) == 0 { dice.one(&["\n", "\r\r", "\r\n", ""]) } else { end };
    }
    stream
}

/// Returns start and end of the event that ends a stream or is refused. Without one, returns the end of the last whole event.
fn last(stream: &[u8]) -> (usize, Option<(usize, End)>) {
    let (mut scanner, mut begin, mut at) = (Scanner::default(), 0, 0);
    while at < stream.len() {
        let Ok((taken, event)) = scanner.scan(&stream[at..]) else { break };
        at += taken;
        if let Some(event) = event {
            match event.end {
                Some(end) => return (begin, Some((at, end))),
                None => begin = at,
            }
        }
    }
    (begin, None)
}

/// Lets every parser read every stream, with the sentinel after it and split at some place.
fn parsed(streams: &[Vec<u8>]) -> Option<Vec<Verdicts>> {
    let Ok(sdks) = std::env::var("QUOTH_SDKS") else {
        eprintln!("not tried: QUOTH_SDKS names no folder with the SDKs");
        return None;
    };
    let mut dice = Dice(2);
    let mut input = String::new();
    for stream in streams {
        let stream = [stream, SENTINEL.as_bytes()].concat();
        let (front, back) = stream.split_at(dice.below(stream.len()));
        input += &format!("{}\n", json!([hex::encode(front), hex::encode(back)]));
    }
    let mut verdicts = vec![Verdicts::new(); streams.len()];
    for (program, script) in [("python", "parsers.py"), ("node", "parsers.mjs")] {
        let mut command = Command::new(Path::new(&sdks).join("bin").join(program));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk").join(script));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.clone());
        let writes = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writes.join().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), streams.len(), "{script}");
        for (line, verdicts) in text.lines().zip(&mut verdicts) {
            verdicts.extend(serde_json::from_str::<Verdicts>(line).unwrap());
        }
    }
    Some(verdicts)
}

#[test]
fn what_passes_before_the_end_ends_no_parser() {
    let mut dice = Dice(1);
    let streams: Vec<String> = (0..STREAMS).map(|_| stream(&mut dice)).collect();
    let before: Vec<Vec<u8>> =
        streams.iter().map(|stream| stream.as_bytes()[..last(stream.as_bytes()).0].to_vec()).collect();
    let Some(verdicts) = parsed(&before) else { return };
    for ((stream, before), verdicts) in streams.iter().zip(&before).zip(&verdicts) {
        let before = String::from_utf8_lossy(before);
        assert!(verdicts.values().all(|verdict| verdict != "ended"), "{before:?} of {stream:?}: {verdicts:?}");
    }
    let ended = streams.iter().filter(|stream| last(stream.as_bytes()).1.is_some()).count();
    let passed = verdicts.iter().filter(|verdicts| verdicts.values().any(|verdict| verdict == "passed")).count();
    assert!(ended > STREAMS / 4 && passed > STREAMS / 4, "{ended} ended, {passed} had something before");
}

#[test]
fn what_ends_a_stream_ends_a_parser() {
    let typed = ["message_stop", "response.completed", "response.failed", "response.incomplete"]
        .map(|name| format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":1}}\n\n"));
    let others = [
        "data: [DONE]\n\n",
        "data:[DONE]\n\n",
        "id: 1\ndata: [DONE]\n: c\n\n",
        "data: {\"type\":\"response.completed\"}\n\n",
        "data: {\"type\":\ndata: \"message\\u005fstop\"}\n\n",
        "data: {\"error\":{\"message\":\"m\"}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
        "data: {\"error\":\"m\"}\n\n",
    ];
    let ends: Vec<String> = typed.into_iter().chain(others.map(Into::into)).collect();
    let mut streams = Vec::new();
    for line_end in ["\n", "\r\n", "\r"] {
        for before in ["", ": hello\n\n", "data: {\"choices\":[]}\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n"] {
            streams.extend(ends.iter().map(|end| format!("{before}{end}").replace('\n', line_end)));
        }
    }
    for stream in &streams {
        let (_, end) = last(stream.as_bytes());
        let expected = if stream.contains("error") { End::Error } else { End::Terminal };
        // The LF of a CRLF follows the end.
        assert!(end.is_some_and(|(at, end)| end == expected && at + 1 >= stream.len()), "{stream:?}: {end:?}");
    }
    let bytes: Vec<Vec<u8>> = streams.iter().map(|stream| stream.clone().into_bytes()).collect();
    let Some(verdicts) = parsed(&bytes) else { return };
    for (stream, verdicts) in streams.iter().zip(verdicts) {
        let expected = if stream.contains("error") { "raised" } else { "ended" };
        assert!(verdicts.values().any(|verdict| verdict == expected), "{stream:?}: {verdicts:?}");
    }
}
