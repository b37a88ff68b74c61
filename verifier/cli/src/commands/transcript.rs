use quoth_attestation::transcript;
use quoth_verifier::TimeChoice;

use crate::args::Transcript;
use crate::error::CliError;
use crate::facts::{self, View};
use crate::files;
use crate::report::Report;

/// Checks a saved exchange, offline.
pub(crate) fn run(args: &Transcript) -> Result<Report, CliError> {
    let text = files::read(&args.file, transcript::MAX_BYTES)?;
    let verified = files::verifier(args.common.policy.as_ref())?.transcript(&text, TimeChoice::Archived)?;
    let mut report = Report::new("this saved exchange is what the node signed");
    facts::node(&mut report, verified.node(), View::Archive);
    facts::exchange(&mut report, verified.transcript(), verified.exchange());
    if let Some(details) = &verified.transcript().details {
        facts::details(&mut report, details);
    }
    facts::limits_of_exchange(&mut report, verified.node(), verified.exchange().receipt().claims());
    Ok(report)
}
