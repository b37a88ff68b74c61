//! `[nitro]`, `[snp]` and launch digests: requirements on hardware beside an image's registers.

use super::*;
use crate::{Abi, Family, GuestRules, Protection, SigningKey, SnpRules, Tcb};

fn sev_snp() -> String {
    format!(
        "version = 1\nplatforms = [\"sev-snp\"]\n[[image]]\nname = \"demo\"\nsnp_launch = [\"{}\"]\n[snp]\n\
         [snp.floor.genoa]\nbootloader = 10\ntee = 1\nsnp = 23\nmicrocode = 84\n[models]\naccept = \"any\"\n",
        "22".repeat(48)
    )
}

fn nitro() -> String {
    let pcr = "22".repeat(48);
    format!(
        "version = 1\nplatforms = [\"nitro\"]\n[[image]]\nname = \"demo\"\npcr0 = \"{pcr}\"\npcr1 = \"{pcr}\"\n\
         pcr2 = \"{pcr}\"\n[nitro]\n[models]\naccept = \"any\"\n"
    )
}

/// [`sev_snp`] with `keys` added to `[snp]`.
fn ruled(keys: &str) -> Result<SnpRules, PolicyError> {
    snp_changed("[snp]\n", &format!("[snp]\n{keys}\n")).map(|policy| policy.snp().clone())
}

fn snp_changed(from: &str, to: &str) -> Result<Policy, PolicyError> {
    let text = sev_snp();
    assert!(text.contains(from), "{from}");
    Policy::from_toml(&text.replacen(from, to, 1))
}

fn listed(bytes: usize, count: usize) -> String {
    let width = 2 * bytes;
    let items = (1..=count).map(|index| format!("\"{index:0width$x}\"")).collect::<Vec<_>>();
    format!("[{}]", items.join(","))
}

/// The kind of error, and its field.
fn field<T>(result: Result<T, PolicyError>) -> (&'static str, &'static str) {
    match result.err() {
        None => ("none", ""),
        Some(PolicyError::Missing { field, .. }) => ("missing", field),
        Some(PolicyError::Contradiction { field, .. }) => ("contradiction", field),
        Some(PolicyError::OutOfRange { field, .. }) => ("range", field),
        Some(PolicyError::Hex { field, .. }) => ("hex", field),
        Some(PolicyError::Malformed { .. }) => ("toml", ""),
        Some(other) => panic!("{other}"),
    }
}

#[test]
fn rules_are_read_and_default_when_omitted() {
    let floors = || [(Family::Genoa, Tcb { fmc: 0, bootloader: 10, tee: 1, snp: 23, microcode: 84 })].into();
    assert_eq!(ruled("").unwrap(), SnpRules { floors: floors(), ..SnpRules::default() });
    let all = format!(
        "signers = [\"vcek\", \"vlek\"]\nvmpl = 3\nsmt = true\ndebug = true\nmigration = true\nalias_check = false\n\
         cxl = true\nrequire = [\"rapl-disabled\", \"single-socket\"]\nabi = \"1.58\"\nmitigations = [0, 63]\n\
         unpinned_milan = true\nciphertext_hiding = true\ncrl = false\nguest_svn = 7\nhost_data = {}\nid_keys = {}\nauthor_keys = {}",
        listed(32, 1),
        listed(48, 1),
        listed(48, 2)
    );
    let last = |value| core::array::from_fn(|index| if index == 47 { value } else { 0 });
    let rules = SnpRules {
        floors: floors(),
        signers: [SigningKey::Vcek, SigningKey::Vlek].into(),
        max_vmpl: 3,
        guest: GuestRules {
            smt: true,
            debug: true,
            migration: true,
            cxl: true,
            required: [Protection::RaplDisabled, Protection::SingleSocket].into(),
            abi: Abi { major: 1, minor: 58 },
        },
        mitigations: 1 << 63 | 1,
        unpinned_milan: true,
        alias_check: false,
        ciphertext_hiding: true,
        crl: false,
        guest_svn: 7,
        chips: None,
        host_data: Some([core::array::from_fn(|index| (index == 31).into())].into()),
        id_keys: Some([last(1)].into()),
        author_keys: Some([last(1), last(2)].into()),
    };
    assert_eq!(ruled(&all), Ok(rules));
    let chip = core::array::from_fn(|index| (index == 63).into());
    assert_eq!(ruled(&format!("chip_ids = {}", listed(64, 1))).unwrap().chips, Some([chip].into()));
    assert_eq!(ruled("signers = [\"vlek\"]").unwrap().signers, [SigningKey::Vlek]);
}

#[test]
fn rules_that_accept_nothing_or_contradict_are_errors() {
    assert_eq!(field(ruled("signers = []")), ("missing", "snp.signers"));
    assert_eq!(field(ruled("signers = [\"VCEK\"]")), ("contradiction", "snp.signers"));
    assert_eq!(field(ruled("vmpl = 4")), ("contradiction", "snp.vmpl"));
    let chips = format!("chip_ids = {}", listed(64, 1));
    assert_eq!(field(ruled(&format!("{chips}\nsigners = [\"vlek\"]"))), ("contradiction", "snp.chip_ids"));
    assert_eq!(field(ruled("require = [\"smt\"]")), ("contradiction", "snp.require"));
    assert_eq!(field(ruled("abi = \"1.058\"")), ("contradiction", "snp.abi"));
    assert_eq!(ruled("mitigations = []").unwrap().mitigations, 0);
    for wrong in
        ["mitigations = [64]", "mitigations = [-1]", "mitigations = 1", "abi = 1", "require = \"smt\"", "cxl = 1"]
    {
        assert_eq!(field(ruled(wrong)), ("toml", ""), "{wrong}");
    }
    for wrong in ["smt = 1", "vmpl = \"0\"", "guest_svn = 4294967296", "extra = 1"] {
        assert_eq!(field(ruled(wrong)), ("toml", ""), "{wrong}");
    }
    for (key, name, bytes) in [
        ("chip_ids", "snp.chip_ids", 64),
        ("host_data", "snp.host_data", 32),
        ("id_keys", "snp.id_keys", 48),
        ("author_keys", "snp.author_keys", 48),
    ] {
        let list = |count| field(ruled(&format!("{key} = {}", listed(bytes, count))));
        assert_eq!(list(0), ("missing", name));
        assert_eq!(list(MAX_ENTRIES), ("none", ""), "{key}");
        assert_eq!(list(MAX_ENTRIES + 1), ("contradiction", name));
        assert_eq!(field(ruled(&format!("{key} = [\"00\"]"))), ("hex", name));
    }
}

#[test]
fn floors_are_of_known_families_and_whole() {
    let floor = |family: &str, levels: &str| {
        let genoa = "[snp.floor.genoa]\nbootloader = 10\ntee = 1\nsnp = 23\nmicrocode = 84\n";
        snp_changed(genoa, &format!("[snp.floor.{family}]\n{levels}\n")).map(|policy| policy.snp().floors.clone())
    };
    const LEVELS: &str = "bootloader = 1\ntee = 2\nsnp = 3\nmicrocode = 4";
    let tcb = |fmc| Tcb { fmc, bootloader: 1, tee: 2, snp: 3, microcode: 4 };
    assert_eq!(floor("milan", LEVELS), Ok([(Family::Milan, tcb(0))].into()));
    assert_eq!(floor("turin", &format!("{LEVELS}\nfmc = 5")), Ok([(Family::Turin, tcb(5))].into()));
    assert_eq!(field(floor("turin", LEVELS)), ("missing", "snp.floor.turin.fmc"));
    assert_eq!(field(floor("genoa", &format!("{LEVELS}\nfmc = 5"))), ("contradiction", "snp.floor"));
    assert_eq!(field(floor("naples", LEVELS)), ("contradiction", "snp.floor"));
    assert_eq!(field(floor("genoa", &format!("{LEVELS}\nextra = 5"))), ("toml", ""));
    assert_eq!(field(floor("genoa", &LEVELS.replace("tee", "tea"))), ("toml", ""));
    assert_eq!(field(floor("genoa", &LEVELS.replace('2', "256"))), ("toml", ""));
    assert_eq!(field(snp_changed("[snp.floor.genoa]", "[snp.floors.genoa]")), ("toml", ""));
    let built = Policy::builder().platform(Platform::SevSnp).snp(SnpRules::default()).models(Accept::Any);
    let image = SnpImage { name: "demo".into(), launch: [[1; 48]].into(), acpi: Acpi::Unknown };
    assert_eq!(field(built.snp_image(image).build()), ("missing", "snp.floor"));
}

#[test]
fn launch_digests_come_with_their_platform_and_measure_something() {
    let policy = Policy::from_toml(&sev_snp()).unwrap();
    let known = Some(("demo", Acpi::Unknown));
    assert_eq!((policy.launch_image(&[0x22; 48]), policy.launch_image(&[0x23; 48])), (known, None));
    let acpi = |word: &str| snp_changed("name = \"demo\"", &format!("name = \"demo\"\nacpi = {word}"));
    assert_eq!(acpi("\"static\"").unwrap().launch_image(&[0x22; 48]), Some(("demo", Acpi::Static)));
    assert_eq!(field(acpi("\"unknown\"")), ("contradiction", "image.acpi"));
    assert_eq!(field(acpi("true")), ("toml", ""));
    let registers = nitro().replace("name = \"demo\"", "name = \"demo\"\nacpi = \"static\"");
    assert_eq!(field(Policy::from_toml(&registers)), ("contradiction", "image.acpi"));
    let launch = format!("snp_launch = [\"{}\"]", "22".repeat(48));
    let launches = |list: &str| field(snp_changed(&launch, &format!("snp_launch = {list}")));
    assert_eq!(launches("[]"), ("range", "image.snp_launch"));
    assert_eq!(launches(&listed(48, MAX_ENTRIES)), ("none", ""));
    assert_eq!(launches(&listed(48, MAX_ENTRIES + 1)), ("range", "image.snp_launch"));
    assert_eq!(launches(&format!("[\"{}\"]", "00".repeat(48))), ("contradiction", "image.snp_launch"));
    let image = format!("[[image]]\nname = \"demo\"\n{launch}\n");
    assert_eq!(field(snp_changed(&image, "")), ("missing", "image.snp_launch"));
    assert_eq!(field(snp_changed(&image, &image.repeat(2))), ("contradiction", "image.name"));
    assert_eq!(field(snp_changed(&image, &(image.clone() + "[[image]]\nname = \"empty\"\n"))), ("missing", "image"));
    assert_eq!(field(snp_changed("demo", &"n".repeat(MAX_NAME + 1))), ("range", "image.name"));
    assert_eq!(field(snp_changed("[models]", "[nitro]\n[models]")), ("contradiction", "nitro"));
    let simulated = simulated();
    assert_eq!(field(Policy::from_toml(&format!("{simulated}{image}"))), ("contradiction", "image.snp_launch"));
    assert_eq!(field(Policy::from_toml(&format!("{simulated}[snp.floor]\n"))), ("contradiction", "snp"));
    let bare =
        sev_snp().replacen("[snp]\n[snp.floor.genoa]\nbootloader = 10\ntee = 1\nsnp = 23\nmicrocode = 84\n", "", 1);
    assert_eq!(field(Policy::from_toml(&bare)), ("missing", "snp"));
    // One image for both platforms.
    let both = nitro().replace("[\"nitro\"]", "[\"nitro\", \"sev-snp\"]").replace("pcr0", &format!("{launch}\npcr0"));
    let floor = "[snp.floor.milan]\nbootloader = 1\ntee = 2\nsnp = 3\nmicrocode = 4\n";
    let policy = Policy::from_toml(&(both + floor)).unwrap();
    assert_eq!((policy.image(&[[0x22; 48]; 3]), policy.launch_image(&[0x22; 48])), (Some("demo"), known));
}

#[test]
fn registers_are_pinned_to_something() {
    let pinned = |keys: &str| Policy::from_toml(&nitro().replacen("[nitro]\n", &format!("[nitro]\n{keys}\n"), 1));
    let all = ["pcr3", "pcr4", "pcr8"].map(|key| format!("{key} = {}", listed(48, 1)));
    let policy = pinned(&all.join("\n")).unwrap();
    let value: Vec<_> = [core::array::from_fn(|index| (index == 47).into())].into();
    let pins: Vec<_> = policy.nitro().pinned().collect();
    assert_eq!(pins, [(3, &value), (4, &value), (8, &value)]);
    let policy = pinned(&all[2]).unwrap();
    assert_eq!(*policy.nitro(), NitroPins { pcr8: Some(value), ..NitroPins::default() });
    for key in ["pcr3", "pcr4", "pcr8"] {
        let list = |list: &str| field(pinned(&format!("{key} = {list}")));
        assert_eq!(list("[]"), ("range", "nitro"));
        assert_eq!(list(&listed(48, MAX_ENTRIES)), ("none", ""));
        assert_eq!(list(&listed(48, MAX_ENTRIES + 1)), ("range", "nitro"));
        assert_eq!(list(&format!("[\"{}\"]", "00".repeat(48))), ("contradiction", "nitro"));
    }
    assert_eq!(field(pinned("pcr5 = []")), ("toml", ""));
}
