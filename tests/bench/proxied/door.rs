//! What can be asked: a node, a provider, or what stands between.

use std::path::PathBuf;

use crate::client::Connection;

/// Something that answers as the provider does, or is it.
pub(super) trait Door {
    fn port(&self) -> u16;
    /// Whom a client trusts there; none without TLS.
    fn ca(&self) -> Option<PathBuf>;
    /// What it accepts.
    fn key(&self) -> &str;

    fn connect(&self) -> Connection {
        let connection = match self.ca() {
            Some(ca) => Connection::secure(self.port(), &ca),
            None => Connection::plain(self.port()),
        };
        connection.with_key(self.key())
    }
}
