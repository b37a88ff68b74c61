//! Makes text safe for a terminal. A model's answer and every name in evidence are hostile text.

use std::borrow::Cow;

/// Maximum columns of a panel.
const MAX_WIDTH: usize = 100;
/// Columns of a panel if the screen's width is unknown.
const DEFAULT_WIDTH: usize = 80;
/// Minimum columns of a panel; on narrower screens the terminal breaks lines.
const MIN_WIDTH: usize = 40;

/// `text` without anything that a terminal acts on. Control characters become visible signs, and so do characters that change
/// the direction of text or hide it. Line feeds and tabs stay.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    match text.chars().all(|c| shown(c) == c) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.chars().map(shown).collect()),
    }
}

/// [`safe`], on one line.
pub(crate) fn safe_line(text: &str) -> String {
    safe(text).replace(['\n', '\t'], " ")
}

/// Width for the layout of text, in columns.
pub(crate) fn width() -> usize {
    match terminal_size::terminal_size_of(std::io::stderr()) {
        Some((terminal_size::Width(width), _)) => usize::from(width).clamp(MIN_WIDTH, MAX_WIDTH),
        None => DEFAULT_WIDTH,
    }
}

/// Breaks `text` at spaces into lines of at most `width` characters; breaks longer words where necessary.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + rest.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while rest.len() > width {
            let tail = rest.split_off(width);
            push_word(&mut lines, &mut used, &rest);
            lines.push(String::new());
            used = 0;
            rest = tail;
        }
        push_word(&mut lines, &mut used, &rest);
    }
    lines
}

fn push_word(lines: &mut [String], used: &mut usize, word: &[char]) {
    let Some(line) = lines.last_mut() else { return };
    if *used > 0 {
        line.push(' ');
        *used += 1;
    }
    line.extend(word);
    *used += word.len();
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        // Control pictures, U+2400 on.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        // Marks, embeddings, overrides and isolates of the bidirectional algorithm; separators; tags.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\u{feff}' | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_controls_are_removed() {
        assert_eq!(safe("plain\ntext\té ü 好 🙂"), "plain\ntext\té ü 好 🙂");
        assert_eq!(safe("\u{1b}]0;title\u{7}"), "␛]0;title␇");
        assert_eq!(safe("a\rb\u{8}\u{7f}"), "a␍b␈␡");
        assert_eq!(safe("\u{9b}31m\u{202e}x\u{feff}"), "\u{fffd}31m\u{fffd}x\u{fffd}");
        for c in (0..=0x9f).filter_map(char::from_u32).filter(|c| c.is_control() && *c != '\n' && *c != '\t') {
            assert!(!safe(&c.to_string()).chars().any(char::is_control), "{c:?}");
        }
        assert_eq!(safe_line("a\nb\tc"), "a b c");
    }

    #[test]
    fn lines_keep_to_the_width() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("ab abcdefgh", 4), ["ab", "abcd", "efgh"]);
        assert_eq!(wrap("", 4), [""]);
        assert!(wrap(&"x ".repeat(100), 9).iter().all(|line| line.chars().count() <= 9));
    }
}
