//! A server that can be asked: a node, a provider, or a proxy.

use std::path::PathBuf;

use crate::client::Connection;

/// A server that answers as the provider does.
pub(super) trait Door {
    fn port(&self) -> u16;
    /// Returns the authority to trust. `None` without TLS.
    fn ca(&self) -> Option<PathBuf>;
    /// Returns the key that the server accepts.
    fn key(&self) -> &str;

    fn connect(&self) -> Connection {
        let connection = match self.ca() {
            Some(ca) => Connection::secure(self.port(), &ca),
            None => Connection::plain(self.port()),
        };
        connection.with_key(self.key())
    }
}
