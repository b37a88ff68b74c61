//! Builds the guard around llama.cpp's calls, and writes the engine's identity from the workspace's lock file and the build flags.

use std::path::{Path, PathBuf};

fn main() {
    guard();
    let lock = lock_file();
    println!("cargo:rerun-if-changed={}", lock.display());
    let text = std::fs::read_to_string(&lock).expect("Cargo.lock"); // safe: a build that fails here should fail
    let mut parts: Vec<String> = ["llama-cpp-2", "llama-cpp-sys-2"].iter().map(|name| package(&text, name)).collect();
    for (short, name) in [
        ("native", "GGML_NATIVE"),
        ("llamafile", "GGML_LLAMAFILE"),
        ("blas", "GGML_BLAS"),
        ("repack", "GGML_CPU_REPACK"),
    ] {
        println!("cargo:rerun-if-env-changed={name}");
        let value = std::env::var(name).unwrap_or_else(|_| "unset".into()).to_lowercase();
        parts.push(format!("{short}={value}"));
    }
    parts.push(format!("{isa} openmp tiled=0 cxx={cxx}", isa = isa(), cxx = compiler()));
    println!("cargo:rustc-env=QUOTH_ENGINE_ISA={}", isa());
    println!("cargo:rustc-env=QUOTH_ENGINE_IDENTITY={}", parts.join(" "));
}

/// Compiles the one file of C++: only C++ can catch what C++ throws. llama-cpp-sys-2 links the standard library.
fn guard() {
    let source = "src/llama/guard.cpp";
    println!("cargo:rerun-if-changed={source}");
    cc::Build::new().cpp(true).std("c++17").cpp_link_stdlib(None).warnings(true).file(source).compile("quoth_guard");
}

/// The version of the C++ compiler: another one may fuse other operations.
fn compiler() -> String {
    println!("cargo:rerun-if-env-changed=CXX");
    let program = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let version = std::process::Command::new(program).arg("-dumpfullversion").output();
    let version = version.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let version: String = version.trim().chars().filter(|c| c.is_ascii_graphic()).take(16).collect();
    if version.is_empty() { "?".into() } else { version }
}

/// The instruction set that llama.cpp is built for (x86-64 psABI, microarchitecture levels).
fn isa() -> String {
    println!("cargo:rerun-if-env-changed=GGML_AVX512");
    let wide = std::env::var("GGML_AVX512").is_ok_and(|value| value == "ON");
    match std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default().as_str() {
        "x86_64" if wide => "x86-64-v4".into(),
        "x86_64" => "x86-64-v3".into(),
        other => other.into(),
    }
}

fn lock_file() -> PathBuf {
    let start = std::env::var_os("CARGO_MANIFEST_DIR").expect("CARGO_MANIFEST_DIR"); // safe: Cargo sets it
    let mut folders = Path::new(&start).ancestors().map(|folder| folder.join("Cargo.lock"));
    folders.find(|path| path.exists()).expect("Cargo.lock") // safe: a build that fails here should fail
}

/// `name/version#first-16-hex-digits-of-the-checksum` of a package in the lock file.
fn package(lock: &str, name: &str) -> String {
    let field = |block: &str, field: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{field} = \"")));
        line.map(|rest| rest.trim_end_matches('"').to_owned())
    };
    let block = lock.split("[[package]]").find(|block| field(block, "name").as_deref() == Some(name));
    let block = block.unwrap_or_default();
    let version = field(block, "version").unwrap_or_else(|| "?".into());
    let checksum = field(block, "checksum").unwrap_or_else(|| "?".into());
    format!("{name}/{version}#{}", &checksum[..checksum.len().min(16)])
}
