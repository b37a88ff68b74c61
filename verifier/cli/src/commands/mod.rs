//! The commands, one module for each.

pub(crate) mod access_token;
pub(crate) mod ask;
pub(crate) mod evidence;
pub(crate) mod node;
pub(crate) mod policy;
pub(crate) mod provision;
pub(crate) mod proxy;
pub(crate) mod receipt;
#[cfg(feature = "replay")]
pub(crate) mod replay;
pub(crate) mod transcript;
