//! Writes enclave image files.

use std::io::{self, Write};

use quoth_attestation::measurement::pcr;

use super::header::{HEADER, Header, Kind, MAX_SECTIONS, SECTION_HEADER, VERSION};
use super::{ImageSigner, Registers};

/// An image to write, with one kernel and one ramdisk.
pub struct Image<'a> {
    /// A Linux kernel, as bzImage.
    pub kernel: &'a [u8],
    /// The kernel's command line.
    pub command_line: &'a str,
    /// An initramfs.
    pub ramdisk: &'a [u8],
    /// The description that `inspect` and `nitro-cli describe-eif` show. Not measured.
    pub metadata: &'a [u8],
    /// Default memory of a launch, bytes.
    pub memory: u64,
    /// Default number of processors of a launch.
    pub processors: u64,
    /// The signer, if the image is signed.
    pub signer: Option<&'a ImageSigner>,
}

impl Image<'_> {
    /// Computes the image's measurements.
    pub fn registers(&self) -> Registers {
        let all = pcr(&[self.kernel, self.command_line.as_bytes(), self.ramdisk]);
        Registers { pcr0: all, pcr1: all, pcr2: pcr(&[]) }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let signature = self.signer.map(|signer| signer.section(&self.registers().pcr0));
        let mut sections = vec![
            (Kind::Kernel, self.kernel),
            (Kind::CommandLine, self.command_line.as_bytes()),
            (Kind::Metadata, self.metadata),
            (Kind::Ramdisk, self.ramdisk),
        ];
        sections.extend(signature.as_deref().map(|signature| (Kind::Signature, signature)));
        let (mut offsets, mut sizes, mut end) = ([0; MAX_SECTIONS], [0; MAX_SECTIONS], HEADER as u64);
        for ((offset, size), (_, content)) in offsets.iter_mut().zip(&mut sizes).zip(&sections) {
            (*offset, *size) = (end, content.len() as u64);
            end += SECTION_HEADER as u64 + *size;
        }
        let Self { memory, processors, .. } = *self;
        let count = sections.len() as u16;
        let header = Header { version: VERSION, flags: 0, memory, processors, count, offsets, sizes }.bytes();
        let heads: Vec<_> =
            sections.iter().map(|(kind, content)| section_header(*kind, content.len() as u64)).collect();

        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&header);
        for (head, (_, content)) in heads.iter().zip(&sections) {
            checksum.update(head);
            checksum.update(content);
        }
        out.write_all(&header)?;
        out.write_all(&checksum.finalize().to_be_bytes())?;
        for (head, (_, content)) in heads.iter().zip(&sections) {
            out.write_all(head)?;
            out.write_all(content)?;
        }
        out.flush()
    }
}

/// Encodes a section's header: kind, no flags, size.
fn section_header(kind: Kind, size: u64) -> [u8; SECTION_HEADER] {
    let mut bytes = [0; SECTION_HEADER];
    bytes[..2].copy_from_slice(&kind.number().to_be_bytes());
    bytes[4..].copy_from_slice(&size.to_be_bytes());
    bytes
}
