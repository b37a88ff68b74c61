//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quoth_attestation::secret;
use quoth_attestation::token::TokenHash;
use serde::Serialize;

use crate::upstreams::Provider;

/// Launches an enclave, relays clients to it and keeps its receipts.
#[derive(Debug, Parser)]
#[command(name = "quoth", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a node, or attach again to one whose host was killed
    Up(Box<Up>),
    /// Show how the node is
    Status(Status),
    /// List the receipts in the journal and check their chain, or show or export one
    Receipts(Receipts),
    /// Print the enclave's metrics (Prometheus text)
    Metrics(Metrics),
    /// Get the certificates and the revocation list that an SEV-SNP report needs, from AMD or the cache
    Endorse(Endorse),
}

/// Options of `quoth up`.
#[derive(Args, Debug)]
pub struct Up {
    /// The enclave's configuration; written from the other options when absent
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "name", "platform", "threads", "parallel", "context", "arithmetic", "upstreams", "operator", "callers", "body_limit"])]
    pub config: Option<PathBuf>,
    /// A GGUF model to serve; may be repeated
    #[arg(long = "model", value_name = "FILE")]
    pub models: Vec<PathBuf>,
    /// A closed provider to forward requests to, by model name; may be repeated
    #[arg(long = "upstream", value_name = "NAME")]
    pub upstreams: Vec<Provider>,
    /// The public key, hex, of whoever may give the node keys for providers: `quoth-verify operator-key` makes it
    #[arg(long, value_name = "KEY", value_parser = operator)]
    pub operator: Option<String>,
    /// Somebody who may ask, and nobody else then; may be repeated. `quoth-verify access-token` makes tokens and their hashes; with
    /// the name alone the operator sets the hash, by `quoth-verify provision`
    #[arg(long = "caller", value_name = "NAME[=HASH]", value_parser = caller)]
    pub callers: Vec<Caller>,
    /// The longest request body that is taken: bytes, or a number with KiB, MiB or GiB, up to 1GiB [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub body_limit: Option<u64>,
    /// An image instead of a program, and the machine that boots it.
    #[command(flatten)]
    pub boot: Boot,
    /// The name under which a single model answers [default: the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// The platform [default: simulated]
    #[arg(long)]
    pub platform: Option<Platform>,
    /// Start the enclave again when it ends by itself
    #[arg(long)]
    pub restart: bool,
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// The folder of this node
    #[arg(long, value_name = "FOLDER", default_value = "run")]
    pub run_dir: PathBuf,
    /// The enclave's program [default: beside this one, the build for the widest instruction set that this processor has]
    #[arg(long, value_name = "FILE")]
    pub enclave: Option<PathBuf>,
    /// Threads a model computes with [default: all processors]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Chats a model serves at once [default: 8]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub parallel: Option<u32>,
    /// Tokens of context of each chat [default: 2048]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4194304))]
    pub context: Option<u32>,
    /// What is promised of a model's logits [default: exact-1]
    #[arg(long)]
    pub arithmetic: Option<Arithmetic>,
}

/// An image, and the machine that boots it.
#[derive(Args, Debug)]
pub struct Boot {
    /// The folder of an image that `quoth-images build` made, its configuration in it, for the platforms that boot one
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["enclave", "name", "threads", "parallel", "context", "arithmetic", "upstreams", "operator", "callers", "body_limit"])]
    pub image: Option<PathBuf>,
    /// Memory of a machine that boots an image, MiB [default: what image and models need]
    #[arg(long, value_name = "MIB", requires = "image", value_parser = clap::value_parser!(u64).range(64..=16777216))]
    pub memory: Option<u64>,
    /// Processors of a machine that boots an image [default: what its configuration computes with]
    #[arg(long, requires = "image", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub cpus: Option<u32>,
    /// The type of those processors under SEV-SNP, as it was measured [default: EPYC-v4]
    #[arg(long, value_name = "TYPE", requires = "image")]
    pub cpu_type: Option<String>,
    /// Let threads of one core run different machines under SEV-SNP; policies refuse such an enclave unless they say otherwise
    #[arg(long, requires = "image")]
    pub smt: bool,
    /// Where SEV-SNP's certificates and revocation lists come from: AMD's service, or a caching proxy of it
    #[arg(long, value_name = "URL", default_value = crate::endorsements::AMD)]
    pub endorsements: String,
    /// The processor's family, for SEV-SNP's firmware whose reports are of version 2 and do not say it
    #[arg(long, requires = "image")]
    pub family: Option<Family>,
    /// Let the console of a Nitro enclave be seen in the enclave's log; verifiers refuse such an enclave
    #[arg(long, requires = "image")]
    pub debug: bool,
}

impl Up {
    /// Whether it says anything of an enclave that is to be started.
    pub(crate) fn describes_an_enclave(&self) -> bool {
        let Self { config, models, upstreams, operator, callers, name, platform, .. } = self;
        let Self { threads, parallel, context, arithmetic, .. } = self;
        let numbers = threads.is_some() || parallel.is_some() || context.is_some();
        let lists = !(models.is_empty() && upstreams.is_empty() && callers.is_empty());
        let others = self.body_limit.is_some()
            || name.is_some()
            || platform.is_some()
            || arithmetic.is_some()
            || self.boot.image.is_some();
        config.is_some() || operator.is_some() || numbers || lists || others
    }
}

/// One table `[[caller]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// Its name, which is part of its token.
    pub name: String,
    /// What its token hashes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

fn caller(text: &str) -> Result<Caller, String> {
    let (name, hash) = text.split_once('=').map_or((text, None), |(name, hash)| (name, Some(hash)));
    if !secret::is_name(name) {
        return Err("a caller's name has 1 to 64 of a-z, 0-9 and -".into());
    }
    let token = hash.map(|hash| hash.parse::<TokenHash>().map_err(|error| error.to_string())).transpose()?;
    Ok(Caller { name: name.into(), token: token.map(|hash| hash.to_string()) })
}

/// Bytes, between 1 and 1 GiB.
fn size(text: &str) -> Result<u64, &'static str> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let unit = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = number.parse::<u64>().ok().filter(|_| digits).and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| (1..=1 << 30).contains(bytes))
        .ok_or("a size is a number of bytes, or one with KiB, MiB or GiB, up to 1GiB")
}

/// An Ed25519 public key.
fn operator(text: &str) -> Result<String, &'static str> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map(|()| text.to_ascii_lowercase()).map_err(|_| "64 hexadecimal digits")
}

/// Arithmetic profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arithmetic {
    /// They depend on the tokens alone, so that an answer can be run again
    #[value(name = "exact-1")]
    Exact,
    /// Nothing; faster for weights in K-quants
    #[value(name = "cpu-1")]
    Plain,
}

/// Where an enclave may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Platform {
    /// A process that plays Nitro under a throw-away root: for development and tests
    Simulated,
    /// No hardware and no evidence: receipts are signed, and that is all
    None,
    /// AWS Nitro Enclaves, by nitro-cli
    Nitro,
    /// The same image in QEMU's emulation, whose evidence nobody signs: for trying images out
    QemuNitro,
    /// AMD SEV-SNP, by QEMU and KVM
    Snp,
    /// The same image in a machine without it, where nothing vouches for the node: for trying images out
    QemuSnp,
}

impl Platform {
    pub(crate) fn boots_an_image(self) -> bool {
        !matches!(self, Self::Simulated | Self::None)
    }
}

/// Options of `quoth status`.
#[derive(Args, Debug)]
pub struct Status {
    /// The folder of the node
    #[arg(long, value_name = "FOLDER", default_value = "run")]
    pub run_dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `quoth receipts`.
#[derive(Args, Debug)]
pub struct Receipts {
    /// One receipt, by its id (32 hex digits); all of them when absent
    pub cti: Option<String>,
    /// Write that receipt's bytes (COSE) to a file
    #[arg(long, value_name = "FILE", requires = "cti")]
    pub out: Option<PathBuf>,
    /// Rows of the table, the newest of each instance; JSON has all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: usize,
    /// The folder of the node
    #[arg(long, value_name = "FOLDER", default_value = "run")]
    pub run_dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `quoth metrics`.
#[derive(Args, Debug)]
pub struct Metrics {
    /// The folder of the node
    #[arg(long, value_name = "FOLDER", default_value = "run")]
    pub run_dir: PathBuf,
}

/// Options of `quoth endorse`.
#[derive(Args, Debug)]
pub struct Endorse {
    /// The report, raw (1184 bytes)
    pub report: PathBuf,
    /// The folder to write them to: vek.der, intermediate.der, root.der, crl.der
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// Where they are kept [default: quoth/endorsements in the user's cache folder]
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// The service: AMD's, or a caching proxy of it
    #[arg(long, value_name = "URL", default_value = crate::endorsements::AMD)]
    pub service: String,
    /// The processor's family, for reports of version 2, which do not say it
    #[arg(long)]
    pub family: Option<Family>,
    /// Leave the revocation list away
    #[arg(long)]
    pub no_crl: bool,
}

/// Processors whose reports may not say what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Family {
    /// EPYC 7003
    Milan,
    /// EPYC 9004 and 8004
    Genoa,
}

impl From<Family> for quoth_verifier::Family {
    fn from(family: Family) -> Self {
        match family {
            Family::Milan => Self::Milan,
            Family::Genoa => Self::Genoa,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1", Some(1)),
            ("4096", Some(4096)),
            ("16KiB", Some(16 << 10)),
            ("16MiB", Some(16 << 20)),
            ("1GiB", Some(1 << 30)),
            ("1073741824", Some(1 << 30)),
            ("1073741825", None),
            ("2GiB", None),
            ("0", None),
            ("", None),
            ("MiB", None),
            ("+1", None),
            ("-1", None),
            ("1MB", None),
            ("1 MiB", None),
            ("18446744073709551615GiB", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }
}
