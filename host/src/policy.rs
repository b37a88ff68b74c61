//! The policy file that accepts exactly the node that runs here. The reference values are this host's own computation
//! over the program, the configuration and the models that it was given; only a simulated root and a receipt key, which
//! nothing but the running enclave knows, come from the enclave.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use quoth_attestation::measurement::PcrHasher;
use quoth_link::event::Ready;
use serde::Serialize;

use crate::HostError;
use crate::run_dir::State;

const HEAD: &str = "\
# Accepts the node that runs in this folder, and no other: for trying things out. Whoever relies on a node computes
# these values from sources they trust, on a machine they trust.
";

/// Registers 0 to 2 of a simulated node, hex: program and configuration, program, configuration.
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
    name: &'a str,
    pcr0: &'a str,
    pcr1: &'a str,
    pcr2: &'a str,
}

#[derive(Serialize)]
struct Accept {
    accept: Vec<String>,
}

impl Accept {
    /// None for an empty list, which would accept nothing and is an error.
    fn only(accept: Vec<String>) -> Option<Self> {
        (!accept.is_empty()).then_some(Self { accept })
    }
}

/// The file's text.
pub(crate) fn text(state: &State, ready: &Ready) -> String {
    let simulated = ready.simulated_root.map(|root| Roots { roots: [hex::encode(root)] });
    // Where nothing is measured, a policy cannot ask for it.
    let measured = (state.platform != "none").then_some(());
    let [pcr0, pcr1, pcr2] = &state.registers;
    let file = PolicyFile {
        version: 1,
        platforms: [&state.platform],
        none: (state.platform == "none").then(|| ReceiptKeys { receipt_keys: [hex::encode(ready.receipt_key)] }),
        image: measured.map(|()| Image { name: "this folder's node", pcr0, pcr1, pcr2 }).into_iter().collect(),
        simulated,
        models: Accept::only(state.models.iter().map(|model| model.sha256.clone()).collect()),
        upstreams: Accept::only(state.upstreams.iter().map(ToString::to_string).collect()),
        config: Accept { accept: vec![state.config.clone()] },
    };
    // safe: strings, lists and tables in the order that TOML wants
    format!("{HEAD}{}", toml::to_string(&file).expect("plain types serialise"))
}
