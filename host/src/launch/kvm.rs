//! Whether the kernel may run machines here.

use std::fs::File;

/// Returns whether KVM can be used. The environment variable `QUOTH_NO_KVM` turns it off.
pub(super) fn is_usable() -> bool {
    std::env::var_os("QUOTH_NO_KVM").is_none() && File::options().read(true).write(true).open("/dev/kvm").is_ok()
}
