//! Reads the header of a Linux kernel for x86 (bzImage): checks that it can boot, and finds its release.
//!
//! The layout is described in Linux, Documentation/arch/x86/boot.rst.

use std::path::Path;

use crate::error::ImageError;

const SECTOR: usize = 512;
/// `boot_flag` at 0x1fe, `header` at 0x202.
const BOOT_FLAG: [u8; 2] = [0x55, 0xaa];
const MAGIC: &[u8] = b"HdrS";
/// The first boot protocol with `xloadflags` for 64-bit kernels (2.12).
const PROTOCOL: u16 = 0x020c;
/// `loadflags`: loaded at 1 MiB, as only a bzImage is.
const LOADED_HIGH: u8 = 1;
/// `xloadflags`: has a 64-bit entry point.
const KERNEL_64: u16 = 1;
/// `setup_sects` when the field is zero.
const DEFAULT_SETUP: usize = 4;
/// Unit of `syssize`, bytes.
const PARAGRAPH: usize = 16;
/// Limit for the length of a release, bytes.
const MAX_RELEASE: usize = 256;

/// End of the release of kernels that Quoth builds. Such a kernel reads ACPI's tables, but does not run their bytecode.
pub(crate) const STATIC_ACPI: &str = "-static-acpi";

/// A kernel that can boot.
pub(crate) struct KernelImage<'a> {
    release: &'a str,
}

impl<'a> KernelImage<'a> {
    /// Reads the content of `file`.
    ///
    /// # Errors
    /// [`ImageError::NoKernel`] says what is wrong.
    pub(crate) fn parse(file: &Path, bytes: &'a [u8]) -> Result<Self, ImageError> {
        parse(bytes).map_err(|problem| ImageError::NoKernel { file: file.into(), problem })
    }

    /// Returns whether the kernel is marked as one that does not run its host's ACPI bytecode.
    pub(crate) fn has_static_acpi(&self) -> bool {
        self.release.ends_with(STATIC_ACPI)
    }
}

fn parse(bytes: &[u8]) -> Result<KernelImage<'_>, &'static str> {
    let head = bytes.get(..0x240).ok_or("too short for a bzImage")?;
    if head[0x1fe..0x200] != BOOT_FLAG || head[0x202..0x206] != *MAGIC {
        return Err("not a bzImage: there is no boot header");
    }
    let word = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    if word(0x206) < PROTOCOL {
        return Err("the kernel is too old: its boot protocol is below 2.12");
    }
    if head[0x211] & LOADED_HIGH == 0 {
        return Err("a zImage, not a bzImage");
    }
    if word(0x236) & KERNEL_64 == 0 {
        return Err("not a kernel for x86-64");
    }
    let setup = match usize::from(head[0x1f1]) {
        0 => DEFAULT_SETUP,
        sectors => sectors,
    };
    let size = u32::from_le_bytes([head[0x1f4], head[0x1f5], head[0x1f6], head[0x1f7]]) as usize;
    let end = size.checked_mul(PARAGRAPH).and_then(|size| size.checked_add((setup + 1) * SECTOR));
    if end.is_none_or(|end| size == 0 || bytes.len() < end) {
        return Err("the bzImage is cut off");
    }
    Ok(KernelImage { release: release(bytes, word(0x20e).into()) })
}

/// Returns the first word of the version, at `pointer`. Empty if there is none.
fn release(bytes: &[u8], pointer: usize) -> &str {
    let text = (pointer != 0).then(|| bytes.get(pointer + 0x200..)).flatten().unwrap_or_default();
    let length = text.iter().take(MAX_RELEASE).position(|byte| matches!(byte, 0 | b' ')).unwrap_or_default();
    std::str::from_utf8(&text[..length]).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Returns a minimal bzImage with this release.
    pub(crate) fn kernel(release: &str) -> Vec<u8> {
        let mut bytes = vec![0; 2 * SECTOR + PARAGRAPH];
        bytes[0x1f1] = 1;
        bytes[0x1f4] = 1;
        bytes[0x1fe..0x200].copy_from_slice(&BOOT_FLAG);
        bytes[0x202..0x206].copy_from_slice(MAGIC);
        bytes[0x206..0x208].copy_from_slice(&PROTOCOL.to_le_bytes());
        bytes[0x20e..0x210].copy_from_slice(&0x60_u16.to_le_bytes());
        bytes[0x211] = LOADED_HIGH;
        bytes[0x236] = 1;
        let version = format!("{release} (quoth@quoth) #1\0");
        bytes[0x260..0x260 + version.len()].copy_from_slice(version.as_bytes());
        bytes
    }

    fn problem(bend: impl FnOnce(&mut Vec<u8>)) -> &'static str {
        let mut bytes = kernel("6.12.1");
        bend(&mut bytes);
        parse(&bytes).err().unwrap_or("none")
    }

    #[test]
    fn kernels_boot_and_noise_does_not() {
        assert_eq!(problem(|_| {}), "none");
        assert_eq!(parse(&[]).err(), Some("too short for a bzImage"));
        assert_eq!(parse(&[0; 0x23f]).err(), Some("too short for a bzImage"));
        assert_eq!(parse(&vec![2; 200_000]).err(), Some("not a bzImage: there is no boot header"));
        assert!(problem(|bytes| bytes[0x1fe] = 0).contains("boot header"));
        assert!(problem(|bytes| bytes[0x202] = 0).contains("boot header"));
        assert!(problem(|bytes| bytes[0x206] = 0x0b).contains("2.12"));
        assert!(problem(|bytes| bytes[0x211] = 0).contains("zImage"));
        assert!(problem(|bytes| bytes[0x236] = 0).contains("x86-64"));
        assert!(problem(|bytes| bytes.truncate(bytes.len() - 1)).contains("cut off"));
        assert!(problem(|bytes| bytes[0x1f4] = 0).contains("cut off"));
        assert!(problem(|bytes| bytes[0x1f1] = 0).contains("cut off"), "none said is four");
        assert!(problem(|bytes| bytes[0x1f4..0x1f8].fill(0xff)).contains("cut off"));
    }

    #[test]
    fn a_kernel_is_marked_by_the_end_of_its_release() {
        let is_static = |bytes: &[u8]| parse(bytes).unwrap().has_static_acpi();
        assert!(is_static(&kernel("6.12.117-static-acpi")));
        assert!(!is_static(&kernel("6.12.117")));
        assert!(!is_static(&kernel("6.12.117-static-acpi-2")));
        // The pointer is zero, beyond the end, or does not lead to text.
        for pointer in [0_u16, 0xffff, 0x20] {
            let mut bytes = kernel("6.12.117-static-acpi");
            bytes[0x20e..0x210].copy_from_slice(&pointer.to_le_bytes());
            assert!(!is_static(&bytes), "{pointer:#x}");
        }
        let mut bytes = kernel("6.12.117-static-acpi");
        bytes[0x260] = 0xff;
        assert!(!is_static(&bytes));
    }
}
