//! Embeddings: a second context of the same model, mean-pooled, on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use llama_cpp_sys_2::{LLAMA_POOLING_TYPE_MEAN, llama_context_params};
use tokio::sync::oneshot;

use crate::arithmetic::{self, Shape};
use crate::error::EngineError;
use crate::limits::{EMBEDDING_QUEUE, MAX_EMBEDDING_TOKENS};
use crate::llama::batch::Batch;
use crate::llama::context::Context;
use crate::model::load::Loaded;
use crate::options::EngineOptions;

/// The embedding thread's handle. The thread ends when it is dropped.
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
            let parameters = llama_context_params {
                embeddings: true,
                pooling_type: LLAMA_POOLING_TYPE_MEAN,
                ..arithmetic::parameters(shape)
            };
            match Context::new(&loaded, parameters) {
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

    /// The mean of the last layer's states over `tokens`, of length 1. Dropping the future cancels it.
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
fn run(mut context: Context<'_>, size: u32, jobs: &Receiver<Job>) {
    let mut batch = Batch::new(size as usize);
    while let Ok(job) = jobs.recv() {
        if job.reply.is_closed() {
            continue;
        }
        let outcome = arithmetic::aside(|| one(&mut context, &mut batch, &job.tokens));
        let failed = matches!(outcome, Err(EngineError::Decode { .. }));
        job.reply.send(outcome).ok();
        // If there is no new context, the next text fails, too, and this is tried again.
        if failed {
            context.renew().ok();
        }
    }
}

fn one(context: &mut Context<'_>, batch: &mut Batch, tokens: &[u32]) -> Result<Vec<f32>, EngineError> {
    context.clear()?;
    batch.clear();
    for (position, id) in tokens.iter().enumerate() {
        batch.add(0, position, *id, true)?;
    }
    context.decode(batch)?;
    let mean = context.mean(0)?;
    let length = mean.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(EngineError::Logits);
    }
    Ok(mean.iter().map(|value| (f64::from(*value) / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::llama::context::tests::model;

    #[test]
    fn a_failure_is_one_texts_own() {
        let model = model();
        let options = EngineOptions { context: 64, ..EngineOptions::new("tiny") };
        let embedder = Embedder::start(Arc::clone(&model.loaded), &options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let embed = |tokens: &[u32]| runtime.block_on(embedder.embed(tokens.to_vec()));
        let wanted = embed(&[5, 6, 7]).unwrap();
        let failed = Err(EngineError::Decode { status: 0 });
        for round in 0..3 {
            model.loaded.faults.decode.store(true, Ordering::Relaxed);
            assert_eq!(embed(&[5, 6, 7]), failed, "{round}");
            assert_eq!(embed(&[5, 6, 7]).as_ref(), Ok(&wanted));
        }
        for wrong in [vec![], vec![model.loaded.vocab.len()], vec![5; 65]] {
            assert_eq!(embed(&wrong), failed);
        }
        assert_eq!(embed(&[5, 6, 7]), Ok(wanted));
    }
}
