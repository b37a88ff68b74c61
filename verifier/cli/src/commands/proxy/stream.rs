//! Passes a stream to the SDK: events as they arrive, the last one after all is proven, or a break.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use quoth_attestation::ExchangeId;
use quoth_client::Exchange;
use tokio::time::sleep;

use super::body::{Body, Broken};
use super::failure::{Api, Failure};
use super::limits;
use super::pool::Slot;
use super::service::Proxy;

/// A stream that is verified as it passes. If the SDK disconnects, this is dropped, with the connection to the node.
struct Passing {
    proxy: Arc<Proxy>,
    slot: Slot,
    exchange: Exchange,
}

enum State {
    Passing(Box<Passing>),
    Breaking,
    Ended,
}

pub(super) fn body(proxy: Arc<Proxy>, slot: Slot, exchange: Exchange, api: Api) -> Body {
    let passing = Passing { proxy, slot, exchange };
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
    /// Returns the next events, the last ones, or the event that says why the stream breaks off.
    async fn advance(mut self: Box<Self>, api: Api) -> (Bytes, State) {
        let proxy = Arc::clone(&self.proxy);
        let cti = self.exchange.cti();
        match self.exchange.next().await {
            Ok(events) if !self.exchange.is_proven() => (events.unwrap_or_default(), State::Passing(self)),
            // The last event, which the node holds back until then; `None` if the stream ends with its body.
            Ok(events) => match proxy.settle(self.slot, self.exchange).await {
                Ok(_) => (events.unwrap_or_default(), State::Ended),
                Err(failure) => proxy.broken(&failure, cti, api),
            },
            Err(error) => {
                let failure = Failure::from(error);
                // Keep what arrived before the cut, with its checkpoints.
                if let Some(folder) = &proxy.folder
                    && let Err(unsaved) = folder.cut(cti, self.exchange.transcript()).await
                {
                    proxy.log.failed(&unsaved, Some(cti));
                }
                proxy.broken(&failure, cti, api)
            }
        }
    }
}

impl Proxy {
    fn broken(&self, failure: &Failure, cti: ExchangeId, api: Api) -> (Bytes, State) {
        self.log.failed(failure, Some(cti));
        (failure.event(api).into(), State::Breaking)
    }
}
