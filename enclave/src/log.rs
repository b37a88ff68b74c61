//! What the enclave says of itself: names and numbers, a line at a time, on standard error.

/// A line. A host that has no room for it is no reason to fail, and the standard library's macro would panic.
macro_rules! log {
    ($($arguments:tt)*) => {{
        let line = format!("{}\n", format_args!($($arguments)*));
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), line.as_bytes());
    }};
}
pub(crate) use log;
