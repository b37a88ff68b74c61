//! The provider: listens on a port, changes its behaviour, returns what arrived.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{AbortHandle, JoinSet};

use crate::shared::Shared;
use crate::{Behaviour, Options, Request, connection};

/// Accept queue. More than the thousand connections that a test may open at once.
const BACKLOG: u32 = 4_096;

/// A running provider. It ends with all connections when it is dropped.
pub struct Provider {
    shared: Arc<Shared>,
    port: u16,
    task: AbortHandle,
}

impl Provider {
    /// Listens on 127.0.0.1 and serves on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a runtime, if the port is taken, or if a name in the options is not valid in a certificate.
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

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the key that it accepts.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.shared.options.key
    }

    /// Returns the authority that a client must trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.shared.tls.ca_pem
    }

    /// Returns all requests so far, in the order in which their bodies ended.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests()
    }

    /// Returns the number of incomplete answers so far. Mostly their clients had left.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.shared.unfinished()
    }

    /// Changes the behaviour for later requests. Running answers do not change.
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
    // Connections are tasks of this task, so that they end with it.
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    connections.spawn(connection::serve(shared.clone(), tcp, number));
                    number += 1;
                }
                // No descriptor is free. Wait until a connection ends.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
