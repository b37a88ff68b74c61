//! The command line of `quoth-siege`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The names of the attacks, as in the page.
const ATTACKS: [&str; 11] = [
    "zero-window",
    "slow-reader",
    "idle",
    "slow-bodies",
    "dead-provider",
    "nested",
    "poison",
    "quotes",
    "details",
    "refusals",
    "ends",
];

/// Faults, floods and long loads against a node of real processes on loopback.
#[derive(Debug, Parser)]
#[command(name = "quoth-siege", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// The provider's process, which the harness starts itself.
    #[command(subcommand)]
    pub(crate) helper: Option<Helper>,
    #[command(flatten)]
    pub(crate) plan: Plan,
}

/// What to run, and for how long.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Parts to run [default: all]
    #[arg(value_enum)]
    pub(crate) parts: Vec<Part>,
    /// Faults that `faults` injects
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) faults: usize,
    /// Concurrent callers of `faults`
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) callers: usize,
    /// Streams that `streams` holds
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) streams: usize,
    /// Duration of a part in seconds [default: 600 for `streams`, 120 for `attack`, 3600 for `hour`, 60 for each
    /// target of `fuzz`]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: Option<u64>,
    /// Seconds that `attack` first measures without attackers
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) quiet: u64,
    /// The attacks that `attack` runs [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...", value_parser = ATTACKS)]
    pub(crate) attacks: Vec<String>,
    /// A further line for the table `[limits]` of the node that `streams` starts, such as `memory_bytes=1073741824`
    #[arg(long = "limit", value_name = "KEY=VALUE")]
    pub(crate) limits: Vec<String>,
    /// The fuzz targets that `fuzz` runs [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    pub(crate) targets: Vec<String>,
    /// The page to write; only the sections of the parts that ran are replaced
    #[arg(long, value_name = "FILE", default_value = "RELIABILITY.md")]
    pub(crate) out: PathBuf,
    /// Print the figures and leave the page as it is
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Parts of a siege.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Kill, cut, fill and stall, under verified callers
    Faults,
    /// Hold many streams
    Streams,
    /// All attacks at once, beside honest callers
    Attack,
    /// Mixed load for an hour
    Hour,
    /// Run every fuzz target
    Fuzz,
}

impl Part {
    /// Returns the part's name on the command line and in the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Streams => "streams",
            Self::Attack => "attack",
            Self::Hour => "hour",
            Self::Fuzz => "fuzz",
        }
    }
}

/// Processes that the harness starts.
#[derive(Debug, Subcommand)]
pub(crate) enum Helper {
    /// A provider whose behaviour follows the name of the model
    #[command(hide = true)]
    Provider {
        /// The folder of `cert.pem` and `key.pem`
        folder: PathBuf,
        /// The port on 127.0.0.1
        port: u16,
    },
}
