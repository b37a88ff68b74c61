//! Writes an initramfs: a `newc` archive (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! The same entries always give the same bytes: they are sorted by name, owned by root, without times, and numbered by
//! position.

use std::collections::BTreeMap;

/// Maximum length of a name, bytes.
const MAX_NAME: usize = 255;
const TRAILER: &str = "TRAILER!!!";

/// The entries of an archive, by path without the leading slash.
#[derive(Default)]
pub struct Archive(BTreeMap<String, Entry>);

struct Entry {
    mode: u32,
    /// Major and minor number of a device node.
    device: (u32, u32),
    data: Vec<u8>,
}

// Kinds and permissions (POSIX `sys/stat.h`).
const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_444;
const CHARACTER_DEVICE: u32 = 0o020_600;

impl Archive {
    /// Adds an empty folder.
    pub fn folder(self, path: &str) -> Self {
        self.with(path, DIRECTORY, (0, 0), Vec::new())
    }

    /// Adds an executable file.
    pub fn program(self, path: &str, data: Vec<u8>) -> Self {
        self.with(path, PROGRAM, (0, 0), data)
    }

    /// Adds a read-only file.
    pub fn file(self, path: &str, data: Vec<u8>) -> Self {
        self.with(path, FILE, (0, 0), data)
    }

    /// Adds a character device.
    pub fn device(self, path: &str, major: u32, minor: u32) -> Self {
        self.with(path, CHARACTER_DEVICE, (major, minor), Vec::new())
    }

    fn with(mut self, path: &str, mode: u32, device: (u32, u32), data: Vec<u8>) -> Self {
        debug_assert!(!path.starts_with('/') && path.len() <= MAX_NAME);
        self.0.insert(path.into(), Entry { mode, device, data });
        self
    }

    /// Returns the archive. Sorting by name puts folders before their content.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, (name, entry)) in (1..).zip(&self.0) {
            put(&mut out, number, name, entry);
        }
        put(&mut out, 0, TRAILER, &Entry { mode: 0, device: (0, 0), data: Vec::new() });
        out
    }
}

fn put(out: &mut Vec<u8>, number: u32, name: &str, entry: &Entry) {
    let links = if entry.mode == DIRECTORY { 2 } else { 1 };
    let (major, minor) = entry.device;
    // Inode, mode, owner, group, links, time, size, device (two), device of a node (two), length of the name, no checksum.
    let size = u32::try_from(entry.data.len()).unwrap_or(u32::MAX);
    let fields = [number, entry.mode, 0, 0, links, 0, size, 0, 0, major, minor, name.len() as u32 + 1, 0];
    out.extend_from_slice(b"070701");
    fields.iter().for_each(|field| out.extend_from_slice(format!("{field:08x}").as_bytes()));
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(&entry.data);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn archive() -> Archive {
        let dev = Archive::default().folder("dev").device("dev/console", 5, 1);
        dev.file("etc/a", b"text".to_vec()).folder("etc").program("init", vec![7; 13])
    }

    #[test]
    fn order_of_adding_does_not_show() {
        let other = Archive::default().program("init", vec![7; 13]).file("etc/a", b"text".to_vec()).folder("etc");
        assert_eq!(other.device("dev/console", 5, 1).folder("dev").bytes(), archive().bytes());
        assert_eq!(archive().bytes().len() % 4, 0);
    }

    #[test]
    fn cpio_reads_it() {
        let Ok(mut cpio) =
            Command::new("cpio").args(["-itv", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
        else {
            eprintln!("no cpio here: not tried");
            return;
        };
        cpio.stdin.take().unwrap().write_all(&archive().bytes()).unwrap();
        let listed = String::from_utf8(cpio.wait_with_output().unwrap().stdout).unwrap();
        let names: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next_back()).collect();
        assert_eq!(names, ["dev", "dev/console", "etc", "etc/a", "init"], "{listed}");
        assert!(
            listed.contains("crw-------") && listed.contains("5,   1") && listed.contains("-rwxr-xr-x"),
            "{listed}"
        );
    }
}
