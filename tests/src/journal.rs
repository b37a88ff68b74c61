//! Journals as `quoth receipts` and auditors read them.

use std::time::Duration;

use quoth_verifier::{ChainReport, Refusal, VerifiedNode, verify_chain};
use rusqlite::Connection;
use serde_json::Value;

use crate::Node;

/// Time limit for the last receipt, which is acknowledged shortly after its answer.
const SETTLE: Duration = Duration::from_millis(500);

/// The output of `quoth receipts --json` for a journal with one instance.
#[derive(Debug)]
pub struct Journal {
    /// The receipts in order.
    pub receipts: Vec<Value>,
    /// Whether the chain has no gap and no broken link.
    pub whole: bool,
    /// The whole output.
    pub raw: String,
}

impl Journal {
    /// Returns the request ids.
    pub fn ids(&self) -> Vec<String> {
        self.texts("cti")
    }

    /// Returns the outcomes of the exchanges.
    pub fn outcomes(&self) -> Vec<String> {
        self.texts("outcome")
    }

    fn texts(&self, field: &str) -> Vec<String> {
        self.receipts.iter().map(|receipt| receipt[field].as_str().unwrap().to_owned()).collect()
    }
}

/// Reads a node's journal once it has the receipt of the last answer.
pub async fn journal(node: &Node) -> Journal {
    tokio::time::sleep(SETTLE).await;
    let raw = node.quoth(&["receipts", "--json"]);
    let value: Value = serde_json::from_str(&raw).unwrap();
    let instances = value.as_array().or_else(|| value["instances"].as_array()).unwrap();
    assert_eq!(instances.len(), 1, "one instance ran here");
    let receipts = instances[0]["receipts"].as_array().unwrap().clone();
    Journal { receipts, whole: instances[0]["chain"]["whole"].as_bool().unwrap(), raw }
}

/// Verifies the receipts in a node's journal, as an auditor with the file does.
///
/// # Errors
/// The same as [`verify_chain`].
pub fn verify_journal(node: &Node, identity: &VerifiedNode) -> Result<ChainReport, Refusal> {
    let database = Connection::open(node.journal_file()).unwrap();
    let mut rows = database.prepare("SELECT cose FROM receipts ORDER BY id, seq").unwrap();
    let receipts: Vec<Vec<u8>> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    verify_chain(identity, receipts.iter().map(Vec::as_slice))
}
