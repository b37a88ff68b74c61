//! The endorsements port: gives the enclave the endorsements of its reports, since it cannot reach AMD's service.

use std::time::Duration;

use quoth_link::endorse::{self, Endorsements as Answer, MAX_CRL};
use quoth_link::{Listener, Stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::error::EndorsementError;
use super::fetch::{Endorsement, Endorsements};
use super::source::Source;

/// Time limit for the enclave to finish its request, and to take the answer.
const WAIT: Duration = Duration::from_secs(10);

/// The result of a request for endorsements.
#[derive(Debug)]
pub struct Endorsed {
    /// The key that signed the report.
    pub source: Source,
    /// Why a valid revocation list older than a day was not renewed.
    pub crl_not_renewed: Option<Box<EndorsementError>>,
}

/// Serves the endorsements port for as long as it is polled. Sends the result of each request to `tell`.
pub async fn serve(
    listener: Listener,
    endorsements: Endorsements,
    tell: mpsc::UnboundedSender<Result<Endorsed, EndorsementError>>,
) {
    loop {
        // One at a time: there is one enclave, and the service is slow.
        if let Ok(stream) = listener.accept().await
            && let Some(found) = answer(stream, &endorsements).await
        {
            // The receiver may already be gone.
            let _ = tell.send(found);
        }
    }
}

async fn answer(mut stream: Stream, endorsements: &Endorsements) -> Option<Result<Endorsed, EndorsementError>> {
    let report = timeout(WAIT, endorse::read(&mut stream)).await.ok()?.ok()?;
    let found = match endorsements.source(&report) {
        Ok(source) => endorsements.fetch(&report).await.map(|found| (source, found)),
        Err(error) => Err(error),
    };
    let answer = found.as_ref().map_or_else(|_| Answer::default(), |(_, found)| of(found));
    // If the enclave did not wait, it asks again and finds the documents in the cache.
    let _ = timeout(WAIT, answer.answer(&mut stream)).await;
    Some(found.map(|(source, found)| Endorsed { source, crl_not_renewed: found.crl_not_renewed }))
}

fn of(found: &Endorsement) -> Answer {
    let Endorsement { vek, intermediate, root, crl, .. } = found;
    let fits = |crl: &&Vec<u8>| crl.len() <= MAX_CRL;
    Answer {
        certificates: [vek, intermediate, root].map(Clone::clone).into(),
        crls: crl.iter().filter(fits).cloned().collect(),
    }
}
