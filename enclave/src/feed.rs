//! Fetches models from the untrusted host. They are hashed while they are written to sealed memory, and loaded from
//! there.

use quoth_engine::{Arithmetic, Engine, EngineOptions, ModelWriter, SealedModel};
use quoth_link::feed::Request;
use quoth_link::{Address, CONNECT_TIMEOUT, LinkError, Port, RETRY};
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

use crate::config::{ArithmeticName, Model};
use crate::{EnclaveError, limits};

/// Bytes taken from the host at a time.
const CHUNK: usize = 1 << 20;
/// How often to try a host that does not listen yet.
const CONNECT_TRIES: usize = 100;

/// Fetches the model at `index` of the configuration and checks its hash.
pub async fn fetch(link: &Address, index: usize, model: &Model) -> Result<SealedModel, EnclaveError> {
    let failed = |source| EnclaveError::Model { index, source };
    let mut writer = ModelWriter::new(model.size).map_err(failed)?;
    let mut stream = connect(link).await?;
    let request = Request { sha256: model.sha256.0, size: model.size };
    match timeout(limits::FEED_STALL, request.ask(&mut stream)).await {
        Ok(Ok(())) => {}
        Ok(Err(LinkError::UnknownModel)) => return Err(EnclaveError::ModelUnknown { index }),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(EnclaveError::ModelFeed { index, bytes: 0 }),
    }
    let mut chunk = vec![0; CHUNK];
    while writer.written() < model.size {
        let stalled = || EnclaveError::ModelFeed { index, bytes: writer.written() };
        let wanted = usize::try_from(model.size - writer.written()).unwrap_or(CHUNK).min(CHUNK);
        let count = match timeout(limits::FEED_STALL, stream.read(&mut chunk[..wanted])).await {
            Ok(Ok(count)) if count > 0 => count,
            _ => return Err(stalled()),
        };
        writer.write(&chunk[..count]).map_err(failed)?;
    }
    writer.finish(&model.sha256.0).map_err(failed)
}

/// Loads a fetched model. Takes seconds: call it where blocking is allowed.
pub fn load(sealed: SealedModel, index: usize, model: &Model) -> Result<quoth_engine::Model, EnclaveError> {
    let arithmetic = match model.arithmetic {
        ArithmeticName::Exact => Arithmetic::Exact,
        ArithmeticName::Plain => Arithmetic::Plain,
    };
    quoth_engine::Model::load(sealed, arithmetic).map_err(|source| EnclaveError::Model { index, source })
}

/// Tests that a loaded model keeps its arithmetic profile here, and starts it. Takes seconds, too.
pub fn start(loaded: quoth_engine::Model, index: usize, model: &Model) -> Result<Engine, EnclaveError> {
    let mut options = EngineOptions::new(model.name.as_str());
    options.threads = model.threads;
    options.context = model.context;
    options.parallel = model.parallel;
    options.batch = model.batch;
    options.max_tokens = model.max_tokens;
    Engine::start(loaded, options).map_err(|source| EnclaveError::Model { index, source })
}

async fn connect(link: &Address) -> Result<quoth_link::Stream, EnclaveError> {
    for _ in 1..CONNECT_TRIES {
        match link.connect(Port::MODEL, CONNECT_TIMEOUT).await {
            Ok(stream) => return Ok(stream),
            Err(_) => sleep(RETRY).await,
        }
    }
    Ok(link.connect(Port::MODEL, CONNECT_TIMEOUT).await?)
}
