//! The enclave's configuration, which is measured: written from options, or read from a file and kept byte for byte.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use quoth_link::egress::Destination;
use serde::{Deserialize, Serialize};

use crate::args::{Arithmetic, Caller, Platform, Up};
use crate::models::{MAX_NAME, Model, Progress};
use crate::run_dir::ModelState;
use crate::upstreams::{self, Upstream};
use crate::{HostError, context_id};

/// Name of the configuration file in an image's folder.
pub(crate) const IMAGE_CONFIG: &str = "enclave.toml";
/// Maximum size of a configuration, bytes.
pub(crate) const MAX_FILE: u64 = 256 * 1024;
/// Default of the memory budget for callers (`limits.memory_bytes`), bytes.
pub(crate) const MEMORY_BYTES: u64 = 192 << 20;
const DEFAULT_CONTEXT: u32 = 2048;
const DEFAULT_PARALLEL: u32 = 8;

/// The configuration, and what the host needs to know of it.
pub(crate) struct Configuration {
    pub(crate) bytes: Vec<u8>,
    pub(crate) platform: String,
    /// The context id where the enclave of an image expects its host.
    pub(crate) host: u32,
    /// Number of computing threads of the model that has most.
    pub(crate) threads: u32,
    pub(crate) models: Vec<ModelState>,
    /// Destinations that the enclave may reach, without duplicates.
    pub(crate) upstreams: Vec<Destination>,
    /// The memory budget for callers, bytes.
    pub(crate) memory_bytes: u64,
}

/// The part of a configuration that the host needs. The enclave checks the whole configuration strictly.
#[derive(Deserialize)]
struct Known {
    platform: String,
    host_cid: Option<u32>,
    #[serde(default)]
    limits: KnownLimits,
    #[serde(default)]
    model: Vec<KnownModel>,
    #[serde(default)]
    upstream: Vec<KnownUpstream>,
}

#[derive(Default, Deserialize)]
struct KnownLimits {
    memory_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct KnownModel {
    name: String,
    sha256: String,
    size: u64,
    threads: u32,
}

#[derive(Deserialize)]
struct KnownUpstream {
    host: String,
    #[serde(default = "https")]
    port: u16,
}

fn https() -> u16 {
    upstreams::HTTPS
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    platform: &'a str,
    tls_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operator_evm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<WrittenLimits>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model: Vec<WrittenModel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstream: Vec<Upstream>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    caller: &'a [Caller],
}

#[derive(Serialize)]
struct WrittenLimits {
    body_bytes: u64,
}

#[derive(Serialize)]
struct WrittenModel {
    name: String,
    sha256: String,
    size: u64,
    context: u32,
    parallel: u32,
    threads: u32,
    arithmetic: &'static str,
}

impl Configuration {
    /// Reads or writes the configuration that the options describe. Each of its models must have a file.
    pub(crate) fn from_options(options: &Up, progress: &dyn Progress) -> Result<Self, HostError> {
        let files = options.models.iter().map(|path| Model::open(path, progress)).collect::<Result<Vec<_>, _>>()?;
        match (&options.config, &options.boot.image) {
            (Some(path), _) => Self::given(path, &files),
            (None, Some(folder)) => Self::given(&folder.join(IMAGE_CONFIG), &files),
            (None, None) => Self::written(options, &files),
        }
    }

    fn given(path: &Path, files: &[Model]) -> Result<Self, HostError> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        read.map_err(HostError::file(path))?;
        let wrong = || HostError::Content { path: path.to_owned(), what: "configuration" };
        if bytes.len() as u64 > MAX_FILE {
            return Err(wrong());
        }
        let known: Known = str::from_utf8(&bytes).ok().and_then(|text| toml::from_str(text).ok()).ok_or_else(wrong)?;
        let find = |model: KnownModel| {
            let file = files.iter().find(|file| file.sha256.to_string() == model.sha256 && file.size == model.size);
            match file {
                Some(file) => Ok(state(model.name, file)),
                None => Err(HostError::Usage(format!(
                    "the configuration names model {} with SHA-256 {}: give its file with --model",
                    model.name.escape_default(),
                    model.sha256.escape_default()
                ))),
            }
        };
        let threads = known.model.iter().map(|model| model.threads).max().unwrap_or(1);
        let models = known.model.into_iter().map(find).collect::<Result<Vec<_>, _>>()?;
        if models.is_empty() && known.upstream.is_empty() {
            return Err(HostError::Usage("the configuration names neither a model nor an upstream".into()));
        }
        let upstreams = destinations(known.upstream.iter().map(|upstream| (&*upstream.host, upstream.port)))?;
        // The same default as in the enclave (`Settings::host`).
        let host = known.host_cid.unwrap_or(if known.platform == "nitro" {
            context_id::NITRO_PARENT
        } else {
            context_id::HOST
        });
        let memory_bytes = known.limits.memory_bytes.unwrap_or(MEMORY_BYTES);
        Ok(Self { bytes, platform: known.platform, host, threads, models, upstreams, memory_bytes })
    }

    fn written(options: &Up, files: &[Model]) -> Result<Self, HostError> {
        if files.is_empty() && options.upstreams.is_empty() {
            let what = "nothing to serve: give a GGUF file with --model, or a provider with --upstream";
            return Err(HostError::Usage(what.into()));
        }
        if options.operator.is_none() && options.callers.iter().any(|caller| caller.token.is_none()) {
            let what = "a --caller without a hash needs an --operator, who sets it; or give --caller NAME=HASH";
            return Err(HostError::Usage(what.into()));
        }
        if options.name.is_some() && files.len() != 1 {
            return Err(HostError::Usage("--name names a single model; write a --config for several".into()));
        }
        let name = |file: &Model| options.name.clone().unwrap_or_else(|| file.default_name());
        let models: Vec<_> = files.iter().map(|file| state(name(file), file)).collect();
        for (at, model) in models.iter().enumerate() {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':');
            if model.name.is_empty() || model.name.len() > MAX_NAME || !model.name.chars().all(fits) {
                let what = format!("a model's name has 1 to {MAX_NAME} letters, digits or . _ - / :");
                return Err(HostError::Usage(what));
            }
            if models[..at].iter().any(|other| other.name == model.name) {
                return Err(HostError::Usage(format!("two models would answer as {}", model.name)));
            }
        }
        let platform = match options.platform.unwrap_or(Platform::Simulated) {
            Platform::Simulated => "simulated",
            Platform::None => "none",
            // The configuration of these platforms is in an image.
            Platform::Nitro | Platform::QemuNitro => "nitro",
            Platform::Snp | Platform::QemuSnp => "sev-snp",
        };
        let threads = options.threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
        });
        let arithmetic = match options.arithmetic.unwrap_or(Arithmetic::Exact) {
            Arithmetic::Exact => "exact-1",
            Arithmetic::Plain => "cpu-1",
        };
        let mut tls_names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let ip = options.listen.ip();
        if !ip.is_unspecified() && !tls_names.contains(&ip.to_string()) {
            tls_names.push(ip.to_string());
        }
        let model = models.iter().map(|model| WrittenModel {
            name: model.name.clone(),
            sha256: model.sha256.clone(),
            size: model.size,
            context: options.context.unwrap_or(DEFAULT_CONTEXT),
            parallel: options.parallel.unwrap_or(DEFAULT_PARALLEL),
            threads,
            arithmetic,
        });
        let upstream: Vec<_> = options.upstreams.iter().map(|provider| provider.upstream()).collect();
        for (at, upstream) in upstream.iter().enumerate() {
            if options.upstreams[..at].contains(&options.upstreams[at]) {
                return Err(HostError::Usage(format!("--upstream {} is given twice", upstream.name)));
            }
        }
        let upstreams = destinations(upstream.iter().map(|upstream| (upstream.host, upstream.port)))?;
        let written = Written {
            version: 1,
            platform,
            tls_names,
            operator: options.operator.clone(),
            operator_evm: options.operator_evm.map(|address| address.to_string()),
            limits: options.body_limit.map(|body_bytes| WrittenLimits { body_bytes }),
            model: model.collect(),
            upstream,
            caller: &options.callers,
        };
        let text =
            toml::to_string(&written).map_err(|_| HostError::Usage("a model is too large to describe".into()))?;
        let (bytes, platform) = (text.into_bytes(), platform.to_owned());
        Ok(Self { bytes, platform, host: context_id::HOST, threads, models, upstreams, memory_bytes: MEMORY_BYTES })
    }
}

fn destinations<'a>(upstreams: impl Iterator<Item = (&'a str, u16)>) -> Result<Vec<Destination>, HostError> {
    let mut destinations = Vec::new();
    for (host, port) in upstreams {
        let destination = Destination::new(host, port).map_err(|_| {
            let host = host.escape_default();
            HostError::Usage(format!("an upstream's host is a DNS name in lower case or an address, not {host}:{port}"))
        })?;
        if !destinations.contains(&destination) {
            destinations.push(destination);
        }
    }
    Ok(destinations)
}

fn state(name: String, file: &Model) -> ModelState {
    ModelState { name, sha256: file.sha256.to_string(), size: file.size, path: file.path.clone() }
}
