use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Checks that a Quoth node is what it claims to be, and that its answers are what it signed.
///
/// Exit codes: 0 proven, 1 refused (a stable code says why), 2 usage, network or files.
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
    /// Appraise saved hardware evidence, Quoth's or anybody's: a Nitro document, an SEV-SNP report, an evidence bundle
    Evidence(Evidence),
    /// Check a receipt
    Receipt(Receipt),
    /// Check a saved exchange, offline
    Transcript(Transcript),
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// What to accept: platforms, images, models (TOML). Without it only hardware platforms could pass
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
