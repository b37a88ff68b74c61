//! `provision`: verifies a node, then gives it a provider's key or the hash of a caller's token, sealed.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use quoth_attestation::Digest;
use quoth_attestation::secret::fingerprint;
use quoth_attestation::token;
use quoth_client::{Client, ClientError, OperatorKey, OrderError, token_hash};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::args::{OperatorKey as NewKey, Provision};
use crate::error::CliError;
use crate::files;
use crate::report::{self, Report};
use crate::summary::{self, View};

/// Maximum bytes in a private key's file.
const MAX_KEY: usize = 4096;
/// Interval between two checks of a watched node.
const WATCH: Duration = Duration::from_secs(15);

pub(crate) fn new_key(args: &NewKey) -> Result<Report, CliError> {
    let key = OperatorKey::generate().map_err(ClientError::from)?;
    let der = Zeroizing::new(key.to_pkcs8().map_err(ClientError::from)?);
    let text = Zeroizing::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64_STANDARD.encode(&*der)
    ));
    files::write_private(&args.out, text.as_bytes())?;
    let public = hex::encode(key.public());
    let mut report = Report::new("an operator's key");
    report.row("private key", args.out.display().to_string());
    report.row("configuration", format!("operator = \"{public}\""));
    report.member("operator", public);
    Ok(report)
}

pub(crate) async fn run(args: Provision) -> Result<Report, CliError> {
    let client = Client::new(files::policy(args.common.policy.as_ref())?);
    let key = operator(&args.operator_key)?;
    let secret = match args.remove {
        true => None,
        false => Some(hashed(&args.name, files::secret(args.from.as_ref())?)?),
    };
    let secret = secret.as_ref().map(|secret| secret.as_str());
    let (mut report, mut node) = provision(&client, &key, &args, secret).await?;
    if !args.watch {
        return Ok(report);
    }
    loop {
        report.print(args.common.json).map_err(CliError::Output)?;
        (report, node) = restarted(&client, &key, &args, secret, node).await;
    }
}

/// Waits for a restart of the node, and provisions it again.
async fn restarted(
    client: &Client,
    key: &OperatorKey,
    args: &Provision,
    secret: Option<&str>,
    node: Digest,
) -> (Report, Digest) {
    let mut last = String::new();
    loop {
        tokio::time::sleep(WATCH).await;
        let outcome = match client.connect(&args.url).await {
            Ok(connection) if connection.node().digest() == node => continue,
            Ok(_) => provision(client, key, args, secret).await,
            Err(error) => Err(error.into()),
        };
        match outcome {
            Ok(done) => return done,
            // Report the same error only once.
            Err(error) if error.code() == last => {}
            Err(error) => {
                error.code().clone_into(&mut last);
                // If printing fails, keep watching.
                let _ = report::print_error(&error, args.common.json);
            }
        }
    }
}

async fn provision(
    client: &Client,
    key: &OperatorKey,
    args: &Provision,
    secret: Option<&str>,
) -> Result<(Report, Digest), CliError> {
    let mut connection = client.connect(&args.url).await?;
    let counter = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let held = connection.provision(key, &args.name, secret, counter).await?;
    let mut report = Report::new(match secret {
        Some(_) => format!("an accepted node now holds the secret {}", args.name),
        None => format!("an accepted node no longer holds the secret {}", args.name),
    });
    summary::node(&mut report, connection.node(), View::Node);
    if let Some(secret) = secret {
        let fingerprint = hex::encode(fingerprint(&args.name, secret.as_bytes()));
        report.row("fingerprint", fingerprint.clone());
        report.member("fingerprint", fingerprint);
    }
    let held = serde_json::from_slice::<Value>(&held).map(|mut held| held["secrets"].take()).unwrap_or_default();
    let names = held.as_array().into_iter().flatten().filter_map(|secret| secret["name"].as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    report.row("holds", if names.is_empty() { "nothing".into() } else { names });
    report.member("held", held);
    report.not_proven("that it still does after a restart: run this again, or with --watch");
    Ok((report, connection.node().digest()))
}

fn operator(file: &Path) -> Result<OperatorKey, CliError> {
    let text = Zeroizing::new(files::read(file, MAX_KEY)?);
    let der = PrivatePkcs8KeyDer::from_pem_slice(&text).map_err(|_| ClientError::from(OrderError::Key))?;
    Ok(OperatorKey::from_pkcs8(der.secret_pkcs8_der()).map_err(ClientError::from)?)
}

/// Replaces this caller's access token by its salted hash: the node gets only that.
fn hashed(name: &str, secret: Zeroizing<String>) -> Result<Zeroizing<String>, CliError> {
    if token::name(&secret) != Some(name) {
        return Ok(secret);
    }
    Ok(Zeroizing::new(token_hash(&secret).map_err(ClientError::from)?.to_string()))
}
