//! `node`: appraises a node.

use quoth_client::Client;

use crate::args::Node;
use crate::error::CliError;
use crate::files;
use crate::report::Report;
use crate::summary::{self, View};

/// Opens a connection, and reports what its evidence proves.
pub(crate) async fn run(args: Node) -> Result<Report, CliError> {
    let client = Client::new(files::policy(args.common.policy.as_ref())?);
    let connection = client.connect(&args.url).await?;
    let mut report = Report::new(format!("this connection ends in an accepted node ({})", args.url));
    summary::node(&mut report, connection.node(), View::Node);
    summary::limits_of_node(&mut report, connection.node());
    if let Some(file) = &args.save {
        files::write_new(file, connection.evidence())?;
        report.row("saved", format!("evidence in {}", file.display()));
    }
    Ok(report)
}
