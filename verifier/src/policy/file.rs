//! Reads a policy's canonical JSON, key by key.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::statement::Platform;

use super::accepted::Policy;
use super::build::{PolicyBuilder, check_length};
use super::error::PolicyError;
use super::reader::{self, Table, Value, Wrong};
use super::snp;
use super::values::{Accept, AcceptUpstreams, Acpi, Image, NitroPins, SnpImage};

const VERSION: u64 = 1;
const PLATFORMS: [Platform; 4] = [Platform::Nitro, Platform::SevSnp, Platform::Simulated, Platform::None];

pub(super) fn parse(text: &[u8]) -> Result<Policy, Wrong> {
    let whole = |error| Wrong { at: None, error };
    check_length(text).map_err(whole)?;
    reader::read(text, policy)?.build().map_err(whole)
}

fn policy(file: &mut Table<'_>) -> PolicyBuilder {
    let mut builder = PolicyBuilder::default();
    let version = file.required("version").number(u64::MAX);
    if version != VERSION {
        file.refuse(PolicyError::Version { expected: VERSION, actual: version });
    }
    for name in file.required("platforms").texts() {
        match PLATFORMS.into_iter().find(|platform| platform.name() == name) {
            Some(platform) => builder.platforms.push(platform),
            None => file.refuse(PolicyError::Platform { actual: name.into_owned() }),
        }
    }
    builder.roots = only(file, "simulated", "roots").map(|roots| digests("simulated.roots", roots, &roots.texts()));
    builder.receipt_keys =
        only(file, "none", "receipt_keys").map(|keys| keys.hexes("none.receipt_keys", &keys.texts()));
    if let Some(images) = file.optional("image") {
        for table in images.tables() {
            image(table, &mut builder);
        }
    }
    builder.nitro = file.optional("nitro").map(nitro);
    builder.snp = file.optional("snp").map(snp::rules);
    builder.models = only(file, "models", "accept").map(|models| accept("models.accept", models));
    builder.upstreams = only(file, "upstreams", "accept").map(providers);
    builder.config = only(file, "config", "accept").map(|config| accept("config.accept", config));
    builder.max_evidence_age = file.optional("max_evidence_age").map(|seconds| seconds.number(u64::MAX));
    builder
}

/// The value of the only key of an optional table.
fn only<'a>(file: &mut Table<'a>, table: &'static str, key: &'static str) -> Option<Value<'a>> {
    let table = file.optional(table)?;
    Some(table.table(|table| table.required(key)))
}

fn image(value: Value<'_>, builder: &mut PolicyBuilder) {
    let (name, registers, launch, acpi) = value.table(|table| {
        let name = table.required("name").text();
        let registers = ["pcr0", "pcr1", "pcr2"].map(|key| table.optional(key).map(Value::text));
        (name, registers, table.optional("snp_launch").map(Value::texts), table.optional("acpi").map(acpi))
    });
    if acpi.is_some() && launch.is_none() {
        let reason = "only an image with snp_launch may have it";
        value.refuse(PolicyError::Contradiction { field: "image.acpi", reason });
    }
    match registers {
        [Some(pcr0), Some(pcr1), Some(pcr2)] => builder.images.push(Image {
            name: name.clone().into_owned(),
            pcr0: value.hex("image.pcr0", &pcr0),
            pcr1: value.hex("image.pcr1", &pcr1),
            pcr2: value.hex("image.pcr2", &pcr2),
        }),
        [None, None, None] if launch.is_some() => {}
        _ => {
            let reason = "an image has pcr0, pcr1 and pcr2, or snp_launch, or all of them";
            value.refuse(PolicyError::Missing { field: "image", reason });
        }
    }
    if let Some(launch) = launch {
        let launch = value.hexes("image.snp_launch", &launch);
        builder.launches.push(SnpImage { name: name.into_owned(), launch, acpi: acpi.unwrap_or_default() });
    }
}

fn acpi(value: Value<'_>) -> Acpi {
    if value.text() != "static" {
        let reason = "expected \"static\"; omit it if the kernel may run the host's bytecode";
        value.refuse(PolicyError::Contradiction { field: "image.acpi", reason });
    }
    Acpi::Static
}

fn nitro(value: Value<'_>) -> NitroPins {
    value.table(|table| NitroPins {
        pcr3: table.pins("pcr3", "nitro.pcr3"),
        pcr4: table.pins("pcr4", "nitro.pcr4"),
        pcr8: table.pins("pcr8", "nitro.pcr8"),
    })
}

fn accept(field: &'static str, value: Value<'_>) -> Accept {
    match value.word_or_texts() {
        Ok(word) if word == "any" => Accept::Any,
        Ok(_) => {
            let reason = "neither \"any\" nor a list of SHA-256 digests";
            value.refuse(PolicyError::Contradiction { field, reason });
            Accept::Any
        }
        Err(texts) => Accept::Only(digests(field, value, &texts)),
    }
}

/// Reads `"any"`, or a list of `host:port`.
fn providers(value: Value<'_>) -> AcceptUpstreams {
    let texts = match value.word_or_texts() {
        Ok(word) if word == "any" => return AcceptUpstreams::Any,
        Ok(_) => {
            no_provider(value);
            Vec::new()
        }
        Err(texts) => texts,
    };
    let mut known = Vec::new();
    for text in texts {
        match provider(&text) {
            Some(provider) => known.push(provider),
            None => no_provider(value),
        }
    }
    AcceptUpstreams::Only(known)
}

fn no_provider(value: Value<'_>) {
    let reason = "neither \"any\" nor a list of host:port";
    value.refuse(PolicyError::Contradiction { field: "upstreams.accept", reason });
}

/// Reads `host:port`.
fn provider(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|number: &u16| *number > 0 && number.to_string() == port)?;
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    (!host.is_empty() && host.bytes().all(plain)).then(|| (host.into(), port))
}

fn digests<T: FromIterator<Digest>>(field: &'static str, value: Value<'_>, texts: &[Cow<'_, str>]) -> T {
    texts.iter().map(|text| Digest(value.hex(field, text))).collect()
}
