//! The header of an enclave image file, and the kinds of sections.

/// Maximum number of sections.
pub(super) const MAX_SECTIONS: usize = 32;
/// Length of the header, bytes.
pub(super) const HEADER: usize = 548;
/// Length of a section's header, bytes.
pub(super) const SECTION_HEADER: usize = 12;
/// Offset of the checksum. It is the header's last field and covers everything else.
pub(super) const CHECKSUM: usize = HEADER - 4;
/// The first bytes of every file.
pub(super) const MAGIC: &[u8; 4] = b".eif";
/// The newest version of the format.
pub(super) const VERSION: u16 = 4;
/// The flag of aarch64.
pub(super) const ARM64: u16 = 1;

/// The kind of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Linux kernel, as bzImage.
    Kernel,
    /// The kernel's command line.
    CommandLine,
    /// An initramfs.
    Ramdisk,
    /// The image's signature.
    Signature,
    /// A description by the builder. Not measured.
    Metadata,
}

impl Kind {
    const NUMBERS: [(u16, Self, &'static str); 5] = [
        (1, Self::Kernel, "kernel"),
        (2, Self::CommandLine, "command line"),
        (3, Self::Ramdisk, "ramdisk"),
        (4, Self::Signature, "signature"),
        (5, Self::Metadata, "metadata"),
    ];

    pub(super) fn of(number: u16) -> Option<Self> {
        Self::NUMBERS.iter().find(|(known, ..)| *known == number).map(|(_, kind, _)| *kind)
    }

    pub(super) fn number(self) -> u16 {
        Self::NUMBERS.iter().find(|(_, kind, _)| *kind == self).map_or(0, |(number, ..)| *number)
    }

    /// Returns the kind's name.
    pub fn name(self) -> &'static str {
        Self::NUMBERS.iter().find(|(_, kind, _)| *kind == self).map_or("", |(.., name)| name)
    }
}

/// The header's fields before the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u16,
    pub(super) flags: u16,
    pub(super) memory: u64,
    pub(super) processors: u64,
    pub(super) count: u16,
    /// Offsets of the sections' headers.
    pub(super) offsets: [u64; MAX_SECTIONS],
    /// Lengths of the sections' content, bytes.
    pub(super) sizes: [u64; MAX_SECTIONS],
}

impl Header {
    /// Encodes all fields but the checksum.
    pub(super) fn bytes(&self) -> [u8; CHECKSUM] {
        let shorts = [self.version, self.flags].map(u16::to_be_bytes);
        let longs = |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
        // After memory and processors: a reserved field, then the number of sections. At the end: an unused word.
        let all = [
            &MAGIC[..],
            &shorts.concat(),
            &longs(&[self.memory, self.processors]),
            &[0, 0],
            &self.count.to_be_bytes(),
            &longs(&self.offsets),
            &longs(&self.sizes),
            &[0; 4],
        ]
        .concat();
        let mut bytes = [0; CHECKSUM];
        bytes.copy_from_slice(&all);
        bytes
    }

    /// Reads a header and its checksum. Returns `None` if the first bytes are wrong.
    pub(super) fn read(bytes: &[u8; HEADER]) -> Option<(Self, u32)> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let (version, flags) = (short(&mut rest)?, short(&mut rest)?);
        let (memory, processors) = (long(&mut rest)?, long(&mut rest)?);
        let (_, count) = (short(&mut rest)?, short(&mut rest)?);
        let mut list = || -> Option<[u64; MAX_SECTIONS]> {
            let mut numbers = [0; MAX_SECTIONS];
            numbers.iter_mut().try_for_each(|number| long(&mut rest).map(|read| *number = read))?;
            Some(numbers)
        };
        let (offsets, sizes) = (list()?, list()?);
        let checksum = u32::from_be_bytes(*bytes.last_chunk()?);
        Some((Self { version, flags, memory, processors, count, offsets, sizes }, checksum))
    }
}

pub(super) fn short(bytes: &mut &[u8]) -> Option<u16> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u16::from_be_bytes(*first))
}

pub(super) fn long(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written() {
        let mut header = Header {
            version: 4,
            flags: 1,
            memory: 1 << 40,
            processors: 3,
            count: 5,
            offsets: [0; MAX_SECTIONS],
            sizes: [9; MAX_SECTIONS],
        };
        header.offsets[31] = u64::MAX;
        let mut bytes = [0; HEADER];
        bytes[..CHECKSUM].copy_from_slice(&header.bytes());
        bytes[CHECKSUM..].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(Header::read(&bytes), Some((header, 0x0102_0304)));
        assert_eq!(Header::read(&[0; HEADER]), None);
    }
}
