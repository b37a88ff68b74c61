//! An enclave image file is described or refused. A described file has the reported sections.
#![no_main]

use quoth_images::eif::{Kind, inspect};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(found) = inspect(bytes) else { return };
    let content: u64 = found.sections.iter().map(|section| section.size).sum();
    assert!(content < bytes.len() as u64, "more content than file");
    let count = |kind: Kind| found.sections.iter().filter(|section| section.kind == kind).count();
    assert_eq!((count(Kind::Kernel), count(Kind::CommandLine)), (1, 1));
    // A second reading gives the same result.
    assert_eq!(inspect(bytes).map(|again| again.registers).ok(), Some(found.registers));
});
