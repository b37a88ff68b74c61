use std::io;
use std::path::PathBuf;
use std::time::Duration;

use quoth_verifier::{Family, Refusal, SnpRefusal};

use super::document::Document;

/// Why a report has no endorsements, each kind with a stable [`code`](Self::code).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndorsementError {
    /// Not a report that anybody could endorse.
    #[error("not an SEV-SNP report: {0}")]
    Report(SnpRefusal),
    /// A report of version 2, and nobody named its family.
    #[error("a report of version 2 does not say which processor it is from: name its family, milan or genoa")]
    FamilyUnknown,
    /// The family that was named is not the one of the report.
    #[error("the report is from {}, not from {}", report.name(), named.name())]
    FamilyMismatch {
        /// By the caller.
        named: Family,
        /// By CPUID.
        report: Family,
    },
    /// Signed by a key that AMD gave to a cloud: its certificate is given to that cloud alone.
    #[error(
        "the report is signed by a VLEK, whose certificate the service does not hand out: take it from the \
         hypervisor's certificate table (extended guest request)"
    )]
    Vlek,
    /// The platform hides which chip it is, so nobody can be asked for its key.
    #[error("the report does not name its chip (MASK_CHIP_ID): ask the platform's owner for its certificate")]
    ChipMasked,
    /// The service's address.
    #[error("{address}: {problem}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The service does not know this chip, or no such firmware for it (404).
    #[error("unknown chip or firmware: {url}")]
    UnknownChip {
        /// What was asked for.
        url: String,
    },
    /// The service asked to be left alone (429, 503), for as long as this host was ready to wait.
    #[error("the service is busy (status {status}, asked {attempts} times{}): {url}", later(*retry_after))]
    Busy {
        /// What was asked for.
        url: String,
        /// The last one.
        status: u16,
        /// How often it was asked.
        attempts: u32,
        /// When to come again, if it said so.
        retry_after: Option<Duration>,
    },
    /// Neither 200 nor anything that waiting helps against. Redirects are not followed.
    #[error("status {status}: {url}")]
    Status {
        /// What was asked for.
        url: String,
        /// The service's.
        status: u16,
    },
    /// No connection, or no TLS with somebody who may speak for that name.
    #[error("{url}: {source}")]
    Connect {
        /// What was asked for.
        url: String,
        /// What the system or the TLS library said.
        source: io::Error,
    },
    /// Not HTTP, or cut off.
    #[error("{url}: {source}")]
    Http {
        /// What was asked for.
        url: String,
        /// What the HTTP library said.
        source: hyper::Error,
    },
    /// Nothing, or not all, came in time.
    #[error("{url}: no {what} within {} ms", limit.as_millis())]
    Timeout {
        /// What was asked for.
        url: String,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// Longer than anything of its kind.
    #[error("{url}: longer than {limit} bytes")]
    TooLong {
        /// What was asked for.
        url: String,
        /// Bytes.
        limit: usize,
    },
    /// Not what was asked for.
    #[error("the service sent no {document}: {problem}")]
    Malformed {
        /// What was asked for.
        document: Document,
        /// What is wrong.
        problem: &'static str,
    },
    /// The verifier does not accept the report with these endorsements.
    #[error("the endorsements do not hold for this report: {0} ({code})", code = .0.code())]
    Refused(Refusal),
    /// The revocation list that was sent does not hold now.
    #[error("the revocation list holds from {this_update} to {next_update}, which {now} is not within")]
    CrlStale {
        /// Unix seconds.
        this_update: u64,
        /// Unix seconds.
        next_update: u64,
        /// Unix seconds.
        now: u64,
    },
    /// The revocation list that was sent is older than the one at hand.
    #[error("the service sent a revocation list of {offered}, older than the one at hand, of {held}")]
    CrlRollback {
        /// Unix seconds.
        held: u64,
        /// Unix seconds.
        offered: u64,
    },
    /// The cache.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl EndorsementError {
    /// Stable code, for programs and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Report(_) => "endorsement.report",
            Self::FamilyUnknown => "endorsement.family.unknown",
            Self::FamilyMismatch { .. } => "endorsement.family.mismatch",
            Self::Vlek => "endorsement.vlek",
            Self::ChipMasked => "endorsement.chip_masked",
            Self::Address { .. } => "endorsement.address",
            Self::UnknownChip { .. } => "endorsement.unknown_chip",
            Self::Busy { .. } => "endorsement.busy",
            Self::Status { .. } => "endorsement.status",
            Self::Connect { .. } => "endorsement.connect",
            Self::Http { .. } => "endorsement.http",
            Self::Timeout { .. } => "endorsement.timeout",
            Self::TooLong { .. } => "endorsement.too_long",
            Self::Malformed { .. } => "endorsement.malformed",
            Self::Refused(_) => "endorsement.refused",
            Self::CrlStale { .. } => "endorsement.crl.stale",
            Self::CrlRollback { .. } => "endorsement.crl.rollback",
            Self::File { .. } => "endorsement.file",
        }
    }

    /// Whether it says something about the report, rather than about the way to its endorsements.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Report(_) | Self::Vlek | Self::ChipMasked | Self::UnknownChip { .. } | Self::Refused(_))
    }

    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

fn later(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |after| format!("; it says to come again in {} s", after.as_secs()))
}
