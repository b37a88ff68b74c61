//! What computes, in words that a receipt can carry.

/// The arithmetic profile: flash attention off, KV cache f16 and split by sequence
/// (`kv_unified=false`), llamafile kernels off, repacked weights on, tiled K-quant kernels off,
/// x86-64-v3 code. It does not promise yet that results are independent of what else is batched.
pub const PROFILE: &str = "cpu-1/x86-64-v3";

/// Engine identity: versions and registry checksums of the llama.cpp crates, and build flags;
/// at most 256 ASCII bytes.
pub(crate) fn identity() -> String {
    env!("QUOTH_ENGINE_IDENTITY").to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_short_ascii_and_names_both_crates() {
        let identity = super::identity();
        assert!(identity.is_ascii() && identity.len() <= 256, "{identity}");
        assert!(identity.contains("llama-cpp-2/0.1.160#"), "{identity}");
        assert!(identity.contains("llama-cpp-sys-2/0.1.161#"), "{identity}");
    }
}
