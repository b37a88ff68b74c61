//! Embeddings: a second context of the same model, mean-pooled, on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaPoolingType;
use llama_cpp_2::llama_batch::LlamaBatch;
use tokio::sync::oneshot;

use crate::arithmetic::{self, Shape};
use crate::engine::EngineOptions;
use crate::error::EngineError;
use crate::limits::{EMBEDDING_QUEUE, MAX_EMBEDDING_TOKENS};
use crate::llama;
use crate::model::load::Loaded;
use crate::model::vocab::token;

/// The embedding thread, and the way to it. It ends when this is dropped.
pub(crate) struct Embedder {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Most tokens of one text.
    pub(crate) context: u32,
}

struct Job {
    tokens: Vec<u32>,
    reply: oneshot::Sender<Result<Vec<f32>, EngineError>>,
}

impl Embedder {
    pub(crate) fn start(loaded: Arc<Loaded>, options: &EngineOptions) -> Result<Self, EngineError> {
        let size = options.context.min(MAX_EMBEDDING_TOKENS);
        let (queue, jobs) = sync_channel(EMBEDDING_QUEUE);
        let (ready, started) = sync_channel(1);
        let threads = options.threads;
        let thread = std::thread::Builder::new().name("embed".into()).spawn(move || {
            // Pooling sees one micro-batch at a time, so a whole text must fit into one.
            let shape = Shape { context: size, sequences: 1, batch: size, micro_batch: size, threads };
            let parameters =
                arithmetic::parameters(shape).with_embeddings(true).with_pooling_type(LlamaPoolingType::Mean);
            match llama::context(&loaded, parameters) {
                Ok(context) => {
                    ready.send(Ok(())).ok();
                    run(context, size, &jobs);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
        let thread = thread.map_err(|error| EngineError::io("spawn", &error))?;
        started.recv().map_err(|_| EngineError::Load { what: "make an embedding context for this model" })??;
        Ok(Self { queue: Some(queue), thread: Some(thread), context: size })
    }

    /// The mean of the last layer's states over `tokens`, of length 1. Dropping the future gives it up.
    pub(crate) async fn embed(&self, tokens: Vec<u32>) -> Result<Vec<f32>, EngineError> {
        let (reply, answer) = oneshot::channel();
        match self.queue.as_ref().map(|queue| queue.try_send(Job { tokens, reply })) {
            Some(Ok(())) => answer.await.map_err(|_| EngineError::Stopped)?,
            Some(Err(TrySendError::Full(_))) => Err(EngineError::Busy { limit: EMBEDDING_QUEUE }),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(EngineError::Stopped),
        }
    }
}

impl Drop for Embedder {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Answers one text after the other.
fn run(mut context: LlamaContext<'_>, size: u32, jobs: &Receiver<Job>) {
    let mut batch = LlamaBatch::new(size as usize, 1);
    while let Ok(job) = jobs.recv() {
        if job.reply.is_closed() {
            continue;
        }
        let outcome = arithmetic::aside(|| one(&mut context, &mut batch, size, &job.tokens));
        job.reply.send(outcome).ok();
    }
}

fn one(
    context: &mut LlamaContext<'_>,
    batch: &mut LlamaBatch<'_>,
    size: u32,
    tokens: &[u32],
) -> Result<Vec<f32>, EngineError> {
    let failed = EngineError::Decode { status: 0 };
    if tokens.is_empty() || tokens.len() > size as usize {
        return Err(failed);
    }
    context.clear_kv_cache();
    batch.clear();
    for (position, id) in (0..).zip(tokens) {
        batch.add(token(*id), position, &[0], true).map_err(|_| failed.clone())?;
    }
    context.decode(batch).map_err(|error| EngineError::Decode { status: arithmetic::status(&error) })?;
    let mean = context.embeddings_seq_ith(0).map_err(|_| failed)?;
    let length = mean.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(EngineError::Logits);
    }
    Ok(mean.iter().map(|value| (f64::from(*value) / length) as f32).collect())
}
