//! Hashes GGUF files and feeds them to the enclave by digest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quoth_attestation::Digest;
use quoth_link::feed::{self, Request};
use quoth_link::{LinkError, Listener, Stream};
use sha2::{Digest as _, Sha256};
use tokio::io::Interest;

use crate::HostError;

/// Maximum number of bytes read or sent at once.
const CHUNK: usize = 1024 * 1024;
/// Maximum length of a model's name, characters.
pub const MAX_NAME: usize = 64;

/// A model file and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Path of the file.
    pub path: PathBuf,
    /// SHA-256 of the whole file.
    pub sha256: Digest,
    /// Size, bytes.
    pub size: u64,
}

/// Receives the progress of hashing or feeding a model.
pub trait Progress: Send + Sync + 'static {
    /// Work on a file of `size` bytes begins.
    fn begin(&self, what: &'static str, name: &str, size: u64);
    /// More bytes are done.
    fn advance(&self, bytes: u64);
    /// The work is done, or has failed.
    fn end(&self);
}

impl Model {
    /// Hashes a file.
    ///
    /// # Errors
    /// [`HostError::File`].
    pub fn open(path: &Path, progress: &dyn Progress) -> Result<Self, HostError> {
        let hash = || {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            progress.begin("hashing", &file_name(path), length);
            let (mut hasher, mut size) = (Sha256::new(), 0);
            let mut buffer = vec![0; CHUNK];
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    count => {
                        hasher.update(&buffer[..count]);
                        size += count as u64;
                        progress.advance(count as u64);
                    }
                }
            }
            let path = std::fs::canonicalize(path)?;
            Ok(Self { path, sha256: Digest(hasher.finalize().into()), size })
        };
        let model = hash();
        progress.end();
        model.map_err(HostError::file(path))
    }

    /// Makes a model's name from the file's name: lower case, with characters that every client accepts.
    pub fn default_name(&self) -> String {
        let stem = self.path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String = stem.chars().map(|c| if fits(c) { c } else { '-' }).take(MAX_NAME).collect();
        if name.is_empty() { "model".into() } else { name }
    }
}

/// Serves the model port for as long as it is polled. The enclave gets only files of `models`.
pub async fn serve(listener: Listener, models: Vec<Model>, progress: Arc<dyn Progress>) {
    let models: BTreeMap<(Digest, u64), PathBuf> =
        models.into_iter().map(|model| ((model.sha256, model.size), model.path)).collect();
    loop {
        // One at a time, because an enclave loads its models one by one. The enclave notices a failed feed.
        if let Ok(stream) = listener.accept().await {
            let _ = feed(stream, &models, &*progress).await;
            progress.end();
        }
    }
}

async fn feed(
    mut stream: Stream,
    models: &BTreeMap<(Digest, u64), PathBuf>,
    progress: &dyn Progress,
) -> Result<(), LinkError> {
    let request = Request::read(&mut stream).await?;
    let path = models.get(&(Digest(request.sha256), request.size));
    let Some((path, file)) = path.and_then(|path| Some((path, File::open(path).ok()?))) else {
        return feed::answer(&mut stream, false).await;
    };
    feed::answer(&mut stream, true).await?;
    progress.begin("feeding", &file_name(path), request.size);
    let mut rest = request.size;
    while rest > 0 {
        let most = usize::try_from(rest).unwrap_or(CHUNK).min(CHUNK);
        // The kernel copies from the page cache to the socket, without a copy in this process.
        match stream.try_io(Interest::WRITABLE, || Ok(rustix::fs::sendfile(&stream, &file, None, most)?)) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => {
                rest -= count as u64;
                progress.advance(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.ready(Interest::WRITABLE).await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
