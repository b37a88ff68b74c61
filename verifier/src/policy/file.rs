//! The TOML form of a policy.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::statement::Platform;
use serde::Deserialize;

use super::build::check_length;
use super::{Accept, Image, Policy, PolicyError};

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
        builder = builder.image(Image {
            pcr0: bytes("image.pcr0", &image.pcr0)?,
            pcr1: bytes("image.pcr1", &image.pcr1)?,
            pcr2: bytes("image.pcr2", &image.pcr2)?,
            name: image.name,
        });
    }
    if let Some(models) = file.models {
        builder = builder.models(accept("models.accept", models)?);
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
    #[serde(default)]
    image: Vec<ImageEntry>,
    models: Option<Accepts>,
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
    pcr0: String,
    pcr1: String,
    pcr2: String,
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

fn digests(field: &'static str, list: &[String]) -> Result<Vec<Digest>, PolicyError> {
    list.iter().map(|text| bytes(field, text).map(Digest)).collect()
}

fn bytes<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], PolicyError> {
    let mut bytes = [0; N];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(PolicyError::Hex { field, expected: 2 * N }),
    }
}
