//! `access-token`: makes an access token for a node's caller.

use quoth_client::{ClientError, access_token, token_hash};

use crate::args::AccessToken;
use crate::error::CliError;
use crate::files;
use crate::report::Report;

pub(crate) fn new(args: &AccessToken) -> Result<Report, CliError> {
    let token = access_token(&args.name).map_err(ClientError::from)?;
    let hash = token_hash(&token).map_err(ClientError::from)?.to_string();
    files::write_private(&args.out, [token.as_bytes(), b"\n"].concat().as_slice())?;
    let mut report = Report::new(format!("an access token for {}", args.name));
    report.row("token", format!("{}  (for the caller: it is the API key)", args.out.display()));
    report.row("configuration", format!("[[caller]] name = \"{}\", token = \"{hash}\"", args.name));
    report.row("without a restart", format!("quoth-verify provision {} --from {} ...", args.name, args.out.display()));
    report.member("hash", hash);
    Ok(report)
}
