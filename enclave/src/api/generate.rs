//! What chat and completions share: a generation becomes a stream of events, or one answer.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use quoth_attestation::receipt::Outcome;
use quoth_engine::{Engine, EngineError, Event, Finish, Generation, TokenInfo};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use super::ApiError;
use super::answer::Answer;
use crate::clock;
use crate::config::Api;
use crate::exchange::{End, Exchange, LocalRecord, Noted, Piece, Pieces};

/// Most engine events in one piece of a stream.
const TOGETHER: usize = 32;

/// How an API writes what a generation produces.
pub(super) trait Shape: Send + 'static {
    /// Writes the events before the first token.
    fn begin(&self, _head: &Head, _out: &mut Sse<'_>) {}
    /// Writes an event for new text and its tokens.
    fn delta(&mut self, head: &Head, text: &str, tokens: &[TokenInfo], out: &mut Sse<'_>);
    /// Writes the event that says why the output ended.
    fn finish(&self, head: &Head, reason: &'static str, out: &mut Sse<'_>);
    /// Writes the event with the token counts.
    fn usage(&self, head: &Head, usage: Counts, out: &mut Sse<'_>);
    /// The answer in one piece.
    fn whole(&mut self, head: &Head, text: &str, tokens: &[TokenInfo], reason: &'static str, usage: Counts) -> Bytes;
}

/// What every event repeats.
pub(super) struct Head {
    /// The answer's id.
    pub(super) id: String,
    /// When it began, Unix seconds.
    pub(super) created: u64,
    /// The model's name.
    pub(super) model: String,
    /// Whether events name token counts.
    pub(super) include_usage: bool,
}

/// One event, or the whole answer: the envelope that chat and completions share around their choices.
#[derive(Serialize)]
pub(super) struct Chunk<'a, C> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created: u64,
    pub(super) model: &'a str,
    pub(super) choices: Vec<C>,
    /// Absent, `null` in events before the last, or the counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Option<Counts>>,
}

impl<'a, C: Serialize> Chunk<'a, C> {
    /// An event.
    pub(super) fn new(object: &'static str, head: &'a Head, choices: Vec<C>) -> Self {
        let Head { id, created, model, include_usage } = head;
        Self { id, object, created: *created, model, choices, usage: include_usage.then_some(None) }
    }

    /// The event, or the answer, with token counts.
    pub(super) fn counted(self, usage: Counts) -> Self {
        Self { usage: Some(Some(usage)), ..self }
    }

    /// JSON.
    pub(super) fn to_bytes(&self) -> Bytes {
        // safe: plain structures serialize
        serde_json::to_vec(self).expect("plain structures serialize").into()
    }
}

/// Token counts in OpenAI's words.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Counts {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
}

#[derive(Clone, Copy, Serialize)]
struct PromptDetails {
    cached_tokens: usize,
}

impl Counts {
    /// `cached_tokens`: how many tokens of the prompt had been computed before.
    fn new(prompt: usize, completion: usize, cached_tokens: usize) -> Self {
        let (prompt_tokens, completion_tokens) = (prompt as u64, completion as u64);
        let total_tokens = prompt_tokens + completion_tokens;
        Self { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details: PromptDetails { cached_tokens } }
    }
}

/// Writes server-sent events.
pub(super) struct Sse<'a>(&'a mut BytesMut);

impl Sse<'_> {
    /// One event.
    pub(super) fn event(&mut self, data: &impl Serialize) {
        // safe: JSON of plain structures, which has no line ends, into memory
        let data = serde_json::to_string(data).expect("plain structures serialize");
        write!(self.0, "data: {data}\n\n").expect("memory takes every byte"); // safe: as above
    }
}

/// A head for an answer that begins now.
pub(super) fn head(prefix: &str, exchange: &Exchange, model: &str, include_usage: bool) -> Head {
    Head { id: format!("{prefix}{}", exchange.id()), created: clock::seconds(), model: model.into(), include_usage }
}

/// Starts a generation and answers with it, streamed or whole.
pub(super) async fn answer(
    engine: &Engine,
    exchange: &mut Exchange,
    stream: bool,
    head: Head,
    shape: impl Shape,
    start: impl FnOnce(&Engine) -> Result<Generation, EngineError> + Send + 'static,
) -> Result<Answer<LocalStream>, ApiError> {
    let generation = engine.in_turn(start).await?;
    exchange.runs(LocalRecord::generation(engine.info(), &generation).map_err(|_| ApiError::internal())?);
    match stream {
        true => Ok(Answer::events(LocalStream {
            events: generation.events,
            head,
            shape: Box::new(shape),
            begun: false,
            prompt: generation.prompt_tokens.len(),
            produced: 0,
        })),
        false => whole(generation, exchange, &head, shape).await,
    }
}

async fn whole(
    mut generation: Generation,
    exchange: &mut Exchange,
    head: &Head,
    mut shape: impl Shape,
) -> Result<Answer<LocalStream>, ApiError> {
    let mut answer = String::new();
    let mut infos = Vec::new();
    loop {
        match generation.events.recv().await {
            Some(Event::Text { text, tokens }) => {
                answer.push_str(&text);
                exchange.note(Noted::Local { tokens: ids(&tokens).collect(), text: Some(text.clone()) });
                let alternatives: usize = tokens.iter().map(|token| token.top.len()).sum();
                // The text is held twice: as the answer and in its parts.
                let room = 2 * text.len() + (tokens.len() + alternatives) * size_of::<TokenInfo>();
                if !exchange.hold().grow(room) {
                    return Err(ApiError::no_memory());
                }
                infos.extend(tokens);
            }
            Some(Event::Finished { reason, output_tokens, cached_tokens }) => {
                exchange.note(Noted::Local {
                    tokens: beyond(infos.len(), &output_tokens).to_vec(),
                    // A whole answer has a text, even an empty one.
                    text: Some(String::new()),
                });
                let (reason, outcome) = ending(reason);
                let counts = Counts::new(generation.prompt_tokens.len(), output_tokens.len(), cached_tokens);
                let body = shape.whole(head, &answer, &infos, reason, counts);
                return Ok(Answer::json(body, outcome));
            }
            // If the channel closes without a last event, the engine has stopped.
            _ => return Err(ApiError::engine()),
        }
    }
}

fn ids(tokens: &[TokenInfo]) -> impl Iterator<Item = u32> {
    tokens.iter().map(|token| token.id)
}

/// Tokens of an output after the first `noted`. Only the token that ended the output can be left, because no text event
/// has it.
fn beyond(noted: usize, output: &[u32]) -> &[u32] {
    output.get(noted..).unwrap_or_default()
}

fn ending(reason: Finish) -> (&'static str, Outcome) {
    match reason {
        Finish::Stop => ("stop", Outcome::Complete),
        Finish::Length => ("length", Outcome::Length),
    }
}

/// A generation as an event stream. Dropping it cancels the generation.
pub(super) struct LocalStream {
    events: Receiver<Event>,
    head: Head,
    shape: Box<dyn Shape>,
    begun: bool,
    /// Tokens of the prompt.
    prompt: usize,
    /// Tokens of the output that pieces had so far.
    produced: usize,
}

impl Pieces for LocalStream {
    async fn next(&mut self) -> Piece {
        let mut piece = Draft::default();
        if !self.begun {
            self.begun = true;
            self.shape.begin(&self.head, &mut Sse(&mut piece.bytes));
            if !piece.bytes.is_empty() {
                return piece.finish(None);
            }
        }
        // The only wait. It loses nothing if it is cancelled.
        let mut event = self.events.recv().await;
        for _ in 1..TOGETHER {
            if let Some(end) = self.write(event, &mut piece) {
                return piece.finish(Some(end));
            }
            match self.events.try_recv() {
                Ok(next) => event = Some(next),
                Err(_) => return piece.finish(None),
            }
        }
        let end = self.write(event, &mut piece);
        piece.finish(end)
    }
}

/// A piece as it is written.
#[derive(Default)]
struct Draft {
    bytes: BytesMut,
    tokens: Vec<u32>,
    text: Option<String>,
}

impl Draft {
    fn finish(self, end: Option<End>) -> Piece {
        Piece { bytes: self.bytes.freeze(), noted: Noted::Local { tokens: self.tokens, text: self.text }, end }
    }
}

impl LocalStream {
    /// Writes an event into a piece. `None` means that the engine stopped. Returns how the stream ended, if it did.
    fn write(&mut self, event: Option<Event>, piece: &mut Draft) -> Option<End> {
        match event {
            Some(Event::Text { text, tokens }) => {
                self.produced += tokens.len();
                piece.tokens.extend(ids(&tokens));
                piece.text.get_or_insert_default().push_str(&text);
                self.shape.delta(&self.head, &text, &tokens, &mut Sse(&mut piece.bytes));
                None
            }
            Some(Event::Finished { reason, output_tokens, cached_tokens }) => {
                piece.tokens.extend(beyond(self.produced, &output_tokens));
                // A whole answer has a text, even an empty one.
                piece.text.get_or_insert_default();
                let counts = Counts::new(self.prompt, output_tokens.len(), cached_tokens);
                Some(self.end(reason, counts, &mut Sse(&mut piece.bytes)))
            }
            _ => {
                let terminal = [b"data: ", &ApiError::engine().body(Api::Openai)[..], b"\n\n"].concat().into();
                Some(End { outcome: Outcome::EngineFailed, terminal, broke_off: true })
            }
        }
    }

    fn end(&mut self, reason: Finish, counts: Counts, out: &mut Sse<'_>) -> End {
        let (reason, outcome) = ending(reason);
        self.shape.finish(&self.head, reason, out);
        if self.head.include_usage {
            self.shape.usage(&self.head, counts, out);
        }
        End { outcome, terminal: Bytes::from_static(b"data: [DONE]\n\n"), broke_off: false }
    }
}
