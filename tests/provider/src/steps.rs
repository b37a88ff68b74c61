//! A body as a list of steps, made while it is sent. Misbehaviour is a change of the list.

use std::iter;
use std::time::Duration;

use hyper::body::Bytes;

use crate::sse::{Event, Events};
use crate::{Behaviour, FALSE_RECORD};

/// The piece that [`Behaviour::EndlessLine`] and [`Behaviour::LongJson`] repeat.
const CHUNK: &[u8] = &[b'x'; 16 * 1024];
/// Pause between two writes that must arrive separately.
const APART: Duration = Duration::from_millis(20);

pub(crate) enum Step {
    Send(Bytes),
    Wait(Duration),
    Trailers,
    Stall,
    Close { close_notify: bool },
}

pub(crate) type Steps = Box<dyn Iterator<Item = Step> + Send>;

/// Returns the steps of a stream.
pub(crate) fn of_events(behaviour: &Behaviour, mut events: Events, pause: Duration) -> Steps {
    let paced = move |event: Event| {
        let wait = (event.piece && !pause.is_zero()).then_some(Step::Wait(pause));
        wait.into_iter().chain([Step::Send(event.bytes)])
    };
    if let Behaviour::Verbatim { stream } = behaviour {
        return Box::new(iter::once(send(stream.clone())));
    }
    if let Behaviour::Pieces { pieces } = behaviour {
        let apart = pieces.clone().into_iter().flat_map(|piece| [send(piece), Step::Wait(APART)]);
        return Box::new(apart.chain([Step::Stall]));
    }
    let mut first = || events.next().unwrap().bytes;
    match *behaviour {
        Behaviour::Cut { after_events, close_notify } => {
            let cut = Step::Close { close_notify };
            Box::new(events.take(after_events).flat_map(paced).chain([cut]))
        }
        Behaviour::EndEarly { after_events } => Box::new(events.take(after_events).flat_map(paced)),
        Behaviour::StallMidStream { after_events } => {
            Box::new(events.take(after_events).flat_map(paced).chain([Step::Stall]))
        }
        Behaviour::NoEvents => {
            let lines = Step::Send(Bytes::from_static(b"HTTP/1.1 200 OK\n{\"not\": \"an event\"}\n\n\0\n\n"));
            Box::new(iter::once(lines).chain(events.flat_map(paced)))
        }
        Behaviour::EndlessLine => {
            let start = [send(first()), send("data: ")];
            Box::new(start.into_iter().chain(iter::repeat_with(|| send(CHUNK))))
        }
        Behaviour::UnfinishedLine => Box::new([send(first()), send("data: {\"id\":\"never")].into_iter()),
        Behaviour::InvalidUtf8 => {
            let start = [send(first()), send(&b"data: \xff\xfe \xc3\x28\n\n"[..])];
            Box::new(start.into_iter().chain(events.flat_map(paced)))
        }
        Behaviour::FalseRecord { after, split } => {
            let mut line = first();
            line.truncate(line.len() - "\n\n".len());
            let start = [&line, after.bytes().as_bytes(), FALSE_RECORD.as_bytes(), b"\n\n"].concat();
            let amid = start.len() - FALSE_RECORD.len() / 2;
            let start = Bytes::from(start);
            let start = if split {
                vec![send(start.slice(..amid)), Step::Wait(APART), send(start.slice(amid..))]
            } else {
                vec![send(start)]
            };
            Box::new(start.into_iter().chain(events.flat_map(paced)))
        }
        Behaviour::BytesAfterEnd => {
            let more = send("data: {\"after\":\"the end\"}\n\n");
            Box::new(events.flat_map(paced).chain([more]))
        }
        Behaviour::LongJson { bytes } => Box::new(padded(first(), bytes).map(Step::Send).chain(events.flat_map(paced))),
        Behaviour::Trailers => Box::new(events.flat_map(paced).chain([Step::Trailers])),
        _ => Box::new(events.flat_map(paced)),
    }
}

/// Returns the steps of an answer that is not a stream, if it is not just sent as a whole.
pub(crate) fn of_json(behaviour: &Behaviour, json: &Bytes) -> Option<Steps> {
    let half = send(json.slice(..json.len() / 2));
    Some(match *behaviour {
        Behaviour::Cut { close_notify, .. } => Box::new([half, Step::Close { close_notify }].into_iter()),
        Behaviour::StallMidStream { .. } => Box::new([half, Step::Stall].into_iter()),
        Behaviour::LongJson { bytes } => Box::new(padded(json.clone(), bytes).map(Step::Send)),
        Behaviour::Trailers => Box::new([send(json.clone()), Step::Trailers].into_iter()),
        _ => return None,
    })
}

/// Returns `json` with one more field of at least `bytes` bytes.
fn padded(json: Bytes, bytes: u64) -> impl Iterator<Item = Bytes> + Send {
    let inside = json.iter().position(|&byte| byte == b'{').unwrap() + 1;
    let head = [&json[..inside], b"\"padding\":\""].concat();
    let chunks = bytes.div_ceil(CHUNK.len() as u64);
    let padding = (0..chunks).map(|_| Bytes::from_static(CHUNK));
    let tail = [b"\",", &json[inside..]].concat();
    iter::once(head.into()).chain(padding).chain([tail.into()])
}

fn send(bytes: impl Into<Bytes>) -> Step {
    Step::Send(bytes.into())
}
