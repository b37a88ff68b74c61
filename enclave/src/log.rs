//! Writes the enclave's log to standard error: names and numbers, a line at a time.

/// Writes a line and ignores failures. The standard library's macro would panic.
macro_rules! log {
    ($($arguments:tt)*) => {{
        let line = format!("{}\n", format_args!($($arguments)*));
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
    }};
}
pub(crate) use log;
