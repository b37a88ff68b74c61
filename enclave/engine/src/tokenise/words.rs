//! Limits what cutting a text into words may cost.
//!
//! llama.cpp cuts text for BPE vocabularies with regular expressions, which recurse for every character of a word: about 330
//! bytes of stack each. Two of its splitters look ahead to the end of a run from each of its characters. Measured with
//! llama-cpp-sys-2 0.1.161 over all of its splitters, for every class of character.

use crate::limits::{MAX_SPLIT_WORK, MAX_WORD};

/// How a vocabulary cuts text into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// By regular expressions: BPE vocabularies.
    cut: bool,
    /// Words with single spaces between them are one match.
    joins: bool,
    /// The characters whose runs cost the square of their length.
    squared: Option<Class>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Space,
    Digit,
}

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Costly {
    /// A word, or a run of white space, is longer than [`MAX_WORD`].
    Word,
    /// The squares of its runs add up to more than [`MAX_SPLIT_WORK`].
    Runs,
}

impl Words {
    /// Of `tokenizer.ggml.model` and `tokenizer.ggml.pre`.
    pub(crate) fn of(tokenizer: &str, splitter: &str) -> Self {
        let squared = match splitter {
            "deepseek-llm" => Some(Class::Space),
            "superbpe" => Some(Class::Digit),
            _ => None,
        };
        // The other kinds of vocabularies use no regular expressions.
        let cut = !matches!(tokenizer, "llama" | "bert" | "t5" | "rwkv" | "plamo2");
        Self { cut, joins: splitter == "exaone-moe", squared }
    }

    /// Checks texts that are cut one by one.
    pub(crate) fn check<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<(), Costly> {
        let mut work = 0u64;
        for text in texts.filter(|_| self.cut) {
            let (mut word, mut spaces, mut run) = (0usize, 0usize, 0u64);
            for character in text.chars() {
                let space = character.is_whitespace();
                spaces = if space { spaces + 1 } else { 0 };
                // Only these end a word in every splitter.
                let ends =
                    matches!(character, ' ' | '\t' | '\n' | '\r') && !(self.joins && character == ' ' && spaces == 1);
                word = if ends { 0 } else { word + 1 };
                if word > MAX_WORD || spaces > MAX_WORD {
                    return Err(Costly::Word);
                }
                let same = match self.squared {
                    Some(Class::Space) => space,
                    Some(Class::Digit) => character.is_numeric(),
                    None => false,
                };
                // One more of a run of n adds 2n + 1 to its square.
                work += if same { 2 * run + 1 } else { 0 };
                run = if same { run + 1 } else { 0 };
                if work > MAX_SPLIT_WORK {
                    return Err(Costly::Runs);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: Words, text: &str) -> Result<(), Costly> {
        words.check([text].into_iter())
    }

    #[test]
    fn words_have_a_longest_length() {
        let words = Words::of("gpt2", "gpt-4o");
        let longest = "a".repeat(MAX_WORD);
        assert_eq!(check(words, &longest), Ok(()));
        assert_eq!(check(words, &format!("{longest}a")), Err(Costly::Word));
        assert_eq!(check(words, &format!("{longest} {longest}\n{longest}")), Ok(()));
        // Not every splitter ends a word at every space.
        assert_eq!(check(words, &format!("{longest}\u{A0}")), Err(Costly::Word));
        assert_eq!(check(words, &" ".repeat(MAX_WORD)), Ok(()));
        assert_eq!(check(words, &" ".repeat(MAX_WORD + 1)), Err(Costly::Word));
        // No regular expressions, no bound.
        assert_eq!(check(Words::of("llama", "default"), &format!("{longest}a")), Ok(()));
    }

    #[test]
    fn one_splitter_takes_words_with_single_spaces_for_one() {
        let text = "ab ".repeat(MAX_WORD / 3 + 1);
        assert_eq!(check(Words::of("gpt2", "exaone-moe"), &text), Err(Costly::Word));
        assert_eq!(check(Words::of("gpt2", "exaone-moe"), &text.replace(' ', "  ")), Ok(()));
        assert_eq!(check(Words::of("gpt2", "exaone"), &text), Ok(()));
    }

    #[test]
    fn runs_have_a_budget_where_they_cost_their_square() {
        let longest = MAX_SPLIT_WORK.isqrt() as usize;
        for (splitter, character) in [("deepseek-llm", " "), ("superbpe", "1")] {
            let words = Words::of("gpt2", splitter);
            let run = character.repeat(longest);
            assert_eq!(check(words, &run), Ok(()), "{splitter}");
            assert_eq!(check(words, &format!("{run}{character}")), Err(Costly::Runs), "{splitter}");
            assert_eq!(check(words, &format!("{run}a{character}")), Err(Costly::Runs), "{splitter}");
            assert_eq!(words.check([&run[..], character].into_iter()), Err(Costly::Runs), "{splitter}");
            assert_eq!(check(Words::of("gpt2", "gpt-4o"), &format!("{run}{character}")), Ok(()));
            // Text as it is written stays far below.
            assert_eq!(check(words, &"    let x = 1234;\n".repeat(50_000)), Ok(()), "{splitter}");
        }
    }
}
