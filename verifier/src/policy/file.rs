//! The TOML form of a policy.

use alloc::string::ToString;
use alloc::vec::Vec;
use quoth_attestation::sorted::SortedSet;

use quoth_attestation::Digest;
use quoth_attestation::statement::Platform;

use super::build::check_length;
use super::table::{self, Table, Value};
use super::{Accept, AcceptUpstreams, Image, NitroPins, Policy, PolicyBuilder, PolicyError, SnpImage, snp};

const VERSION: u64 = 1;
const PLATFORMS: [Platform; 4] = [Platform::Nitro, Platform::SevSnp, Platform::Simulated, Platform::None];

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    check_length(text)?;
    let tree = table::tree(text)?;
    let mut file = Table::new(text, &tree);
    let version = file.required("version")?.number()?;
    if version != VERSION {
        return Err(PolicyError::Version { expected: VERSION, actual: version });
    }
    let mut builder = Policy::builder();
    for name in file.required("platforms")?.texts()? {
        builder = match PLATFORMS.into_iter().find(|platform| platform.name() == name) {
            Some(platform) => builder.platform(platform),
            None => return Err(PolicyError::Platform { actual: name.into() }),
        };
    }
    if let Some(roots) = only(&mut file, "simulated", "roots")? {
        builder = builder.simulated_roots(digests("simulated.roots", &roots.texts()?)?);
    }
    if let Some(keys) = only(&mut file, "none", "receipt_keys")? {
        builder = builder.receipt_keys(list::<_, Vec<_>>("none.receipt_keys", &keys.texts()?)?);
    }
    for table in file.optional("image").map_or(Ok(Vec::new()), Value::tables)? {
        builder = image(table, builder)?;
    }
    if let Some(table) = file.optional("nitro") {
        builder = builder.nitro(nitro(table.table()?)?);
    }
    if let Some(table) = file.optional("snp") {
        builder = builder.snp(snp::rules(table.table()?)?);
    }
    if let Some(models) = only(&mut file, "models", "accept")? {
        builder = builder.models(accept("models.accept", models)?);
    }
    if let Some(upstreams) = only(&mut file, "upstreams", "accept")? {
        builder = builder.upstreams(providers(upstreams)?);
    }
    if let Some(config) = only(&mut file, "config", "accept")? {
        builder = builder.config(accept("config.accept", config)?);
    }
    if let Some(seconds) = file.optional("max_evidence_age") {
        builder = builder.max_evidence_age(seconds.number()?);
    }
    file.finish()?;
    builder.build()
}

/// The value of the one key of a table that may be there.
fn only<'a>(file: &mut Table<'a>, table: &'static str, key: &'static str) -> Result<Option<Value<'a>>, PolicyError> {
    let Some(table) = file.optional(table) else { return Ok(None) };
    let mut table = table.table()?;
    let value = table.required(key)?;
    table.finish().map(|()| Some(value))
}

fn image(mut table: Table<'_>, mut builder: PolicyBuilder) -> Result<PolicyBuilder, PolicyError> {
    let name = table.required("name")?.text()?;
    let mut register = |key| table.optional(key).map(Value::text).transpose();
    let registers = [register("pcr0")?, register("pcr1")?, register("pcr2")?];
    let launch = table.optional("snp_launch").map(Value::texts).transpose()?;
    table.finish()?;
    let registers = match registers {
        [Some(pcr0), Some(pcr1), Some(pcr2)] => Some([pcr0, pcr1, pcr2]),
        [None, None, None] if launch.is_some() => None,
        _ => {
            let reason = "an image has pcr0, pcr1 and pcr2, or snp_launch, or all of them";
            return Err(PolicyError::Missing { field: "image", reason });
        }
    };
    if let Some([pcr0, pcr1, pcr2]) = registers {
        builder = builder.image(Image {
            name: name.into(),
            pcr0: bytes("image.pcr0", pcr0)?,
            pcr1: bytes("image.pcr1", pcr1)?,
            pcr2: bytes("image.pcr2", pcr2)?,
        });
    }
    match launch {
        Some(launch) => {
            Ok(builder.snp_image(SnpImage { name: name.into(), launch: list("image.snp_launch", &launch)? }))
        }
        None => Ok(builder),
    }
}

fn nitro(mut table: Table<'_>) -> Result<NitroPins, PolicyError> {
    let pins = NitroPins {
        pcr3: pinned(&mut table, "pcr3", "nitro.pcr3")?,
        pcr4: pinned(&mut table, "pcr4", "nitro.pcr4")?,
        pcr8: pinned(&mut table, "pcr8", "nitro.pcr8")?,
    };
    table.finish().map(|()| pins)
}

fn accept(field: &'static str, value: Value<'_>) -> Result<Accept, PolicyError> {
    match value.word_or_texts()? {
        Ok("any") => Ok(Accept::Any),
        Ok(_) => Err(PolicyError::Contradiction { field, reason: "neither \"any\" nor a list of SHA-256 digests" }),
        Err(list) => Ok(Accept::only(digests(field, &list)?)),
    }
}

/// `"any"`, or `host:port` of each.
fn providers(value: Value<'_>) -> Result<AcceptUpstreams, PolicyError> {
    let field = "upstreams.accept";
    let wrong = || PolicyError::Contradiction { field, reason: "neither \"any\" nor a list of host:port" };
    let provider = |text: &&str| {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|number: &u16| *number > 0 && number.to_string() == port)?;
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        (!host.is_empty() && host.bytes().all(plain)).then(|| (host.into(), port))
    };
    match value.word_or_texts()? {
        Ok("any") => Ok(AcceptUpstreams::Any),
        Ok(_) => Err(wrong()),
        Err(list) => {
            let known = list.iter().map(provider).collect::<Option<SortedSet<_>>>();
            known.map(AcceptUpstreams::Only).ok_or_else(wrong)
        }
    }
}

fn digests(field: &'static str, texts: &[&str]) -> Result<Vec<Digest>, PolicyError> {
    texts.iter().map(|text| bytes(field, text).map(Digest)).collect()
}

/// Values that are pinned under a key, if it is there.
pub(super) fn pinned<const N: usize>(
    table: &mut Table<'_>,
    key: &'static str,
    field: &'static str,
) -> Result<Option<SortedSet<[u8; N]>>, PolicyError> {
    let texts = table.optional(key).map(Value::texts).transpose()?;
    texts.map(|texts| list(field, &texts)).transpose()
}

/// Values of a list.
fn list<const N: usize, T: FromIterator<[u8; N]>>(field: &'static str, texts: &[&str]) -> Result<T, PolicyError> {
    texts.iter().map(|text| bytes(field, text)).collect()
}

fn bytes<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], PolicyError> {
    let mut bytes = [0; N];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(PolicyError::Hex { field, expected: 2 * N }),
    }
}
