//! A relay between client and node that changes the traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a relay does with the bytes from node to client, after the first `after` bytes of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Mischief {
    /// Nothing.
    None,
    /// Passes everything on in tiny pieces with pauses.
    Delay,
    /// Drops a piece.
    Drop,
    /// Sends a piece twice.
    Duplicate,
    /// Sends the second half of a piece before the first half.
    Reorder,
    /// Flips a bit.
    Edit,
    /// Closes the connection.
    Cut,
}

/// A relay between a client and a node on loopback. It ends when this value is dropped.
pub struct Relay {
    port: u16,
    passed: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Starts a relay to `port`. It changes the node's bytes after the first `after` ones.
    pub async fn start(port: u16, mischief: Mischief, after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let passed = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let counter = Arc::clone(&passed);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(node) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_node, to_node) = node.into_split();
                connections.spawn(pass(from_client, to_node));
                connections.spawn(mistreat(from_node, to_client, mischief, after, Arc::clone(&counter)));
            }
        });
        Self { port: own, passed, _tasks: tasks }
    }

    /// Returns the port where clients connect.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Returns the number of bytes from the node so far.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // The first side that closes ends the connection.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn mistreat(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mischief: Mischief,
    after: u64,
    passed: Arc<AtomicU64>,
) {
    let (mut seen, mut buffer) = (0u64, [0; 700]);
    let mut done = false;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let mut piece = buffer[..count].to_vec();
        seen += count as u64;
        passed.fetch_add(count as u64, Ordering::SeqCst);
        if seen > after && !done {
            match mischief {
                Mischief::None => {}
                Mischief::Delay => {
                    for part in piece.chunks(101) {
                        tokio::time::sleep(Duration::from_millis(3)).await;
                        if to.write_all(part).await.is_err() {
                            return;
                        }
                    }
                    continue;
                }
                Mischief::Drop => piece.clear(),
                Mischief::Duplicate => piece.extend_from_within(..),
                Mischief::Reorder => piece.rotate_left(count / 2),
                Mischief::Edit => piece[count / 2] ^= 1,
                Mischief::Cut => return,
            }
            done = true;
        }
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
}
