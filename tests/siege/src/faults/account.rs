//! Compares the receipts of callers with those of the journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use quoth_attestation::Digest;
use quoth_verifier::{VerifiedNode, verify_chain};

use super::journal::{Journal, Stored};
use crate::caller::Answer;
use crate::report::Figure;

/// The receipts that callers received.
#[derive(Default)]
pub(super) struct Account(Mutex<HashMap<Digest, Delivered>>);

/// The callers' receipts of one enclave.
struct Delivered {
    identity: VerifiedNode,
    receipts: BTreeMap<u64, Digest>,
}

/// The result of the comparison.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Balance {
    delivered: u64,
    acknowledged: u64,
    acknowledged_lost: u64,
    delivered_lost: u64,
    tails: u64,
    differing: u64,
    enclaves: u64,
    whole: u64,
    gaps: u64,
    false_chains: u64,
    unverified: u64,
    verified: u64,
}

impl Account {
    /// Records the receipt of an answer.
    pub(super) fn deliver(&self, answer: &Answer) {
        let receipt = answer.exchange.receipt();
        let mut delivered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let node = receipt.node();
        let of_node = delivered
            .entry(node.digest())
            .or_insert_with(|| Delivered { identity: node.clone(), receipts: BTreeMap::new() });
        of_node.receipts.insert(receipt.claims().seq, Digest::of(&answer.receipt));
    }

    /// Compares all receipts after the node has stopped.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub(super) fn settle(&self, journal: &Journal) -> Result<Balance, String> {
        let stored = journal.read().map_err(|error| error.to_string())?;
        let delivered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut balance = Balance { enclaves: stored.len() as u64, ..Balance::default() };
        let nothing = Stored::new();
        let stored_by = |node: Digest| stored.iter().find(|(known, _)| *known == node).map_or(&nothing, |(_, all)| all);
        for instance in journal.instances() {
            let stored = stored_by(instance.node);
            balance.acknowledged += instance.acknowledged.len() as u64;
            let kept =
                |place: &u64, digest: &Digest| stored.get(place).is_some_and(|bytes| Digest::of(bytes) == *digest);
            balance.acknowledged_lost +=
                instance.acknowledged.iter().filter(|(place, digest)| !kept(place, digest)).count() as u64;
        }
        for (node, Delivered { receipts, .. }) in delivered.iter() {
            let killed = journal.instances().any(|instance| instance.node == *node && instance.killed);
            balance.compare(receipts, stored_by(*node), killed);
        }
        for (node, receipts) in &stored {
            balance.follow(delivered.get(node).map(|delivered| &delivered.identity), receipts);
        }
        Ok(balance)
    }
}

impl Balance {
    /// Compares one enclave's delivered receipts with its stored ones.
    fn compare(&mut self, delivered: &BTreeMap<u64, Digest>, stored: &Stored, killed: bool) {
        let end = stored.last_key_value().map_or(0, |(last, _)| last + 1);
        for (place, digest) in delivered {
            self.delivered += 1;
            match stored.get(place) {
                Some(bytes) if Digest::of(bytes) == *digest => {}
                Some(_) => self.differing += 1,
                None if killed && *place >= end => self.tails += 1,
                None => self.delivered_lost += 1,
            }
        }
    }

    /// Verifies one enclave's stored chain, as an auditor who knows the enclave does.
    fn follow(&mut self, identity: Option<&VerifiedNode>, receipts: &Stored) {
        let Some(identity) = identity else {
            self.unverified += receipts.len() as u64;
            return;
        };
        match verify_chain(identity, receipts.values().map(Vec::as_slice)) {
            Ok(report) => {
                self.verified += report.receipts();
                self.whole += u64::from(report.is_whole());
                self.gaps += report.gaps().len() as u64;
            }
            Err(_) => self.false_chains += 1,
        }
    }

    /// Returns the figures for the page.
    pub(super) fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::plain("receipts delivered to callers", self.delivered.to_string()),
            Figure::plain("receipts seen acknowledged before a fault", self.acknowledged.to_string()),
            Figure::none_of("acknowledged receipts lost", self.acknowledged_lost),
            Figure::none_of("delivered receipts lost although their enclave lived", self.delivered_lost),
            Figure::none_of("stored receipts that differ from the delivered ones", self.differing),
            Figure::plain("delivered receipts that died with a killed enclave, visible tails", self.tails.to_string()),
            Figure::plain("receipts in the journal whose signatures were verified", self.verified.to_string()),
            Figure::plain(
                "chains, whole ones, visible gaps",
                format!("{}, {}, {}", self.enclaves, self.whole, self.gaps),
            ),
            Figure::none_of("chains that the verifier refuses", self.false_chains),
            Figure::none_of("receipts in the journal of enclaves that no caller knows", self.unverified),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(places: &[u64]) -> BTreeMap<u64, Digest> {
        places.iter().map(|place| (*place, Digest::of(&place.to_le_bytes()))).collect()
    }

    fn stored(places: &[u64]) -> Stored {
        places.iter().map(|place| (*place, place.to_le_bytes().to_vec())).collect()
    }

    #[test]
    fn only_the_end_of_a_killed_enclaves_chain_is_a_tail() {
        let compare = |stored_places: &[u64], killed| {
            let mut balance = Balance::default();
            balance.compare(&delivered(&[0, 1, 2, 3]), &stored(stored_places), killed);
            (balance.tails, balance.delivered_lost, balance.differing)
        };
        assert_eq!(compare(&[0, 1, 2, 3], true), (0, 0, 0));
        assert_eq!(compare(&[0, 1], true), (2, 0, 0));
        assert_eq!(compare(&[0, 1], false), (0, 2, 0));
        assert_eq!(compare(&[0, 3], true), (0, 2, 0));
        assert_eq!(compare(&[], true), (4, 0, 0));
    }

    #[test]
    fn another_receipt_at_a_place_is_noticed() {
        let mut balance = Balance::default();
        balance.compare(&delivered(&[7]), &[(7, b"another".to_vec())].into(), true);
        assert_eq!((balance.delivered, balance.differing), (1, 1));
    }
}
