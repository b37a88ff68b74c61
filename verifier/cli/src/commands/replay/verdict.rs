//! The verdict on one exchange, with its reason.

use std::fmt;

use quoth_engine::Replayer;
use quoth_verifier::Refusal;
use serde_json::{Value, json};

/// The verdict on one exchange.
pub(super) enum Verdict {
    /// The replay gives everything that was recorded.
    Match,
    /// The replay gives something else.
    Mismatch(Difference),
    /// A replay on this machine would show nothing.
    NotComparable(Difference),
    /// Under this policy, it is not what a node signed.
    Refused(Refusal),
}

impl Verdict {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch(_) => "mismatch",
            Self::NotComparable(_) => "not-comparable",
            Self::Refused(_) => "refused",
        }
    }

    /// A stable code of the reason, for programs.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Match => None,
            Self::Mismatch(difference) | Self::NotComparable(difference) => Some(difference.code),
            Self::Refused(refusal) => Some(refusal.code()),
        }
    }

    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::Match => None,
            Self::Mismatch(difference) | Self::NotComparable(difference) => Some(difference.to_string()),
            Self::Refused(refusal) => Some(refusal.to_string()),
        }
    }

    pub(super) fn difference(&self) -> Option<&Difference> {
        match self {
            Self::Mismatch(difference) | Self::NotComparable(difference) => Some(difference),
            Self::Match | Self::Refused(_) => None,
        }
    }
}

/// The first difference.
pub(super) struct Difference {
    code: &'static str,
    what: String,
    /// Its position, from 0: in tokens, characters or bytes, as `what` says.
    position: Option<usize>,
    /// The right value here, and the recorded one.
    sides: Option<Box<(Side, Side)>>,
    margin: Option<f32>,
}

pub(super) enum Side {
    /// A text.
    Text(String),
    /// A token: its id and its text; `None` if the model has no such token.
    Token(u32, Option<String>),
    /// The output ends here.
    End,
}

impl Side {
    pub(super) fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// A token with its text, or the end.
    pub(super) fn token(id: Option<u32>, replayer: &Replayer) -> Self {
        let text = |id| replayer.token(id).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        id.map_or(Self::End, |id| Self::Token(id, text(id)))
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Token(id, text) => json!({ "token": id, "text": text }),
            Self::End => Value::Null,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Token(id, Some(text)) => write!(f, "token {id} {text:?}"),
            Self::Token(id, None) => write!(f, "token {id}, which this model lacks"),
            Self::End => f.write_str("the output's end"),
        }
    }
}

impl Difference {
    pub(super) fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), position: None, sides: None, margin: None }
    }

    /// Adds the right value here, and the recorded one.
    pub(super) fn between(self, expected: Side, found: Side) -> Self {
        Self { sides: Some(Box::new((expected, found))), ..self }
    }

    pub(super) fn at(self, position: usize) -> Self {
        Self { position: Some(position), ..self }
    }

    /// How far the expected token's logit is above the recorded one's.
    pub(super) fn margin(self, margin: Option<f32>) -> Self {
        Self { margin, ..self }
    }

    pub(super) fn to_json(&self) -> Value {
        let sides = self.sides.as_deref();
        json!({
            "position": self.position,
            "expected": sides.map(|(expected, _)| expected.to_json()),
            "found": sides.map(|(_, found)| found.to_json()),
            "logit_margin": self.margin,
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some((expected, found)) = self.sides.as_deref() {
            write!(f, ": expected {expected}, found {found}")?;
        }
        match self.margin {
            Some(margin) => write!(f, "; their logits are {margin} apart"),
            None => Ok(()),
        }
    }
}
