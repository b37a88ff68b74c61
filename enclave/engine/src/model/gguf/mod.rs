//! Reads a GGUF header (versions 2 and 3) under our own limits, before llama.cpp sees the file.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Everything is little-endian.

mod error;
mod header;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};

pub use self::error::GgufError;
pub(crate) use self::error::printable;
pub use self::header::{Header, Tensor};
use crate::limits::{
    MAX_GGUF_ARRAY, MAX_GGUF_ENTRIES, MAX_GGUF_HEADER, MAX_GGUF_NAME, MAX_GGUF_STRING, MAX_GGUF_TENSORS,
};

/// Reads the header of a file of `size` bytes.
///
/// # Errors
/// The first fault found, as a [`GgufError`].
pub fn read(file: impl Read, size: u64) -> Result<Header, GgufError> {
    let mut reader = Reader { inner: BufReader::with_capacity(1 << 18, file), at: 0, end: size.min(MAX_GGUF_HEADER) };
    if reader.bytes::<4>()? != *b"GGUF" {
        return Err(GgufError::Magic);
    }
    let version = reader.u32()?;
    if !matches!(version, 2 | 3) {
        return Err(GgufError::Version { actual: version });
    }
    let tensors = limited("the number of tensors", reader.u64()?, MAX_GGUF_TENSORS)?;
    let entries = limited("the number of entries", reader.u64()?, MAX_GGUF_ENTRIES)?;
    let mut header = Header::default();
    let alignment = metadata(&mut reader, entries, &mut header)?;
    tensor_infos(&mut reader, &mut header, tensors, alignment, size)?;
    shape::check(&header)?;
    Ok(header)
}

/// Reads all entries and returns the alignment.
fn metadata(reader: &mut Reader<impl Read>, entries: u64, header: &mut Header) -> Result<u64, GgufError> {
    let mut alignment = 32;
    let mut keys = BTreeSet::new();
    let mut measures = BTreeMap::new();
    let mut causal = BTreeMap::new();
    let mut floats = BTreeMap::new();
    for _ in 0..entries {
        let key = reader.text("a key's length", MAX_GGUF_NAME)?;
        let kind = reader.u32()?;
        match key.as_str() {
            "general.architecture" => header.architecture = reader.text_value(kind)?,
            "general.type" if reader.text_value(kind)? == "mmproj" => return Err(GgufError::Projector),
            "general.type" => {}
            "tokenizer.chat_template" => header.chat_template = Some(reader.text_value(kind)?),
            "general.alignment" => alignment = reader.unsigned_value(kind)?,
            "split.count" => match reader.unsigned_value(kind)? {
                0 | 1 => {}
                count => return Err(GgufError::Split { count }),
            },
            "tokenizer.ggml.model" => header.tokenizer = reader.text_value(kind)?,
            "tokenizer.ggml.pre" => header.words = reader.text_value(kind)?,
            "tokenizer.ggml.tokens" => header.tokens = Some(reader.tokens(kind, &mut header.single_bytes)?),
            _ if key.ends_with(".attention.causal") => drop(causal.insert(key.clone(), reader.bool_value(kind)?)),
            _ if matches!(kind, U32 | U64) => drop(measures.insert(key.clone(), reader.unsigned_value(kind)?)),
            _ if kind == F32 => drop(floats.insert(key.clone(), f32::from_le_bytes(reader.bytes()?))),
            _ => reader.skip_value(kind, 0)?,
        }
        if !keys.insert(key) {
            return Err(GgufError::Duplicate { what: "key" });
        }
    }
    let own = format!("{}.", header.architecture);
    let named = |(key, value): (String, u64)| key.strip_prefix(&own).map(|key| (key.to_owned(), value));
    header.measures = measures.into_iter().filter_map(named).collect();
    if let Some(key) = floats.iter().find_map(|(key, value)| shape::wrong_float(key.strip_prefix(&own)?, *value)) {
        return Err(GgufError::Float { key: printable(key) });
    }
    header.causal = causal.get(&format!("{own}attention.causal")).copied();
    match header.architecture.as_str() {
        "" => Err(GgufError::Architecture),
        "clip" | "mmproj" => Err(GgufError::Projector),
        _ if !alignment.is_power_of_two() || !(8..=4096).contains(&alignment) => {
            Err(GgufError::Alignment { actual: alignment })
        }
        _ => Ok(alignment),
    }
}

/// Checks that every tensor lies inside the file.
fn tensor_infos(
    reader: &mut Reader<impl Read>,
    header: &mut Header,
    tensors: u64,
    alignment: u64,
    size: u64,
) -> Result<(), GgufError> {
    let mut names = BTreeSet::new();
    for index in 0..tensors {
        let name = reader.text("a tensor name's length", MAX_GGUF_NAME)?;
        let wrong = |what| GgufError::Tensor { index, name: name.clone(), what };
        if !names.insert(name.clone()) {
            return Err(GgufError::Duplicate { what: "tensor name" });
        }
        let dimensions = reader.u32()?;
        if !(1..=4).contains(&dimensions) {
            return Err(wrong("not 1 to 4 dimensions"));
        }
        let mut shape = Vec::new();
        let mut elements = 1u64;
        for _ in 0..dimensions {
            let length = reader.u64()?;
            shape.push(length);
            elements = elements.checked_mul(length).ok_or(wrong("too many elements"))?;
        }
        if elements == 0 || elements > i64::MAX as u64 {
            return Err(wrong("no elements, or too many"));
        }
        let kind = reader.u32()?;
        let (block, block_bytes) = block_size(kind).ok_or(wrong("unknown type"))?;
        if REPACKABLE.contains(&kind) {
            header.repackable.insert(kind);
        }
        // Norms and biases are added and multiplied, for which ggml has no other type of floats beside f32.
        if dimensions == 1 && !matches!(kind, 0 | 24..=27) {
            return Err(wrong("a vector that is not f32"));
        }
        if !shape[0].is_multiple_of(block) {
            return Err(wrong("rows are not whole blocks"));
        }
        let offset = reader.u64()?;
        if !offset.is_multiple_of(alignment) {
            return Err(wrong("not aligned"));
        }
        let bytes = (elements / block).checked_mul(block_bytes).filter(|bytes| offset.checked_add(*bytes).is_some());
        let bytes = bytes.ok_or(wrong("too large"))?;
        header.tensors.push(Tensor { name, shape, kind, block: block_bytes, offset, bytes });
    }
    header.data_offset = reader.at.next_multiple_of(alignment);
    let inside =
        |tensor: &Tensor| header.data_offset.checked_add(tensor.offset + tensor.bytes).is_some_and(|end| end <= size);
    match (0..).zip(&header.tensors).find(|(_, tensor)| !inside(tensor)) {
        Some((index, tensor)) => {
            Err(GgufError::Tensor { index, name: tensor.name.clone(), what: "its data ends outside the file" })
        }
        None => Ok(()),
    }
}

/// Those that `ggml-cpu/repack.cpp` has a layout for: on x86-64 Q4_0, Q2_K, Q4_K, IQ4_NL and MXFP4, elsewhere also Q8_0, Q5_K and
/// Q6_K.
const REPACKABLE: &[u32] =
    if cfg!(target_arch = "x86_64") { &[2, 10, 12, 20, 39] } else { &[2, 8, 10, 12, 13, 14, 20, 39] };

/// Elements and bytes of one block of a ggml type (`ggml.h`, `enum ggml_type`).
fn block_size(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 => (1, 4),       // F32
        1 | 30 => (1, 2),  // F16, BF16
        2 => (32, 18),     // Q4_0
        3 => (32, 20),     // Q4_1
        6 => (32, 22),     // Q5_0
        7 => (32, 24),     // Q5_1
        8 => (32, 34),     // Q8_0
        9 => (32, 36),     // Q8_1
        10 => (256, 84),   // Q2_K
        11 => (256, 110),  // Q3_K
        12 => (256, 144),  // Q4_K
        13 => (256, 176),  // Q5_K
        14 => (256, 210),  // Q6_K
        15 => (256, 292),  // Q8_K
        16 => (256, 66),   // IQ2_XXS
        17 => (256, 74),   // IQ2_XS
        18 => (256, 98),   // IQ3_XXS
        19 => (256, 50),   // IQ1_S
        20 => (32, 18),    // IQ4_NL
        21 => (256, 110),  // IQ3_S
        22 => (256, 82),   // IQ2_S
        23 => (256, 136),  // IQ4_XS
        24 => (1, 1),      // I8
        25 => (1, 2),      // I16
        26 => (1, 4),      // I32
        27 | 28 => (1, 8), // I64, F64
        29 => (256, 56),   // IQ1_M
        34 => (256, 54),   // TQ1_0
        35 => (256, 66),   // TQ2_0
        39 => (32, 17),    // MXFP4
        _ => return None,
    })
}

struct Reader<R> {
    inner: BufReader<R>,
    at: u64,
    end: u64,
}

impl<R: Read> Reader<R> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), GgufError> {
        self.claim(out.len() as u64)?;
        self.inner.read_exact(out).map_err(|_| GgufError::Truncated)
    }

    fn claim(&mut self, length: u64) -> Result<(), GgufError> {
        if length > self.end - self.at {
            return Err(GgufError::Truncated);
        }
        self.at += length;
        Ok(())
    }

    fn skip(&mut self, length: u64) -> Result<(), GgufError> {
        self.claim(length)?;
        let skipped = std::io::copy(&mut self.inner.by_ref().take(length), &mut std::io::sink());
        if skipped.ok() == Some(length) { Ok(()) } else { Err(GgufError::Truncated) }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn text(&mut self, what: &'static str, limit: u64) -> Result<String, GgufError> {
        let length = limited(what, self.u64()?, limit)?;
        if length > self.end - self.at {
            return Err(GgufError::Truncated);
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| GgufError::Truncated)?];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| GgufError::Utf8)
    }

    fn text_value(&mut self, kind: u32) -> Result<String, GgufError> {
        match kind {
            8 => self.text("a string's length", MAX_GGUF_STRING),
            actual => Err(GgufError::Type { actual }),
        }
    }

    fn unsigned_value(&mut self, kind: u32) -> Result<u64, GgufError> {
        match kind {
            0 => Ok(self.bytes::<1>()?[0].into()),
            2 => Ok(u16::from_le_bytes(self.bytes()?).into()),
            4 => Ok(self.u32()?.into()),
            10 => self.u64(),
            actual => Err(GgufError::Type { actual }),
        }
    }

    fn bool_value(&mut self, kind: u32) -> Result<bool, GgufError> {
        match kind {
            7 => Ok(self.bytes::<1>()?[0] != 0),
            actual => Err(GgufError::Type { actual }),
        }
    }

    /// Counts the tokens of a vocabulary and collects those that are one byte.
    fn tokens(&mut self, kind: u32, singles: &mut BTreeSet<u8>) -> Result<u64, GgufError> {
        if kind != 9 {
            return Err(GgufError::Type { actual: kind });
        }
        let element = self.u32()?;
        if element != 8 {
            return Err(GgufError::Type { actual: element });
        }
        let count = limited("an array's length", self.u64()?, MAX_GGUF_ARRAY)?;
        for _ in 0..count {
            let length = limited("a string's length", self.u64()?, MAX_GGUF_STRING)?;
            if length > 4 {
                self.skip(length)?;
                continue;
            }
            let mut token = [0; 4];
            let token = &mut token[..length as usize];
            self.fill(token)?;
            singles.extend(shape::single_byte(token));
        }
        Ok(count)
    }

    fn skip_value(&mut self, kind: u32, depth: u32) -> Result<(), GgufError> {
        match kind {
            8 => {
                let length = limited("a string's length", self.u64()?, MAX_GGUF_STRING)?;
                self.skip(length)
            }
            // Arrays of arrays exist in the format and in no model.
            9 if depth == 0 => {
                let element = self.u32()?;
                let count = limited("an array's length", self.u64()?, MAX_GGUF_ARRAY)?;
                match scalar_size(element) {
                    Some(size) => self.skip(count * size),
                    None => (0..count).try_for_each(|_| self.skip_value(element, 1)),
                }
            }
            kind => self.skip(scalar_size(kind).ok_or(GgufError::Type { actual: kind })?),
        }
    }
}

/// Types of values (`gguf.h`, `enum gguf_type`).
const U32: u32 = 4;
const F32: u32 = 6;
const U64: u32 = 10;

fn scalar_size(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}

fn limited(what: &'static str, actual: u64, limit: u64) -> Result<u64, GgufError> {
    if actual <= limit { Ok(actual) } else { Err(GgufError::Limit { what, actual, limit }) }
}
