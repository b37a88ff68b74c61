//! Prepares a request before the engine's thread sees it: prompt and sampling.

use std::sync::Arc;

use quoth_attestation::sampling::{FORBIDDEN_SEED, MAX_GRAMMAR, Sampling};

use crate::error::EngineError;
use crate::llama::sampler::Sampler;
use crate::model::load::Loaded;
use crate::request::{Chat, Code, Completion, Parameters, RequestError};
use crate::template::Piece;
use crate::tokenise::{Prompt, Room, check_length, tokenise};

pub(crate) fn chat(loaded: &Loaded, room: Room<'_>, chat: &Chat) -> Result<Prompt, EngineError> {
    let template = loaded
        .template
        .as_ref()
        .ok_or_else(|| RequestError::new(Code::ChatTemplate, "messages", "this model has no chat template"))?;
    check_length(loaded, room, chat.messages.iter().map(|message| message.content.len()).sum())?;
    let pieces = template.render(&chat.messages)?;
    let spans: Vec<(&str, bool)> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Markup(text) => (text.as_str(), true),
            Piece::Content(index) => (chat.messages.get(*index).map_or("", |message| message.content.as_str()), false),
        })
        .collect();
    tokenise(loaded, room, &spans)
}

pub(crate) fn completion(loaded: &Loaded, room: Room<'_>, completion: &Completion) -> Result<Prompt, EngineError> {
    if !loaded.generates {
        return Err(RequestError::new(Code::InvalidValue, "model", "this model makes embeddings only").into());
    }
    tokenise(loaded, room, &[(&completion.prompt, false)])
}

/// What an output has room for.
pub(crate) struct Bounds {
    /// Tokens of prompt and output together.
    pub(crate) context: u32,
    /// Most tokens of an output, if the operator limits them further.
    pub(crate) max_tokens: Option<u32>,
}

/// Fills in and checks what depends on the model: bias ids, room for the output, the seed.
pub(crate) fn sampling(
    loaded: &Loaded,
    bounds: Bounds,
    prompt: &Prompt,
    asked: &Parameters,
) -> Result<Sampling, EngineError> {
    let Bounds { context, max_tokens: most } = bounds;
    let room = context - u32::try_from(prompt.tokens.len()).unwrap_or(context);
    let max_tokens = asked.max_tokens.unwrap_or(most.map_or(room, |most| most.min(room)));
    if max_tokens > room {
        let message = format!("prompt and 'max_tokens' together exceed this model's context of {context} tokens");
        return Err(RequestError::new(Code::ContextLengthExceeded, "max_tokens", message).into());
    }
    if let Some(most) = most.filter(|most| max_tokens > *most) {
        return Err(RequestError::value("max_tokens", format!("'max_tokens' must be at most {most} here")).into());
    }
    if asked.logit_bias.iter().any(|(id, _)| *id >= loaded.vocab.len()) {
        let message = format!("token ids of 'logit_bias' must be below {}", loaded.vocab.len());
        return Err(RequestError::value("logit_bias", message).into());
    }
    let seed = match asked.seed {
        Some(seed) => seed,
        None => draw_seed()?,
    };
    asked.resolve(seed, max_tokens).map_err(|_| {
        // Of all its parts only the grammar can exceed the format's limits: parsing has checked the others.
        let message = format!("the schema's grammar must have at most {MAX_GRAMMAR} bytes");
        RequestError::value("response_format", message).into()
    })
}

/// The sampler for a grammar that [`crate::schema`] wrote.
pub(crate) fn grammar_sampler(loaded: &Arc<Loaded>, grammar: &str) -> Result<Sampler, EngineError> {
    Sampler::grammar(loaded, grammar).ok_or_else(|| {
        RequestError::new(Code::InvalidJsonSchema, "response_format", "the schema's grammar is too large").into()
    })
}

fn draw_seed() -> Result<u32, EngineError> {
    loop {
        let seed = getrandom::u32().map_err(|_| EngineError::System { call: "getrandom", errno: 0 })?;
        if seed != FORBIDDEN_SEED {
            return Ok(seed);
        }
    }
}
