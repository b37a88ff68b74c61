//! Checks that a program can run alone in an image: a static ELF executable for x86-64.
//!
//! The layout is described in the System V ABI, chapters 4 and 5.

use std::path::Path;

use crate::error::ImageError;

const MAGIC: &[u8] = b"\x7fELF";
/// ELFCLASS64, ELFDATA2LSB, EV_CURRENT.
const IDENT: [u8; 3] = [2, 1, 1];
const EXECUTABLE: u16 = 2;
/// The type of shared objects, and of position-independent programs.
const DYNAMIC: u16 = 3;
const X86_64: u16 = 62;
const HEADER: usize = 64;
const SEGMENT: usize = 56;
const LOAD: u32 = 1;
const DYNAMIC_SECTION: u32 = 2;
const INTERPRETER: u32 = 3;
/// The flag of an executable segment (PF_X).
const RUNS: u32 = 1;
/// Length of an entry of the dynamic section, and the tag of an entry that names a library.
const ENTRY: usize = 16;
const NEEDED: u64 = 1;

/// Checks the content of `file`.
///
/// # Errors
/// [`ImageError::NoProgram`] says why the kernel could not start it.
pub(crate) fn check(file: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    is_static(bytes).map_err(|problem| ImageError::NoProgram { file: file.into(), problem })
}

struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    in_file: u64,
    in_memory: u64,
}

fn is_static(bytes: &[u8]) -> Result<(), &'static str> {
    let head = bytes.get(..HEADER).ok_or("not an ELF executable")?;
    if !head.starts_with(MAGIC) {
        return Err("not an ELF executable");
    }
    if head[4..7] != IDENT || u16_at(head, 18) != X86_64 {
        return Err("not for x86-64");
    }
    if !matches!(u16_at(head, 16), EXECUTABLE | DYNAMIC) {
        return Err("an ELF file that is not an executable");
    }
    let segments = segments(bytes, head).ok_or("the ELF executable is cut off")?;
    if segments.iter().any(|segment| segment.kind == INTERPRETER) {
        return Err("linked dynamically: an image has no libraries. Build it with -C target-feature=+crt-static");
    }
    for segment in segments.iter().filter(|segment| segment.kind == DYNAMIC_SECTION) {
        let entries = content(bytes, segment).ok_or("the ELF executable is cut off")?;
        let mut tags = entries.chunks_exact(ENTRY).map(|entry| u64_at(entry, 0)).take_while(|tag| *tag != 0);
        if tags.any(|tag| tag == NEEDED) {
            return Err("needs libraries: an image has none");
        }
    }
    let entry = u64_at(head, 24);
    let holds_entry = |segment: &Segment| {
        let end = segment.address.checked_add(segment.in_memory);
        segment.kind == LOAD && segment.flags & RUNS != 0 && (segment.address..end.unwrap_or(0)).contains(&entry)
    };
    match segments.iter().any(holds_entry) {
        true => Ok(()),
        false => Err("not a program: its entry point is not in an executable segment"),
    }
}

/// Reads the program header. Returns `None` if a segment lies outside the file.
fn segments(bytes: &[u8], head: &[u8]) -> Option<Vec<Segment>> {
    if usize::from(u16_at(head, 54)) != SEGMENT {
        return None;
    }
    let (start, count) = (usize::try_from(u64_at(head, 32)).ok()?, usize::from(u16_at(head, 56)));
    let table = bytes.get(start..start.checked_add(count * SEGMENT)?)?;
    let segment = |entry: &[u8]| Segment {
        kind: u32_at(entry, 0),
        flags: u32_at(entry, 4),
        offset: u64_at(entry, 8),
        address: u64_at(entry, 16),
        in_file: u64_at(entry, 32),
        in_memory: u64_at(entry, 40),
    };
    let segments: Vec<_> = table.chunks_exact(SEGMENT).map(segment).collect();
    let is_whole = |segment: &Segment| segment.kind != LOAD || content(bytes, segment).is_some();
    segments.iter().all(is_whole).then_some(segments)
}

fn content<'a>(bytes: &'a [u8], segment: &Segment) -> Option<&'a [u8]> {
    let start = usize::try_from(segment.offset).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(segment.in_file).ok()?)?)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(core::array::from_fn(|index| bytes[at + index]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(core::array::from_fn(|index| bytes[at + index]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|index| bytes[at + index]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    /// Returns a program with a header, segments and `rest`.
    fn program(segments: &[(u32, u32)], rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..7].copy_from_slice(&IDENT);
        bytes[16] = EXECUTABLE as u8;
        bytes[18] = X86_64 as u8;
        bytes[24..32].copy_from_slice(&0x40_0000_u64.to_le_bytes());
        bytes[32] = HEADER as u8;
        bytes[54] = SEGMENT as u8;
        bytes[56] = segments.len() as u8;
        let start = (HEADER + segments.len() * SEGMENT) as u64;
        for (kind, flags) in segments {
            let mut entry = [0; SEGMENT];
            entry[..4].copy_from_slice(&kind.to_le_bytes());
            entry[4..8].copy_from_slice(&flags.to_le_bytes());
            entry[8..16].copy_from_slice(&start.to_le_bytes());
            entry[16..24].copy_from_slice(&0x40_0000_u64.to_le_bytes());
            entry[32..40].copy_from_slice(&(rest.len() as u64).to_le_bytes());
            entry[40..48].copy_from_slice(&(rest.len() as u64).to_le_bytes());
            bytes.extend(entry);
        }
        [bytes, rest.to_vec()].concat()
    }

    const CODE: (u32, u32) = (LOAD, RUNS);

    fn problem(bytes: &[u8]) -> &'static str {
        is_static(bytes).err().unwrap_or("none")
    }

    #[test]
    fn static_programs_are_taken_and_others_are_not() {
        let whole = program(&[CODE], &[0x90; 32]);
        assert_eq!(problem(&whole), "none");
        assert_eq!(problem(&program(&[CODE, (DYNAMIC_SECTION, 0)], &[0; 32])), "none", "position-independent");
        let needs = [&1_u64.to_le_bytes()[..], &[0; 24]].concat();
        assert!(problem(&program(&[CODE, (DYNAMIC_SECTION, 0)], &needs)).contains("libraries"));
        // Bytes after the end of the dynamic section are ignored.
        let after = [&[0; 16][..], &1_u64.to_le_bytes(), &[0; 8]].concat();
        assert_eq!(problem(&program(&[CODE, (DYNAMIC_SECTION, 0)], &after)), "none");
        assert!(problem(&program(&[CODE, (INTERPRETER, 0)], &[0; 32])).contains("dynamically"));
        assert!(problem(&program(&[(LOAD, 0)], &[0; 32])).contains("entry point"));
        assert!(problem(&program(&[], &[])).contains("entry point"));
        assert!(problem(&program(&[CODE], &[])).contains("entry point"));
        assert_eq!(problem(&[]), "not an ELF executable");
        assert_eq!(problem(&[1; 100_001]), "not an ELF executable");
        assert!(problem(&whole[..whole.len() - 1]).contains("cut off"));
        assert!(problem(&whole[..HEADER + 1]).contains("cut off"));
        for (at, value, said) in [
            (4, 1, "x86-64"),
            (5, 2, "x86-64"),
            (18, 183, "x86-64"),
            (16, 1, "not an executable"),
            (54, 32, "cut off"),
            (32, 0xff, "cut off"),
            (39, 0xff, "cut off"),
            (57, 0xff, "cut off"),
            (HEADER + 8 + 7, 0xff, "cut off"),
            (HEADER + 32 + 7, 0xff, "cut off"),
            (26, 0, "entry point"),
        ] {
            let mut bent = whole.clone();
            bent[at] = value;
            assert!(problem(&bent).contains(said), "{at}: {}", problem(&bent));
        }
    }

    /// The test program itself is linked dynamically, as programs are by default.
    #[test]
    fn an_ordinary_program_is_told_how_to_be_linked() {
        let ours = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(problem(&ours).contains("crt-static"), "{}", problem(&ours));
    }
}
