//! Reads any enclave image file, and computes its measurements.

use std::io::{self, Read};

use quoth_attestation::Digest;
use quoth_attestation::measurement::PcrHasher;
use sha2::{Digest as _, Sha256};

use super::header::{ARM64, HEADER, Header, Kind, MAX_SECTIONS, SECTION_HEADER, VERSION, long, short};
use super::{Registers, Signed};

/// Maximum length of a section that is kept in memory, bytes. Other builders describe a whole container in the metadata.
const MAX_TEXT: u64 = 1 << 20;
/// Length of one read, bytes.
const PIECE: usize = 256 * 1024;

/// The description of a file, and its measurements.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Version of the format.
    pub version: u16,
    /// Whether the image is for aarch64, not x86-64.
    pub arm64: bool,
    /// Default memory of a launch, bytes.
    pub memory: u64,
    /// Default number of processors of a launch.
    pub processors: u64,
    /// The sections in file order.
    pub sections: Vec<Section>,
    /// The kernel's command line.
    pub command_line: Option<Vec<u8>>,
    /// The builder's description: JSON, if it is well-formed.
    pub metadata: Option<Vec<u8>>,
    /// Whether the checksum is right.
    pub intact: bool,
    /// The image's measurements.
    pub registers: Registers,
    /// The signer, or why the section is not a signature.
    pub signed: Option<Result<Signed, &'static str>>,
}

/// One section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// The kind of its content.
    pub kind: Kind,
    /// Length of its content, bytes.
    pub size: u64,
    /// SHA-256 of its content.
    pub sha256: Digest,
}

/// Why a file is not an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EifError {
    /// The file cannot be read.
    #[error("reading the image: {0}")]
    Read(#[from] io::Error),
    /// The first bytes are wrong.
    #[error("not an enclave image file")]
    Magic,
    /// The version is unknown.
    #[error("version {actual} of the format; 1 to {VERSION} are known")]
    Version {
        /// The found value.
        actual: u16,
    },
    /// There are more sections than the header has room for.
    #[error("{actual} sections; at most {MAX_SECTIONS} are allowed")]
    Sections {
        /// The found value.
        actual: u16,
    },
    /// The kind of a section is unknown.
    #[error("section {number} is of the unknown kind {actual}")]
    Kind {
        /// Position, from 0.
        number: usize,
        /// The found value.
        actual: u16,
    },
    /// A section's place or length differs from the header.
    #[error("the place or length of section {number} differs from the header: {actual}, not {expected}")]
    Place {
        /// Position, from 0.
        number: usize,
        /// The value in the header.
        expected: u64,
        /// The actual value.
        actual: u64,
    },
    /// The file ends inside a section.
    #[error("the file ends inside section {number}")]
    Truncated {
        /// Position, from 0.
        number: usize,
    },
    /// There are bytes after the last section.
    #[error("there are bytes after the last section")]
    Trailing,
    /// There is not exactly one section of a kind.
    #[error("{actual} sections hold a {kind}, expected exactly one")]
    Count {
        /// The kind of section.
        kind: &'static str,
        /// Number of sections.
        actual: usize,
    },
    /// A section is longer than its kind allows.
    #[error("the {kind} has {actual} bytes; at most {MAX_TEXT} are allowed")]
    TooLong {
        /// The kind of section.
        kind: &'static str,
        /// The found value.
        actual: u64,
    },
}

/// Reads a file from its beginning, in bounded memory. Reports a wrong checksum without refusing the file, because the checksum
/// does not protect against attackers.
///
/// # Errors
/// [`EifError`].
pub fn inspect(mut file: impl Read) -> Result<Inspected, EifError> {
    let mut bytes = [0; HEADER];
    read(&mut file, &mut bytes)?.ok_or(EifError::Magic)?;
    let (header, expected) = Header::read(&bytes).ok_or(EifError::Magic)?;
    if !(1..=VERSION).contains(&header.version) {
        return Err(EifError::Version { actual: header.version });
    }
    if usize::from(header.count) > MAX_SECTIONS {
        return Err(EifError::Sections { actual: header.count });
    }
    let mut reader = Reader { file, checksum: crc32fast::Hasher::new(), offset: HEADER as u64 };
    reader.checksum.update(&header.bytes());
    let mut found = Found::default();
    for number in 0..usize::from(header.count) {
        reader.section(number, &header, &mut found)?;
    }
    if read(&mut reader.file, &mut [0])?.is_some() {
        return Err(EifError::Trailing);
    }
    for kind in [Kind::Kernel, Kind::CommandLine] {
        let actual = found.sections.iter().filter(|section| section.kind == kind).count();
        if actual != 1 {
            return Err(EifError::Count { kind: kind.name(), actual });
        }
    }
    let registers = Registers { pcr0: found.all.finish(), pcr1: found.boots.finish(), pcr2: found.others.finish() };
    let signed = found.signature.map(|section| Signed::read(&section, &registers.pcr0));
    Ok(Inspected {
        version: header.version,
        arm64: header.flags & ARM64 != 0,
        memory: header.memory,
        processors: header.processors,
        sections: found.sections,
        command_line: found.command_line,
        metadata: found.metadata,
        intact: reader.checksum.finalize() == expected,
        registers,
        signed,
    })
}

/// What has been read so far.
#[derive(Default)]
struct Found {
    sections: Vec<Section>,
    command_line: Option<Vec<u8>>,
    metadata: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    all: PcrHasher,
    boots: PcrHasher,
    others: PcrHasher,
}

struct Reader<R> {
    file: R,
    checksum: crc32fast::Hasher,
    offset: u64,
}

impl<R: Read> Reader<R> {
    fn section(&mut self, number: usize, header: &Header, found: &mut Found) -> Result<(), EifError> {
        let place = |expected, actual| match expected == actual {
            true => Ok(()),
            false => Err(EifError::Place { number, expected, actual }),
        };
        place(header.offsets[number], self.offset)?;
        let mut head = [0; SECTION_HEADER];
        read(&mut self.file, &mut head)?.ok_or(EifError::Truncated { number })?;
        self.checksum.update(&head);
        let mut rest = &head[..];
        // The array holds exactly kind, flags and size.
        let (kind, _) = (short(&mut rest).unwrap_or_default(), short(&mut rest));
        let size = long(&mut rest).unwrap_or_default();
        let kind = Kind::of(kind).ok_or(EifError::Kind { number, actual: kind })?;
        place(header.sizes[number], size)?;
        let is_first = !found.sections.iter().any(|section| section.kind == kind);
        let mut text = match kind {
            Kind::CommandLine | Kind::Metadata | Kind::Signature if size > MAX_TEXT => {
                return Err(EifError::TooLong { kind: kind.name(), actual: size });
            }
            Kind::CommandLine => Some(found.command_line.insert(Vec::new())),
            Kind::Metadata => Some(found.metadata.insert(Vec::new())),
            Kind::Signature => Some(found.signature.insert(Vec::new())),
            _ => None,
        };
        let (mut left, mut sha256, mut piece) = (size, Sha256::new(), vec![0; PIECE]);
        while left > 0 {
            let length = left.min(PIECE as u64);
            let bytes = &mut piece[..length as usize];
            read(&mut self.file, bytes)?.ok_or(EifError::Truncated { number })?;
            left -= length;
            self.checksum.update(bytes);
            sha256.update(&*bytes);
            text.iter_mut().for_each(|text| text.extend_from_slice(bytes));
            let measured: &mut [&mut PcrHasher] = match (kind, is_first) {
                (Kind::Kernel | Kind::CommandLine, _) | (Kind::Ramdisk, true) => {
                    &mut [&mut found.all, &mut found.boots]
                }
                (Kind::Ramdisk, false) => &mut [&mut found.all, &mut found.others],
                (Kind::Signature | Kind::Metadata, _) => &mut [],
            };
            measured.iter_mut().for_each(|hasher| hasher.update(bytes));
        }
        self.offset += SECTION_HEADER as u64 + size;
        found.sections.push(Section { kind, size, sha256: Digest(sha256.finalize().into()) });
        Ok(())
    }
}

/// Fills the buffer. Returns `None` if the file ends before.
fn read(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<Option<()>> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use quoth_attestation::measurement::pcr;

    use super::*;
    use crate::eif::Image;

    fn image() -> (Vec<u8>, Registers) {
        let ramdisk = vec![5; 300_000];
        let image = Image {
            kernel: b"kernel",
            command_line: "console=ttyS0",
            ramdisk: &ramdisk,
            metadata: b"{}",
            memory: 1 << 30,
            processors: 2,
            signer: None,
        };
        let mut bytes = Vec::new();
        image.write(&mut bytes).unwrap();
        (bytes, image.registers())
    }

    #[test]
    fn what_is_written_is_found() {
        let (bytes, registers) = image();
        let found = inspect(&bytes[..]).unwrap();
        assert!(found.intact && !found.arm64);
        assert_eq!((found.version, found.memory, found.processors), (4, 1 << 30, 2));
        assert_eq!(found.registers, registers);
        assert_eq!(
            (found.command_line.as_deref(), found.metadata.as_deref()),
            (Some(&b"console=ttyS0"[..]), Some(&b"{}"[..]))
        );
        let kinds: Vec<_> = found.sections.iter().map(|section| (section.kind.name(), section.size)).collect();
        assert_eq!(kinds, [("kernel", 6), ("command line", 13), ("metadata", 2), ("ramdisk", 300_000)]);
        assert_eq!(found.sections[0].sha256, Digest::of(b"kernel"));
    }

    /// AWS's own builder writes two ramdisks: the first boots, the second is the application. This file is older and for aarch64.
    #[test]
    fn anothers_image_may_have_two_ramdisks() {
        let file = include_bytes!("../../../tests/fuzz/corpus/eif/foreign");
        let found = inspect(&file[..]).unwrap();
        assert!(found.intact && found.arm64 && found.version == 3);
        let expected = Registers {
            pcr0: pcr(&[b"kernel", b"reboot=k", b"first", b"second"]),
            pcr1: pcr(&[b"kernel", b"reboot=k", b"first"]),
            pcr2: pcr(&[b"second"]),
        };
        assert_eq!(found.registers, expected);
        assert_eq!(found.signed, Some(Err("no certificate")));
    }

    #[test]
    fn texts_are_read_up_to_their_limit() {
        let (metadata, ramdisk) = (vec![b' '; MAX_TEXT as usize + 1], vec![5; 9]);
        let inspected = |metadata: &[u8]| {
            let image = Image {
                kernel: b"kernel",
                command_line: "console=ttyS0",
                ramdisk: &ramdisk,
                metadata,
                memory: 1 << 30,
                processors: 2,
                signer: None,
            };
            let mut bytes = Vec::new();
            image.write(&mut bytes).unwrap();
            inspect(&bytes[..])
        };
        assert!(inspected(&metadata[1..]).unwrap().intact);
        assert!(matches!(inspected(&metadata), Err(EifError::TooLong { kind: "metadata", actual: 1_048_577 })));
    }

    #[test]
    fn files_that_are_no_images_are_refused() {
        let (good, _) = image();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            inspect(&bytes[..])
        };
        assert!(matches!(with(0, b'x'), Err(EifError::Magic)));
        assert!(matches!(with(5, 9), Err(EifError::Version { actual: 9 })));
        assert!(matches!(with(27, 33), Err(EifError::Sections { actual: 33 })));
        assert!(matches!(with(27, 3), Err(EifError::Trailing)));
        assert!(matches!(with(27, 5), Err(EifError::Place { number: 4, expected: 0, .. })));
        assert!(matches!(with(35, 0), Err(EifError::Place { number: 0, expected: 512, actual: 548 })));
        assert!(matches!(with(HEADER + 1, 7), Err(EifError::Kind { number: 0, actual: 7 })));
        assert!(matches!(with(HEADER + 1, 2), Err(EifError::Count { kind: "kernel", actual: 0 })));
        assert!(matches!(with(HEADER + 11, 7), Err(EifError::Place { number: 0, expected: 6, actual: 7 })));
        assert!(matches!(inspect(&good[..HEADER - 1]), Err(EifError::Magic)));
        assert!(matches!(inspect(&good[..good.len() - 1]), Err(EifError::Truncated { number: 3 })));
        assert!(matches!(inspect(&good[..HEADER + 5]), Err(EifError::Truncated { number: 0 })));
        assert!(!with(HEADER + SECTION_HEADER, b'K').unwrap().intact);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(at in 0_usize..800, byte: u8, end in 0_usize..400_000) {
            let (mut bytes, _) = image();
            bytes[at] = byte;
            let _ = inspect(&bytes[..end.min(bytes.len())]);
        }
    }
}
