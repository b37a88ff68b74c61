//! What every request needs.

use std::sync::Arc;

use super::folder::Folder;
use super::log::Log;
use super::pool::Pool;

/// What every request needs.
pub(super) struct Proxy {
    pub(super) pool: Arc<Pool>,
    pub(super) folder: Option<Folder>,
    pub(super) details: bool,
    pub(super) opening: bool,
    /// Only programs on this machine may ask.
    pub(super) local_only: bool,
    pub(super) log: Log,
}
