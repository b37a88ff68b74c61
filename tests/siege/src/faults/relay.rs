//! A relay between callers and host that can cut all connections at once.

use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A relay on a loopback port. It ends when this value is dropped.
pub(super) struct Relay {
    port: u16,
    cuts: watch::Sender<u64>,
    task: AbortHandle,
}

impl Relay {
    /// Starts a relay to `port`.
    pub(super) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (cuts, cut) = watch::channel(0);
        let task = tokio::spawn(accept(listener, port, cut)).abort_handle();
        Self { port: own, cuts, task }
    }

    /// Returns the port on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection that is open now.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, cut: watch::Receiver<u64>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                connections.spawn(async move {
                    tokio::select! {
                        () = pass(client, port) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, port: u16) {
    // Without a host the client's connection ends. The first side that closes ends the connection.
    if let Ok(mut node) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        let _ = client.set_nodelay(true).and(node.set_nodelay(true));
        let _ = copy_bidirectional(&mut client, &mut node).await;
    }
}
