//! A model's header is read within its bounds, for any given file size.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u32, &[u8])| {
    let (more, bytes) = input;
    if let Ok(header) = quoth_engine::gguf::read(bytes, bytes.len() as u64) {
        assert!(header.data_offset <= bytes.len() as u64 || header.tensors.is_empty());
        for tensor in &header.tensors {
            assert!(header.data_offset + tensor.offset + tensor.bytes <= bytes.len() as u64);
            assert!(tensor.bytes.is_multiple_of(tensor.block));
        }
    }
    let _ = quoth_engine::gguf::read(bytes, bytes.len() as u64 + u64::from(more));
});
