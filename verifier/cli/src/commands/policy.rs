//! `policy`: makes policies from measurements, and compiles policies for browsers.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use quoth_verifier::{Abi, Family, Policy};
use serde::Serialize;

use crate::args::{Floor, HardwarePlatform, PolicyCompile, PolicyInit};
use crate::error::CliError;
use crate::files;
use crate::measurements::{Measurements, VERSION};

/// Maximum bytes in a measurements file.
const MAX_MEASUREMENTS: usize = 256 * 1024;
const HEAD: &str = "\
# Accepts nodes that run these images, and nothing else; debugging, migration, shared cores, CXL and rolled back firmware are
# refused. What is not named here is not accepted. All rules: docs/policy.md in Quoth's repository.
";

/// Writes a safe policy for images with known measurements.
pub(crate) fn init(args: &PolicyInit) -> Result<(), CliError> {
    let images = args.from.iter().map(|file| measurements(file)).collect::<Result<Vec<_>, _>>()?;
    let text = text(args, &images).map_err(CliError::PolicyInit)?;
    // Read the text back, so that missing or contradictory values are errors now.
    Policy::from_toml(&text).map_err(|error| CliError::PolicyInit(error.to_string()))?;
    written(&text, args.out.as_deref())
}

pub(crate) fn compile(args: &PolicyCompile) -> Result<(), CliError> {
    let invalid = |source| CliError::Policy { file: args.file.clone(), source };
    let json = Policy::compile(&files::policy_text(&args.file)?).map_err(invalid)?;
    written(&json, args.out.as_deref())
}

fn written(text: &str, out: Option<&Path>) -> Result<(), CliError> {
    match out {
        Some(file) => files::write_new(file, text.as_bytes()),
        None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(CliError::Output),
    }
}

fn measurements(file: &Path) -> Result<Measurements, CliError> {
    let wrong = |problem: String| CliError::Measurements { file: file.into(), problem };
    let text = String::from_utf8(files::read(file, MAX_MEASUREMENTS)?).map_err(|error| wrong(error.to_string()))?;
    let found: Measurements = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    match found.version {
        VERSION => Ok(found),
        other => Err(wrong(format!("version {other}, expected {VERSION}"))),
    }
}

#[derive(Serialize)]
struct PolicyFile<'a> {
    version: u32,
    platforms: Vec<&'static str>,
    max_evidence_age: u64,
    image: Vec<Image<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nitro: Option<NitroPins<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snp: Option<SnpRules<'a>>,
    models: Accept<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Accept<'a>>,
}

#[derive(Serialize)]
struct Image<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcr0: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcr1: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcr2: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snp_launch: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acpi: Option<&'a str>,
}

#[derive(Serialize)]
struct NitroPins<'a> {
    pcr8: Vec<&'a str>,
}

/// Writes every rule out, so that a reader who loosens one sees which.
#[derive(Serialize)]
struct SnpRules<'a> {
    signers: [&'static str; 1],
    vmpl: u32,
    smt: bool,
    debug: bool,
    migration: bool,
    cxl: bool,
    abi: String,
    require: Vec<&'a str>,
    alias_check: bool,
    crl: bool,
    unpinned_milan: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    chip_ids: Vec<&'a str>,
    floor: BTreeMap<&'static str, Floor>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Accept<'a> {
    List { accept: Vec<&'a str> },
    Any { accept: &'static str },
}

fn text(args: &PolicyInit, images: &[Measurements]) -> Result<String, String> {
    let wanted = |platform| args.platform.is_empty() || args.platform.contains(&platform);
    let (nitro, snp) = (wanted(HardwarePlatform::Nitro), wanted(HardwarePlatform::SevSnp));
    let images_of = images.iter().map(|found| image(found, nitro, snp)).collect::<Result<Vec<_>, _>>()?;
    let nitro = images_of.iter().any(|image| image.pcr0.is_some());
    let snp = images_of.iter().any(|image| image.snp_launch.is_some());
    if snp && args.floor.is_empty() {
        return Err("sev-snp needs --floor: the oldest firmware to accept, for each processor family".into());
    }
    if snp
        && args.floor.iter().any(|(family, _)| *family == Family::Milan)
        && !args.unpinned_milan
        && args.chip_id.is_empty()
    {
        return Err("a floor for milan needs --chip-id for each chip to accept: the owner of any Milan chip can forge reports of it, \
                    of any firmware (arXiv 2605.12990). Or say --unpinned-milan"
            .into());
    }
    let mut signed: Vec<_> = images.iter().filter_map(|found| found.nitro.as_ref()?.pcr8.as_deref()).collect();
    signed.dedup();
    let all_signed = images.iter().all(|found| found.nitro.as_ref().is_none_or(|nitro| nitro.pcr8.is_some()));
    let mut models: Vec<_> =
        images.iter().flat_map(|found| &found.models).chain(&args.model).map(String::as_str).collect();
    models.sort_unstable();
    models.dedup();
    let models = match (args.any_model, models.is_empty()) {
        (true, _) => Accept::Any { accept: "any" },
        (false, true) => return Err("no measurements name a model: give --model or --any-model".into()),
        (false, false) => Accept::List { accept: models },
    };
    let demanded = Demanded::of(images)?;
    let configs: Option<Vec<&str>> = images.iter().map(|found| found.config.as_deref()).collect();
    let file = PolicyFile {
        version: 1,
        platforms: [("nitro", nitro), ("sev-snp", snp)]
            .into_iter()
            .filter(|(_, has)| *has)
            .map(|(name, _)| name)
            .collect(),
        max_evidence_age: 7200,
        image: images_of,
        nitro: (nitro && all_signed && !signed.is_empty()).then_some(NitroPins { pcr8: signed }),
        snp: snp.then(|| SnpRules {
            signers: ["vcek"],
            vmpl: 0,
            smt: false,
            debug: false,
            migration: false,
            cxl: false,
            abi: demanded.abi.to_string(),
            require: demanded.require,
            alias_check: true,
            crl: true,
            unpinned_milan: args.unpinned_milan,
            chip_ids: args.chip_id.iter().map(String::as_str).collect(),
            floor: args.floor.iter().map(|(family, floor)| (family.name(), *floor)).collect(),
        }),
        models,
        config: configs.filter(|configs| !configs.is_empty()).map(|accept| Accept::List { accept }),
    };
    let body = toml::to_string(&file).map_err(|error| error.to_string())?;
    Ok(format!("{HEAD}{body}"))
}

/// What the launches of all images on SEV-SNP demand; a policy has only one set of rules.
#[derive(Default)]
struct Demanded<'a> {
    abi: Abi,
    require: Vec<&'a str>,
}

impl<'a> Demanded<'a> {
    fn of(images: &'a [Measurements]) -> Result<Self, String> {
        let launched: Vec<_> = images.iter().filter(|found| !found.snp.is_empty()).collect();
        // If one image's measurements do not say, the policy can demand nothing.
        let Some(guests) = launched.iter().map(|found| found.guest.as_ref()).collect::<Option<Vec<_>>>() else {
            return Ok(Self::default());
        };
        let abis = guests.iter().map(|guest| Abi::from_text(&guest.abi).ok_or("abi is not a version like \"1.55\""));
        let abi = abis.collect::<Result<Vec<_>, _>>()?.into_iter().min().unwrap_or_default();
        let [first, others @ ..] = &guests[..] else { return Ok(Self { abi, require: Vec::new() }) };
        let by_all = |name: &&String| others.iter().all(|guest| guest.require.contains(name));
        Ok(Self { abi, require: first.require.iter().filter(by_all).map(String::as_str).collect() })
    }
}

fn image(found: &Measurements, nitro: bool, snp: bool) -> Result<Image<'_>, String> {
    let registers = found.nitro.as_ref().filter(|_| nitro);
    let launch: Vec<_> = found.snp.iter().filter(|_| snp).map(|one| &*one.launch).collect();
    let snp_launch = (!launch.is_empty()).then_some(launch);
    if registers.is_none() && snp_launch.is_none() {
        return Err(format!("image {:?} has no measurements for these platforms", found.name));
    }
    let register = |of: fn(&crate::measurements::Nitro) -> &String| registers.map(|found| of(found).as_str());
    let acpi = found.guest.as_ref().filter(|_| snp_launch.is_some()).and_then(|guest| guest.acpi.as_deref());
    Ok(Image {
        name: &found.name,
        pcr0: register(|nitro| &nitro.pcr0),
        pcr1: register(|nitro| &nitro.pcr1),
        pcr2: register(|nitro| &nitro.pcr2),
        snp_launch,
        acpi,
    })
}
