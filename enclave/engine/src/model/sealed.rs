//! A model in sealed memory: hashed while it is written, then unchangeable.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::error::EngineError;
use crate::limits::{MAX_MODEL_BYTES, MIN_MODEL_BYTES};

/// Bytes hashed at a time; large enough to be quick, small enough to stay in a cache.
const BLOCK: usize = 1 << 20;
/// Announcements that may wait for the hashing thread.
const AHEAD: usize = 64;
/// How often sealing is tried, and how long it waits in between.
const SEAL_TRIES: u32 = 100;
const SEAL_PAUSE: Duration = Duration::from_millis(10);

/// Takes a model's bytes in order, in chunks of any size.
///
/// A second thread hashes what lies in the memory file, so hashing and writing overlap and the
/// hash is of the stored bytes themselves.
pub struct ModelWriter {
    file: Arc<File>,
    expected: u64,
    written: u64,
    progress: Option<SyncSender<u64>>,
    hasher: Option<JoinHandle<std::io::Result<[u8; 32]>>>,
}

/// A whole model whose hash was checked and whose memory can never change again.
pub struct SealedModel {
    file: Arc<File>,
    size: u64,
    sha256: [u8; 32],
}

impl ModelWriter {
    /// Prepares for a model of exactly `expected_size` bytes.
    ///
    /// # Errors
    /// [`EngineError::ModelSize`] outside the accepted sizes, [`EngineError::System`].
    pub fn new(expected_size: u64) -> Result<Self, EngineError> {
        if !(MIN_MODEL_BYTES..=MAX_MODEL_BYTES).contains(&expected_size) {
            return Err(EngineError::ModelSize { size: expected_size });
        }
        let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
        let fd = rustix::fs::memfd_create("model", flags)
            .map_err(|errno| EngineError::System { call: "memfd_create", errno: errno.raw_os_error() })?;
        let file = Arc::new(File::from(fd));
        let (progress, announced) = sync_channel::<u64>(AHEAD);
        let stored = Arc::clone(&file);
        let hasher = std::thread::Builder::new().name("model-hash".into()).spawn(move || {
            let mut hash = Sha256::new();
            let mut block = vec![0; BLOCK];
            let mut at = 0u64;
            while let Ok(end) = announced.recv() {
                while at < end {
                    let length = BLOCK.min(usize::try_from(end - at).unwrap_or(BLOCK));
                    stored.read_exact_at(&mut block[..length], at)?;
                    hash.update(&block[..length]);
                    at += length as u64;
                }
            }
            Ok(hash.finalize().into())
        });
        let hasher = hasher.map_err(|error| EngineError::io("spawn", &error))?;
        Ok(Self { file, expected: expected_size, written: 0, progress: Some(progress), hasher: Some(hasher) })
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    /// [`EngineError::ModelTooLong`] past the announced size, [`EngineError::System`].
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), EngineError> {
        if chunk.len() as u64 > self.expected - self.written {
            return Err(EngineError::ModelTooLong { expected: self.expected });
        }
        for part in chunk.chunks(BLOCK) {
            (&*self.file).write_all(part).map_err(|error| EngineError::io("write", &error))?;
            self.written += part.len() as u64;
            if let Some(progress) = &self.progress {
                // If the hasher has ended, joining it tells why.
                progress.send(self.written).ok();
            }
        }
        Ok(())
    }

    /// Bytes taken so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Seals the memory and compares the hash.
    ///
    /// # Errors
    /// [`EngineError::ModelTooShort`], [`EngineError::ModelHash`], [`EngineError::System`].
    pub fn finish(mut self, expected_sha256: &[u8; 32]) -> Result<SealedModel, EngineError> {
        if self.written != self.expected {
            return Err(EngineError::ModelTooShort { expected: self.expected, actual: self.written });
        }
        seal(&self.file)?;
        self.progress = None;
        let hasher = self.hasher.take().ok_or(EngineError::System { call: "hash", errno: 0 })?;
        let sha256 = hasher.join().map_err(|_| EngineError::System { call: "hash", errno: 0 })?;
        let sha256 = sha256.map_err(|error| EngineError::io("pread", &error))?;
        match sha256 == *expected_sha256 {
            true => Ok(SealedModel { file: Arc::clone(&self.file), size: self.written, sha256 }),
            false => Err(EngineError::ModelHash { expected: *expected_sha256, actual: sha256 }),
        }
    }
}

/// Forbids every change. The kernel refuses while anything holds a page, as the hashing thread does for a moment, so it
/// is asked again.
fn seal(file: &File) -> Result<(), EngineError> {
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    for _ in 1..SEAL_TRIES {
        match rustix::fs::fcntl_add_seals(file, seals) {
            Err(Errno::BUSY) => std::thread::sleep(SEAL_PAUSE),
            other => return other.map_err(failed_seal),
        }
    }
    rustix::fs::fcntl_add_seals(file, seals).map_err(failed_seal)
}

fn failed_seal(errno: Errno) -> EngineError {
    EngineError::System { call: "fcntl(F_ADD_SEALS)", errno: errno.raw_os_error() }
}

impl SealedModel {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 of the whole file.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// A path that opens this memory within this process.
    pub(crate) fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.file.as_raw_fd())
    }
}

impl std::fmt::Debug for SealedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedModel").field("size", &self.size).finish_non_exhaustive()
    }
}
