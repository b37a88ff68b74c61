//! What a provider says about its answer: model, token counts, why it ended. The node does not vouch for this.
//!
//! An answer is read once to check it, and a bounded number of times to search it, however deeply it is nested.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::StatusCode;
use quoth_attestation::receipt::{Outcome, Usage};
use quoth_attestation::statement::ShortText;
use quoth_engine::json::{self, Raw};

use super::events;
use crate::answer_text::AnswerText;
use crate::limits;

/// What an answer has said so far.
#[derive(Default)]
pub struct Seen {
    /// The model that it names.
    pub model: Option<ShortText>,
    /// Tokens that it counts.
    pub usage: Option<Usage>,
    /// Whether a token limit ended it.
    pub limited: bool,
    /// The choices of a chat or completion, and whether each has said why it ended.
    choices: BTreeMap<u64, bool>,
    /// The text of the first choice.
    pub answer: AnswerText,
    /// Whether there are more choices than are kept.
    too_many: bool,
    /// Bytes of the values that were searched.
    #[cfg(test)]
    looked_into: usize,
}

/// The APIs' words for an answer that a token limit ended.
const LIMITS: [&str; 3] = ["length", "max_tokens", "max_output_tokens"];

impl Seen {
    /// Notes an object: a whole answer, or an event's. Anything else is ignored.
    pub fn note(&mut self, body: &[u8]) {
        let Ok(object) = json::check(body) else { return };
        for (name, value) in self.members(object) {
            match &*name {
                "choices" => value.elements().for_each(|choice| {
                    self.choice(choice);
                    self.first_text(choice);
                }),
                // Of Anthropic's `message_start`, and of OpenAI's `response.created` and others. They are not nested.
                "message" | "response" => {
                    self.members(value).for_each(|(name, value)| self.member(&name, value));
                }
                name => self.member(name, value),
            }
        }
    }

    /// Notes the data of an event.
    pub fn note_event(&mut self, event: &[u8]) {
        let mut data = None::<Cow<'_, [u8]>>;
        for (_, line) in events::data(event) {
            match &mut data {
                None => data = Some(line.into()),
                Some(data) => {
                    data.to_mut().push(b'\n');
                    data.to_mut().extend_from_slice(line);
                }
            }
        }
        self.note(&data.unwrap_or_default());
    }

    /// Whether there are choices, and each has said why it ended.
    pub fn all_finished(&self) -> bool {
        !self.choices.is_empty() && !self.too_many && self.choices.values().all(|finished| *finished)
    }

    /// The receipt's outcome of an answer with this status.
    pub fn outcome(&self, status: StatusCode) -> Outcome {
        match (status.is_server_error(), self.limited) {
            (true, _) => Outcome::UpstreamFailed,
            (false, true) => Outcome::Length,
            (false, false) => Outcome::Complete,
        }
    }

    /// Notes a member of any API's objects, if it matters here.
    fn member(&mut self, name: &str, value: Raw<'_>) {
        match name {
            "model" => self.named(value),
            "usage" => self.counted(value),
            "choices" => value.elements().for_each(|choice| self.choice(choice)),
            "stop_reason" => self.ended(value),
            // Of Anthropic's `message_delta`.
            "delta" => self.ended_by(value, "stop_reason"),
            "incomplete_details" => self.ended_by(value, "reason"),
            _ => {}
        }
    }

    fn members<'a>(&mut self, object: Raw<'a>) -> impl Iterator<Item = (Cow<'a, str>, Raw<'a>)> + use<'a> {
        #[cfg(test)]
        {
            self.looked_into += object.source().len();
        }
        object.members()
    }

    fn named(&mut self, model: Raw<'_>) {
        if self.model.is_none() {
            self.model = model.text().and_then(|model| ShortText::new(model).ok());
        }
    }

    fn counted(&mut self, counts: Raw<'_>) {
        for (name, value) in self.members(counts) {
            let usage = self.usage.unwrap_or(Usage { prompt: 0, completion: 0 });
            let Some(count) = value.number() else { continue };
            match &*name {
                "prompt_tokens" | "input_tokens" => self.usage = Some(Usage { prompt: count, ..usage }),
                "completion_tokens" | "output_tokens" => self.usage = Some(Usage { completion: count, ..usage }),
                _ => {}
            }
        }
    }

    fn choice(&mut self, choice: Raw<'_>) {
        let (mut index, mut finished) = (0, false);
        for (name, value) in self.members(choice) {
            match &*name {
                "index" => index = value.number().unwrap_or(0),
                "finish_reason" => {
                    finished = value.text().is_some_and(|reason| !reason.is_empty());
                    self.ended(value);
                }
                _ => {}
            }
        }
        if self.choices.len() < limits::UPSTREAM_CHOICES || self.choices.contains_key(&index) {
            *self.choices.entry(index).or_default() |= finished;
        } else {
            self.too_many = true;
        }
    }

    /// Notes the text of a choice, if it is the first.
    fn first_text(&mut self, choice: Raw<'_>) {
        if self.members(choice).any(|(name, index)| name == "index" && index.number() != Some(0)) {
            return;
        }
        for (name, value) in self.members(choice) {
            match &*name {
                "text" => self.says(value),
                "message" | "delta" => {
                    let content = self.members(value).filter(|(name, _)| name == "content");
                    content.for_each(|(_, content)| self.says(content));
                }
                _ => {}
            }
        }
    }

    fn says(&mut self, text: Raw<'_>) {
        if let Some(text) = text.text() {
            self.answer.says(&text);
        }
    }

    fn ended_by(&mut self, object: Raw<'_>, member: &str) {
        for (_, reason) in self.members(object).filter(|(name, _)| name == member) {
            self.ended(reason);
        }
    }

    fn ended(&mut self, reason: Raw<'_>) {
        self.limited |= reason.text().is_some_and(|reason| LIMITS.contains(&&*reason));
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
    fn the_text_of_the_first_choice_is_noted() {
        let said = |objects: &[&str]| {
            let mut seen = Seen::default();
            objects.iter().for_each(|object| seen.note(object.as_bytes()));
            seen.answer.digest()
        };
        let text = |text: &str| Some(quoth_attestation::Digest::of(text.as_bytes()));
        let chat = r#"{"choices":[{"message":{"content":"other"},"index":1},{"message":{"role":"a","content":"a\u00e9\n"},"index":0}]}"#;
        assert_eq!(said(&[chat]), text("a\u{e9}\n"));
        assert_eq!(said(&[r#"{"choices":[{"text":"b"}]}"#]), text("b"));
        let chunks = [
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"c"}},{"index":1,"delta":{"content":"x"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"d"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
        ];
        assert_eq!(said(&chunks), text("cd"));
        assert_eq!(said(&chunks[..1]), text(""));
        for none in [
            r#"{"choices":[{"index":0,"message":{"content":null,"tool_calls":[]}}]}"#,
            r#"{"choices":[{"index":0,"message":{"content":["a"]}}]}"#,
            r#"{"choices":[{"index":0,"message":{"content":"a","content":"b"}}]}"#,
            r#"{"choices":[{"index":1,"text":"a"}]}"#,
            r#"{"choices":[{"index":null,"text":"a"}]}"#,
            r#"{"choices":[{"index":"0","text":"a"}]}"#,
            r#"{"choices":[{"index":0.5,"text":"a"}]}"#,
            r#"{"message":{"choices":[{"text":"a"}]}}"#,
            r#"{"message":{"content":"a"}}"#,
            r#"{"delta":{"text":"a"}}"#,
            "[]",
        ] {
            assert_eq!(said(&[none]), None, "{none}");
        }
    }

    #[test]
    fn a_chat_has_finished_when_every_choice_says_why() {
        let finished = |events: &[&str]| {
            let mut seen = Seen::default();
            events.iter().for_each(|event| seen.note_event(event.as_bytes()));
            seen.all_finished()
        };
        let (open, stop) = (
            r#"data: {"choices":[{"index":0,"finish_reason":null}]}"#,
            r#"data: {"choices":[{"finish_reason":"stop"}]}"#,
        );
        let other = "data: {\"choices\":\r\ndata:[{\"index\":1,\"finish_reason\":\"length\"}]}";
        let other_open = r#"data: {"choices":[{"index":1}]}"#;
        let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":1}}"#;
        for whole in [&[stop][..], &[open, stop, usage], &[open, other_open, stop, other], &[stop, open]] {
            assert!(finished(whole), "{whole:?}");
        }
        let empty = r#"data: {"choices":[{"index":0,"finish_reason":""}]}"#;
        for cut in [&[][..], &[open], &[usage], &[open, other_open, stop], &[empty], &["data: {}"]] {
            assert!(!finished(cut), "{cut:?}");
        }
        let choices = |count: usize| {
            let choices: Vec<_> =
                (0..count).map(|at| format!("{{\"index\":{at},\"finish_reason\":\"stop\"}}")).collect();
            format!("data: {{\"choices\":[{}]}}", choices.join(","))
        };
        assert!(finished(&[&choices(limits::UPSTREAM_CHOICES)]));
        assert!(!finished(&[&choices(limits::UPSTREAM_CHOICES + 1)]));
    }

    #[test]
    fn nesting_costs_nothing_more() {
        for part in ["message", "response", "delta", "usage", "choices", "x"] {
            let text = format!("{{\"x\":\"{}\"}}", "\\n".repeat(1000));
            let nested =
                |depth: usize| format!("{}{text}{}", format!("{{\"{part}\":").repeat(depth), "}".repeat(depth));
            for depth in 1..60 {
                let (mut seen, body) = (Seen::default(), nested(depth));
                seen.note(body.as_bytes());
                assert!(seen.looked_into <= 3 * body.len(), "{part} {depth}: {} of {}", seen.looked_into, body.len());
                assert!(seen.looked_into >= body.len(), "it was JSON");
            }
        }
    }

    #[test]
    fn what_is_nothing_says_nothing() {
        assert_eq!(seen(&["", "[]", "{", "{\"model\":7}", "[DONE]"]), (None, None, false));
        let long = format!("{{\"model\":\"{}\"}}", "m".repeat(quoth_attestation::statement::MAX_TEXT + 1));
        assert_eq!(seen(&[&long]), (None, None, false));
    }
}
