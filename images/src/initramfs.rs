//! What runs in an enclave: its program and its configuration, and nothing else.

use crate::cpio::Archive;

/// Where the program looks for its configuration when it is the first process.
pub(crate) const CONFIG: &str = "etc/quoth/enclave.toml";

/// The archive.
pub(crate) fn bytes(enclave: Vec<u8>, config: Vec<u8>) -> Vec<u8> {
    // The kernel opens the console before anything can be mounted.
    let places = ["dev", "etc", "etc/quoth", "proc", "sys"].into_iter().fold(Archive::default(), Archive::folder);
    places.device("dev/console", 5, 1).file(CONFIG, config).program("init", enclave).bytes()
}
