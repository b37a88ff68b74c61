//! The program `quoth-images`: builds images that enclaves boot from, and computes their measurements.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use quoth_images::args::Arguments;

fn main() -> ExitCode {
    match quoth_images::run(Arguments::parse().command) {
        Ok(text) => {
            anstream::print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
