//! One module a command.

pub(crate) mod ask;
pub(crate) mod evidence;
pub(crate) mod node;
pub(crate) mod policy;
pub(crate) mod receipt;
pub(crate) mod transcript;
