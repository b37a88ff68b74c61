//! Reads the model file once, and hashes it on the way into sealed memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use quoth_engine::{EngineError, ModelWriter, SealedModel};
use sha2::{Digest, Sha256};

use crate::error::CliError;

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;

/// Reads a model. It expects the hash that it finds: the receipts decide whether this is the model that answered.
pub(super) fn read(path: &Path) -> Result<SealedModel, CliError> {
    let failed = |source| CliError::File { file: path.into(), source };
    let wrong = |source: EngineError| CliError::Model { file: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut writer = ModelWriter::new(size).map_err(wrong)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        let count = file.read(&mut block).map_err(failed)?;
        let Some(chunk) = block.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
        hash.update(chunk);
        writer.write(chunk).map_err(wrong)?;
    }
    writer.finish(&hash.finalize().into()).map_err(wrong)
}
