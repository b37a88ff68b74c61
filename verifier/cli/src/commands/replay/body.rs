//! Reads the output from a response body as a client does. Any content beside it, except names and dates, is an error, because
//! two clients could read such an answer differently.

use std::collections::BTreeMap;

use quoth_engine::{TokenInfo, json};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::asked::Endpoint;

/// Replaces the logarithm of zero, because JSON has no infinity.
const IMPOSSIBLE: f32 = -9999.0;
const EVENT: &[u8] = b"data: ";
const EVENT_END: &[u8] = b"\n\n";
const DONE: &[u8] = b"[DONE]";

/// What is wrong with an answer's form.
pub(super) type Malformed = &'static str;

#[derive(Default)]
pub(super) struct Body {
    pub(super) text: String,
    /// `None` if the body has no log-probabilities.
    pub(super) logprobs: Option<Vec<Logprob>>,
    pub(super) finish: Option<String>,
    pub(super) usage: Option<Usage>,
    /// True if a stream has its last event.
    pub(super) done: bool,
    /// True if a stream ends with an error.
    pub(super) failed: bool,
}

/// Token counts in the answer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Usage {
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
    pub(super) total_tokens: u64,
    pub(super) prompt_tokens_details: PromptDetails,
}

/// Details of the prompt's token count.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct PromptDetails {
    /// How many of its tokens an earlier request had computed. A replay cannot know it.
    pub(super) cached_tokens: u64,
}

/// Log-probabilities of one token; numbers are compared as bits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logprob {
    token: String,
    bytes: Option<Vec<u8>>,
    logprob: u64,
    top: Vec<(String, Option<Vec<u8>>, u64)>,
    /// Number of output characters before it.
    offset: Option<usize>,
}

impl Body {
    pub(super) fn whole(endpoint: Endpoint, body: &[u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        read.message(endpoint, body, false)?;
        Ok(read)
    }

    pub(super) fn stream(endpoint: Endpoint, mut rest: &[u8]) -> Result<Self, Malformed> {
        let mut read = Self::default();
        while !rest.is_empty() {
            let event = rest.strip_prefix(EVENT).ok_or("there is data between the events of the stream")?;
            let end = event.windows(EVENT_END.len()).position(|window| window == EVENT_END);
            let (data, after) = event.split_at(end.ok_or("the stream ends inside an event")?);
            rest = after.get(EVENT_END.len()..).unwrap_or_default();
            if read.done || read.failed {
                return Err("there is data after the end of the stream");
            }
            match data {
                DONE => read.done = true,
                data if data.starts_with(b"{\"error\":") => read.failed = true,
                data => read.message(endpoint, data, true)?,
            }
        }
        Ok(read)
    }

    /// Adds the only object of a whole answer, or one event of a stream.
    fn message(&mut self, endpoint: Endpoint, data: &[u8], streamed: bool) -> Result<(), Malformed> {
        let value = json::parse(data).map_err(|_| "it is not the JSON that nodes write")?;
        match endpoint {
            Endpoint::Chat => self.take(read::<Message<ChatChoice>>(value)?, streamed),
            Endpoint::Completions => self.take(read::<Message<TextChoice>>(value)?, streamed),
        }
    }

    fn take<C: Choice>(&mut self, message: Message<C>, streamed: bool) -> Result<(), Malformed> {
        if self.usage.is_some() || (streamed && message.usage.is_some() && !message.choices.is_empty()) {
            return Err("the token counts are not alone in the last event");
        }
        self.usage = message.usage;
        let mut choices = message.choices.into_iter();
        if let Some(choice) = choices.next() {
            if self.finish.is_some() {
                return Err("there is more text after the end of the output");
            }
            choice.add_to(self, streamed)?;
        } else if self.usage.is_none() {
            return Err("there is a message without an answer");
        }
        match choices.next() {
            None => Ok(()),
            Some(_) => Err("there is more than one answer"),
        }
    }

    fn add(&mut self, text: &str, logprobs: Option<Vec<Logprob>>, finish: Option<String>) {
        self.text.push_str(text);
        if let Some(logprobs) = logprobs {
            self.logprobs.get_or_insert_default().extend(logprobs);
        }
        self.finish = finish;
    }
}

/// What a node writes about these tokens.
pub(super) fn told(endpoint: Endpoint, tokens: &[TokenInfo]) -> Vec<Logprob> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut characters = 0;
    let one = |info: &TokenInfo| {
        let (token, logprob) = (text(&info.bytes), number(info.logprob));
        match endpoint {
            Endpoint::Chat => {
                let top =
                    info.top.iter().map(|(_, bytes, logprob)| (text(bytes), Some(bytes.clone()), number(*logprob)));
                Logprob { token, bytes: Some(info.bytes.clone()), logprob, top: top.collect(), offset: None }
            }
            Endpoint::Completions => {
                let offset = characters;
                characters += token.chars().count();
                // Tokens with the same text share one entry.
                let top: BTreeMap<String, u64> =
                    info.top.iter().map(|(_, bytes, logprob)| (text(bytes), number(*logprob))).collect();
                let top = top.into_iter().map(|(text, logprob)| (text, None, logprob)).collect();
                Logprob { token, bytes: None, logprob, top, offset: Some(offset) }
            }
        }
    };
    tokens.iter().map(one).collect()
}

/// The bits of a log-probability as its reader gets it: written by serde_json and read again.
fn number(logprob: f32) -> u64 {
    let text = serde_json::to_string(&logprob.max(IMPOSSIBLE)).unwrap_or_default();
    text.parse().map_or(u64::MAX, f64::to_bits)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Malformed> {
    serde_json::from_value(value).map_err(|_| "it does not have the form that nodes write")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<C> {
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "object")]
    _object: String,
    #[serde(rename = "created")]
    _created: u64,
    #[serde(rename = "model")]
    _model: String,
    choices: Vec<C>,
    usage: Option<Usage>,
}

trait Choice {
    fn add_to(self, body: &mut Body, streamed: bool) -> Result<(), Malformed>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChatChoice {
    index: u32,
    delta: Option<Words>,
    message: Option<Words>,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    role: Option<String>,
    content: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChatLogprobs {
    content: Vec<ChatToken>,
    #[serde(rename = "refusal")]
    _refusal: Option<()>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChatToken {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
    top_logprobs: Vec<TopToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopToken {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
}

impl Choice for ChatChoice {
    fn add_to(self, body: &mut Body, streamed: bool) -> Result<(), Malformed> {
        let (words, other) = if streamed { (self.delta, self.message) } else { (self.message, self.delta) };
        let (Some(words), None, 0) = (words, other, self.index) else {
            return Err("there is a message besides the answer");
        };
        if words.role.is_some_and(|role| role != "assistant") {
            return Err("a message is not from the assistant");
        }
        let top = |top: TopToken| (top.token, Some(top.bytes), top.logprob.to_bits());
        let token = |token: ChatToken| Logprob {
            token: token.token,
            bytes: Some(token.bytes),
            logprob: token.logprob.to_bits(),
            top: token.top_logprobs.into_iter().map(top).collect(),
            offset: None,
        };
        let logprobs = self.logprobs.map(|logprobs| logprobs.content.into_iter().map(token).collect());
        body.add(words.content.as_deref().unwrap_or_default(), logprobs, self.finish_reason);
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextChoice {
    index: u32,
    text: String,
    logprobs: Option<TextLogprobs>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<f64>,
    top_logprobs: Vec<BTreeMap<String, f64>>,
    text_offset: Vec<usize>,
}

impl Choice for TextChoice {
    fn add_to(self, body: &mut Body, _: bool) -> Result<(), Malformed> {
        if self.index != 0 {
            return Err("there is a text besides the answer");
        }
        let logprobs = self.logprobs.map(TextLogprobs::by_token).transpose()?;
        body.add(&self.text, logprobs, self.finish_reason);
        Ok(())
    }
}

impl TextLogprobs {
    fn by_token(self) -> Result<Vec<Logprob>, Malformed> {
        let count = self.tokens.len();
        if [self.token_logprobs.len(), self.top_logprobs.len(), self.text_offset.len()] != [count; 3] {
            return Err("log-probabilities are missing for some tokens");
        }
        let tops = self.top_logprobs.into_iter().zip(self.text_offset);
        let mut told = Vec::with_capacity(count);
        for ((token, logprob), (top, offset)) in self.tokens.into_iter().zip(self.token_logprobs).zip(tops) {
            let top = top.into_iter().map(|(text, logprob)| (text, None, logprob.to_bits())).collect();
            told.push(Logprob { token, bytes: None, logprob: logprob.to_bits(), top, offset: Some(offset) });
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chat(choice: &str) -> String {
        format!(r#"{{"id":"a","object":"b","created":1,"model":"m","choices":[{choice}]}}"#)
    }

    fn words(content: &str) -> String {
        let choice = r#"{"index":0,"delta":{"content":"CONTENT"},"logprobs":null,"finish_reason":null}"#;
        format!("data: {}\n\n", chat(&choice.replace("CONTENT", content)))
    }

    fn stream(text: &str) -> Result<Body, Malformed> {
        Body::stream(Endpoint::Chat, text.as_bytes())
    }

    #[test]
    fn a_stream_is_its_events_and_nothing_else() {
        let whole = [&*words("a"), &words("b"), "data: [DONE]\n\n"].concat();
        let body = stream(&whole).unwrap();
        assert_eq!((&*body.text, body.done, body.failed), ("ab", true, false));
        assert!(!stream(&words("a")).unwrap().done);
        assert!(stream(&format!("{}data: {{\"error\":{{}}}}\n\n", words("a"))).unwrap().failed);
        for length in (1..whole.len()).filter(|length| !whole[..*length].ends_with("\n\n")) {
            assert!(stream(&whole[..length]).is_err(), "{length}");
        }
        for wrong in [format!("{whole}{}", words("c")), format!(": x\n\n{whole}"), whole.replace("data: {", "data:{")] {
            assert!(stream(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ambiguous_answers_are_errors() {
        let whole = |choice: &str| Body::whole(Endpoint::Chat, chat(choice).as_bytes());
        let right =
            r#"{"index":0,"message":{"role":"assistant","content":"a"},"logprobs":null,"finish_reason":"stop"}"#;
        assert_eq!(whole(right).unwrap().text, "a");
        for wrong in [
            right.replace("\"index\":0", "\"index\":1"),
            right.replace("assistant", "user"),
            right.replace("\"message\"", "\"delta\""),
            right.replace("\"content\":\"a\"", "\"content\":\"a\",\"content\":\"b\""),
            right.replace("\"content\"", "\"reasoning\":\"b\",\"content\""),
            format!("{right},{right}"),
            String::new(),
        ] {
            assert!(whole(&wrong).is_err(), "{wrong}");
        }
        for hostile in [&b"\xff"[..], b"", b"[]", b"null", &[b'['; 100_000]] {
            assert!(Body::whole(Endpoint::Chat, hostile).is_err());
            assert!(Body::whole(Endpoint::Completions, hostile).is_err());
        }
    }

    #[test]
    fn log_probabilities_are_the_numbers_that_are_written() {
        let bits = |text: &str| text.parse::<f64>().unwrap().to_bits();
        assert_eq!(number(-0.1), bits("-0.1"));
        assert_eq!(number(f32::NEG_INFINITY), bits("-9999"));
        assert_ne!(number(-0.1), number((-0.1f32).next_down()));
        let top = vec![(1, b"a".to_vec(), -1.0), (2, b"a".to_vec(), -2.0)];
        let info = TokenInfo { id: 1, bytes: "é".into(), logprob: -1.0, top };
        let told = told(Endpoint::Completions, &[info.clone(), info]);
        assert_eq!((told[0].offset, told[1].offset, told[1].top.len()), (Some(0), Some(1), 1));
    }
}
