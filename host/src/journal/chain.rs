//! Reads a journal and checks its chains. Does not check signatures; verifiers do that on their own machines.

use std::path::Path;

use quoth_attestation::cose::Signed;
use quoth_attestation::receipt::{Execution, Receipt};
use quoth_attestation::{Digest, ExchangeId};
use quoth_link::journal::{MAX_RECEIPT, MAX_STATEMENT};
use rusqlite::{Connection, OpenFlags, params};
use serde::Serialize;

use super::store::JournalError;

/// Maximum number of breaks that are listed for a chain.
pub const MAX_BREAKS: usize = 1000;

/// One instance in the journal.
#[derive(Debug, Serialize)]
pub struct Instance {
    /// The instance, hex.
    pub instance: String,
    /// Digest of its statement, hex.
    pub node: String,
    /// The state of the instance's chain.
    pub chain: Chain,
    /// The readable receipts, in order.
    pub receipts: Vec<Entry>,
}

/// The state of one chain. It cannot show that receipts are missing at the end, because they leave no gap.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Whether the chain has no break.
    pub whole: bool,
    /// The breaks in order, at most [`MAX_BREAKS`].
    pub breaks: Vec<Break>,
}

/// A break in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Break {
    /// Receipts are missing.
    Gap {
        /// The first missing receipt.
        from: u64,
        /// The last missing receipt.
        to: u64,
    },
    /// A receipt does not point to the one before it.
    Link {
        /// The receipt.
        seq: u64,
    },
    /// The stored bytes are not a receipt of this instance at this place. The chain cannot be followed through them.
    Unreadable {
        /// The place.
        seq: u64,
    },
}

/// The claims of one receipt.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Place in the chain.
    pub seq: u64,
    /// Request id, hex.
    pub cti: String,
    /// Issued at, Unix seconds.
    pub iat: u64,
    /// The model, or the model asked for at a provider.
    pub model: Option<String>,
    /// How the exchange ended.
    pub outcome: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Whether the response was an event stream.
    pub streamed: bool,
    /// Prompt tokens.
    pub prompt_tokens: Option<u64>,
    /// Completion tokens.
    pub completion_tokens: Option<u64>,
    /// Time from the request to the last byte of its response, milliseconds.
    pub duration_ms: u64,
    /// SHA-256 of the payload, hex.
    pub digest: String,
    /// The COSE_Sign1.
    #[serde(skip)]
    pub cose: Vec<u8>,
}

/// Reads a journal: all instances in order of arrival, with all receipts or only the one with this id.
///
/// # Errors
/// [`JournalError::Database`].
pub fn read(path: &Path, cti: Option<ExchangeId>) -> Result<Vec<Instance>, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // A transaction gives one consistent snapshot while others write.
    let snapshot = connection.transaction()?;
    let mut instances = snapshot.prepare(
        "SELECT id, instance, CASE WHEN length(statement) <= ?1 THEN statement ELSE x'' END FROM instances ORDER BY id",
    )?;
    let rows = instances.query_map(params![MAX_STATEMENT as i64], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (id, instance, statement) = row?;
        let node = Digest::of(&statement);
        let (chain, receipts) = follow(&snapshot, id, node, cti)?;
        found.push(Instance { instance: hex::encode(instance), node: node.to_string(), chain, receipts });
    }
    Ok(found)
}

fn follow(
    snapshot: &Connection,
    id: i64,
    node: Digest,
    cti: Option<ExchangeId>,
) -> Result<(Chain, Vec<Entry>), JournalError> {
    let mut statement = snapshot.prepare(
        "SELECT seq, CASE WHEN length(cose) <= ?2 THEN cose ELSE x'' END FROM receipts WHERE id = ?1 ORDER BY seq",
    )?;
    let rows = statement.query_map(params![id, MAX_RECEIPT as i64], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Vec<u8>>(1)?))
    })?;
    let (mut walk, mut receipts) = (Walk::new(node), Vec::new());
    for row in rows {
        let (seq, cose) = row?;
        if let Some(receipt) = walk.step(seq, &cose)
            && cti.is_none_or(|wanted| wanted == receipt.claims().cti)
        {
            receipts.push(Entry::new(&receipt, cose));
        }
    }
    Ok((walk.end(), receipts))
}

/// Follows one chain from its beginning.
struct Walk {
    node: Digest,
    next: u64,
    /// The digest that the next receipt must name. Unknown after a gap.
    prev: Option<Digest>,
    whole: bool,
    breaks: Vec<Break>,
}

impl Walk {
    fn new(node: Digest) -> Self {
        Self { node, next: 0, prev: Some(node), whole: true, breaks: Vec::new() }
    }

    fn step(&mut self, seq: u64, cose: &[u8]) -> Option<Signed<Receipt>> {
        if seq > self.next {
            self.note(Break::Gap { from: self.next, to: seq - 1 });
            self.prev = None;
        }
        self.next = seq.saturating_add(1);
        let receipt = Signed::<Receipt>::decode(cose).ok();
        let Some(receipt) = receipt.filter(|found| found.claims().seq == seq && found.claims().node == self.node)
        else {
            self.note(Break::Unreadable { seq });
            self.prev = None;
            return None;
        };
        if self.prev.is_some_and(|prev| prev != receipt.claims().prev) {
            self.note(Break::Link { seq });
        }
        self.prev = Some(receipt.digest());
        Some(receipt)
    }

    fn note(&mut self, found: Break) {
        self.whole = false;
        if self.breaks.len() < MAX_BREAKS {
            self.breaks.push(found);
        }
    }

    fn end(self) -> Chain {
        Chain { whole: self.whole, breaks: self.breaks }
    }
}

impl Entry {
    fn new(receipt: &Signed<Receipt>, cose: Vec<u8>) -> Self {
        let claims = receipt.claims();
        let model = claims.execution.as_ref().map(|execution| match execution {
            Execution::Local(local) => local.model.to_string(),
            Execution::Upstream(upstream) => upstream.model_asked.to_string(),
        });
        Self {
            seq: claims.seq,
            cti: claims.cti.to_string(),
            iat: claims.iat,
            model,
            outcome: claims.exchange.outcome.name(),
            status: claims.exchange.status.get(),
            streamed: claims.exchange.streamed,
            prompt_tokens: claims.usage.map(|usage| usage.prompt),
            completion_tokens: claims.usage.map(|usage| usage.completion),
            duration_ms: claims.times.last_byte().saturating_sub(claims.times.received()),
            digest: receipt.digest().to_string(),
            cose,
        }
    }
}
