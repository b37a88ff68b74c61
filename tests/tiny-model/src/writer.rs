//! Writes the GGUF container, version 3, little-endian.

const ALIGNMENT: usize = 32;

/// A metadata value.
pub(crate) enum Value<'a> {
    Bool(bool),
    F32(f32),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
    Text(&'a str),
    Texts(Vec<&'a str>),
    U32(u32),
}

/// A file that is being written.
pub(crate) struct Gguf {
    entries: u64,
    metadata: Vec<u8>,
    tensors: u64,
    infos: Vec<u8>,
    data: Vec<u8>,
}

impl Gguf {
    pub(crate) fn new() -> Self {
        Self { entries: 0, metadata: Vec::new(), tensors: 0, infos: Vec::new(), data: Vec::new() }
    }

    pub(crate) fn entry(&mut self, key: &str, value: Value<'_>) {
        self.entries += 1;
        let out = &mut self.metadata;
        text(out, key);
        match value {
            Value::U32(number) => scalar(out, 4, &number.to_le_bytes()),
            Value::F32(number) => scalar(out, 6, &number.to_le_bytes()),
            Value::Bool(yes) => scalar(out, 7, &[yes.into()]),
            Value::Text(string) => {
                out.extend(8u32.to_le_bytes());
                text(out, string);
            }
            Value::I32s(numbers) => {
                array(out, 5, numbers.len());
                out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
            Value::F32s(numbers) => {
                array(out, 6, numbers.len());
                out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
            Value::Texts(strings) => {
                array(out, 8, strings.len());
                strings.iter().for_each(|string| text(out, string));
            }
        }
    }

    pub(crate) fn tensor(&mut self, name: &str, shape: &[u64], kind: u32, bytes: Vec<u8>) {
        self.tensors += 1;
        text(&mut self.infos, name);
        self.infos.extend((shape.len() as u32).to_le_bytes());
        self.infos.extend(shape.iter().flat_map(|length| length.to_le_bytes()));
        self.infos.extend(kind.to_le_bytes());
        self.infos.extend((self.data.len() as u64).to_le_bytes());
        self.data.extend(bytes);
        pad(&mut self.data);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend(self.tensors.to_le_bytes());
        out.extend(self.entries.to_le_bytes());
        out.extend(self.metadata);
        out.extend(self.infos);
        pad(&mut out);
        out.extend(self.data);
        out
    }
}

fn scalar(out: &mut Vec<u8>, kind: u32, bytes: &[u8]) {
    out.extend(kind.to_le_bytes());
    out.extend(bytes);
}

fn array(out: &mut Vec<u8>, kind: u32, length: usize) {
    out.extend(9u32.to_le_bytes());
    out.extend(kind.to_le_bytes());
    out.extend((length as u64).to_le_bytes());
}

fn text(out: &mut Vec<u8>, string: &str) {
    out.extend((string.len() as u64).to_le_bytes());
    out.extend(string.as_bytes());
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}
