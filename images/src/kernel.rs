//! Builds the default kernel of images from Debian's source and a small configuration, independently of the build machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use sha2::{Digest as _, Sha256};

use crate::error::ImageError;
use crate::inputs::{self, Lock};
use crate::tool;

/// The kernel's configuration.
const CONFIG: &str = include_str!("../kernel/config");
/// The patch for Debian's source: the kernel does not run the host's ACPI bytecode. Under the kernel's own licence.
const PATCH: &str = include_str!("../kernel/static-acpi.patch");
/// Fixed values for what would otherwise record the time, place and user of the build.
const FIXED: [&str; 4] = [
    "KBUILD_BUILD_TIMESTAMP=1970-01-01 00:00:00 UTC",
    "KBUILD_BUILD_USER=quoth",
    "KBUILD_BUILD_HOST=quoth",
    "KBUILD_BUILD_VERSION=1",
];
const IMAGE: &str = "arch/x86/boot/bzImage";

/// Returns the kernel's file. Builds it unless the cache has it.
pub(crate) fn get() -> Result<PathBuf, ImageError> {
    let lock = Lock::committed()?;
    let source = lock.input("kernel")?;
    let folder = inputs::cache()?.join("kernel");
    let kernel = folder.join(recipe(&source.sha256, &compiler()?)).join("bzImage");
    if kernel.is_file() {
        return Ok(kernel);
    }
    ready()?;
    eprintln!("Building the kernel of images, {} (once; about five minutes)", source.release);
    fs::create_dir_all(&folder).map_err(ImageError::at(&folder))?;
    let work = tempfile::Builder::new().prefix(".building-").tempdir_in(&folder).map_err(ImageError::at(&folder))?;
    let built = build(&source.fetch()?, work.path())?;
    let place = kernel.parent().unwrap_or(&folder);
    fs::create_dir_all(place).map_err(ImageError::at(place))?;
    // Another build at the same time writes the same bytes.
    fs::rename(&built, &kernel).map_err(ImageError::at(&kernel))?;
    Ok(kernel)
}

/// Checks that all tools for the build are installed. The error names everything that is missing.
fn ready() -> Result<(), ImageError> {
    let programs = ["bc", "bison", "curl", "dpkg-deb", "flex", "make", "patch", "xz"];
    let packages = ["bc", "bison", "curl", "dpkg", "flex", "make", "patch", "xz-utils"];
    let asks = |program| {
        let mut asked = tool::command(program);
        asked.arg("--version");
        asked
    };
    let mut missing: Vec<_> = programs
        .into_iter()
        .zip(packages)
        .filter(|(program, package)| tool::run(asks(program), package).is_err())
        .collect();
    let mut header = tool::command("gcc");
    header.args(["-fsyntax-only", "-include", "gelf.h", "-xc", "/dev/null"]);
    if tool::run(header, "gcc").is_err() {
        missing.push(("gelf.h", "libelf-dev"));
    }
    let (programs, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    match programs.is_empty() {
        true => Ok(()),
        false => Err(ImageError::Missing { program: programs.join(", "), package: packages.join(" ") }),
    }
}

/// Returns a hash of everything that determines the kernel's bytes, as cache key.
fn recipe(source: &str, compiler: &str) -> String {
    let mut hash = Sha256::new();
    for part in [source, CONFIG, PATCH, compiler].into_iter().chain(FIXED) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..16])
}

fn compiler() -> Result<String, ImageError> {
    let version = |program, package| {
        let mut asked = tool::command(program);
        asked.arg("--version");
        tool::run(asked, package)
    };
    Ok(version("gcc", "gcc")? + &version("ld", "binutils")?)
}

fn build(package: &Path, work: &Path) -> Result<PathBuf, ImageError> {
    let unpacked = work.join("package");
    let mut unpack = tool::command("dpkg-deb");
    unpack.arg("-x").arg(package).arg(&unpacked);
    tool::run(unpack, "dpkg")?;
    let archives = unpacked.join("usr/src");
    let is_archive = |path: &PathBuf| path.to_string_lossy().ends_with(".tar.xz");
    let entries = fs::read_dir(&archives).map_err(ImageError::at(&archives))?;
    let archive = entries.flatten().map(|entry| entry.path()).find(is_archive);
    let archive = archive.ok_or_else(|| ImageError::Kernel("the package has no source".into()))?;
    let source = work.join("source");
    fs::create_dir(&source).map_err(ImageError::at(&source))?;
    let mut unpack = tool::command("tar");
    unpack.arg("-xf").arg(archive).arg("-C").arg(&source).args(["--strip-components", "1"]);
    tool::run(unpack, "tar")?;

    let patch = work.join("patch");
    fs::write(&patch, PATCH).map_err(ImageError::at(&patch))?;
    let mut apply = tool::command("patch");
    apply.args(["--batch", "--forward", "--quiet", "--fuzz", "0", "--strip", "1", "--directory"]).arg(&source);
    apply.arg("--input").arg(&patch);
    tool::run(apply, "patch")?;

    let wanted = work.join("wanted");
    fs::write(&wanted, CONFIG).map_err(ImageError::at(&wanted))?;
    let make = |arguments: &[&str]| {
        let mut make = tool::command("make");
        make.arg("-s").arg("-C").arg(&source).args(FIXED).args(arguments).env("KCONFIG_ALLCONFIG", &wanted);
        tool::run(make, "make")
    };
    make(&["allnoconfig"])?;
    let file = source.join(".config");
    check(CONFIG, &fs::read_to_string(&file).map_err(ImageError::at(&file))?)?;
    let jobs = available_parallelism().map_or(1, usize::from);
    make(&[&format!("-j{jobs}"), "bzImage"])?;
    Ok(source.join(IMAGE))
}

/// Checks that the kernel's own rules have kept every wanted option.
fn check(wanted: &str, given: &str) -> Result<(), ImageError> {
    let options = |text: &'_ str| -> BTreeMap<String, String> {
        let option = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        text.lines().filter(|line| !line.starts_with('#')).filter_map(option).collect()
    };
    let given = options(given);
    let differs = |(name, value): &(String, String)| given.get(name).map_or("n", |found| found) != value;
    match options(wanted).into_iter().find(differs) {
        Some((name, value)) => Err(ImageError::Kernel(format!("its rules do not allow {name}={value}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel_image::STATIC_ACPI;

    #[test]
    fn every_option_must_be_as_wanted() {
        let wanted = "# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=256\n";
        assert!(check(wanted, "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=256\nCONFIG_D=y\n").is_ok());
        for given in ["CONFIG_C=256\n", "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=256\n", "CONFIG_A=y\nCONFIG_C=2\n"] {
            assert!(check(wanted, given).is_err(), "{given}");
        }
    }

    #[test]
    fn a_recipe_is_its_parts() {
        assert_eq!(recipe("a", "b"), recipe("a", "b"));
        assert_ne!(recipe("a", "b"), recipe("a", "c"));
        assert_ne!(recipe("ab", ""), recipe("a", "b"));
    }

    /// The mark in the kernel's release implies the patch: without the patch, its option is missing and the build stops.
    #[test]
    fn a_kernel_that_is_marked_has_the_patch() {
        for option in ["CONFIG_ACPI_TABLES_ONLY=y", &format!("CONFIG_LOCALVERSION=\"{STATIC_ACPI}\"")] {
            assert!(CONFIG.lines().any(|line| line == option), "{option}");
        }
        assert!(PATCH.contains("\n+config ACPI_TABLES_ONLY\n"));
    }

    #[test]
    fn the_configuration_says_each_thing_once() {
        let names: Vec<_> = CONFIG.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(name.starts_with("CONFIG_") && !names[..at].contains(name), "{name}");
        }
    }
}
