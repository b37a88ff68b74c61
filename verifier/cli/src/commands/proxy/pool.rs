//! Verified connections to the node, kept for later requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Response};
use quoth_client::{Client, ClientError, Connection, Exchange, Options};
use quoth_verifier::{Policy, VerifiedNode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::limits;

/// The idle connections, and the permits to use connections.
pub(super) struct Pool {
    client: Client,
    url: String,
    idle: Mutex<Vec<Verified>>,
    room: Arc<Semaphore>,
    /// Shared once more for each verified connection in use.
    at_work: Arc<()>,
}

/// A connection to a node that satisfied the policy when it was opened.
struct Verified {
    connection: Connection,
    opened: Instant,
    used: Instant,
}

/// A permit to use one connection at a time.
pub(super) struct Slot {
    pool: Arc<Pool>,
    /// When the connection in use was opened.
    opened: Instant,
    at_work: Option<Arc<()>>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// Verifies the node and keeps the connection for the first request.
    pub(super) async fn open(policy: Policy, url: String) -> Result<(Arc<Self>, VerifiedNode), ClientError> {
        let client = Client::new(policy);
        let connection = client.connect(&url).await?;
        let (node, now) = (connection.node().clone(), Instant::now());
        let idle = Mutex::new(vec![Verified { connection, opened: now, used: now }]);
        let room = Arc::new(Semaphore::new(limits::NODE_CONNECTIONS));
        Ok((Arc::new(Self { client, url, idle, room, at_work: Arc::default() }), node))
    }

    /// True if a request is on a verified connection now.
    pub(super) fn is_at_work(&self) -> bool {
        Arc::strong_count(&self.at_work) > 1
    }

    /// Waits for a permit to use a connection.
    pub(super) async fn slot(self: &Arc<Self>) -> Result<Slot, Failure> {
        let permit = timeout(limits::WAIT, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(Failure::Busy) };
        Ok(Slot { pool: Arc::clone(self), opened: Instant::now(), at_work: None, _permit: permit })
    }

    /// The most recently used connection that is still usable.
    fn pop(&self) -> Option<Verified> {
        let mut idle = self.idle();
        let now = Instant::now();
        idle.retain(|kept| now - kept.used < limits::IDLE && now - kept.opened < limits::VERIFIED);
        idle.pop()
    }

    /// A panic elsewhere leaves the list valid.
    fn idle(&self) -> MutexGuard<'_, Vec<Verified>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Opens a connection and verifies the node on it, which behind a load balancer may be any node.
    async fn open(&mut self) -> Result<Connection, ClientError> {
        self.at_work = None;
        let connection = self.pool.client.connect(&self.pool.url).await?;
        self.opened = Instant::now();
        self.at_work = Some(Arc::clone(&self.pool.at_work));
        Ok(connection)
    }

    /// Sends a request on a verified connection. If the node has closed it, nothing was sent, and a new one replaces it.
    pub(super) async fn post(
        &mut self,
        target: &str,
        body: &Bytes,
        model: Option<&str>,
        options: &Options,
    ) -> Result<Exchange, ClientError> {
        while let Some(connection) = self.kept() {
            accepts(&connection, model)?;
            match connection.post(target, &body[..], options.clone()).await {
                Err(error) if error.is_unsent() => {}
                sent => return sent,
            }
        }
        let connection = self.open().await?;
        accepts(&connection, model)?;
        connection.post(target, &body[..], options.clone()).await
    }

    /// Looks something up on a verified connection, and keeps the connection.
    pub(super) async fn get(&mut self, target: &str, headers: HeaderMap) -> Result<Response<Bytes>, ClientError> {
        while let Some(mut connection) = self.kept() {
            match connection.get(target, headers.clone()).await {
                Err(error) if error.is_unsent() => {}
                answer => return answer.inspect(|_| self.keep(connection)),
            }
        }
        let mut connection = self.open().await?;
        let answer = connection.get(target, headers).await?;
        self.keep(connection);
        Ok(answer)
    }

    pub(super) fn keep(&self, connection: Connection) {
        self.pool.idle().push(Verified { connection, opened: self.opened, used: Instant::now() });
    }

    fn kept(&mut self) -> Option<Connection> {
        let kept = self.pool.pop()?;
        self.opened = kept.opened;
        self.at_work = Some(Arc::clone(&self.pool.at_work));
        Some(kept.connection)
    }
}

/// Do not send a prompt for a model that the policy does not accept.
fn accepts(connection: &Connection, model: Option<&str>) -> Result<(), ClientError> {
    model.map_or(Ok(()), |model| connection.node().accepts_model(model).map_err(ClientError::from))
}
