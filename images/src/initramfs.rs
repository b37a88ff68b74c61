//! The initramfs of an image: only the program and its configuration, and the modules of a kernel that needs them.

use crate::cpio::Archive;

/// The path where the program expects its configuration when it is the first process.
pub(crate) const CONFIG: &str = "etc/quoth/enclave.toml";

/// The folder where it expects modules. Their names are numbers that give the order.
const MODULES: &str = "etc/quoth/modules";
/// Maximum number of modules.
pub(crate) const MAX_MODULES: usize = 100;

/// Returns the archive.
pub(crate) fn bytes(enclave: Vec<u8>, config: Vec<u8>, modules: Vec<Vec<u8>>) -> Vec<u8> {
    // The kernel opens the console before the program can mount anything.
    let places = ["dev", "etc", "etc/quoth", "proc", "sys"].into_iter().fold(Archive::default(), Archive::folder);
    let archive = places.device("dev/console", 5, 1).file(CONFIG, config).program("init", enclave);
    let archive = if modules.is_empty() { archive } else { archive.folder(MODULES) };
    let with = |archive: Archive, (place, module)| archive.file(&format!("{MODULES}/{place:02}.ko"), module);
    modules.into_iter().enumerate().fold(archive, with).bytes()
}
