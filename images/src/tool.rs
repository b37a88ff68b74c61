//! Runs the external programs that building needs.

use std::io;
use std::process::{Command, Stdio};

use crate::error::ImageError;

/// Maximum length of a quoted error message, characters.
const SAID: usize = 2000;

/// Returns a command with English messages and without input.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Runs a command to its end. `package` is the package to install if the program is missing. Returns the program's output.
pub(crate) fn run(mut command: Command, package: &str) -> Result<String, ImageError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ImageError::Missing { program: program.clone(), package: package.into() },
        _ => ImageError::File { file: program.clone().into(), source: error },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
    let said = said.trim();
    // The end of a long message tells the cause.
    let skip = said.chars().count().saturating_sub(SAID);
    Err(ImageError::Tool { program, said: said.chars().skip(skip).collect() })
}
