//! Everything that is decided before the engine's thread sees a request.

use llama_cpp_2::sampling::LlamaSampler;

use crate::error::EngineError;
use crate::limits::MAX_RENDERED_BYTES;
use crate::model::load::Loaded;
use crate::request::{Chat, Code, Completion, Parameters, RequestError};
use crate::sampling::{FORBIDDEN_SEED, Sampling};
use crate::template::Piece;

/// A prompt as text and as tokens.
pub(crate) struct Prompt {
    pub(crate) text: Vec<u8>,
    pub(crate) tokens: Vec<u32>,
}

/// Stack for each byte of text in the thread that tokenises: some of llama.cpp's word splitters
/// recurse for every character of a long word. Pages are used only when touched.
const STACK_A_BYTE: usize = 1024;
/// Below this length no splitter can come near the end of an ordinary stack.
const SHORT_TEXT: usize = 512;

pub(crate) fn chat(loaded: &Loaded, context: u32, chat: &Chat) -> Result<Prompt, EngineError> {
    let template = loaded
        .template
        .as_ref()
        .ok_or_else(|| RequestError::new(Code::ChatTemplate, "messages", "this model has no chat template"))?;
    let pieces = template.render(&chat.messages)?;
    let spans: Vec<(&str, bool)> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Markup(text) => (text.as_str(), true),
            Piece::Content(index) => (chat.messages.get(*index).map_or("", |message| message.content.as_str()), false),
        })
        .collect();
    tokenise(loaded, context, &spans, "messages")
}

pub(crate) fn completion(loaded: &Loaded, context: u32, completion: &Completion) -> Result<Prompt, EngineError> {
    tokenise(loaded, context, &[(&completion.prompt, false)], "prompt")
}

pub(crate) fn embedding(loaded: &Loaded, context: u32, text: &str) -> Result<Prompt, EngineError> {
    tokenise(loaded, context, &[(text, false)], "input")
}

/// Tokenises spans one by one; only a span marked `true` may become control tokens.
fn tokenise(loaded: &Loaded, context: u32, spans: &[(&str, bool)], param: &str) -> Result<Prompt, EngineError> {
    let length: usize = spans.iter().map(|(text, _)| text.len()).sum();
    // Long texts are refused before anyone spends time on them.
    if length > MAX_RENDERED_BYTES || length / loaded.vocab.longest() > context as usize {
        return Err(too_long(param, context).into());
    }
    let work = || spans.iter().map(|(text, markup)| span(loaded, text, *markup)).collect::<Vec<_>>();
    let spanned = if length <= SHORT_TEXT { work() } else { with_stack(length, work)? };
    let mut tokens: Vec<u32> = Vec::new();
    for (ids, (_, markup)) in spanned.iter().zip(spans) {
        if !markup && ids.iter().any(|id| loaded.vocab.is_control(*id)) {
            return Err(RequestError::value(param, "the text would become a control token").into());
        }
        tokens.extend(ids);
    }
    if let Some(bos) = loaded.vocab.bos
        && tokens.first() != Some(&bos)
    {
        tokens.insert(0, bos);
    }
    if tokens.is_empty() {
        return Err(RequestError::value(param, "the prompt is empty").into());
    }
    // One token of output, at least.
    if tokens.len() >= context as usize {
        return Err(too_long(param, context).into());
    }
    let text = spans.iter().flat_map(|(text, _)| text.bytes()).collect();
    Ok(Prompt { text, tokens })
}

fn span(loaded: &Loaded, text: &str, markup: bool) -> Vec<u32> {
    if text.is_empty() {
        return Vec::new();
    }
    let tokens = loaded.model.vocab().tokenize(text.as_bytes(), false, markup);
    tokens.into_iter().map(|token| u32::try_from(token.0).unwrap_or(u32::MAX)).collect()
}

fn with_stack<T: Send>(length: usize, work: impl FnOnce() -> T + Send) -> Result<T, EngineError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("tokenise".into()).stack_size((4 << 20) + length * STACK_A_BYTE);
        let thread = thread.spawn_scoped(scope, work).map_err(|error| EngineError::io("spawn", &error))?;
        thread.join().map_err(|_| EngineError::Load { what: "tokenise this text" })
    })
}

/// What an output has room for.
pub(crate) struct Bounds {
    /// Tokens of prompt and output together.
    pub(crate) context: u32,
    /// Most tokens of an output, when the operator bounds them further.
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
    Ok(Sampling::resolve(asked, seed, max_tokens))
}

/// The sampler for a grammar that [`crate::schema`] wrote.
pub(crate) fn grammar_sampler(loaded: &Loaded, grammar: &str) -> Result<LlamaSampler, EngineError> {
    LlamaSampler::grammar(&loaded.model, grammar, "root").map_err(|_| {
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

fn too_long(param: &str, context: u32) -> RequestError {
    let message = format!("the prompt does not fit this model's context of {context} tokens");
    RequestError::new(Code::ContextLengthExceeded, param, message)
}
