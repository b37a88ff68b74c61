//! The journal: stores the receipts of every instance that ran here. Receipts are on disk before they are acknowledged.

mod chain;
mod serve;
mod store;

pub use chain::{Break, Chain, Entry, Instance, MAX_BREAKS, read};
pub use serve::{Attachment, Notice, serve};
pub use store::{Incoming, JournalError, NotStored, SignedLog, Store};
