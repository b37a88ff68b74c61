//! Finds the newest versions of inputs with apt, which checks the archive's signatures.
//!
//! apt uses a temporary folder, so the system's configuration has no effect and is not changed.

use std::fs;
use std::path::Path;

use super::lock::{Input, Lock};
use crate::error::ImageError;
use crate::tool;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The archive of all Debian packages, by time.
const ARCHIVE: &str = "https://snapshot.debian.org/archive/debian";
const HEAD: &str = "\
# The inputs of images besides Quoth itself. `quoth-images lock` updates this file, because mirrors drop old versions.
";

/// Updates a lock file. Returns a report of the changes.
pub(super) fn write(file: &Path, mirror: &str) -> Result<String, ImageError> {
    let text = fs::read_to_string(file).map_err(ImageError::at(file))?;
    let before = Lock::parse(&text)?;
    let mut lock = before.clone();
    let apt = Apt::new(&lock, mirror)?;
    let mut told = String::new();
    for input in lock.inputs_mut() {
        let from = input.release.clone();
        apt.renew(input)?;
        let moved = if from == input.release { "unchanged".into() } else { format!("was {from}") };
        told += &format!("{} {} {} ({moved})\n", input.name, input.package, input.release);
    }
    lock.set_archive(format!("{ARCHIVE}/{}", tomorrow()?));
    // safe: texts and numbers
    let text = format!("{HEAD}{}", toml::to_string(&lock).expect("plain structures serialize"));
    Lock::parse(&text)?;
    fs::write(file, text).map_err(ImageError::at(file))?;
    if lock.inputs_mut() != before.clone().inputs_mut() {
        told += "Build quoth-images again: the list is part of it. The measurements of images will change.\n";
    }
    Ok(told)
}

/// Returns tomorrow's date. Today's packages are in the archive by then.
fn tomorrow() -> Result<String, ImageError> {
    let mut date = tool::command("date");
    date.args(["-u", "-d", "tomorrow", "+%Y%m%dT000000Z"]);
    Ok(tool::run(date, "coreutils")?.trim().into())
}

/// apt with its own state folder.
struct Apt(tempfile::TempDir);

impl Apt {
    fn new(lock: &Lock, mirror: &str) -> Result<Self, ImageError> {
        let folder = tempfile::tempdir().map_err(ImageError::at(Path::new("a temporary folder")))?;
        let at = folder.path().display();
        let options = format!(
            "Dir::Etc::sourcelist \"{at}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"/dev/null\";\nDir::State::lists \"{at}/lists\";\nDir::Cache \"{at}/cache\";\n"
        );
        let mut suites: Vec<_> = lock.clone().inputs_mut().iter().map(|input| input.suite.clone()).collect();
        suites.sort();
        suites.dedup();
        let source = |suite: &String| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
        let sources: String = suites.iter().map(source).collect();
        for folder in [folder.path().join("lists/partial"), folder.path().join("cache/archives/partial")] {
            fs::create_dir_all(&folder).map_err(ImageError::at(&folder))?;
        }
        for (name, text) in [("options", options), ("sources.list", sources)] {
            let file = folder.path().join(name);
            fs::write(&file, text).map_err(ImageError::at(&file))?;
        }
        let apt = Self(folder);
        // Without this option apt does not report an unreachable mirror as an error.
        apt.say("apt-get", &["update", "-qq", "--error-on=any"])?;
        Ok(apt)
    }

    fn say(&self, program: &'static str, arguments: &[&str]) -> Result<String, ImageError> {
        let mut command = tool::command(program);
        command.env("APT_CONFIG", self.0.path().join("options")).args(arguments);
        tool::run(command, "apt")
    }

    /// Updates an input to the newest version in the archive's index.
    fn renew(&self, input: &mut Input) -> Result<(), ImageError> {
        let package = format!("{}/{}", input.package, input.suite);
        let shown = self.say("apt-cache", &["show", "--no-all-versions", &package])?;
        let field = |name: &str| {
            let line = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(str::to_owned)
                .ok_or_else(|| ImageError::Lock(format!("{package}: the archive does not say its {name}")))
        };
        (input.release, input.path, input.sha256) = (field("Version")?, field("Filename")?, field("SHA256")?);
        input.size = field("Size")?.parse().map_err(|_| ImageError::Lock(format!("{package}: no size")))?;
        Ok(())
    }
}
