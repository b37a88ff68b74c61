//! A stream on its way to the SDK: events as they come, the last one when all of it is proven, or a break.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use quoth_client::Exchange;
use tokio::time::sleep;

use super::events::WholeEvents;
use super::failure::{Api, Failure};
use super::pool::Slot;
use super::{Body, Proxy, limits};

/// The stream is not proven: the connection breaks in the middle of the body, which no SDK takes for its end.
#[derive(Debug, thiserror::Error)]
#[error("the stream is not proven")]
pub(super) struct Broken;

/// A stream that is being checked as it passes. An SDK that goes away drops it, and the connection to the node with it.
struct Passing {
    proxy: Arc<Proxy>,
    slot: Slot,
    exchange: Exchange,
    events: WholeEvents,
}

enum State {
    Passing(Box<Passing>),
    Breaking,
    Ended,
}

/// The body of a streamed answer.
pub(super) fn body(proxy: Arc<Proxy>, slot: Slot, exchange: Exchange, api: Api) -> Body {
    let passing = Passing { proxy, slot, exchange, events: WholeEvents::default() };
    let start = State::Passing(Box::new(passing));
    let frames = stream::unfold(start, move |state| async move {
        match state {
            State::Passing(passing) => {
                let (bytes, next) = passing.advance(api).await;
                Some((Ok(Frame::data(bytes)), next))
            }
            State::Breaking => {
                sleep(limits::LAST_WORDS).await;
                Some((Err(Broken), State::Ended))
            }
            State::Ended => None,
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Passing {
    /// The next events, the last ones, or the one that says why there are no more.
    async fn advance(mut self: Box<Self>, api: Api) -> (Bytes, State) {
        let proxy = Arc::clone(&self.proxy);
        let cti = self.exchange.cti();
        match self.next().await {
            Ok(events) if !self.exchange.is_proven() => (events.into(), State::Passing(self)),
            Ok(events) => match proxy.settle(self.slot, self.exchange).await {
                Ok(_) => (events.into(), State::Ended),
                Err(failure) => proxy.broken(&failure, cti, api),
            },
            Err(failure) => {
                // What came before the cut is worth keeping, with its checkpoints.
                if let Some(folder) = &proxy.folder
                    && let Err(unsaved) = folder.cut(cti, self.exchange.transcript()).await
                {
                    proxy.log.failed(&unsaved, Some(cti));
                }
                proxy.broken(&failure, cti, api)
            }
        }
    }

    /// Events that are whole; all that is left when everything is proven.
    async fn next(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            let bytes = self.exchange.next().await?.unwrap_or_default();
            let mut events = self.events.push(&bytes);
            if self.exchange.is_proven() {
                events.extend(self.events.finish());
                return Ok(events);
            }
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }
}

impl Proxy {
    fn broken(&self, failure: &Failure, cti: [u8; 16], api: Api) -> (Bytes, State) {
        self.log.failed(failure, Some(cti));
        (failure.event(api).into(), State::Breaking)
    }
}
