//! Refuses members whose names differ only by case from those that this node reads.
//!
//! Some readers ignore case. To Go's `encoding/json`, `"MODEL"` is a second `"model"`, and the last one counts.

use quoth_engine::json::Raw;

use super::ApiError;

/// The members that decide where a request goes and how its answer comes.
const READ: [&str; 2] = ["model", "stream"];

/// Accepts a request whose members mean the same to every reader.
pub(super) fn check(request: Raw<'_>) -> Result<(), ApiError> {
    match request.members().find_map(|(name, _)| imitated(&name)) {
        None => Ok(()),
        Some(read) => Err(ApiError::bad("ambiguous_member", format!("a member is {read} in another spelling"))),
    }
}

/// Returns the member that `name` spells differently, if any.
fn imitated(name: &str) -> Option<&'static str> {
    READ.into_iter().find(|read| *read != name && folded(name).eq(read.chars()))
}

/// Folds case, including simple Unicode foldings such as U+017F to s.
fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use quoth_engine::json;

    use super::*;

    fn passes(body: &str) -> bool {
        check(json::check(body.as_bytes()).unwrap()).is_ok()
    }

    #[test]
    fn another_spelling_of_a_member_that_is_read_is_refused() {
        for body in [
            r#"{"model":"a","MODEL":"b"}"#,
            r#"{"Model":"a"}"#,
            r#"{"x":1,"moDel":null}"#,
            r#"{"STREAM":true}"#,
            "{\"\u{17f}tream\":true}",
            r#"{"\u017Ftream":true}"#,
            r#"{"\u004dodel":"a"}"#,
        ] {
            assert!(!passes(body), "{body}");
        }
    }

    #[test]
    fn letters_fold_as_in_go() {
        assert!(folded("\u{212a}\u{17f}K").eq("ksk".chars()));
    }

    #[test]
    fn everything_else_passes() {
        for body in [
            r#"{"model":"a","stream":true,"stream_options":{"MODEL":1},"Models":1,"mode":1,"":1}"#,
            r#"{"mod\u0065l":"a"}"#,
            r#"{"messages":[{"Model":1}]}"#,
            "[]",
            "7",
        ] {
            assert!(passes(body), "{body}");
        }
    }
}
