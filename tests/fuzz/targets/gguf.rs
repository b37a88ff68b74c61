//! A model's header is read within its bounds, whatever size the file is said to have.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u32, &[u8])| {
    let (more, bytes) = input;
    if let Ok(header) = quoth_engine::gguf::read(bytes, bytes.len() as u64) {
        assert!(header.data_offset <= bytes.len() as u64 || header.tensors == 0);
    }
    let _ = quoth_engine::gguf::read(bytes, bytes.len() as u64 + u64::from(more));
});
