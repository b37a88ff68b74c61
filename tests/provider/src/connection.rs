//! Serves one connection: TLS, then hyper, unless an answer takes the wire.

use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::session::Session;
use crate::shared::Shared;
use crate::wire::Wire;
use crate::{Behaviour, Options, service};

/// Buffer of hyper for one client, bytes. A thousand clients that do not read take tens of megabytes.
const BUFFER: usize = 32 * 1024;

pub(crate) async fn serve(shared: Arc<Shared>, tcp: TcpStream, number: u64) {
    let behaviour = shared.behaviour();
    if behaviour == Behaviour::CloseAtAccept {
        return;
    }
    let _ = tcp.set_nodelay(true);
    let Ok(stream) = shared.tls.acceptor(&behaviour).accept(tcp).await else { return };
    let (seize, mut seized) = mpsc::unbounded_channel();
    let session = Arc::new(Session::new(&stream, number, seize));
    let wire = Wire::new(stream);

    let seizure = {
        let service = service_fn(|request| {
            // Counted here, in order of arrival, because the rest may run in any order.
            let ordinal = session.request();
            service::serve(shared.clone(), session.clone(), ordinal, request)
        });
        let builder = builder(&shared.options);
        let connection = builder.serve_connection(TokioIo::new(wire.clone()), service);
        // In this order, so that earlier answers leave first.
        tokio::select! {
            biased;
            _ = connection => return,
            Some(seizure) = seized.recv() => seizure,
        }
    };
    seizure.perform(wire).await;
}

fn builder(options: &Options) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).max_buf_size(BUFFER);
    builder.http2().max_concurrent_streams(options.streams_per_connection).max_send_buf_size(BUFFER);
    builder
}
