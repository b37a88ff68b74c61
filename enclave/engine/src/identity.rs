//! Names what computes, in words that a receipt can carry.

/// The environment that a process with an engine must start with, because libraries read it before `main`. It puts the
/// engine's buffers in large pages. Threads that wait for each other spin for some microseconds and then sleep: long
/// enough for the barriers inside a step, short enough to leave their cores to others.
pub const ENVIRONMENT: [(&str, &str); 2] = [("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"), ("GOMP_SPINCOUNT", "3000")];

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
        assert!(identity.contains(crate::arithmetic::ISA), "{identity}");
        // As the node statement has them.
        let all = "avx2+fma+f16c+bmi2+avx512f+avx512bw+avx512vl+avx512vbmi+avx512vnni+avx512bf16";
        assert!(identity.len() + 1 + all.len() <= 256, "{identity}");
    }
}
