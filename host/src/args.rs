//! The command line of `quoth`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quoth_attestation::evm::EvmAddress;
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
    /// Show the state of the node
    Status(Status),
    /// List the receipts in the journal and check their chain; or show or export one receipt
    Receipts(Receipts),
    /// Print the enclave's metrics as Prometheus text
    Metrics(Metrics),
    /// Get the certificates and the revocation list that an SEV-SNP report needs, from AMD or the cache
    Endorse(Endorse),
}

/// Options of `quoth up`.
#[derive(Args, Debug)]
pub struct Up {
    /// The enclave's configuration [default: written from the other options]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["image", "name", "platform", "threads", "parallel", "context", "arithmetic", "upstreams", "operator", "operator_evm", "callers", "body_limit"])]
    pub config: Option<PathBuf>,
    /// A GGUF model to serve; may be repeated
    #[arg(long = "model", value_name = "FILE")]
    pub models: Vec<PathBuf>,
    /// A closed provider that answers requests for its models; may be repeated
    #[arg(long = "upstream", value_name = "NAME")]
    pub upstreams: Vec<Provider>,
    /// The operator's public key, in hex. The operator gives the node its secrets. `quoth-verify operator-key` makes the key
    #[arg(long, value_name = "KEY", value_parser = operator)]
    pub operator: Option<String>,
    /// The operator's Ethereum address: 0x and 40 hex digits. It may register and revoke the node on chain
    #[arg(long, value_name = "ADDRESS")]
    pub operator_evm: Option<EvmAddress>,
    /// A caller that may use the node; may be repeated. Without this option anyone may call. `quoth-verify access-token` makes a
    /// token and its hash. If you give only the name, the operator sets the hash with `quoth-verify provision`
    #[arg(long = "caller", value_name = "NAME[=HASH]", value_parser = caller)]
    pub callers: Vec<Caller>,
    /// The maximum size of a request body: bytes, or a number with KiB, MiB or GiB, up to 1GiB [default: 4MiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub body_limit: Option<u64>,
    /// The image to boot instead of a program, and its machine.
    #[command(flatten)]
    pub boot: Boot,
    /// The name of the model, if there is only one [default: the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// The platform to run on [default: simulated]
    #[arg(long)]
    pub platform: Option<Platform>,
    /// Restart the enclave if it ends unexpectedly
    #[arg(long)]
    pub restart: bool,
    /// The address where clients connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// The folder of this node
    #[arg(long, value_name = "FOLDER", default_value = "run")]
    pub run_dir: PathBuf,
    /// The enclave's program [default: the one in the same folder, built for the widest instruction set of this processor]
    #[arg(long, value_name = "FILE")]
    pub enclave: Option<PathBuf>,
    /// Number of threads that compute a model [default: all processors]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,
    /// Number of chats that a model serves at the same time [default: 8]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub parallel: Option<u32>,
    /// Context length of each chat, in tokens [default: 2048]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4194304))]
    pub context: Option<u32>,
    /// The arithmetic profile of the models [default: exact-1]
    #[arg(long)]
    pub arithmetic: Option<Arithmetic>,
}

/// An image, and the machine that boots it.
#[derive(Args, Debug)]
pub struct Boot {
    /// The folder of an image that `quoth-images build` made, for platforms that boot an image
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["enclave", "name", "threads", "parallel", "context", "arithmetic", "upstreams", "operator", "operator_evm", "callers", "body_limit"])]
    pub image: Option<PathBuf>,
    /// Memory of the machine that boots the image, in MiB [default: what image and models need]
    #[arg(long, value_name = "MIB", requires = "image", value_parser = clap::value_parser!(u64).range(64..=16777216))]
    pub memory: Option<u64>,
    /// Number of processors of the machine that boots the image [default: as many as the configuration's threads need]
    #[arg(long, requires = "image", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub cpus: Option<u32>,
    /// The type of those processors under SEV-SNP. It must be a type that the image was measured for [default: EPYC-v4]
    #[arg(long, value_name = "TYPE", requires = "image")]
    pub cpu_type: Option<String>,
    /// Under SEV-SNP, let the threads of one core run different machines. By default policies refuse such an enclave
    #[arg(long, requires = "image")]
    pub smt: bool,
    /// The service for SEV-SNP's certificates and revocation lists: AMD's, or a caching proxy of it
    #[arg(long, value_name = "URL", default_value = crate::endorsements::AMD)]
    pub endorsements: String,
    /// The processor's family. Needed only for SEV-SNP reports of version 2, which do not name it
    #[arg(long, requires = "image")]
    pub family: Option<Family>,
    /// Write the console of a Nitro enclave to the enclave's log (debug mode); verifiers refuse such an enclave
    #[arg(long, requires = "image")]
    pub debug: bool,
}

impl Up {
    /// Returns whether an option describes the enclave to start.
    pub(crate) fn describes_an_enclave(&self) -> bool {
        let Self { config, models, upstreams, operator, operator_evm, callers, name, platform, .. } = self;
        let Self { threads, parallel, context, arithmetic, .. } = self;
        let numbers = threads.is_some() || parallel.is_some() || context.is_some();
        let lists = !(models.is_empty() && upstreams.is_empty() && callers.is_empty());
        let others = self.body_limit.is_some()
            || name.is_some()
            || platform.is_some()
            || arithmetic.is_some()
            || self.boot.image.is_some();
        config.is_some() || operator.is_some() || operator_evm.is_some() || numbers || lists || others
    }
}

/// One table `[[caller]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The caller's name. It is part of the token.
    pub name: String,
    /// The hash of the caller's token.
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

/// Reads a size, between 1 byte and 1 GiB.
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

/// Reads an Ed25519 public key.
fn operator(text: &str) -> Result<String, &'static str> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map(|()| text.to_ascii_lowercase()).map_err(|_| "64 hexadecimal digits")
}

/// Arithmetic profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arithmetic {
    /// Logits depend only on the tokens, so answers can be replayed
    #[value(name = "exact-1")]
    Exact,
    /// No promise about logits; faster for weights in K-quants
    #[value(name = "cpu-1")]
    Plain,
}

/// Platforms that an enclave can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Platform {
    /// A process that simulates Nitro under a temporary root, for development and tests
    Simulated,
    /// No hardware and no evidence: the node only signs receipts
    None,
    /// AWS Nitro Enclaves, with nitro-cli
    Nitro,
    /// The same image emulated by QEMU, to try it out; its evidence has no valid signature
    QemuNitro,
    /// AMD SEV-SNP, with QEMU and KVM
    Snp,
    /// The same image in a machine without SEV-SNP, to try it out; the node has no evidence
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
    /// The id of one receipt (32 hex digits) [default: all receipts]
    pub cti: Option<String>,
    /// Write the bytes of that receipt (COSE) to a file
    #[arg(long, value_name = "FILE", requires = "cti")]
    pub out: Option<PathBuf>,
    /// Number of rows for each instance, the newest ones; JSON output has all rows
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
    /// The raw report (1184 bytes)
    pub report: PathBuf,
    /// The folder to write to: vek.der, intermediate.der, root.der and crl.der
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// The cache folder [default: quoth/endorsements in the user's cache folder]
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// The service to ask: AMD's, or a caching proxy of it
    #[arg(long, value_name = "URL", default_value = crate::endorsements::AMD)]
    pub service: String,
    /// The processor's family. Needed only for reports of version 2, which do not name it
    #[arg(long)]
    pub family: Option<Family>,
    /// Do not get the revocation list
    #[arg(long)]
    pub no_crl: bool,
}

/// Processor families whose reports may not name the family.
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
