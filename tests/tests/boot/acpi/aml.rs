//! Assembles one ACPI table with bytecode (ACPI specification 6.5, chapter 20).

/// Operation regions: memory, and ports.
const SYSTEM_MEMORY: u8 = 0;
const SYSTEM_IO: u8 = 1;
/// A field accessed byte by byte.
const BYTE_ACCESS: u8 = 1;
const LOCAL0: u8 = 0x60;
const LOCAL1: u8 = 0x61;
/// The first serial port's data register.
const SERIAL: u32 = 0x3f8;

/// Returns a table. Once loaded, it writes `runs` and the `length` bytes at a physical address to the serial port, and
/// overwrites them with `forged`.
pub(super) fn hostile(address: u32, length: u8, forged: &[u8], runs: &str) -> Vec<u8> {
    assert_eq!(forged.len(), usize::from(length));
    let code = [
        region(b"SER_", SYSTEM_IO, SERIAL, 1),
        field(b"SER_", b"PORT", 8),
        region(b"MEM_", SYSTEM_MEMORY, address, length),
        field(b"MEM_", b"WORD", u16::from(length) * 8),
        say(&format!("\n{runs}\n")),
        store(b"WORD", &[LOCAL0]),
        store(&[0], &[LOCAL1]),
        each_byte_of_local0(length),
        store(&buffer(forged), b"WORD"),
    ];
    table(&code.concat())
}

/// Returns an SSDT with this code.
fn table(code: &[u8]) -> Vec<u8> {
    let length = 36 + code.len() as u32;
    let mut table = [b"SSDT".as_slice(), &length.to_le_bytes(), &[2, 0], b"QUOTH ", b"HOSTILE "].concat();
    table.extend([&1_u32.to_le_bytes(), b"QUOT".as_slice(), &1_u32.to_le_bytes(), code].concat());
    table[9] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    table
}

/// DefOpRegion.
fn region(name: &[u8; 4], space: u8, offset: u32, length: u8) -> Vec<u8> {
    [&[0x5b, 0x80], name.as_slice(), &[space, 0x0c], &offset.to_le_bytes(), &[0x0a, length]].concat()
}

/// DefField with one element of `bits` bits.
fn field(region: &[u8; 4], name: &[u8; 4], bits: u16) -> Vec<u8> {
    let element = match bits {
        0..0x40 => vec![bits as u8],
        _ => vec![0x40 | (bits & 0xf) as u8, (bits >> 4) as u8],
    };
    [vec![0x5b, 0x81], package(&[region.as_slice(), &[BYTE_ACCESS], name, &element].concat())].concat()
}

/// Returns the content after its PkgLength.
fn package(body: &[u8]) -> Vec<u8> {
    let short = body.len() + 1;
    match short {
        0..0x40 => [&[short as u8], body].concat(),
        _ => [&[0x40 | ((short + 1) & 0xf) as u8, ((short + 1) >> 4) as u8], body].concat(),
    }
}

/// DefStore.
fn store(from: &[u8], to: &[u8]) -> Vec<u8> {
    [&[0x70], from, to].concat()
}

fn say(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|letter| store(&[0x0a, letter], b"PORT")).collect()
}

/// DefBuffer.
fn buffer(bytes: &[u8]) -> Vec<u8> {
    [vec![0x11], package(&[&[0x0a, bytes.len() as u8], bytes].concat())].concat()
}

/// DefWhile: Local1 counts, and DerefOf (Local0 [Local1]) is written to the port.
fn each_byte_of_local0(length: u8) -> Vec<u8> {
    let condition = [0x95, LOCAL1, 0x0a, length];
    let send = store(&[0x83, 0x88, LOCAL0, LOCAL1, 0], b"PORT");
    [vec![0xa2], package(&[&condition, send.as_slice(), &[0x75, LOCAL1]].concat())].concat()
}
