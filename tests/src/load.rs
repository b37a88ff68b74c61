//! Many requests to one node at the same time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quoth_attestation::transcript::Transcript;
use quoth_client::{Client, ClientError, Options};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Node;

/// A request, and what its caller does.
#[derive(Clone, Debug)]
pub struct Request {
    /// The body. It is a completion if it has a prompt, otherwise a chat.
    pub body: Value,
    /// Number of pieces of the answer after which the caller hangs up.
    pub hang_up_after: Option<usize>,
}

/// Sends many requests to a node, `at_once` at the same time, and gets their details. Returns the transcripts of the callers
/// that did not hang up. Every answer must be proven.
pub async fn transcripts_under_load(node: &Node, requests: Vec<Request>, at_once: usize) -> Vec<Transcript> {
    let places = Arc::new(Semaphore::new(at_once));
    let mut callers = JoinSet::new();
    for (index, request) in requests.into_iter().enumerate() {
        let (places, url, client) = (Arc::clone(&places), node.url(), Client::new(node.policy()));
        callers.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let answered = call(&client, &url, &request).await;
            (index, answered.unwrap_or_else(|error| panic!("{error}: {}", request.body)))
        });
    }
    let mut transcripts: Vec<_> = callers.join_all().await;
    transcripts.sort_by_key(|(index, _)| *index);
    transcripts.into_iter().filter_map(|(_, transcript)| transcript).collect()
}

async fn call(client: &Client, url: &str, request: &Request) -> Result<Option<Transcript>, ClientError> {
    let target = if request.body["prompt"].is_null() { Client::CHAT } else { "/v1/completions" };
    let options = Options { details: true, ..Options::default() };
    let mut exchange = client.connect(url).await?.post(target, request.body.to_string(), options).await?;
    let Some(pieces) = request.hang_up_after else {
        return Ok(Some(exchange.finish().await?.transcript));
    };
    for _ in 0..pieces {
        exchange.next().await?;
    }
    Ok(None)
}

/// Writes transcripts to a folder. Returns their files.
pub fn save(folder: &Path, transcripts: &[Transcript]) -> Vec<PathBuf> {
    let write = |(index, transcript): (usize, &Transcript)| {
        let file = folder.join(format!("{index:03}.transcript.json"));
        fs::write(&file, transcript.encode()).unwrap();
        file
    };
    transcripts.iter().enumerate().map(write).collect()
}
