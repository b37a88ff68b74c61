//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use quoth_verifier::Family;
use serde::Serialize;

/// Checks that a Quoth node is what it claims to be, and that its answers are what it signed.
///
/// Exit codes: 0 proven, 1 refused (a stable code says why), 2 usage, network or files, 3 not comparable (replay only).
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
    /// Ask a model, and prove the answer
    Ask(Ask),
    /// Stand between an OpenAI or Anthropic SDK and a node: the SDK gets proven answers, or errors
    ///
    /// Then OPENAI_BASE_URL=http://127.0.0.1:8787/v1 (or ANTHROPIC_BASE_URL=http://127.0.0.1:8787) is the whole setup. The node is
    /// verified before the first byte of a request leaves. An answer in one piece is held until it is proven; a stream passes as
    /// it comes, and its last event when all of it is proven. What is not proven is an error to the SDK: status 502, or a stream
    /// that breaks off.
    ///
    /// Ctrl-C lets running answers end; a second one does not wait.
    Proxy(Proxy),
    /// Appraise saved hardware evidence, Quoth's or anybody's: a Nitro document, an SEV-SNP report, an evidence bundle
    Evidence(Evidence),
    /// Check a receipt
    Receipt(Receipt),
    /// Check a saved exchange, offline
    Transcript(Transcript),
    /// Run the outputs of saved exchanges again, token for token, and compare
    ///
    /// Each exchange is first checked like `transcript` does. Then prompt and sampling are worked out anew from the request, the
    /// model is run over prompt and output, and every token, the answer's text, its token counts and its log-probabilities are
    /// compared with what comes out. Exchanges need --details when they are saved, and a node with the arithmetic exact-1.
    ///
    /// Exit codes: 0 all match, 1 something is refused or does not match, 3 neither, but something cannot be compared, 2 usage
    /// or files.
    #[cfg(feature = "replay")]
    Replay(Replay),
    /// Give a node the key of a provider, sealed so that the verified node alone can read it
    ///
    /// The node is appraised first, under the policy. Its host never sees the key, and a restart forgets it: --watch gives it
    /// again after every restart that the policy accepts. Of a caller's access token the node gets the salted hash alone.
    Provision(Provision),
    /// Make the key of a node's operator, whose public half stands in the node's configuration
    OperatorKey(OperatorKey),
    /// Make an access token for somebody who may ask a node, whose salted hash stands in the node's configuration
    AccessToken(AccessToken),
    /// Make or compile a policy
    #[command(subcommand)]
    Policy(PolicyCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Write the safe policy for images whose measurements are known
    Init(PolicyInit),
    /// Write a policy file as the canonical JSON that browsers load
    Compile(PolicyCompile),
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// What to accept: platforms, images, models (TOML, or compiled). Without it only hardware platforms could pass
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
    /// Write the evidence to FILE, for checking receipts later
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Ask {
    /// https://host:port
    pub(crate) url: String,
    /// What to ask
    pub(crate) prompt: String,
    /// The model's name, as in `quoth-verify node`
    #[arg(short, long)]
    pub(crate) model: String,
    /// A system message before the question
    #[arg(long)]
    pub(crate) system: Option<String>,
    /// Tokens to answer with, at most
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u32>,
    /// Randomness of the choice of words, from 0
    #[arg(long, value_name = "T")]
    pub(crate) temperature: Option<f32>,
    /// Seed of that randomness; without one the node draws and records one
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// Have the answer in one piece, proven before its first word is shown
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Send what is in FILE as the API key: an access token of the node's, or a key of your own for the provider
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Write the exchange with its proofs to NAME.transcript.json
    #[arg(long, value_name = "NAME")]
    pub(crate) save: Option<PathBuf>,
    /// Also fetch what only the enclave knows: rendered prompt, token ids, sampling as used
    #[arg(long)]
    pub(crate) details: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Proxy {
    /// The node: https://host:port
    #[arg(long, value_name = "URL")]
    pub(crate) node: String,
    /// Where to listen. Whoever reaches it can ask, and the way to it is plain HTTP
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8787")]
    pub(crate) listen: SocketAddr,
    /// Write every proven exchange to DIR, and every cut stream as far as it came; what cannot be written is not answered
    #[arg(long, value_name = "DIR")]
    pub(crate) transcripts: Option<PathBuf>,
    /// Also fetch what only the enclave knows into the transcripts: rendered prompt, token ids, sampling as used
    #[arg(long, requires = "transcripts")]
    pub(crate) details: bool,
    /// Hand on to the SDK what opens the receipts' commitments, as the header quoth-opening
    #[arg(long)]
    pub(crate) opening: bool,
    /// What to accept: platforms, images, models (TOML, or compiled). Without it only hardware platforms could pass
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Print a JSON object a line for programs: event is listening, warning, refused, failed or stopping
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Evidence {
    /// The evidence: bytes, or base64 or hexadecimal digits of them
    pub(crate) file: PathBuf,
    /// Judge it at this time; without it, now
    #[arg(long, value_name = "UNIX_TIME")]
    pub(crate) at: Option<u64>,
    /// Certificates and revocation lists of a report: a folder of DER or PEM files, or a certificate table
    #[arg(long, value_name = "DIR")]
    pub(crate) certs: Option<PathBuf>,
    /// Show every check: what was expected, what was found, where the rule comes from
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args, Debug)]
pub(crate) struct Receipt {
    /// The receipt: COSE bytes, or base64url of them
    pub(crate) file: PathBuf,
    /// The evidence of the node that signed it, as `node --save` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "transcript")]
    pub(crate) evidence: Option<PathBuf>,
    /// A saved exchange with the same node, whose evidence to use
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
    /// NAME.transcript.json, any number of them; many at once are faster than one by one
    #[arg(required = true, value_name = "TRANSCRIPT")]
    pub(crate) files: Vec<PathBuf>,
    /// The GGUF file that answered; receipts name its SHA-256
    #[arg(long, value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// What to accept: platforms, images, models (TOML, or compiled). Without it only hardware platforms could pass
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Threads that compute; without it, one for each processor. No result depends on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) threads: Option<u32>,
    /// Print a JSON object a line for programs: one for each transcript, in their order, then a summary
    ///
    /// Of a transcript: kind ("transcript"), file, verdict (match, mismatch, refused, not-comparable), code, message, cti, model,
    /// outcome, tokens {prompt, output}; where something differs also difference {position, expected, found, logit_margin}, with
    /// what comes out here as expected and what was recorded as found; a token is {token, text}, the output's end null.
    ///
    /// Of all: kind ("summary"), verdict (the worst), transcripts, match, mismatch, refused, not_comparable, tokens (computed),
    /// load_seconds, replay_seconds, model_sha256, arithmetic, engine.
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
    /// The operator's private key (PEM), as `operator-key` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_key: PathBuf,
    /// Read the secret from FILE; without it, from standard input
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    pub(crate) from: Option<PathBuf>,
    /// Have the node forget the secret
    #[arg(long)]
    pub(crate) remove: bool,
    /// Stay, and give it again after every restart
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
    /// Write it to FILE, which must not exist yet; without it, to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct PolicyInit {
    /// What an image measures to, as `quoth-images measure` prints it; several images may be accepted at once
    #[arg(long, value_name = "MEASUREMENTS.TOML", required = true)]
    pub(crate) from: Vec<PathBuf>,
    /// Accept this platform; without it, all that the images are measured for
    #[arg(long)]
    pub(crate) platform: Vec<HardwarePlatform>,
    /// On sev-snp, the oldest firmware to accept of a family: milan or genoa=BOOTLOADER,TEE,SNP,MICROCODE,
    /// turin=FMC,BOOTLOADER,TEE,SNP,MICROCODE. `evidence REPORT --explain` shows what a machine has; AMD-SB-3019 asks for
    /// SNP 24 on Milan and 23 on Genoa
    #[arg(long, value_name = "FAMILY=NUMBERS", value_parser = floor)]
    pub(crate) floor: Vec<(Family, Floor)>,
    /// On sev-snp, accept this chip only (CHIP_ID, 128 hexadecimal digits); may be repeated. A floor for milan needs it: the owner
    /// of any Milan chip can forge that chip's reports (arXiv 2605.12990)
    #[arg(long, value_name = "CHIP_ID")]
    pub(crate) chip_id: Vec<String>,
    /// Accept any Milan chip, although its owner can forge its reports, of any firmware
    #[arg(long, conflicts_with = "chip_id")]
    pub(crate) unpinned_milan: bool,
    /// Accept this model (SHA-256, hex), besides those that the measurements name
    #[arg(long, value_name = "SHA256")]
    pub(crate) model: Vec<String>,
    /// Accept every model that the images serve
    #[arg(long, conflicts_with = "model")]
    pub(crate) any_model: bool,
    /// Write it to FILE, which must not exist yet; without it, to standard output
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
