//! Turns token bytes into text that can be shown: whole characters only, and no part of a stop string.

/// Growing text.
pub(super) struct Text {
    /// Bytes not shown yet: part of a character, or what may become a stop string.
    held: Vec<u8>,
    stops: Vec<String>,
}

/// What one more token made of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// May be shown now.
    pub(super) text: String,
    /// A stop string is complete; it and everything after it is gone.
    pub(super) stopped: bool,
}

impl Text {
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { held: Vec::new(), stops }
    }

    /// Appends a token's bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Step {
        self.held.extend_from_slice(bytes);
        let first = self.stops.iter().filter_map(|stop| find(&self.held, stop.as_bytes())).min();
        if let Some(at) = first {
            self.held.truncate(at);
            return Step { text: self.flush(), stopped: true };
        }
        let free = self.held.len() - self.stop_prefix();
        let free = whole_characters(&self.held[..free]);
        let rest = self.held.split_off(free);
        let shown = std::mem::replace(&mut self.held, rest);
        Step { text: String::from_utf8_lossy(&shown).into_owned(), stopped: false }
    }

    /// What is left at the end; an incomplete character becomes U+FFFD.
    pub(super) fn flush(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }

    /// Length of the longest end of `held` that begins a stop string.
    fn stop_prefix(&self) -> usize {
        let longest = |stop: &String| {
            let most = self.held.len().min(stop.len().saturating_sub(1));
            (1..=most).rev().find(|length| self.held.ends_with(&stop.as_bytes()[..*length])).unwrap_or(0)
        };
        self.stops.iter().map(longest).max().unwrap_or(0)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Length of `bytes` without an incomplete character at its end; bytes that can never become a
/// character count as whole.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needed = match bytes[at] {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => return bytes.len(),
        };
        let incomplete =
            needed > back && std::str::from_utf8(&bytes[at..]).is_err_and(|error| error.error_len().is_none());
        return if incomplete { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], tokens: &[&[u8]]) -> (Vec<String>, bool) {
        let mut text = Text::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut out = Vec::new();
        for token in tokens {
            let step = text.push(token);
            out.push(step.text);
            if step.stopped {
                return (out, true);
            }
        }
        out.push(text.flush());
        (out, false)
    }

    #[test]
    fn characters_are_never_split() {
        let euro = "€".as_bytes();
        assert_eq!(run(&[], &[&euro[..1], &euro[1..2], &euro[2..]]).0, ["", "", "€", ""]);
        assert_eq!(run(&[], &[&euro[..2]]).0, ["", "\u{FFFD}"]);
        assert_eq!(run(&[], &[b"a\xFF", b"b"]).0, ["a\u{FFFD}", "b", ""]);
        // E0 80 can never become a character, so nothing waits for it.
        assert_eq!(run(&[], &[b"\xE0\x80", b"x"]).0.concat(), "\u{FFFD}\u{FFFD}x");
    }

    #[test]
    fn stop_strings_never_leak() {
        assert_eq!(run(&["STOP"], &[b"aST", b"OPb"]), (vec!["a".into(), "".into()], true));
        assert_eq!(run(&["STOP"], &[b"aST", b"AR"]).0.concat(), "aSTAR");
        assert_eq!(run(&["aab"], &[b"a", b"a", b"a", b"b", b"z"]).0.concat(), "a");
        // Of two stop strings the one that begins first wins.
        assert_eq!(run(&["cd", "bc"], &[b"abcd"]).0, ["a"]);
        assert_eq!(run(&["€"], &["x€".as_bytes()]).0, ["x"]);
    }

    proptest! {
        #[test]
        fn cutting_makes_no_difference(bytes in proptest::collection::vec(any::<u8>(), 0..64), cut in 1usize..8) {
            let chunks: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(run(&[], &chunks).0.concat(), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn stopping_equals_searching(text in "[ab]{0,40}", stop in "[ab]{1,4}", cut in 1usize..5) {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            let expected = text.split(&stop).next().unwrap_or_default();
            let (shown, stopped) = run(&[&stop], &chunks);
            prop_assert_eq!(shown.concat(), expected);
            prop_assert_eq!(stopped, text.contains(&stop));
        }
    }
}
