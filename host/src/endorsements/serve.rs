//! Endorsements for the enclave that runs here, which cannot reach AMD's service itself.

use std::time::Duration;

use quoth_link::endorse::{self, Endorsements as Answer, MAX_CRL};
use quoth_link::{Listener, Stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::error::EndorsementError;
use super::fetch::{Endorsement, Endorsements};
use super::source::Source;

/// An enclave that does not finish its request, or does not take its answer, in this time is not waited for.
const WAIT: Duration = Duration::from_secs(10);

/// What was found out about a report.
#[derive(Debug)]
pub struct Endorsed {
    /// Whose it is.
    pub source: Source,
    /// Why the revocation list is older than a day, though it still holds.
    pub crl_not_renewed: Option<Box<EndorsementError>>,
}

/// Serves the endorsements port for as long as it is polled, and says what came of each request.
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
            // Whoever wanted to hear it may be ending.
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
    // An enclave that did not wait asks again, and then the cache has it.
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
