//! The provider itself: a port, a switch, and what arrived.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{AbortHandle, JoinSet};

use crate::shared::Shared;
use crate::{Behaviour, Options, Request, connection};

/// More than the thousand connections that a test may open at once.
const BACKLOG: u32 = 4_096;

/// A running provider; it ends when dropped, and its connections with it.
pub struct Provider {
    shared: Arc<Shared>,
    port: u16,
    task: AbortHandle,
}

impl Provider {
    /// Listens on 127.0.0.1 and serves on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a runtime, if the port is taken, or if a name in the options can stand in no certificate.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).unwrap();
        let listener = socket.listen(BACKLOG).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::new(options));
        let task = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Self { shared, port, task }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The key it accepts.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.shared.options.key
    }

    /// The authority that a client has to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.shared.tls.ca_pem
    }

    /// All requests so far, in the order in which their bodies ended.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests()
    }

    /// Requests so far whose answer ended before its end, mostly because whoever had asked left.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.shared.unfinished()
    }

    /// Behaves so from now on. Answers under way go on as they began.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.behave(behaviour);
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Connections are tasks of this one, so that they end with it.
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    connections.spawn(connection::serve(shared.clone(), tcp, number));
                    number += 1;
                }
                // Out of descriptors: some connection will end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
