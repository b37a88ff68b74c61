//! `quoth-tiny-model OUT.gguf [--type f32|f16|q8_0|q4_0]`

use std::process::ExitCode;

use quoth_tiny_model::{Kind, gguf};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (path, kind) = match arguments.as_slice() {
        [path] | [path, "--type", "f32"] => (path, Some(Kind::F32)),
        [path, "--type", name] => (path, Kind::from_name(name)),
        _ => (&"", None),
    };
    let Some(kind) = kind else {
        eprintln!("usage: quoth-tiny-model OUT.gguf [--type f32|f16|q8_0|q4_0]");
        return ExitCode::from(2);
    };
    match std::fs::write(path, gguf(kind)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}
