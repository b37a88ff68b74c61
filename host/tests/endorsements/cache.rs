//! Cached documents, and how damage is repaired.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use quoth_host::endorsements::{Document, Endorsements};

use crate::server::{Asked, Kds, status};
use crate::vectors::{NOW, machine_like, machine_of};
use crate::{Cache, entries};

const GENOA: &str = "8fd94192";

#[tokio::test]
async fn files_are_the_owners_alone() {
    let Some(machine) = machine_of(GENOA) else { return };
    let kds = Kds::good(&machine).await;
    let cache = Cache::of(&kds, &machine);
    cache.fetch(&machine).await.unwrap();
    let vcek = "vcek-genoa-b5f9a4c8280e63c97d288db6648577dc2b848884aa682d7a227ba40e50deb2b0d112b599d87aaccda78d06f4254b1e8\
                1c4d953ef3c699db39d4e06013e9fa4ce-0a00000000001b1b.der";
    assert_eq!(cache.names(), ["crl-genoa.der", "vcek-chain-genoa.pem", vcek]);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(cache.folder.path().to_owned()), 0o700);
    assert!(entries(cache.folder.path()).into_iter().all(|path| mode(path) == 0o600));
}

#[tokio::test]
async fn a_damaged_file_is_got_again() {
    let Some(machine) = machine_of(GENOA) else { return };
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 6] = [
        ("emptied", |bytes| bytes.clear()),
        ("cut", |bytes| bytes.truncate(bytes.len() - 1)),
        ("longer", |bytes| bytes.push(0)),
        ("far too long", |bytes| bytes.resize(2 * 1024 * 1024, 0)),
        ("something else", |bytes| bytes.fill(b'x')),
        ("one bit", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }),
    ];
    for (what, damage) in damages {
        for prefix in ["vcek-genoa-", "vcek-chain-", "crl-"] {
            let kds = Kds::good(&machine).await;
            let cache = Cache::of(&kds, &machine);
            cache.fetch(&machine).await.unwrap();
            let path = cache.file(prefix);
            let whole = fs::read(&path).unwrap();
            let mut bytes = whole.clone();
            damage(&mut bytes);
            // Text after the last PEM block is ignored.
            let harmless = prefix == "vcek-chain-" && ["cut", "longer"].contains(&what);
            fs::write(&path, bytes).unwrap();
            let found = cache.fetch(&machine).await.unwrap();
            assert_eq!(found.vek, machine.vek);
            assert_eq!(found.downloaded.is_empty(), harmless, "{what} {prefix}");
            let asked: usize = kds.counts().iter().sum();
            assert!(asked <= 5, "{what} {prefix}");
            if !harmless {
                assert_eq!(fs::read(&path).unwrap(), whole, "{what} {prefix}");
            }
            assert_eq!(cache.names().len(), 3);
        }
    }
}

#[tokio::test]
async fn a_file_of_another_chip_is_got_again() {
    let Some(machine) = machine_of(GENOA) else { return };
    let kds = Kds::good(&machine).await;
    let cache = Cache::of(&kds, &machine);
    cache.fetch(&machine).await.unwrap();
    let Some(other) = machine_of("227a641d") else { return };
    fs::write(cache.file("vcek-genoa-"), other.vek).unwrap();
    assert_eq!(cache.fetch(&machine).await.unwrap().vek, machine.vek);
    assert_eq!(fs::read(cache.file("vcek-genoa-")).unwrap(), machine.vek);
}

#[tokio::test]
async fn a_damaged_chain_does_not_cost_a_second_vcek() {
    let Some(machine) = machine_of(GENOA) else { return };
    let kds = Kds::good(&machine).await;
    let cache = Cache::of(&kds, &machine);
    cache.fetch(&machine).await.unwrap();
    fs::remove_file(cache.file("vcek-genoa-")).unwrap();
    let path = cache.file("vcek-chain-");
    let mut bytes = fs::read(&path).unwrap();
    // A letter of the intermediate's signature.
    bytes[2000] = if bytes[2000] == b'A' { b'B' } else { b'A' };
    fs::write(&path, bytes).unwrap();
    let found = cache.fetch(&machine).await.unwrap();
    assert_eq!(found.downloaded, [Document::Vcek, Document::Chain]);
    assert_eq!(kds.counts(), [2, 2, 1]);
}

#[tokio::test]
async fn machines_share_a_folder_and_what_they_have_in_common() {
    let (Some(one), Some(two)) = (machine_of(GENOA), machine_of("227a641d")) else { return };
    let kds = Kds::good(&one).await;
    let cache = Cache::of(&kds, &one);
    cache.fetch(&one).await.unwrap();
    let kds = Kds::good(&two).await;
    let found = Endorsements::new(cache.folder.path(), kds.service()).fetch_at(&two.report, NOW).await.unwrap();
    assert_eq!(found.vek, two.vek);
    assert_eq!(kds.counts(), [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn askers_at_the_same_time_make_one_request() {
    let Some(machine) = machine_of(GENOA) else { return };
    let kds =
        Kds::with(&machine, |asked, before| (asked == Asked::Vcek && before == 0).then(|| status("503 Busy", "", b"")))
            .await;
    let cache = Cache::of(&kds, &machine);
    let all = futures(&cache, &machine).await;
    assert!(all.iter().all(|vek| *vek == machine.vek));
    assert_eq!(kds.counts(), [2, 1, 1], "the one that was refused, and one more");
}

async fn futures(cache: &Cache, machine: &crate::vectors::Machine) -> Vec<Vec<u8>> {
    let fetch = || async { cache.fetch(machine).await.unwrap().vek };
    let (a, b, c, d) = tokio::join!(fetch(), fetch(), fetch(), fetch());
    vec![a, b, c, d]
}

#[tokio::test]
async fn two_processes_at_the_same_time_do_no_harm() {
    let Some(machine) = machine_of(GENOA) else { return };
    let kds = Kds::good(&machine).await;
    let cache = Cache::of(&kds, &machine);
    let other = crate::open(cache.folder.path(), &kds, &machine);
    let (one, two) = tokio::join!(cache.fetch(&machine), other.fetch_at(&machine.report, NOW));
    assert_eq!((one.unwrap().vek, two.unwrap().vek), (machine.vek.clone(), machine.vek.clone()));
    assert_eq!(cache.names().len(), 3);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_told_before_anybody_is_asked() {
    let Some(machine) = machine_like(GENOA) else { return };
    let kds = Kds::good(&machine).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = crate::open(&file, &kds, &machine).fetch_at(&machine.report, NOW).await.unwrap_err();
    assert_eq!(error.code(), "endorsement.file");
    assert!(kds.targets().is_empty());
}

#[tokio::test]
async fn a_clock_that_is_a_little_late_is_no_obstacle() {
    // 2025-07-17 17:04:46, when the service made the certificate.
    const MADE: u64 = 1_752_771_886;
    let Some(machine) = machine_of("3f44a09b") else { return };
    let kds = Kds::good(&machine).await;
    for (now, held) in [(MADE, true), (MADE - 300, true), (MADE - 301, false)] {
        let folder = tempfile::tempdir().unwrap();
        let endorsements = Endorsements::new(folder.path(), kds.service()).without_crl();
        let found = endorsements.fetch_at(&machine.report, now).await;
        assert_eq!(found.is_ok(), held, "{now}");
        assert_eq!(entries(folder.path()).is_empty(), !held);
    }
}
