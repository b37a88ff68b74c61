//! What a provider says of its answer: model, token counts, why it ended. Its word, not the node's.

use quoth_attestation::receipt::Usage;
use quoth_attestation::statement::ShortText;
use quoth_engine::json::{self, Raw};

/// What was seen of an answer so far.
#[derive(Default)]
pub struct Seen {
    /// The model that it names.
    pub model: Option<ShortText>,
    /// Tokens that it counts.
    pub usage: Option<Usage>,
    /// Whether a token limit ended it.
    pub limited: bool,
}

/// What the APIs call it when a token limit ended an answer.
const LIMITS: [&str; 3] = ["length", "max_tokens", "max_output_tokens"];

impl Seen {
    /// Takes note of an object, a whole answer or an event's; what is none says nothing.
    pub fn note(&mut self, body: &[u8]) {
        if let Ok(object) = json::check(body) {
            self.object(object);
        }
    }

    /// The parts of any of the APIs' objects that matter here; everything else is passed over.
    fn object(&mut self, object: Raw<'_>) {
        for (name, value) in object.members() {
            match &*name {
                "model" => self.named(value),
                "usage" => self.counted(value),
                "choices" => value.elements().for_each(|choice| self.ended(choice.member("finish_reason"))),
                "stop_reason" => self.ended(Some(value)),
                "incomplete_details" => self.ended(value.member("reason")),
                // Of Anthropic's `message_delta`.
                "delta" => self.ended(value.member("stop_reason")),
                // Of Anthropic's `message_start`, and of OpenAI's `response.created` and others.
                "message" | "response" => self.object(value),
                _ => {}
            }
        }
    }

    fn named(&mut self, model: Raw<'_>) {
        if self.model.is_none() {
            self.model = model.text().and_then(|model| ShortText::new(model).ok());
        }
    }

    fn counted(&mut self, counts: Raw<'_>) {
        for (name, value) in counts.members() {
            let usage = self.usage.unwrap_or(Usage { prompt: 0, completion: 0 });
            let Some(count) = value.number() else { continue };
            match &*name {
                "prompt_tokens" | "input_tokens" => self.usage = Some(Usage { prompt: count, ..usage }),
                "completion_tokens" | "output_tokens" => self.usage = Some(Usage { completion: count, ..usage }),
                _ => {}
            }
        }
    }

    fn ended(&mut self, reason: Option<Raw<'_>>) {
        let reason = reason.and_then(Raw::text);
        self.limited |= reason.is_some_and(|reason| LIMITS.contains(&&*reason));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn seen(objects: &[&str]) -> (Option<String>, Option<(u64, u64)>, bool) {
        let mut seen = Seen::default();
        objects.iter().for_each(|object| seen.note(object.as_bytes()));
        (seen.model.map(String::from), seen.usage.map(|usage| (usage.prompt, usage.completion)), seen.limited)
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
        let long = format!("{{\"model\":\"{}\"}}", "m".repeat(quoth_attestation::statement::MAX_TEXT + 1));
        assert_eq!(seen(&[&long]), (None, None, false));
    }
}
