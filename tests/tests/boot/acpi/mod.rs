//! A hostile ACPI table of the host (BadAML). Its bytecode reads and overwrites the guest's memory, if a kernel runs it.

mod aml;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use quoth_tests::{Image, Machine};
use tempfile::TempDir;

/// Time limit for a machine to boot and switch off.
const OFF: Duration = Duration::from_secs(120);
/// A guest that prints the word that it finds in its memory.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/qemu/word.c");
const WORD: &[u8] = b"PRIVATE-MEMORY-OF-THE-GUEST";
const FORGED: &[u8] = b"OVERWRITTEN-BY-ITS-OWN-HOST";
/// The bytecode's output on the serial port.
const RUNS: &str = "bytecode runs";

/// Returns the guest's program. `None` if images cannot be booted here.
fn program(folder: &TempDir) -> Option<PathBuf> {
    env::var_os("QUOTH_BOOT")?;
    let program = folder.path().join("word");
    let compiled = Command::new("gcc").args(["-static", "-Os", "-o"]).arg(&program).arg(SOURCE).status().unwrap();
    assert!(compiled.success(), "gcc");
    Some(program)
}

/// Boots the program's image until the machine is off. Returns the output, and the physical address of [`WORD`].
fn booted(program: PathBuf, more: &[&str]) -> (String, u64) {
    let image = Image::of(program);
    let initramfs = fs::read(image.out().join("initramfs.cpio")).unwrap();
    let offset = initramfs.windows(WORD.len()).position(|window| window == WORD).unwrap();
    let socket = image.out().join("vm");
    let mut machine = Machine::start(image, &socket, &[&["-smp", "2"], more].concat());
    let start = Instant::now();
    while machine.is_on() {
        assert!(start.elapsed() < OFF, "it still runs");
        std::thread::sleep(Duration::from_millis(50));
    }
    let console = machine.console();
    // "RAMDISK: [mem 0x13f25000-0x13fdffff]".
    let start = console.split("RAMDISK: [mem 0x").nth(1).and_then(|rest| rest.split('-').next()).unwrap();
    let start = u64::from_str_radix(start, 16).unwrap();
    (console, start + offset as u64)
}

#[test]
fn the_bytecode_of_a_host_is_not_run_and_reaches_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = program(&folder) else { return };
    let (honest, address) = booted(program.clone(), &[]);
    let word = String::from_utf8_lossy(WORD);
    assert!(honest.contains(&format!("guest reads {word}")), "{honest}");

    // The kernel would run this before it unpacks the program, so it would start the overwritten program.
    let table = folder.path().join("ssdt");
    fs::write(&table, aml::hostile(u32::try_from(address).unwrap(), WORD.len() as u8, FORGED, RUNS)).unwrap();
    let (attacked, same) = booted(program, &["-acpitable", &format!("file={}", table.display())]);
    assert_eq!(same, address, "the same image lies where it lay");
    assert!(attacked.contains("QUOTH  HOSTILE"), "the kernel has seen the table: {attacked}");
    assert!(!attacked.contains(RUNS), "{attacked}");
    assert_eq!(attacked.matches(&*word).count(), 1, "only the guest itself has read it: {attacked}");
    assert!(
        attacked.contains(&format!("guest reads {word}")),
        "nothing was overwritten, the guest goes on: {attacked}"
    );
    assert!(attacked.contains("ACPI: Interpreter disabled."), "{attacked}");
    // The kernel still uses the host's table of processors.
    assert!(attacked.contains("guest has 2 processors"), "{attacked}");
}
