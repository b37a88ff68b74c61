//! The text of an answer's first choice, which the receipt commits to so that contracts need no JSON (`SPEC.md` §7).

use quoth_attestation::Digest;
use sha2::{Digest as _, Sha256};

/// SHA-256 of the text so far; none before there is any.
#[derive(Default)]
pub struct AnswerText(Option<Sha256>);

/// The APIs whose answers have such a text.
const PATHS: [&str; 2] = ["/v1/chat/completions", "/v1/completions"];

impl AnswerText {
    /// Returns true if answers to requests with this target have such a text.
    pub fn is_of(target: &str) -> bool {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        PATHS.contains(&path)
    }

    /// Adds text, which may be empty.
    pub fn says(&mut self, text: &str) {
        self.0.get_or_insert_default().update(text);
    }

    /// SHA-256 of the whole text, or `None` if there was none.
    pub fn digest(self) -> Option<Digest> {
        self.0.map(|hash| Digest(hash.finalize().into()))
    }
}
