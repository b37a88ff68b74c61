//! The host's journal, read from outside: the receipts that were committed at each look.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quoth_attestation::Digest;
use rusqlite::{Connection, OpenFlags, params};

/// Stored receipts of one enclave, by sequence number.
pub(super) type Stored = BTreeMap<u64, Vec<u8>>;

/// The results of all looks so far.
pub(super) struct Journal {
    file: PathBuf,
    instances: BTreeMap<i64, Instance>,
}

/// One enclave's receipts.
pub(super) struct Instance {
    /// Digest of the enclave's statement.
    pub(super) node: Digest,
    /// Whether the harness killed the enclave.
    pub(super) killed: bool,
    /// Digests of the receipts that were committed at some look, by sequence number.
    pub(super) acknowledged: BTreeMap<u64, Digest>,
}

impl Journal {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, instances: BTreeMap::new() }
    }

    /// Records the receipts that were committed since the last look.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(super) fn look(&mut self) -> rusqlite::Result<()> {
        let database = open(&self.file)?;
        for (id, node) in instances(&database)? {
            let known = self.instances.entry(id).or_insert_with(|| Instance {
                node,
                killed: false,
                acknowledged: BTreeMap::new(),
            });
            let next = known.acknowledged.last_key_value().map_or(0, |(last, _)| last + 1);
            for (place, receipt) in receipts(&database, id, next)? {
                known.acknowledged.insert(place, Digest::of(&receipt));
            }
        }
        Ok(())
    }

    /// Records that the newest enclave is about to be killed.
    pub(super) fn newest_is_killed(&mut self) {
        if let Some(mut newest) = self.instances.last_entry() {
            newest.get_mut().killed = true;
        }
    }

    /// Returns the instances of all looks.
    pub(super) fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    /// Returns the current content of the journal, for each enclave in the order of their boots.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(super) fn read(&self) -> rusqlite::Result<Vec<(Digest, Stored)>> {
        let database = open(&self.file)?;
        let read = |(id, node)| Ok((node, receipts(&database, id, 0)?.into_iter().collect()));
        instances(&database)?.into_iter().map(read).collect()
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn instances(database: &Connection) -> rusqlite::Result<Vec<(i64, Digest)>> {
    let mut query = database.prepare("SELECT id, statement FROM instances ORDER BY id")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, Digest::of(&row.get::<_, Vec<u8>>(1)?))))?;
    rows.collect()
}

fn receipts(database: &Connection, id: i64, first: u64) -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
    let mut query = database.prepare("SELECT seq, cose FROM receipts WHERE id = ?1 AND seq >= ?2 ORDER BY seq")?;
    let rows = query
        .query_map(params![id, first.cast_signed()], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))?;
    rows.collect()
}
