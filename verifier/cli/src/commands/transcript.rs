//! `transcript`: verifies a saved exchange offline.

use quoth_attestation::transcript;
use quoth_verifier::TimeChoice;

use crate::args::Transcript;
use crate::error::CliError;
use crate::files;
use crate::report::Report;
use crate::summary::{self, View};

pub(crate) fn run(args: &Transcript) -> Result<Report, CliError> {
    let text = files::read(&args.file, transcript::MAX_BYTES)?;
    let verified = files::verifier(args.common.policy.as_ref())?.verify_transcript(&text, TimeChoice::Archived)?;
    let mut report = Report::new("this saved exchange is what the node signed");
    summary::node(&mut report, verified.node(), View::Archive);
    summary::exchange(&mut report, verified.transcript(), verified.exchange());
    if let Some(details) = &verified.transcript().details {
        summary::details(&mut report, details);
    }
    if let Some(head) = verified.head() {
        summary::head(&mut report, head);
    }
    summary::limits_of_exchange(&mut report, verified.node(), verified.exchange().receipt().claims());
    Ok(report)
}
