//! Endorsements for a running enclave over its link.

use std::path::Path;
use std::time::Duration;

use quoth_host::endorsements::{Endorsed, EndorsementError, serve};
use quoth_link::endorse::Endorsements as Answer;
use quoth_link::{Address, Port};
use quoth_verifier::{HardwareEvidence, Policy, Verifier};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::open;
use crate::server::{Kds, status};
use crate::vectors::{Machine, NOW, machine_like, machine_of};

const GENOA: &str = "8fd94192";
const SOON: Duration = Duration::from_secs(10);

/// Returns the host's end and the enclave's end of the link.
struct Link {
    address: Address,
    told: mpsc::UnboundedReceiver<Result<Endorsed, EndorsementError>>,
    _folder: TempDir,
    _task: tokio::task::JoinSet<()>,
}

impl Link {
    fn new(kds: &Kds, machine: &Machine, cache: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().into());
        let (tell, told) = mpsc::unbounded_channel();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(serve(address.listen(Port::ENDORSEMENTS).unwrap(), open(cache, kds, machine).at(NOW), tell));
        Self { address, told, _folder: folder, _task: task }
    }

    async fn ask(&self, machine: &Machine) -> Answer {
        let stream = self.address.connect(Port::ENDORSEMENTS, SOON).await.unwrap();
        Answer::ask(stream, machine.report[..].try_into().unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn an_enclave_gets_what_makes_its_report_worth_something() {
    for name in [GENOA, "3f44a09b"] {
        let Some(machine) = machine_of(name) else { return };
        let cache = tempfile::tempdir().unwrap();
        let kds = Kds::good(&machine).await;
        let mut link = Link::new(&kds, &machine, cache.path());
        let Answer { certificates, crls } = link.ask(&machine).await;
        assert_eq!((certificates.len(), crls.len()), (3, 1));
        let found = link.told.recv().await.unwrap().unwrap();
        assert!(found.source.family() == machine.family && found.crl_not_renewed.is_none());

        let evidence = HardwareEvidence::SevSnp { report: machine.report.clone(), certificates, crls };
        Verifier::new(Policy::hardware_only()).verify_hardware(&evidence, NOW).genuine().unwrap();

        // The second answer comes from the cache.
        assert_eq!(link.ask(&machine).await.certificates.len(), 3);
        assert_eq!(kds.counts(), [1, 1, 1]);
    }
}

#[tokio::test]
async fn an_enclave_is_told_when_there_is_nothing() {
    let Some(machine) = machine_like(GENOA) else { return };
    let cache = tempfile::tempdir().unwrap();
    let kds = Kds::with(&machine, |_, _| Some(status("403 No", "", b""))).await;
    let mut link = Link::new(&kds, &machine, cache.path());
    assert_eq!(link.ask(&machine).await, Answer::default());
    assert_eq!(link.told.recv().await.unwrap().unwrap_err().code(), "endorsement.status");

    let other = Machine { report: vec![0; machine.report.len()], ..machine };
    assert_eq!(link.ask(&other).await, Answer::default(), "no report");
    assert!(link.told.recv().await.unwrap().is_err());
}

#[tokio::test]
async fn an_enclave_that_leaves_or_says_half_is_in_nobodys_way() {
    let Some(machine) = machine_of(GENOA) else { return };
    let cache = tempfile::tempdir().unwrap();
    let kds = Kds::good(&machine).await;
    let mut link = Link::new(&kds, &machine, cache.path());
    for bytes in [&b""[..], &machine.report[..600], &machine.report] {
        let mut stream = link.address.connect(Port::ENDORSEMENTS, SOON).await.unwrap();
        stream.write_all(bytes).await.unwrap();
    }
    assert!(link.told.recv().await.unwrap().is_ok(), "the whole request, although no enclave waits for it");
    assert_eq!(link.ask(&machine).await.certificates.len(), 3);
    assert_eq!(kds.counts(), [1, 1, 1]);
}
