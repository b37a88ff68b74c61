//! Whether the kernel may run machines here.

use std::fs::File;

/// Whether KVM can be used. `QUOTH_NO_KVM` in the environment forbids it.
pub(super) fn is_usable() -> bool {
    std::env::var_os("QUOTH_NO_KVM").is_none() && File::options().read(true).write(true).open("/dev/kvm").is_ok()
}
