//! The journal's database.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use quoth_attestation::cose::Signed;
use quoth_attestation::log::checkpoint::LogCheckpoint;
use quoth_attestation::log::head::{Head, SignedHead};
use quoth_attestation::log::note::Note;
use quoth_attestation::receipt::Receipt;
use quoth_attestation::statement::Statement;
use quoth_attestation::{Digest, ExchangeId};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

/// How long a write waits while another process locks the database.
const BUSY: Duration = Duration::from_millis(1000);
/// Size of the write-ahead log, in pages (16 MiB), at which SQLite copies it into the database. Each copy writes the
/// tables' inner pages once more.
const CHECKPOINT_PAGES: u32 = 4000;

/// Value of the column `cti` for bytes that cannot be read.
const UNREADABLE: &[u8] = &[];

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS instances (
        id INTEGER PRIMARY KEY,
        instance BLOB NOT NULL UNIQUE,
        statement BLOB NOT NULL,
        attached INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS receipts (
        id INTEGER NOT NULL REFERENCES instances (id),
        seq INTEGER NOT NULL,
        cti BLOB NOT NULL,
        cose BLOB NOT NULL,
        digest BLOB,
        UNIQUE (id, seq)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS receipts_by_cti ON receipts (cti);
    CREATE TABLE IF NOT EXISTS heads (
        id INTEGER PRIMARY KEY REFERENCES instances (id),
        head BLOB NOT NULL,
        note TEXT NOT NULL
    ) STRICT;
";
/// Journals of earlier versions have receipts without digests, of enclaves that keep no log.
const ADD_DIGEST: &str = "ALTER TABLE receipts ADD COLUMN digest BLOB";

/// A receipt as it comes from the enclave.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its place in the chain.
    pub seq: u64,
    /// Its entry in the log.
    pub digest: [u8; 32],
    /// The COSE_Sign1.
    pub bytes: Bytes,
}

/// Size and root of the log as the enclave signed them. The host does not check the signatures; verifiers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedLog {
    head: SignedHead,
    note: String,
}

impl SignedLog {
    /// Reads a head and a note; `None` if they are not readable, or about different logs.
    pub fn new(head: &[u8], note: &[u8]) -> Option<Self> {
        let head = SignedHead::decode(head).ok()?;
        let note = Note::decode(note).ok()?;
        let checkpoint = LogCheckpoint::decode(note.text()).ok()?;
        let said = head.head();
        let same = (said.node(), said.size(), said.root()) == (checkpoint.node(), checkpoint.size(), checkpoint.root());
        same.then(|| Self { head, note: note.encode() })
    }

    /// The head.
    pub fn head(&self) -> &Head {
        self.head.head()
    }

    /// Returns true if the head says that the log will not grow.
    pub fn is_closed(&self) -> bool {
        self.head().is_closed()
    }

    /// Returns true if it may stand in place of `earlier`: it is not smaller, nor open where `earlier` is closed.
    pub(super) fn follows(&self, earlier: &Self) -> bool {
        let rank = |log: &Self| (log.head().size(), log.is_closed());
        rank(self) >= rank(earlier)
    }
}

/// Why the journal could not store a receipt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The database failed.
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    /// The database's file was removed or replaced while it was open, so writes would be lost.
    #[error("its file was removed or replaced")]
    Replaced,
    /// The statement is invalid, or belongs to another instance.
    #[error("the enclave's statement is not valid")]
    Statement,
    /// A known instance sent another statement.
    #[error("instance came with two different statements")]
    StatementConflict,
    /// The sequence number exceeds the database's range.
    #[error("sequence number {seq} exceeds the range of the database")]
    Place {
        /// The sequence number.
        seq: u64,
    },
    /// Another receipt with this sequence number is already stored.
    #[error("another receipt with sequence number {seq} is already stored")]
    Conflict {
        /// The sequence number.
        seq: u64,
    },
}

impl JournalError {
    /// Returns whether a later attempt can succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Replaced)
    }
}

/// Why not all receipts were stored.
#[derive(Debug)]
pub struct NotStored {
    /// Number of receipts on disk: those before the one that failed.
    pub stored: usize,
    /// Why that one failed.
    pub error: JournalError,
}

impl From<JournalError> for NotStored {
    fn from(error: JournalError) -> Self {
        Self { stored: 0, error }
    }
}

impl From<rusqlite::Error> for NotStored {
    fn from(error: rusqlite::Error) -> Self {
        JournalError::from(error).into()
    }
}

/// The open database, writing for one instance.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    file: (u64, u64),
    id: i64,
    node: Digest,
}

impl Store {
    /// Opens or creates the database for `instance`. Returns the next sequence number. The call writes to disk, so success
    /// shows that the storage works.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(path: &Path, instance: [u8; 16], statement: &[u8]) -> Result<(Self, u64), JournalError> {
        match Statement::decode(statement) {
            Ok(decoded) if decoded.instance == instance => {}
            _ => return Err(JournalError::Statement),
        }
        // Creates the file with a private mode. SQLite reports any error.
        let _ = fs::File::options().create(true).append(true).mode(0o600).open(path);
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(SCHEMA)?;
        let columns = "SELECT count(*) FROM pragma_table_info('receipts') WHERE name = 'digest'";
        if transaction.query_row(columns, [], |row| row.get::<_, i64>(0))? == 0 {
            transaction.execute_batch(ADD_DIGEST)?;
        }
        transaction.execute(
            "INSERT INTO instances (instance, statement, attached) VALUES (?1, ?2, 1)
             ON CONFLICT (instance) DO UPDATE SET attached = attached + 1",
            params![instance, statement],
        )?;
        let (id, known): (i64, Vec<u8>) = transaction.query_row(
            "SELECT id, statement FROM instances WHERE instance = ?1",
            params![instance],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        if known != statement {
            return Err(JournalError::StatementConflict);
        }
        let last: Option<i64> =
            transaction.query_row("SELECT max(seq) FROM receipts WHERE id = ?1", params![id], |row| row.get(0))?;
        transaction.commit()?;
        let file = identity(path).ok_or(JournalError::Replaced)?;
        let next = last.map_or(0, |last| last.unsigned_abs() + 1);
        Ok((Self { connection, path: path.to_owned(), file, id, node: Digest::of(statement) }, next))
    }

    /// Stores receipts. On success all of them are on disk. A receipt that is already stored with the same bytes is accepted.
    /// Bytes that are not a readable receipt of this instance are stored, too, because verifiers judge them, not the host.
    /// Returns the sequence numbers of those.
    ///
    /// # Errors
    /// [`NotStored`]. Receipts before the one that failed may be on disk.
    pub fn append(&mut self, receipts: &[Incoming]) -> Result<Vec<u64>, NotStored> {
        let (mut unreadable, mut refused) = (Vec::new(), None);
        if identity(&self.path) != Some(self.file) {
            return Err(JournalError::Replaced.into());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut find = transaction.prepare_cached("SELECT cose FROM receipts WHERE id = ?1 AND seq = ?2")?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO receipts (id, seq, cti, cose, digest) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id, seq) DO NOTHING",
            )?;
            for (index, Incoming { seq, digest, bytes }) in receipts.iter().enumerate() {
                let Ok(place) = i64::try_from(*seq) else {
                    refused = Some(NotStored { stored: index, error: JournalError::Place { seq: *seq } });
                    break;
                };
                let cti = id_of(*seq, bytes, self.node);
                let id = cti.as_ref().map_or(UNREADABLE, |id| &id.0);
                if insert.execute(params![self.id, place, id, bytes.as_ref(), digest])? > 0 {
                    unreadable.extend(cti.is_none().then_some(*seq));
                    continue;
                }
                let known: Vec<u8> = find.query_row(params![self.id, place], |row| row.get(0))?;
                if known != *bytes {
                    refused = Some(NotStored { stored: index, error: JournalError::Conflict { seq: *seq } });
                    break;
                }
            }
        }
        transaction.commit()?;
        refused.map_or(Ok(unreadable), Err)
    }

    /// Returns true if size and root are of the log of this instance.
    pub fn is_about(&self, log: &SignedLog) -> bool {
        log.head().node() == self.node
    }

    /// Keeps size and root of the log in place of earlier ones. On success the latest ones are on disk.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn keep(&mut self, log: &SignedLog) -> Result<(), JournalError> {
        if identity(&self.path) != Some(self.file) {
            return Err(JournalError::Replaced);
        }
        let known = self.connection.query_row("SELECT head, note FROM heads WHERE id = ?1", params![self.id], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?))
        });
        let known = known.optional()?.and_then(|(head, note)| SignedLog::new(&head, note.as_bytes()));
        if known.is_none_or(|known| log.follows(&known)) {
            self.connection.execute(
                "INSERT INTO heads (id, head, note) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET head = ?2, note = ?3",
                params![self.id, log.head.encode(), log.note],
            )?;
        }
        Ok(())
    }
}

/// Returns the request's id if the bytes are a receipt of the instance with this sequence number.
fn id_of(seq: u64, bytes: &[u8], node: Digest) -> Option<ExchangeId> {
    let receipt = Signed::<Receipt>::decode(bytes).ok()?;
    let claims = receipt.claims();
    (claims.seq == seq && claims.node == node).then_some(claims.cti)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
