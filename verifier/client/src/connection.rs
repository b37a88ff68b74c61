//! A connection to an appraised node.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use quoth_verifier::VerifiedNode;
use tokio::task::JoinHandle;

use crate::connector::{AttestedStream, get, http1_builder, read_body, within};
use crate::{ClientError, Endpoint, Step, limits};

pub(crate) type RequestBody = BoxBody<Bytes, std::convert::Infallible>;

/// An open HTTP/1.1 connection to a node that satisfied the policy. All requests on it reach that instance only.
pub struct Connection {
    sender: SendRequest<RequestBody>,
    driver: JoinHandle<()>,
    endpoint: Endpoint,
    node: VerifiedNode,
    evidence: Arc<[u8]>,
}

impl Connection {
    pub(crate) async fn new(stream: AttestedStream, endpoint: Endpoint) -> Result<Self, ClientError> {
        let (node, evidence) = (stream.node().clone(), stream.evidence().into());
        let (sender, connection) = http1_builder()
            .handshake::<_, RequestBody>(stream)
            .await
            .map_err(|source| ClientError::Http { step: Step::Request, source })?;
        // The failed request reports a failure of the connection.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver, endpoint, node, evidence })
    }

    /// The node at the other end.
    pub fn node(&self) -> &VerifiedNode {
        &self.node
    }

    /// The evidence by which it was appraised.
    pub fn evidence(&self) -> &[u8] {
        &self.evidence
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request and waits for the response head.
    pub(crate) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, ClientError> {
        let step = Step::Request;
        let sender = &mut self.sender;
        let work = async {
            sender.ready().await.map_err(|source| ClientError::Http { step, source })?;
            sender.send_request(request).await.map_err(|source| ClientError::Http { step, source })
        };
        within(limits::HEAD, step, work).await
    }

    /// Looks something up: a GET whose answer comes in one piece. It has no receipt; it is trusted because this connection ends
    /// inside the node.
    ///
    /// # Errors
    /// Errors of the node's protocol and of the network. An answer with an error status is an answer.
    pub async fn get(&mut self, target: &str, headers: HeaderMap) -> Result<Response<Bytes>, ClientError> {
        self.get_bounded(target, headers, limits::LOOKUP_BYTES, Step::Lookup).await
    }

    pub(crate) async fn get_bounded(
        &mut self,
        target: &str,
        headers: HeaderMap,
        limit: usize,
        step: Step,
    ) -> Result<Response<Bytes>, ClientError> {
        let (mut head, _) = get(&self.endpoint, target, step)?.into_parts();
        head.headers.extend(headers);
        let request = Request::from_parts(head, Empty::new().boxed());
        let work = async {
            let (parts, body) = self.send(request).await?.into_parts();
            let body = read_body(body, limit, step).await?;
            Ok(Response::from_parts(parts, body.into()))
        };
        within(limits::FETCH, step, work).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
