//! The policy file that accepts exactly the node of this folder.
//!
//! The host computes the reference values itself, from the program, the configuration and the models. Only a simulated
//! root and a receipt key come from the enclave, because only the enclave knows them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use quoth_attestation::measurement::PcrHasher;
use quoth_link::event::Ready;
use quoth_verifier::{Family, Tcb};
use serde::Serialize;

use crate::HostError;
use crate::endorsements::Source;
use crate::run_dir::{Guest, Measured, State};

const HEAD: &str = "\
# Accepts only the node of this folder. Use it to try things out. To rely on a node, compute these values yourself,
# from sources and on a machine that you trust.
";

/// Computes registers 0 to 2 of a simulated node, hex: of program and configuration, of the program, of the configuration.
pub(crate) fn registers(program: &Path, config: &[u8]) -> Result<[String; 3], HostError> {
    let hash = || {
        let (mut file, mut whole) = (File::open(program)?, PcrHasher::new());
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => whole.update(&buffer[..count]),
            }
        }
        let alone = whole.clone();
        whole.update(config);
        let mut second = PcrHasher::new();
        second.update(config);
        Ok([whole, alone, second].map(|hasher| hex::encode(hasher.finish())))
    };
    hash().map_err(HostError::file(program))
}

#[derive(Serialize)]
struct PolicyFile<'a> {
    version: u32,
    platforms: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated: Option<Roots>,
    #[serde(skip_serializing_if = "Option::is_none")]
    none: Option<ReceiptKeys>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image: Vec<Image<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snp: Option<Snp<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Accept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstreams: Option<Accept>,
    config: Accept,
}

#[derive(Serialize)]
struct Roots {
    roots: [String; 1],
}

#[derive(Serialize)]
struct ReceiptKeys {
    receipt_keys: [String; 1],
}

#[derive(Serialize)]
struct Image<'a> {
    name: &'static str,
    #[serde(flatten)]
    registers: Option<Registers<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snp_launch: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acpi: Option<&'a str>,
}

#[derive(Serialize)]
struct Registers<'a> {
    pcr0: &'a str,
    pcr1: &'a str,
    pcr2: &'a str,
}

#[derive(Serialize)]
struct Snp<'a> {
    smt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    abi: Option<&'a str>,
    require: &'a [String],
    /// The chip's id on Milan, because the owner of another Milan could forge reports (arXiv 2605.12990).
    #[serde(skip_serializing_if = "Option::is_none")]
    chip_ids: Option<[&'a str; 1]>,
    floor: BTreeMap<&'static str, Floor>,
}

#[derive(Serialize)]
struct Floor {
    #[serde(skip_serializing_if = "Option::is_none")]
    fmc: Option<u8>,
    bootloader: u8,
    tee: u8,
    snp: u8,
    microcode: u8,
}

impl<'a> Snp<'a> {
    /// Accepts this firmware or newer, and requires what the launch requested.
    fn of(source: &'a Source, smt: bool, guest: Option<&'a Guest>) -> Self {
        let (family, Tcb { fmc, bootloader, tee, snp, microcode }) = (source.family(), source.tcb());
        let fmc = (family == Family::Turin).then_some(fmc);
        Self {
            smt,
            abi: guest.map(|guest| &*guest.abi),
            require: guest.map(|guest| &*guest.require).unwrap_or_default(),
            chip_ids: (family == Family::Milan).then(|| [source.chip()]),
            floor: BTreeMap::from([(family.name(), Floor { fmc, bootloader, tee, snp, microcode })]),
        }
    }
}

#[derive(Serialize)]
struct Accept {
    accept: Vec<String>,
}

impl Accept {
    /// Returns `None` for an empty list, which a policy must not contain.
    fn only(accept: Vec<String>) -> Option<Self> {
        (!accept.is_empty()).then_some(Self { accept })
    }
}

/// Returns the file's text. Returns `None` for a machine with SEV-SNP whose `source` is not known yet.
pub(crate) fn text(state: &State, ready: &Ready, source: Option<&Source>) -> Option<String> {
    let simulated = ready.simulated_root.map(|root| Roots { roots: [hex::encode(root)] });
    let image = |registers, snp_launch, acpi| Image { name: "this folder's node", registers, snp_launch, acpi };
    let (image, snp) = match &state.measured {
        // Without a measurement a policy cannot require one.
        _ if state.platform == "none" => (None, None),
        Measured::Nothing {} => (None, None),
        Measured::Registers([pcr0, pcr1, pcr2]) => {
            (Some(image(Some(Registers { pcr0, pcr1, pcr2 }), None, None)), None)
        }
        Measured::Launch { digest, smt, guest } => {
            let (guest, source) = (guest.as_ref(), source?);
            let acpi = guest.and_then(|guest| guest.acpi.as_deref());
            (Some(image(None, Some([&**digest]), acpi)), Some(Snp::of(source, *smt, guest)))
        }
    };
    let file = PolicyFile {
        version: 1,
        platforms: [&state.platform],
        none: (state.platform == "none").then(|| ReceiptKeys { receipt_keys: [hex::encode(ready.receipt_key)] }),
        image: image.into_iter().collect(),
        snp,
        simulated,
        models: Accept::only(state.models.iter().map(|model| model.sha256.clone()).collect()),
        upstreams: Accept::only(state.upstreams.iter().map(ToString::to_string).collect()),
        config: Accept { accept: vec![state.config.clone()] },
    };
    // safe: strings, lists and tables in the order that TOML wants
    Some(format!("{HEAD}{}", toml::to_string(&file).expect("plain types serialise")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use quoth_link::event::Pem;
    use quoth_verifier::Policy;

    use super::*;
    use crate::run_dir::ModelState;

    fn state(measured: Measured, platform: &str) -> State {
        State {
            pid: 0,
            started: 0,
            link: String::new(),
            nitro: None,
            listen: "127.0.0.1:1".parse().unwrap(),
            platform: platform.into(),
            config: hex::encode([4; 32]),
            measured,
            models: vec![ModelState { name: "m".into(), sha256: hex::encode([6; 32]), size: 1, path: "m".into() }],
            upstreams: vec![],
        }
    }

    fn ready() -> Ready {
        let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned();
        let ca = Pem::try_from(pem).unwrap();
        Ready { instance: [1; 16], node: [2; 32], ca, simulated_root: Some([3; 32]), receipt_key: [5; 32] }
    }

    /// The policy for a Milan names its chip.
    #[test]
    fn a_milan_is_pinned_by_its_chip() {
        let mut report = report();
        (report[0x188], report[0x189]) = (0x19, 0x01);
        let milan = Source::of(&report, None).unwrap();
        let measured = Measured::Launch { digest: hex::encode([9; 48]), smt: false, guest: None };
        let text = text(&state(measured, "sev-snp"), &Ready { simulated_root: None, ..ready() }, Some(&milan)).unwrap();
        let policy = Policy::from_toml(&text).unwrap();
        let chip = core::array::from_fn(|index| (index == 0).into());
        assert_eq!(policy.snp().chips, Some([chip].into()));
    }

    fn source() -> Source {
        Source::of(&report(), None).unwrap()
    }

    /// A report of a Genoa with the fields that name its key (AMD 56860, table "ATTESTATION_REPORT").
    fn report() -> Vec<u8> {
        let mut report = vec![0; 1184];
        (report[0x00], report[0x34]) = (3, 1);
        report[0x180..0x188].copy_from_slice(&[10, 0, 0, 0, 0, 0, 23, 84]);
        (report[0x188], report[0x189], report[0x1a0]) = (0x19, 0x11, 1);
        // The signature is invalid, but has the right form.
        (report[0x2a0], report[0x2e8]) = (1, 1);
        report
    }

    #[test]
    fn policies_are_understood_by_the_verifier() {
        let registers = Measured::Registers([6, 7, 8].map(|byte| hex::encode([byte; 48])));
        let guest = || Guest { abi: "1.58".into(), require: vec!["rapl-disabled".into()], acpi: Some("static".into()) };
        let launch = |smt| Measured::Launch { digest: hex::encode([9; 48]), smt, guest: smt.then(guest) };
        for (measured, platform) in [
            (registers.clone(), "simulated"),
            (registers, "nitro"),
            (launch(false), "sev-snp"),
            (launch(true), "sev-snp"),
            (launch(true), "none"),
            (Measured::Nothing {}, "none"),
        ] {
            let root = (platform == "simulated").then_some([3; 32]);
            let text =
                text(&state(measured, platform), &Ready { simulated_root: root, ..ready() }, Some(&source())).unwrap();
            Policy::from_toml(&text).unwrap_or_else(|error| panic!("{platform}: {error}\n{text}"));
        }
    }

    #[test]
    fn a_machine_of_unknown_firmware_has_no_policy() {
        let guest = Guest { abi: "1.58".into(), require: vec!["rapl-disabled".into()], acpi: Some("static".into()) };
        let measured = Measured::Launch { digest: hex::encode([9; 48]), smt: false, guest: Some(guest) };
        assert!(text(&state(measured.clone(), "sev-snp"), &ready(), None).is_none());
        let text = text(&state(measured, "sev-snp"), &ready(), Some(&source())).unwrap();
        assert!(text.contains("acpi = \"static\"\n"), "{text}");
        assert!(text.contains("smt = false\nabi = \"1.58\"\nrequire = [\"rapl-disabled\"]\n"), "{text}");
        assert!(text.contains("[snp.floor.genoa]\nbootloader = 10\ntee = 0\nsnp = 23\nmicrocode = 84\n"), "{text}");
    }
}
