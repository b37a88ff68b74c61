//! What reading a transcript takes: at most twice the text's length and 4 MiB, whatever the text is.
#![allow(clippy::unwrap_used)]

use quoth_attestation::transcript::{Details, MAX_PARTS, Transcript};

const LENGTH: usize = 4 << 20;
/// The part that does not follow from the length.
const CONSTANT: u64 = 4 << 20;

/// A text of about [`LENGTH`] bytes: `piece` again and again, and what makes it whole.
fn long(before: &str, piece: &str, after: &str) -> String {
    format!("{before}{}{after}", piece.repeat(LENGTH / piece.len()))
}

fn bounded(text: &str) -> Result<Details, &'static str> {
    let mut read = None;
    let memory = allocation_counter::measure(|| {
        read = Some(Details::decode(text.as_bytes()).map_err(|error| error.code()));
        drop(Transcript::decode(text.as_bytes()));
    });
    let start = text.get(..24).unwrap_or(text);
    assert!(memory.bytes_max <= 2 * text.len() as u64 + CONSTANT, "{} bytes for {start:?}", memory.bytes_max);
    read.unwrap()
}

#[test]
fn values_are_not_kept_for_being_many() {
    for (before, piece, after) in [
        ("[", "0,", "0]"),
        ("", "0,", ""),
        ("[", "\"\",", "0]"),
        ("[", "[],", "0]"),
        ("[", "{\"a\":0},", "0]"),
        ("{\"a\":[", "{},", "{}]}"),
        ("{", "\"a\":0,", "\"a\":0}"),
        ("[[[[[[[", "0,", "0]]]]]]]"),
        ("{\"", "a", "\":0}"),
        ("{\"", "\\n", "\":0}"),
        ("\"", "\\u0001", "\""),
    ] {
        assert_eq!(bounded(&long(before, piece, after)), Err("format.json"), "{before}{piece}{after}");
    }
}

#[test]
fn what_is_kept_takes_what_it_is_worth() {
    let tokens = |tokens: &str| {
        format!("{{\"output_tokens\":[{tokens}],\"prompt\":{{\"text\":\"\"}},\"prompt_tokens\":[],\"sampling\":\"\"}}")
    };
    let read = bounded(&tokens(&long("", "0,", "0"))).unwrap();
    assert_eq!(read.local().unwrap().output_tokens.len(), LENGTH / 2 + 1);

    let certificates = |count: usize| {
        format!("{{\"certificates\":[{}\"MAA\"],\"head\":{{\"text\":\"\"}}}}", "\"MAA\",".repeat(count - 1))
    };
    assert!(bounded(&certificates(MAX_PARTS)).is_ok());
    assert_eq!(bounded(&certificates(MAX_PARTS + 1)), Err("format.json"));

    let head = |text: &str| format!("{{\"certificates\":[],\"head\":{{\"text\":\"{text}\"}}}}");
    for piece in ["\\n", "\\u0001", "a", "é"] {
        assert!(bounded(&head(&long("", piece, ""))).is_ok(), "{piece}");
    }
    let base64 = format!("{{\"certificates\":[],\"head\":{{\"base64\":\"{}\"}}}}", long("", "____", ""));
    assert!(bounded(&base64).is_ok());
}
