//! The events port: receives the enclave's events and sends the command to drain.

use quoth_link::event::{Command, Event};
use quoth_link::{Frame as _, Frames, LinkError, Listener, Stream};
use tokio::io::{AsyncWriteExt as _, split};
use tokio::sync::{mpsc, watch};

/// What came from the events port.
#[derive(Debug)]
pub(crate) enum Report {
    /// An enclave connected.
    Connected,
    /// The enclave sent an event.
    Event(Event),
    /// The enclave closed the connection, or violated the protocol.
    Disconnected(Option<LinkError>),
}

/// Maximum number of unread reports.
pub(crate) const BACKLOG: usize = 64;

/// Serves the events port for as long as it is polled. A new connection replaces the old one. Once `drain` is true, sends
/// the command to drain on every connection.
pub(crate) async fn serve(listener: Listener, reports: mpsc::Sender<Report>, drain: watch::Receiver<bool>) {
    let mut next = listener.accept().await;
    loop {
        let connection = async {
            match next {
                Ok(stream) => connection(stream, &reports, drain.clone()).await,
                Err(error) => Err(error),
            }
        };
        let (replaced, result) = tokio::select! {
            replaced = listener.accept() => (Some(replaced), Ok(())),
            result = connection => (None, result),
        };
        if reports.send(Report::Disconnected(result.err())).await.is_err() {
            return;
        }
        next = match replaced {
            Some(replaced) => replaced,
            None => listener.accept().await,
        };
    }
}

async fn connection(
    stream: Stream,
    reports: &mpsc::Sender<Report>,
    mut drain: watch::Receiver<bool>,
) -> Result<(), LinkError> {
    let (reader, mut writer) = split(stream);
    let mut frames = Frames::<Event, _>::new(reader);
    let mut told = false;
    // The receiver lives as long as the host. Without it the report is not needed.
    let _ = reports.send(Report::Connected).await;
    loop {
        tokio::select! {
            () = wanted(&mut drain), if !told => {
                told = true;
                writer.write_all(&Command::Drain {}.to_bytes()).await?;
                writer.flush().await?;
            }
            event = frames.next() => match event? {
                Some(event) => drop(reports.send(Report::Event(event)).await),
                None => return Ok(()),
            },
        }
    }
}

/// Waits until the enclave should drain.
async fn wanted(drain: &mut watch::Receiver<bool>) {
    if drain.wait_for(|drain| *drain).await.is_err() {
        // The host has ended without a command to drain.
        std::future::pending().await
    }
}
