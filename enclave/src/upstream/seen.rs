//! What a provider says of its answer: model, token counts, why it ended. Its word, not the node's.

use quoth_attestation::receipt::Usage;
use quoth_attestation::statement::MAX_TEXT;
use serde::Deserialize;

/// What was seen of an answer so far.
#[derive(Default)]
pub struct Seen {
    /// The model that it names.
    pub model: Option<String>,
    /// Tokens that it counts.
    pub usage: Option<Usage>,
    /// Whether a token limit ended it.
    pub limited: bool,
}

/// The parts of any of the APIs' objects that matter here; everything else is passed over.
#[derive(Deserialize)]
struct Object {
    model: Option<String>,
    usage: Option<Counts>,
    choices: Option<Vec<Choice>>,
    stop_reason: Option<String>,
    incomplete_details: Option<Incomplete>,
    /// Of Anthropic's `message_start`.
    message: Option<Box<Object>>,
    /// Of Anthropic's `message_delta`.
    delta: Option<Delta>,
    /// Of OpenAI's `response.created` and others.
    response: Option<Box<Object>>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(alias = "input_tokens")]
    prompt_tokens: Option<u64>,
    #[serde(alias = "output_tokens")]
    completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Choice {
    finish_reason: Option<String>,
}

/// In some events a text instead.
#[derive(Deserialize)]
#[serde(untagged)]
enum Delta {
    Object { stop_reason: Option<String> },
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

impl Seen {
    /// Takes note of an object, a whole answer or an event's; what is none says nothing.
    pub fn note(&mut self, json: &[u8]) {
        if let Ok(object) = serde_json::from_slice::<Object>(json) {
            self.take(object);
        }
    }

    fn take(&mut self, object: Object) {
        let Object { model, usage, choices, stop_reason, incomplete_details, message, delta, response } = object;
        if let Some(model) = model.filter(|model| (1..=MAX_TEXT).contains(&model.len())) {
            self.model.get_or_insert(model);
        }
        if let Some(counts) = usage {
            let before = self.usage.unwrap_or(Usage { prompt: 0, completion: 0 });
            self.usage = Some(Usage {
                prompt: counts.prompt_tokens.unwrap_or(before.prompt),
                completion: counts.completion_tokens.unwrap_or(before.completion),
            });
        }
        let stop = match delta {
            Some(Delta::Object { stop_reason }) => stop_reason,
            _ => None,
        };
        let finish = choices.into_iter().flatten().filter_map(|choice| choice.finish_reason);
        let incomplete = incomplete_details.and_then(|details| details.reason);
        let reasons = finish.chain(stop_reason).chain(stop).chain(incomplete);
        let limits = ["length", "max_tokens", "max_output_tokens"];
        self.limited |= reasons.into_iter().any(|reason| limits.contains(&reason.as_str()));
        for inner in [message, response].into_iter().flatten() {
            self.take(*inner);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn seen(objects: &[&str]) -> (Option<String>, Option<(u64, u64)>, bool) {
        let mut seen = Seen::default();
        objects.iter().for_each(|object| seen.note(object.as_bytes()));
        (seen.model, seen.usage.map(|usage| (usage.prompt, usage.completion)), seen.limited)
    }

    #[test]
    fn every_apis_answers_are_understood() {
        let chat = r#"{"id":"x","model":"m-1","choices":[{"index":0,"finish_reason":"length","message":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        assert_eq!(seen(&[chat]), (Some("m-1".into()), Some((3, 4)), true));
        let chunks = [
            r#"{"model":"m-1","choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":null}"#,
            r#"{"model":"m-2","choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"model":"m-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
        ];
        assert_eq!(seen(&chunks), (Some("m-1".into()), Some((3, 4)), false));
        let anthropic = [
            r#"{"type":"message_start","message":{"model":"c","usage":{"input_tokens":7,"output_tokens":1}}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}}"#,
        ];
        assert_eq!(seen(&anthropic), (Some("c".into()), Some((7, 9)), true));
        let responses = [
            r#"{"type":"response.created","response":{"model":"r","usage":null,"incomplete_details":null}}"#,
            r#"{"type":"response.output_text.delta","delta":"a"}"#,
            r#"{"type":"response.incomplete","response":{"model":"r","usage":{"input_tokens":1,"output_tokens":2},"incomplete_details":{"reason":"max_output_tokens"}}}"#,
        ];
        assert_eq!(seen(&responses), (Some("r".into()), Some((1, 2)), true));
    }

    #[test]
    fn what_is_nothing_says_nothing() {
        assert_eq!(seen(&["", "[]", "{", "{\"model\":7}", "[DONE]"]), (None, None, false));
        let long = format!("{{\"model\":\"{}\"}}", "m".repeat(MAX_TEXT + 1));
        assert_eq!(seen(&[&long]), (None, None, false));
    }
}
