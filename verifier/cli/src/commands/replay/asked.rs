//! Reads the request as a node does.

use quoth_attestation::sampling::Sampling;
use quoth_engine::request::{Chat, Completion, Parameters};
use quoth_engine::{EngineError, Replayer, json};

/// An endpoint whose answers can be replayed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Chat,
    Completions,
}

impl Endpoint {
    pub(super) fn at(target: &str) -> Option<Self> {
        match target.split_once('?').map_or(target, |(path, _)| path) {
            "/v1/chat/completions" => Some(Self::Chat),
            "/v1/completions" => Some(Self::Completions),
            _ => None,
        }
    }
}

pub(super) enum Asked {
    Chat(Box<Chat>),
    Completion(Box<Completion>),
}

impl Asked {
    /// Reads a request body. The error says what this engine refuses, and repeats nothing of the body.
    pub(super) fn read(endpoint: Endpoint, body: &[u8]) -> Result<Self, String> {
        let body = json::parse(body).map_err(|error| error.to_string())?;
        let read = match endpoint {
            Endpoint::Chat => Chat::from_json(&body).map(|chat| Self::Chat(Box::new(chat))),
            Endpoint::Completions => {
                Completion::from_json(&body).map(|completion| Self::Completion(Box::new(completion)))
            }
        };
        read.map_err(|error| error.to_string())
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Chat(_) => Endpoint::Chat,
            Self::Completion(_) => Endpoint::Completions,
        }
    }

    pub(super) fn prompt(&self, replayer: &Replayer) -> Result<(Vec<u8>, Vec<u32>), EngineError> {
        match self {
            Self::Chat(chat) => replayer.chat_prompt(chat),
            Self::Completion(completion) => replayer.completion_prompt(completion),
        }
    }

    /// Whether the answer is a stream, and whether its last event has token counts.
    pub(super) fn stream(&self) -> (bool, bool) {
        match self {
            Self::Chat(chat) => (chat.stream, chat.include_usage),
            Self::Completion(completion) => (completion.stream, completion.include_usage),
        }
    }

    pub(super) fn logprobs(&self) -> Option<u8> {
        match self {
            Self::Chat(chat) => chat.logprobs,
            Self::Completion(completion) => completion.logprobs,
        }
    }

    /// The first part of `sampling` that does not fit this request. Seed and length may have any value if the request leaves them
    /// to the node.
    pub(super) fn other_than(&self, sampling: &Sampling) -> Option<&'static str> {
        let parameters = self.parameters();
        let (seed, max_tokens) = (parameters.seed.unwrap_or(sampling.seed), parameters.max_tokens);
        let Ok(right) = parameters.resolve(seed, max_tokens.unwrap_or(sampling.max_tokens)) else {
            return Some("response_format");
        };
        let bits = |biases: &[(u32, f32)]| biases.iter().map(|(id, bias)| (*id, bias.to_bits())).collect::<Vec<_>>();
        let float = |part: fn(&Sampling) -> f32| part(&right).to_bits() == part(sampling).to_bits();
        let same = [
            ("temperature", float(|sampling| sampling.temperature)),
            ("top_p", float(|sampling| sampling.top_p)),
            ("top_k", right.top_k == sampling.top_k),
            ("min_p", float(|sampling| sampling.min_p)),
            ("seed", right.seed == sampling.seed),
            ("presence_penalty", float(|sampling| sampling.presence_penalty)),
            ("frequency_penalty", float(|sampling| sampling.frequency_penalty)),
            ("repeat_penalty", float(|sampling| sampling.repeat_penalty)),
            ("logit_bias", bits(&right.logit_bias) == bits(&sampling.logit_bias)),
            ("stop", right.stop == sampling.stop),
            ("max_tokens", right.max_tokens == sampling.max_tokens),
            ("response_format", right.grammar == sampling.grammar),
            // Anything else that a later engine may record.
            ("the range of penalties", right.encode() == sampling.encode()),
        ];
        same.into_iter().find_map(|(name, same)| (!same).then_some(name))
    }

    fn parameters(&self) -> &Parameters {
        match self {
            Self::Chat(chat) => &chat.parameters,
            Self::Completion(completion) => &completion.parameters,
        }
    }
}
