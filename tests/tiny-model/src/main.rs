//! The program `quoth-tiny-model`, which writes a tiny model to a file.
//!
//! `quoth-tiny-model OUT.gguf [--type f32|f16|q8_0|q4_0|q4_1|q5_0|q4_k_m|q6_k] [--shape small|wide]`

use std::process::ExitCode;

use quoth_tiny_model::{Kind, Model, Shape};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((path, model)) = read(&arguments) else {
        let kinds = Kind::ALL.map(Kind::name).join("|");
        eprintln!("usage: quoth-tiny-model OUT.gguf [--type {kinds}] [--shape small|wide]");
        eprintln!("q4_k_m and q6_k are always wide");
        return ExitCode::from(2);
    };
    match std::fs::write(path, model.bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(arguments: &[String]) -> Option<(&str, Model<'static>)> {
    let (path, options) = arguments.split_first()?;
    let (mut kind, mut shape) = (Kind::F32, None);
    for option in options.chunks(2) {
        match option {
            [name, value] if name == "--type" => kind = Kind::from_name(value)?,
            [name, value] if name == "--shape" => shape = Some(Shape::from_name(value)?),
            _ => return None,
        }
    }
    let model = Model::new(kind);
    match shape {
        Some(shape) => shape.fits(kind).then(|| (path.as_str(), model.shape(shape))),
        None => Some((path, model)),
    }
}
