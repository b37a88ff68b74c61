//! Which texts are policies, and which are not.
#![allow(clippy::unwrap_used)]

mod hardware;
mod json;
mod toml;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::statement::Platform;

use super::*;

/// A policy with every section that a simulated node needs.
fn simulated() -> String {
    let (root, pcr, model) = ("11".repeat(32), "22".repeat(48), "33".repeat(32));
    format!(
        "version = 1\nplatforms = [\"simulated\"]\n[simulated]\nroots = [\"{root}\"]\n[[image]]\nname = \"demo\"\n\
         pcr0 = \"{pcr}\"\npcr1 = \"{pcr}\"\npcr2 = \"{pcr}\"\n[models]\naccept = [\"{model}\"]\n"
    )
}

fn none() -> String {
    let digest = "44".repeat(32);
    format!(
        "version = 1\nplatforms = [\"none\"]\n[none]\nreceipt_keys = [\"{digest}\"]\n[models]\naccept = \"any\"\n\
         [config]\naccept = [\"{digest}\"]\n"
    )
}

fn error(text: &str) -> PolicyError {
    Policy::from_toml(text).unwrap_err()
}

/// The error of [`simulated`] after `from` is replaced by `to`.
fn changed(from: &str, to: &str) -> PolicyError {
    let text = simulated();
    assert!(text.contains(from), "{from}");
    error(&text.replace(from, to))
}

#[test]
fn whole_policies_are_read() {
    let policy = Policy::from_toml(&simulated()).unwrap();
    assert_eq!(policy.platforms().collect::<Vec<_>>(), [Platform::Simulated]);
    assert_eq!(policy.image(&[[0x22; 48]; 3]), Some("demo"));
    assert_eq!(policy.image(&[[0x22; 48], [0x22; 48], [0x23; 48]]), None);
    assert!(policy.models().accepts(&Digest([0x33; 32])) && !policy.models().accepts(&Digest([0x34; 32])));
    assert_eq!((policy.config(), policy.max_evidence_age()), (None, DEFAULT_MAX_EVIDENCE_AGE));
    let policy = Policy::from_toml(&none()).unwrap();
    assert_eq!((policy.models(), policy.image_count()), (&Accept::Any, 0));
    assert_eq!(policy.config(), Some(&Accept::only([Digest([0x44; 32])])));
}

#[test]
fn the_builder_makes_what_the_file_makes() {
    let image = Image { name: "demo".into(), pcr0: [0x22; 48], pcr1: [0x22; 48], pcr2: [0x22; 48] };
    let built = Policy::builder()
        .platform(Platform::Simulated)
        .simulated_roots([Digest([0x11; 32])])
        .image(image)
        .models(Accept::only([Digest([0x33; 32])]))
        .build();
    assert_eq!(built, Policy::from_toml(&simulated()));
    assert!(matches!(Policy::builder().build(), Err(PolicyError::Missing { field: "platforms", .. })));
}

#[test]
fn missing_reference_values_are_errors() {
    let (root, pcr, model) = ("11".repeat(32), "22".repeat(48), "33".repeat(32));
    let missing = |error, expected| {
        assert!(matches!(&error, PolicyError::Missing { field, .. } if *field == expected), "{error}")
    };
    missing(changed(&format!("[simulated]\nroots = [\"{root}\"]\n"), ""), "simulated.roots");
    missing(changed(&format!("[\"{root}\"]"), "[]"), "simulated.roots");
    missing(changed(&format!("[models]\naccept = [\"{model}\"]\n"), ""), "models.accept");
    missing(changed(&format!("[\"{model}\"]"), "[]"), "models.accept");
    let image = format!("[[image]]\nname = \"demo\"\npcr0 = \"{pcr}\"\npcr1 = \"{pcr}\"\npcr2 = \"{pcr}\"\n");
    missing(changed(&image, ""), "image");
    missing(changed("[\"simulated\"]\n[sim", "[]\n[sim"), "platforms");
    missing(error(&none().replace(&none()[none().find("[config]").unwrap()..], "")), "config.accept");
    missing(error(&none().replace("receipt_keys = [\"4", "receipt_keys = []#")), "none.receipt_keys");
    // An omitted register is an error.
    missing(changed(&format!("pcr2 = \"{pcr}\"\n"), ""), "image");
    assert!(matches!(error("platforms = []"), PolicyError::Malformed { .. }));
}

#[test]
fn contradictions_are_errors() {
    let contradiction = |error| assert!(matches!(&error, PolicyError::Contradiction { .. }), "{error}");
    contradiction(error(&simulated().replace("[\"simulated\"]", "[\"nitro\"]")));
    contradiction(error(&none().replace("[\"none\"]", "[\"sev-snp\"]")));
    contradiction(changed(&format!("pcr2 = \"{}\"", "22".repeat(48)), &format!("pcr2 = \"{}\"", "00".repeat(48))));
    contradiction(changed(&format!("accept = [\"{}\"]", "33".repeat(32)), "accept = \"all\""));
    let text = simulated();
    let image = &text[text.find("[[image]]").unwrap()..text.find("[models]").unwrap()];
    contradiction(error(&text.replace(image, &image.repeat(2))));
    let with_image = none().replace("[models]", &format!("{image}[models]"));
    contradiction(error(&with_image));
}

#[test]
fn unknown_keys_and_values_are_errors() {
    for from in ["[simulated]", "[[image]]", "[models]", "version = 1"] {
        assert!(matches!(changed(from, &format!("{from}\nextra = 1")), PolicyError::Malformed { .. }), "{from}");
    }
    assert!(matches!(error(&(simulated() + "[extra]\n")), PolicyError::Malformed { .. }));
    assert!(matches!(error(&(simulated() + "[models]\n")), PolicyError::Malformed { .. }));
    assert_eq!(changed("version = 1", "version = 2"), PolicyError::Version { expected: 1, actual: 2 });
    let platform = changed("[\"simulated\"]", "[\"Simulated\"]");
    assert_eq!(platform, PolicyError::Platform { actual: "Simulated".into() });
    assert!(matches!(error("="), PolicyError::Malformed { .. }));
    assert!(matches!(error(&"[".repeat(MAX_FILE)), PolicyError::Malformed { .. }));
}

#[test]
fn digests_are_hex_of_their_length() {
    for (from, digits) in [("11".repeat(32), 64), ("22".repeat(48), 96), ("33".repeat(32), 64)] {
        for to in [
            from[1..].to_string(),
            format!("{from}0"),
            from.replacen('1', "g", 1).replacen('2', "g", 1).replacen('3', "g", 1),
        ] {
            assert!(matches!(changed(&from, &to), PolicyError::Hex { expected, .. } if expected == digits), "{to}");
        }
    }
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let age = |seconds: u64| Policy::from_toml(&format!("max_evidence_age = {seconds}\n{}", simulated()));
    assert_eq!(age(GREATEST_EVIDENCE_AGE).unwrap().max_evidence_age(), GREATEST_EVIDENCE_AGE);
    for outside in [0, GREATEST_EVIDENCE_AGE + 1] {
        assert!(matches!(age(outside), Err(PolicyError::OutOfRange { field: "max_evidence_age", .. })));
    }
    let name = |length: usize| Policy::from_toml(&simulated().replace("demo", &"n".repeat(length)));
    assert!(name(MAX_NAME).is_ok());
    for outside in [0, MAX_NAME + 1] {
        assert!(matches!(name(outside), Err(PolicyError::OutOfRange { field: "image.name", .. })));
    }
    let models = |count: usize| {
        let list = (0..count).map(|index| format!("\"{index:064x}\"")).collect::<Vec<_>>().join(",");
        Policy::from_toml(&simulated().replace(&format!("\"{}\"", "33".repeat(32)), &list))
    };
    assert!(models(MAX_ENTRIES).is_ok());
    assert!(matches!(models(MAX_ENTRIES + 1), Err(PolicyError::OutOfRange { field: "models.accept", .. })));
    let padded = |length: usize| {
        let text = simulated();
        Policy::from_toml(&format!("{text}#{}", "x".repeat(length - text.len() - 1)))
    };
    assert!(padded(MAX_FILE).is_ok());
    assert_eq!(padded(MAX_FILE + 1).unwrap_err(), PolicyError::TooLong { limit: MAX_FILE, actual: MAX_FILE + 1 });
}

#[test]
fn limits_are_the_documented_ones() {
    assert_eq!((MAX_FILE, MAX_ENTRIES, MAX_NAME), (262_144, 1024, 128));
    assert_eq!((DEFAULT_MAX_EVIDENCE_AGE, GREATEST_EVIDENCE_AGE), (7200, 2_592_000));
}

#[test]
fn errors_say_the_line_and_the_key() {
    for (from, to, message) in [
        ("version = 1", "version = true", "line 1: `version` is not an integer in its range"),
        ("version = 1", "version = -1", "line 1: `version` is not an integer in its range"),
        ("[\"simulated\"]", "\"simulated\"", "line 2: `platforms` is not an array of texts"),
        ("[\"simulated\"]", "[\"simulated\", 1]", "line 2: `platforms` is not a text"),
        ("[simulated]", "[simulated]\nextra = 1", "line 4: `simulated` has no key `extra`"),
        ("[simulated]\nroots", "[simulated]\nroot", "line 3: `simulated` has no `roots`"),
        ("\"demo\"", "1", "line 6: `name` is not a text"),
        ("[[image]]", "[image]", "line 5: `image` is not an array of tables"),
        ("[models]\naccept = [", "[models]\naccept = [[], ", "line 11: `accept` is not a text"),
    ] {
        assert_eq!(changed(from, to), PolicyError::Malformed { message: message.into() }, "{to}");
    }
}

#[test]
fn the_default_policy_accepts_nothing() {
    let policy = Policy::hardware_only();
    assert!(policy.platforms().all(|platform| matches!(platform, Platform::Nitro | Platform::SevSnp)));
    assert_eq!((policy.image_count(), policy.models()), (0, &Accept::Only(Vec::new())));
}

#[test]
fn providers_are_accepted_by_name_only() {
    let with = |rule: &str| format!("{}[upstreams]\naccept = {rule}\n", simulated());
    let policy = Policy::from_toml(&simulated()).unwrap();
    assert!(!policy.upstreams().accepts("api.openai.com", 443), "silence accepts none");
    let policy = Policy::from_toml(&with("[\"api.openai.com:443\", \"x:1\"]")).unwrap();
    assert!(policy.upstreams().accepts("api.openai.com", 443) && policy.upstreams().accepts("x", 1));
    assert!(!policy.upstreams().accepts("api.openai.com", 80));
    assert!(Policy::from_toml(&with("\"any\"")).unwrap().upstreams().accepts("x", 1));
    for wrong in
        ["\"all\"", "[\"api.openai.com\"]", "[\":1\"]", "[\"x:0\"]", "[\"x:01\"]", "[\"x:65536\"]", "[\"X:1\"]"]
    {
        assert!(matches!(error(&with(wrong)), PolicyError::Contradiction { field: "upstreams.accept", .. }), "{wrong}");
    }
    assert!(matches!(error(&with("[]")), PolicyError::OutOfRange { field: "upstreams.accept", .. }));
    // A node that only proxies needs no model.
    let proxy = with("[\"x:1\"]").replace(&format!("[models]\naccept = [\"{}\"]\n", "33".repeat(32)), "");
    assert!(!Policy::from_toml(&proxy).unwrap().models().accepts(&Digest([0x33; 32])));
}
