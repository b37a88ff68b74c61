//! The journal: receipts of every instance that ran here, safe on disk before they are acknowledged.

mod chain;
mod serve;
mod store;

pub use chain::{Break, Chain, Entry, Instance, MAX_BREAKS, read};
pub use serve::{Attachment, Notice, serve};
pub use store::{JournalError, NotStored, Store};
