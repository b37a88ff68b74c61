//! The engine's handle: load a model, submit requests, read events.

use std::sync::Arc;

use crate::arithmetic::{self, Arithmetic};
use crate::embed::Embedder;
use crate::error::EngineError;
use crate::generation::Generation;
use crate::limits::MIN_CONTEXT;
use crate::model::load::Model;
use crate::model::sealed::SealedModel;
use crate::model::{memory, pages};
use crate::options::EngineOptions;
use crate::prepare;
use crate::request::{Chat, Completion, Embedding};
use crate::scheduler::{CacheScope, Scheduler};
use crate::tokenise::{self, Prompt, Queue, Room, Ticket};

/// What is known about the loaded model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The model's name in the API.
    pub name: String,
    /// SHA-256 of the whole GGUF file.
    pub sha256: [u8; 32],
    /// Size of the GGUF file, bytes.
    pub size: u64,
    /// Tokens of one sequence's context.
    pub context: u32,
    /// Tokens in the vocabulary.
    pub vocab: u32,
    /// Whether the model brings a chat template.
    pub chat: bool,
    /// The arithmetic profile's name.
    pub profile: String,
    /// What computes: crate versions, checksums, build flags; at most 256 ASCII bytes.
    pub identity: String,
    /// Those of the processor's instruction sets that change results, joined by `+`.
    pub processor: String,
}

/// A running model. Clones share it; it stops when the last one is dropped.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    scope: Option<CacheScope>,
    ticket: Option<Ticket>,
}

struct Inner {
    info: ModelInfo,
    model: Model,
    max_tokens: Option<u32>,
    scheduler: Scheduler,
    embedder: Embedder,
    queue: Queue,
}

impl Engine {
    /// [`Model::load`], then [`Engine::start`].
    ///
    /// # Errors
    /// As both.
    pub fn load(model: SealedModel, options: EngineOptions) -> Result<Self, EngineError> {
        Self::start(Model::load(model, options.arithmetic)?, options)
    }

    /// Checks that the model keeps its arithmetic profile here, and starts its threads. Takes up to seconds: call it where
    /// blocking is allowed.
    ///
    /// # Errors
    /// [`EngineError::Option`], [`EngineError::NotExact`], [`EngineError::Memory`], [`EngineError::Load`],
    /// [`EngineError::System`].
    pub fn start(model: Model, options: EngineOptions) -> Result<Self, EngineError> {
        options.check()?;
        let loaded = &model.loaded;
        let trained = model.context();
        if options.context > trained {
            let (actual, max) = (options.context.into(), trained.into());
            return Err(EngineError::Option { option: "context", actual, min: MIN_CONTEXT.into(), max });
        }
        memory::check(&loaded.model, options.context, options.parallel)?;
        if model.arithmetic() == Arithmetic::Exact {
            arithmetic::aside(|| arithmetic::self_test(loaded, options.threads))?;
        }
        let info = ModelInfo {
            name: options.name.clone(),
            sha256: *loaded.sealed.sha256(),
            size: loaded.sealed.size(),
            context: options.context,
            vocab: loaded.vocab.len(),
            chat: loaded.template.is_some(),
            profile: model.arithmetic().profile(),
            identity: crate::identity::identity(),
            processor: arithmetic::processor_features(),
        };
        // One after the other, because making a context changes the model.
        let scheduler = Scheduler::start(Arc::clone(loaded), &options)?;
        let embedder = Embedder::start(Arc::clone(loaded), &options)?;
        pages::gather(&loaded.sealed);
        let queue = Queue::start()?;
        let inner = Inner { info, max_tokens: options.max_tokens, scheduler, embedder, queue, model };
        Ok(Self { inner: Arc::new(inner), scope: None, ticket: None })
    }

    /// The same engine for requests of `scope`. Common beginnings of their prompts are computed once, as long as there
    /// is room. Without a scope, nothing is shared.
    pub fn in_scope(&self, scope: &CacheScope) -> Self {
        Self { inner: Arc::clone(&self.inner), scope: Some(scope.clone()), ticket: None }
    }

    /// What is known about the model.
    pub fn info(&self) -> &ModelInfo {
        &self.inner.info
    }

    /// Whether the engine still answers; once false, it stays false.
    pub fn is_alive(&self) -> bool {
        self.inner.scheduler.is_alive()
    }

    /// Runs `work` on a thread that prepares prompts, when it is its scope's turn. `work` may call [`Engine::chat`] or
    /// [`Engine::complete`] on the engine that it gets. Dropping the future cancels it: before it begins, or between
    /// two messages.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when too many wait, [`EngineError::Stopped`], and what `work` returns.
    pub async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let own = self.clone();
        self.inner.queue.run(self.scope.as_ref(), |ticket| work(&Self { ticket: Some(ticket.clone()), ..own })).await
    }

    /// Renders, tokenises and checks a chat, and submits it. Blocks for up to seconds on long prompts: call it within
    /// [`Engine::in_turn`], or where blocking is allowed.
    ///
    /// # Errors [`EngineError::Request`] if the request is wrong, [`EngineError::Busy`], [`EngineError::Stopped`].
    pub fn chat(&self, chat: &Chat) -> Result<Generation, EngineError> {
        let room = self.room(self.inner.info.context, "messages");
        let prompt = prepare::chat(&self.inner.model.loaded, room, chat)?;
        self.generate(prompt, &chat.parameters, chat.logprobs)
    }

    /// As [`Engine::chat`], for a text to continue.
    ///
    /// # Errors
    /// As [`Engine::chat`].
    pub fn complete(&self, completion: &Completion) -> Result<Generation, EngineError> {
        let room = self.room(self.inner.info.context, "prompt");
        let prompt = prepare::completion(&self.inner.model.loaded, room, completion)?;
        self.generate(prompt, &completion.parameters, completion.logprobs)
    }

    /// Embeds every text: the mean of the last layer's states over its tokens, scaled to unit
    /// length. Texts are tokenised in turn, as [`Engine::in_turn`] does, and computed one by one. One text has at
    /// most [`crate::limits::MAX_EMBEDDING_TOKENS`] tokens, less one.
    ///
    /// # Errors
    /// [`EngineError::Request`] for a text too long, [`EngineError::Busy`],
    /// [`EngineError::Stopped`], [`EngineError::Decode`].
    pub async fn embed(&self, embedding: Embedding) -> Result<Embeddings, EngineError> {
        let tokens = self.in_turn(move |engine| engine.embedding_tokens(&embedding)).await?;
        let mut vectors = Vec::with_capacity(tokens.len());
        for tokens in &tokens {
            vectors.push(self.inner.embedder.embed(tokens.clone()).await?);
        }
        Ok(Embeddings { vectors, tokens })
    }

    fn embedding_tokens(&self, embedding: &Embedding) -> Result<Vec<Vec<u32>>, EngineError> {
        let room = self.room(self.inner.embedder.context, "input");
        let tokens = |text: &String| tokenise::tokenise(&self.inner.model.loaded, room, &[(text, false)]);
        embedding.inputs.iter().map(|text| Ok(tokens(text)?.tokens)).collect()
    }

    fn room<'a>(&'a self, context: u32, param: &'a str) -> Room<'a> {
        Room { context, param, ticket: self.ticket.as_ref() }
    }

    fn generate(
        &self,
        prompt: Prompt,
        parameters: &crate::request::Parameters,
        logprobs: Option<u8>,
    ) -> Result<Generation, EngineError> {
        let bounds = prepare::Bounds { context: self.inner.info.context, max_tokens: self.inner.max_tokens };
        let sampling = prepare::sampling(&self.inner.model.loaded, bounds, &prompt, parameters)?;
        let events = self.inner.scheduler.submit(&prompt.tokens, &sampling, logprobs, self.scope.as_ref())?;
        Ok(Generation { prompt: prompt.text, prompt_tokens: prompt.tokens, sampling, events })
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("info", &self.inner.info).finish_non_exhaustive()
    }
}

/// What [`Engine::embed`] gives, in the order of the inputs.
#[derive(Clone, PartialEq)]
pub struct Embeddings {
    /// One vector for each text, of the model's width and of length 1.
    pub vectors: Vec<Vec<f32>>,
    /// The tokens of each text.
    pub tokens: Vec<Vec<u32>>,
}

impl std::fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embeddings").field("texts", &self.vectors.len()).finish_non_exhaustive()
    }
}
