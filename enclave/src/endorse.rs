//! Asks the host for the certificates and lists that endorse the platform's reports: at boot, and again before they
//! grow old. Verifiers notice if the host has none or lies.

use std::sync::Arc;

use quoth_link::endorse::Endorsements;
use quoth_link::{Address, CONNECT_TIMEOUT, LinkError, Port};
use tokio::time::{sleep, timeout};

use crate::identity::Identity;
use crate::limits;
use crate::log::log;

/// Asks once. Returns whether the host had an answer.
pub async fn ask(identity: &Identity, link: &Address) -> bool {
    let Some(report) = identity.report() else { return false };
    let asked = async {
        let stream = link.connect(Port::ENDORSEMENTS, CONNECT_TIMEOUT).await?;
        Endorsements::ask(stream, &report).await
    };
    match timeout(limits::ENDORSEMENTS, asked).await {
        Ok(Ok(endorsements)) if !endorsements.certificates.is_empty() => match identity.endorse(endorsements) {
            Ok(()) => true,
            Err(error) => {
                log!("endorsements: {error}");
                false
            }
        },
        Ok(Ok(_) | Err(LinkError::Io(_))) | Err(_) => false,
        Ok(Err(error)) => {
            log!("endorsements: {error}");
            false
        }
    }
}

/// Asks as long as the node runs: often until there is an answer, with growing pauses, and then every few hours.
pub async fn keep(identity: Arc<Identity>, link: Address, mut has: bool) {
    let mut pause = limits::ENDORSEMENTS_RETRY;
    loop {
        if has {
            pause = limits::ENDORSEMENTS_RETRY;
        }
        sleep(if has { limits::ENDORSEMENTS_LIFE } else { pause }).await;
        pause = (pause * 2).min(limits::ENDORSEMENTS_RETRY_MOST);
        has = ask(&identity, &link).await;
    }
}
