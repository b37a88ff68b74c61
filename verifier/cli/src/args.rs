//! Defines the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quoth_verifier::Family;
use serde::Serialize;

/// Verifies that a Quoth node is what it claims to be, and that its answers are what it signed.
///
/// Exit codes: 0 proven, 1 refused (with a stable code), 2 usage, network or files, 3 not comparable (replay only).
#[derive(Debug, Parser)]
#[command(name = "quoth-verify", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Appraise a running node: its hardware evidence, its measurement, its keys
    Node(Node),
    /// Ask a model and prove its answer
    Ask(Ask),
    /// Run a proxy between an OpenAI or Anthropic SDK and a node: the SDK gets proven answers, or errors
    ///
    /// Set OPENAI_BASE_URL=http://127.0.0.1:8787/v1 (or ANTHROPIC_BASE_URL=http://127.0.0.1:8787); no other setup is needed. The
    /// proxy verifies the node before it sends the first byte of a request. It holds an answer in one piece until it is proven.
    /// It passes a stream on as it arrives, and its last event after all of it is proven. If the proof fails, the SDK gets an
    /// error: status 502, or a stream that breaks off.
    ///
    /// Ctrl-C lets running answers end; a second Ctrl-C ends them.
    Proxy(Proxy),
    /// Appraise saved hardware evidence, from Quoth or not: a Nitro document, an SEV-SNP report, an evidence bundle
    Evidence(Evidence),
    /// Check a receipt
    Receipt(Receipt),
    /// Check a saved exchange offline
    Transcript(Transcript),
    /// Run the outputs of saved exchanges again, token by token, and compare them
    ///
    /// Each exchange is first checked as by `transcript`. Then prompt and sampling are derived from the request, the model is run
    /// over prompt and output, and every token, the answer's text, its token counts and its log-probabilities are compared with
    /// the result. Save the exchanges with --details, from a node with the arithmetic exact-1.
    ///
    /// Exit codes: 0 all match, 1 at least one is refused or does not match, 3 none of these, but at least one cannot be
    /// compared, 2 usage or files.
    #[cfg(feature = "replay")]
    Replay(Replay),
    /// Give a node the key of a provider, sealed so that only the verified node can read it
    ///
    /// The node is first appraised under the policy. Its host never sees the key. A restart deletes the key: with --watch it is
    /// sent again after every restart that the policy accepts. Of a caller's access token, the node gets only the salted hash.
    Provision(Provision),
    /// Make a node operator's key; its public half goes into the node's configuration
    OperatorKey(OperatorKey),
    /// Make an access token for a caller of a node; its salted hash goes into the node's configuration
    AccessToken(AccessToken),
    /// Make or compile a policy
    #[command(subcommand)]
    Policy(PolicyCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Write a safe policy for images with known measurements
    Init(PolicyInit),
    /// Write a policy file as the canonical JSON that browsers load
    Compile(PolicyCompile),
}

/// Options of several commands.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The policy: accepted platforms, images, models (TOML, or compiled). Without it, only hardware platforms can pass
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Print one JSON object for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Node {
    /// https://host:port
    pub(crate) url: String,
    /// Write the evidence to FILE, to check receipts later
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Ask {
    /// https://host:port
    pub(crate) url: String,
    /// The question
    pub(crate) prompt: String,
    /// The model's name, as in `quoth-verify node`
    #[arg(short, long)]
    pub(crate) model: String,
    /// A system message before the question
    #[arg(long)]
    pub(crate) system: Option<String>,
    /// Maximum number of tokens in the answer
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u32>,
    /// Sampling temperature, from 0
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f32>,
    /// Seed of the sampling; without it the node draws and records one
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// Request the answer in one piece; nothing of it is shown before it is proven
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Send the content of FILE as the API key: one of the node's access tokens, or your own key for the provider
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Write the exchange with its proofs to NAME.transcript.json
    #[arg(long, value_name = "NAME")]
    pub(crate) save: Option<PathBuf>,
    /// Also fetch what only the enclave knows: rendered prompt, token ids, sampling as used
    #[arg(long)]
    pub(crate) details: bool,
    /// Also ask for a head of the node's receipt log that covers the answer; contracts accept it. --save keeps it
    #[arg(long)]
    pub(crate) head: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Proxy {
    /// The node: https://host:port
    #[arg(long, value_name = "URL")]
    pub(crate) node: String,
    /// Where to listen. Anyone who reaches this address can send requests, over plain HTTP
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8787")]
    pub(crate) listen: SocketAddr,
    /// Write every proven exchange to DIR, and every cut stream up to the cut. If writing fails, the answer is not sent
    #[arg(long, value_name = "DIR")]
    pub(crate) transcripts: Option<PathBuf>,
    /// Also fetch what only the enclave knows into the transcripts: rendered prompt, token ids, sampling as used
    #[arg(long, requires = "transcripts")]
    pub(crate) details: bool,
    /// Pass the opening of the receipts' commitments to the SDK, as the header quoth-opening
    #[arg(long)]
    pub(crate) opening: bool,
    /// The policy: accepted platforms, images, models (TOML, or compiled). Without it, only hardware platforms can pass
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Print one JSON object per line for programs: event is listening, warning, refused, failed or stopping
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Evidence {
    /// The evidence: raw bytes, base64 or hexadecimal
    pub(crate) file: PathBuf,
    /// Judge it at this time; without it, now
    #[arg(long, value_name = "UNIX_TIME")]
    pub(crate) at: Option<u64>,
    /// Certificates and revocation lists for a report: a folder of DER or PEM files, or a certificate table
    #[arg(long, value_name = "DIR")]
    pub(crate) certs: Option<PathBuf>,
    /// Show every check: expected value, value found, source of the rule
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Receipt {
    /// The receipt: COSE as raw bytes or base64url
    pub(crate) file: PathBuf,
    /// The evidence of the node that signed it, as written by `node --save`
    #[arg(long, value_name = "FILE", conflicts_with = "transcript")]
    pub(crate) evidence: Option<PathBuf>,
    /// A saved exchange with the same node, to use its evidence
    #[arg(long, value_name = "FILE")]
    pub(crate) transcript: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Transcript {
    /// NAME.transcript.json
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[cfg(feature = "replay")]
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// One or more NAME.transcript.json; many at once are faster than one by one
    #[arg(required = true, value_name = "TRANSCRIPT")]
    pub(crate) files: Vec<PathBuf>,
    /// The GGUF file of the model that answered; receipts name its SHA-256
    #[arg(long, value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// The policy: accepted platforms, images, models (TOML, or compiled). Without it, only hardware platforms can pass
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Number of threads; without it, one per processor. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) threads: Option<u32>,
    /// Print one JSON object per line for programs: one for each transcript, in order, then a summary
    ///
    /// For a transcript: kind ("transcript"), file, verdict (match, mismatch, refused, not-comparable), code, message, cti,
    /// model, outcome, tokens {prompt, output}. Where something differs, also difference {position, expected, found,
    /// logit_margin}: expected is the result here, found the recorded value; a token is {token, text}, the output's end null.
    ///
    /// For the summary: kind ("summary"), verdict (the worst), transcripts, match, mismatch, refused, not_comparable, tokens
    /// (computed), load_seconds, replay_seconds, model_sha256, arithmetic, engine.
    ///
    /// Codes of mismatch: replay.prompt, .prompt_tokens, .sampling, .output, .finish, .answer, .text, .logprobs, .usage. Of
    /// not-comparable: replay.cut, .not_executed, .upstream, .endpoint, .no_details, .model, .arithmetic, .engine, .request.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Provision {
    /// The name of the upstream, or of the caller, in the node's configuration
    pub(crate) name: String,
    /// https://host:port
    #[arg(long = "node", value_name = "URL")]
    pub(crate) url: String,
    /// The operator's private key (PEM), as written by `operator-key`
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_key: PathBuf,
    /// Read the secret from FILE; without it, from standard input
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    pub(crate) from: Option<PathBuf>,
    /// Remove the secret from the node
    #[arg(long)]
    pub(crate) remove: bool,
    /// Keep running, and send it again after every restart
    #[arg(long, conflicts_with = "remove")]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct OperatorKey {
    /// Write the private key (PEM) to FILE, which must not exist yet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one JSON object for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AccessToken {
    /// The caller's name: 1 to 64 of a-z, 0-9 and -
    pub(crate) name: String,
    /// Write the token to FILE, which must not exist yet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one JSON object for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PolicyCompile {
    /// The policy file, TOML
    #[arg(value_name = "POLICY.TOML")]
    pub(crate) file: PathBuf,
    /// Write the result to FILE, which must not exist yet; without it, to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct PolicyInit {
    /// The measurements of an image, as printed by `quoth-images measure`; may be repeated for several images
    #[arg(long, value_name = "MEASUREMENTS.TOML", required = true)]
    pub(crate) from: Vec<PathBuf>,
    /// Accept this platform; without it, all platforms for which the images are measured
    #[arg(long)]
    pub(crate) platform: Vec<HardwarePlatform>,
    /// On sev-snp, the oldest firmware to accept of a family: milan or genoa=BOOTLOADER,TEE,SNP,MICROCODE,
    /// turin=FMC,BOOTLOADER,TEE,SNP,MICROCODE. `evidence REPORT --explain` shows a machine's versions; AMD-SB-3019 requires
    /// SNP 24 on Milan and 23 on Genoa
    #[arg(long, value_name = "FAMILY=NUMBERS", value_parser = floor)]
    pub(crate) floor: Vec<(Family, Floor)>,
    /// On sev-snp, accept only this chip (CHIP_ID, 128 hexadecimal digits); may be repeated. Required with a floor for milan: the
    /// owner of any Milan chip can forge that chip's reports (arXiv 2605.12990)
    #[arg(long, value_name = "CHIP_ID")]
    pub(crate) chip_id: Vec<String>,
    /// Accept any Milan chip, although its owner can forge its reports, with any firmware
    #[arg(long, conflicts_with = "chip_id")]
    pub(crate) unpinned_milan: bool,
    /// Accept this model (SHA-256, hex) besides those in the measurements
    #[arg(long, value_name = "SHA256")]
    pub(crate) model: Vec<String>,
    /// Accept every model that the images serve
    #[arg(long, conflicts_with = "model")]
    pub(crate) any_model: bool,
    /// Write the policy to FILE, which must not exist yet; without it, to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HardwarePlatform {
    /// AWS Nitro Enclaves
    Nitro,
    /// AMD SEV-SNP
    SevSnp,
}

/// The oldest firmware to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Floor {
    #[serde(skip_serializing_if = "Option::is_none")]
    fmc: Option<u8>,
    bootloader: u8,
    tee: u8,
    snp: u8,
    microcode: u8,
}

fn floor(text: &str) -> Result<(Family, Floor), String> {
    let (name, numbers) = text.split_once('=').ok_or("FAMILY=NUMBERS")?;
    let family = Family::ALL.into_iter().find(|family| family.name() == name).ok_or("milan, genoa or turin")?;
    let numbers =
        numbers.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>().map_err(|error| error.to_string())?;
    let (fmc, rest) = match (family, &numbers[..]) {
        (Family::Turin, [fmc, rest @ ..]) => (Some(*fmc), rest),
        (_, rest) => (None, rest),
    };
    match *rest {
        [bootloader, tee, snp, microcode] => Ok((family, Floor { fmc, bootloader, tee, snp, microcode })),
        _ => Err("four numbers for milan and genoa, five for turin".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn floors_have_as_many_numbers_as_their_family() {
        let genoa = super::Floor { fmc: None, bootloader: 10, tee: 0, snp: 23, microcode: 84 };
        assert_eq!(super::floor("genoa=10,0,23,84"), Ok((super::Family::Genoa, genoa)));
        let turin = super::Floor { fmc: Some(1), bootloader: 2, tee: 3, snp: 4, microcode: 255 };
        assert_eq!(super::floor("turin=1,2,3,4,255"), Ok((super::Family::Turin, turin)));
        for text in
            ["genoa", "rome=1,2,3,4", "milan=1,2,3", "milan=1,2,3,4,5", "turin=1,2,3,4", "milan=1,2,3,256", "milan="]
        {
            assert!(super::floor(text).is_err(), "{text}");
        }
    }
}
