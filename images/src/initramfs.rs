//! What runs in an enclave: its program and its configuration, and nothing else; with somebody else's kernel, that kernel's modules.

use crate::cpio::Archive;

/// Where the program looks for its configuration when it is the first process.
pub(crate) const CONFIG: &str = "etc/quoth/enclave.toml";

/// Where it looks for modules, whose names begin with their place in the order.
const MODULES: &str = "etc/quoth/modules";
/// Modules, at most.
pub(crate) const MAX_MODULES: usize = 100;

/// The archive.
pub(crate) fn bytes(enclave: Vec<u8>, config: Vec<u8>, modules: Vec<Vec<u8>>) -> Vec<u8> {
    // The kernel opens the console before anything can be mounted.
    let places = ["dev", "etc", "etc/quoth", "proc", "sys"].into_iter().fold(Archive::default(), Archive::folder);
    let archive = places.device("dev/console", 5, 1).file(CONFIG, config).program("init", enclave);
    let archive = if modules.is_empty() { archive } else { archive.folder(MODULES) };
    let with = |archive: Archive, (place, module)| archive.file(&format!("{MODULES}/{place:02}.ko"), module);
    modules.into_iter().enumerate().fold(archive, with).bytes()
}
