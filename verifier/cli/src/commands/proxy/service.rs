//! The state shared by all requests.

use std::sync::Arc;

use super::folder::Folder;
use super::log::Log;
use super::pool::Pool;

pub(super) struct Proxy {
    pub(super) pool: Arc<Pool>,
    pub(super) folder: Option<Folder>,
    pub(super) details: bool,
    pub(super) opening: bool,
    /// True if only programs on this machine may send requests.
    pub(super) local_only: bool,
    pub(super) log: Log,
}
