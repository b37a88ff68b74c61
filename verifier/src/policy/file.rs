//! The TOML form of a policy.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::statement::Platform;
use serde::Deserialize;

use super::build::check_length;
use super::snp::Snp;
use super::{Accept, AcceptUpstreams, Image, NitroPins, Policy, PolicyBuilder, PolicyError, SnpImage};

const VERSION: u64 = 1;
const PLATFORMS: [Platform; 4] = [Platform::Nitro, Platform::SevSnp, Platform::Simulated, Platform::None];

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    check_length(text)?;
    let file: File = toml::from_str(text).map_err(|error| PolicyError::Toml { message: error.to_string() })?;
    if file.version != VERSION {
        return Err(PolicyError::Version { expected: VERSION, actual: file.version });
    }
    let mut builder = Policy::builder();
    for name in file.platforms {
        builder = match PLATFORMS.into_iter().find(|platform| platform.name() == name) {
            Some(platform) => builder.platform(platform),
            None => return Err(PolicyError::Platform { actual: name }),
        };
    }
    if let Some(simulated) = file.simulated {
        builder = builder.simulated_roots(digests("simulated.roots", &simulated.roots)?);
    }
    if let Some(none) = file.none {
        let keys = none.receipt_keys.iter().map(|key| bytes("none.receipt_keys", key));
        builder = builder.receipt_keys(keys.collect::<Result<Vec<_>, _>>()?);
    }
    for image in file.image {
        builder = image.add_to(builder)?;
    }
    if let Some(nitro) = file.nitro {
        builder = builder.nitro(NitroPins {
            pcr3: nitro.pcr3.map(|list| set("nitro.pcr3", &list)).transpose()?,
            pcr4: nitro.pcr4.map(|list| set("nitro.pcr4", &list)).transpose()?,
            pcr8: nitro.pcr8.map(|list| set("nitro.pcr8", &list)).transpose()?,
        });
    }
    if let Some(snp) = file.snp {
        builder = builder.snp(snp.rules()?);
    }
    if let Some(models) = file.models {
        builder = builder.models(accept("models.accept", models)?);
    }
    if let Some(upstreams) = file.upstreams {
        builder = builder.upstreams(providers(upstreams)?);
    }
    if let Some(config) = file.config {
        builder = builder.config(accept("config.accept", config)?);
    }
    if let Some(seconds) = file.max_evidence_age {
        builder = builder.max_evidence_age(seconds);
    }
    builder.build()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    platforms: Vec<String>,
    max_evidence_age: Option<u64>,
    simulated: Option<Simulated>,
    none: Option<Pinned>,
    nitro: Option<Nitro>,
    snp: Option<Snp>,
    #[serde(default)]
    image: Vec<ImageEntry>,
    models: Option<Accepts>,
    upstreams: Option<Accepts>,
    config: Option<Accepts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Simulated {
    roots: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pinned {
    receipt_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageEntry {
    name: String,
    pcr0: Option<String>,
    pcr1: Option<String>,
    pcr2: Option<String>,
    snp_launch: Option<Vec<String>>,
}

impl ImageEntry {
    fn add_to(self, mut builder: PolicyBuilder) -> Result<PolicyBuilder, PolicyError> {
        let Self { name, pcr0, pcr1, pcr2, snp_launch } = self;
        let registers = match (pcr0, pcr1, pcr2) {
            (Some(pcr0), Some(pcr1), Some(pcr2)) => Some([pcr0, pcr1, pcr2]),
            (None, None, None) if snp_launch.is_some() => None,
            _ => {
                let reason = "an image has pcr0, pcr1 and pcr2, or snp_launch, or all of them";
                return Err(PolicyError::Missing { field: "image", reason });
            }
        };
        if let Some([pcr0, pcr1, pcr2]) = registers {
            builder = builder.image(Image {
                name: name.clone(),
                pcr0: bytes("image.pcr0", &pcr0)?,
                pcr1: bytes("image.pcr1", &pcr1)?,
                pcr2: bytes("image.pcr2", &pcr2)?,
            });
        }
        match snp_launch {
            Some(launch) => Ok(builder.snp_image(SnpImage { name, launch: set("image.snp_launch", &launch)? })),
            None => Ok(builder),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nitro {
    pcr3: Option<Vec<String>>,
    pcr4: Option<Vec<String>>,
    pcr8: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepts {
    accept: AnyOrList,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyOrList {
    Word(String),
    List(Vec<String>),
}

fn accept(field: &'static str, accepts: Accepts) -> Result<Accept, PolicyError> {
    match accepts.accept {
        AnyOrList::Word(word) if word == "any" => Ok(Accept::Any),
        AnyOrList::Word(_) => {
            Err(PolicyError::Contradiction { field, reason: "neither \"any\" nor a list of SHA-256 digests" })
        }
        AnyOrList::List(list) => Ok(Accept::only(digests(field, &list)?)),
    }
}

/// `"any"`, or `host:port` of each.
fn providers(accepts: Accepts) -> Result<AcceptUpstreams, PolicyError> {
    let field = "upstreams.accept";
    let wrong = || PolicyError::Contradiction { field, reason: "neither \"any\" nor a list of host:port" };
    let provider = |text: &String| {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|number: &u16| *number > 0 && number.to_string() == port)?;
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        (!host.is_empty() && host.bytes().all(plain)).then(|| (host.into(), port))
    };
    match accepts.accept {
        AnyOrList::Word(word) if word == "any" => Ok(AcceptUpstreams::Any),
        AnyOrList::Word(_) => Err(wrong()),
        AnyOrList::List(list) => {
            let known = list.iter().map(provider).collect::<Option<BTreeSet<_>>>();
            known.map(AcceptUpstreams::Only).ok_or_else(wrong)
        }
    }
}

fn digests(field: &'static str, list: &[String]) -> Result<Vec<Digest>, PolicyError> {
    list.iter().map(|text| bytes(field, text).map(Digest)).collect()
}

/// Values of a list, each once.
pub(super) fn set<const N: usize>(field: &'static str, list: &[String]) -> Result<BTreeSet<[u8; N]>, PolicyError> {
    list.iter().map(|text| bytes(field, text)).collect()
}

fn bytes<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], PolicyError> {
    let mut bytes = [0; N];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(PolicyError::Hex { field, expected: 2 * N }),
    }
}
