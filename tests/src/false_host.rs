//! A host that misbehaves on the ports of its link, as a test tells it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quoth_link::egress::{self, Answer, Destination};
use quoth_link::event::{Event, Ready};
use quoth_link::feed::{self, Request};
use quoth_link::journal::{ToEnclave, ToHost};
use quoth_link::{Address, CONNECT_TIMEOUT, Frame, Frames, LinkError, Listener, Port, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, sink, split};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Time limit for an enclave to start or to fail.
const PATIENCE: Duration = Duration::from_secs(60);
/// Length of a piece of garbage, bytes.
const PIECE: usize = 4096;

/// What a host does with the enclave's connections to one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Serves them correctly.
    Honest,
    /// Accepts them and sends nothing.
    Silent,
    /// Accepts them and closes them.
    Closing,
    /// Sends garbage, then nothing.
    Garbage,
    /// Sends valid messages without end, whatever the enclave sends.
    Flood,
    /// Journal: asks for all receipts again and again.
    Again,
    /// Model feed: closes after this number of bytes of the model.
    Cut(usize),
    /// Model feed: flips a bit at this place.
    Flipped(usize),
}

/// The host's side of a link. The behaviour of each port can be set. It serves one model.
pub struct FalseHost {
    link: Address,
    manners: BTreeMap<u32, watch::Sender<Manner>>,
    events: watch::Receiver<Vec<Event>>,
    tasks: Mutex<JoinSet<()>>,
}

impl FalseHost {
    /// Creates a host that behaves correctly at first.
    pub fn new(link: Address, model: Vec<u8>) -> Self {
        let (model, mut tasks, mut manners) = (Arc::new(model), JoinSet::new(), BTreeMap::new());
        let (tell, events) = watch::channel(Vec::new());
        for port in [Port::EGRESS, Port::MODEL, Port::JOURNAL, Port::EVENTS, Port::HEARTBEAT] {
            let (manner, mut told) = watch::channel(Manner::Honest);
            manners.insert(port.number(), manner);
            let (listener, model, tell) = (link.listen(port).unwrap(), Arc::clone(&model), tell.clone());
            tasks.spawn(async move {
                loop {
                    let manner = *told.borrow_and_update();
                    tokio::select! {
                        () = serve(&listener, port, manner, &model, &tell) => {}
                        _ = told.changed() => {}
                    }
                }
            });
        }
        Self { link, manners, events, tasks: Mutex::new(tasks) }
    }

    /// Changes the behaviour of a port. Existing connections end.
    pub fn behave(&self, port: Port, manner: Manner) {
        self.manners[&port.number()].send_replace(manner);
    }

    /// Waits until the enclave is ready, and returns its identity.
    pub async fn ready(&self) -> Ready {
        let event = self.heard(|event| matches!(event, Event::Ready(_))).await;
        match event {
            Event::Ready(ready) => ready,
            _ => unreachable!(),
        }
    }

    /// Waits until the enclave fails to start, and returns the code.
    pub async fn fatal(&self) -> String {
        let event = self.heard(|event| matches!(event, Event::Fatal { .. })).await;
        match event {
            Event::Fatal { code, .. } => code.to_string(),
            _ => unreachable!(),
        }
    }

    async fn heard(&self, is: impl Fn(&Event) -> bool) -> Event {
        let mut events = self.events.clone();
        let heard = timeout(PATIENCE, events.wait_for(|events| events.iter().any(&is))).await;
        let heard = heard.expect("the enclave says nothing of it").unwrap();
        heard.iter().find(|event| is(event)).unwrap().clone()
    }

    /// Relays clients from a TCP port to the enclave, blind.
    pub async fn client_port(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let link = self.link.clone();
        self.tasks.lock().unwrap().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let link = link.clone();
                connections.spawn(async move {
                    if let Ok(mut enclave) = link.connect(Port::CLIENTS, CONNECT_TIMEOUT).await {
                        let _ = copy_bidirectional(&mut client, &mut enclave).await;
                    }
                });
            }
        });
        port
    }

    /// Opens connections to a port of the enclave and sends first bytes on each. They stay open until the returned value is
    /// dropped.
    pub async fn crowd(&self, port: Port, count: usize, first: &[u8]) -> Vec<Stream> {
        let mut crowd = Vec::new();
        for _ in 0..count {
            // A port may refuse more connections.
            let Ok(mut stream) = self.link.connect(port, CONNECT_TIMEOUT).await else { continue };
            let _ = stream.write_all(first).await;
            crowd.push(stream);
        }
        crowd
    }
}

/// Serves a port with one behaviour for as long as it is polled.
async fn serve(
    listener: &Listener,
    port: Port,
    manner: Manner,
    model: &Arc<Vec<u8>>,
    tell: &watch::Sender<Vec<Event>>,
) {
    let mut connections = JoinSet::new();
    while let Ok(stream) = listener.accept().await {
        let (model, tell) = (Arc::clone(model), tell.clone());
        connections.spawn(async move {
            // Errors of a connection that the enclave has closed do not matter.
            let _ = match (manner, port) {
                (Manner::Closing, _) => Ok(()),
                (Manner::Silent, _) => silent(stream).await,
                (Manner::Garbage, _) => garbage(stream).await,
                (Manner::Flood, _) => flood(stream, port).await,
                (Manner::Again, _) => again(stream).await,
                (_, Port::EGRESS) => refuse(stream).await,
                (_, Port::HEARTBEAT) => beat(stream).await,
                (_, Port::JOURNAL) => journal(stream).await,
                (_, Port::EVENTS) => events(stream, &tell).await,
                (_, _) => feed(stream, manner, &model).await,
            };
        });
    }
}

async fn silent(stream: Stream) -> Result<(), LinkError> {
    let _stream = stream;
    std::future::pending().await
}

/// Returns pseudo-random bytes, the same each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        // Xorshift (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}

async fn garbage(mut stream: Stream) -> Result<(), LinkError> {
    stream.write_all(&noise(PIECE)).await?;
    silent(stream).await
}

async fn flood(mut stream: Stream, port: Port) -> Result<(), LinkError> {
    let piece = match port {
        // Storage fails again and again.
        Port::JOURNAL => ToEnclave::Failed.to_bytes().repeat(PIECE / 5),
        // A line that never ends.
        Port::EVENTS => vec![b' '; PIECE],
        _ => {
            stream.write_all(b"ok\n").await?;
            vec![0; PIECE]
        }
    };
    let (mut reader, mut writer) = split(stream);
    tokio::spawn(async move { tokio::io::copy(&mut reader, &mut sink()).await });
    loop {
        writer.write_all(&piece).await?;
    }
}

async fn again(mut stream: Stream) -> Result<(), LinkError> {
    loop {
        stream.write_all(&ToEnclave::Welcome { next: 0 }.to_bytes().repeat(PIECE / 13)).await?;
    }
}

async fn feed(mut stream: Stream, manner: Manner, model: &[u8]) -> Result<(), LinkError> {
    Request::read(&mut stream).await?;
    feed::answer(&mut stream, true).await?;
    let mut bytes = model.to_vec();
    match manner {
        Manner::Cut(at) => bytes.truncate(at),
        Manner::Flipped(at) => bytes[at] ^= 1,
        _ => {}
    }
    stream.write_all(&bytes).await?;
    // The host reads everything before it closes.
    sleep(Duration::from_millis(50)).await;
    Ok(())
}

/// Answers that the destination is unreachable.
async fn refuse(mut stream: Stream) -> Result<(), LinkError> {
    Destination::read(&mut stream).await?;
    egress::answer(&mut stream, Answer::Refused).await
}

/// Answers an enclave's heartbeat.
async fn beat(mut stream: Stream) -> Result<(), LinkError> {
    let byte = stream.read_u8().await?;
    Ok(stream.write_u8(byte).await?)
}

async fn journal(stream: Stream) -> Result<(), LinkError> {
    let (reader, mut writer) = split(stream);
    let mut frames = Frames::<ToHost, _>::new(reader);
    while let Some(frame) = frames.next().await? {
        let answer = match frame {
            ToHost::Hello { first, .. } => ToEnclave::Welcome { next: first },
            ToHost::Receipt { seq, .. } => ToEnclave::Ack { seq },
            // It asks for none, so this is the closed one.
            ToHost::Head { .. } => ToEnclave::Kept,
        };
        writer.write_all(&answer.to_bytes()).await?;
    }
    Ok(())
}

async fn events(stream: Stream, tell: &watch::Sender<Vec<Event>>) -> Result<(), LinkError> {
    // The other half stays open. For an enclave, a closed connection means that the host has gone.
    let (reader, _writer) = split(stream);
    let mut frames = Frames::<Event, _>::new(reader);
    while let Some(event) = frames.next().await? {
        if !matches!(event, Event::Status(_)) {
            tell.send_modify(|events| events.push(event));
        }
    }
    Ok(())
}
