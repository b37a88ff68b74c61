//! Puts weights into large pages. Every token reads all weights; with 4 KiB pages, address translation takes a tenth of
//! the time. The kernel gathers pages when it is asked, even if it is set not to do so by itself.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::os::fd::AsFd;
use std::ptr;
use std::sync::{Arc, Weak};

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::sealed::SealedModel;

/// A large page, bytes.
const LARGE: usize = 2 << 20;

/// Gathers a model's pages in the background, one large page after the other, as long as the model exists. If the
/// kernel cannot, the model stays as it is.
pub(crate) fn gather(model: &Arc<SealedModel>) {
    let (count, model) = (usize::try_from(model.size()).unwrap_or(0) / LARGE, Arc::downgrade(model));
    if count > 0 {
        // Without a thread, the weights are only read more slowly.
        let _ = std::thread::Builder::new().name("model-pages".into()).spawn(move || gather_all(&model, count));
    }
}

fn gather_all(model: &Weak<SealedModel>, count: usize) {
    for index in 0..count {
        let Some(model) = model.upgrade() else { return };
        if Window::of(model.file(), index).is_none_or(|window| !window.collapse()) {
            return;
        }
    }
}

/// Memory around a gap in the address space. The gap is as long as a model, is aligned for large pages, and is the
/// first that fits. So the next mapping, the model's, goes there. If another mapping comes first, the model is only
/// read more slowly.
pub(crate) struct Gap(Vec<(*mut c_void, usize)>);

/// Other gaps of about a model's length that are filled to make this one the first; a process has none, or one or two.
const FILLED: usize = 16;

impl Gap {
    pub(crate) fn for_model(size: u64) -> Option<Self> {
        let page = rustix::param::page_size();
        let length = usize::try_from(size).ok()?.checked_next_multiple_of(page)?;
        let start = reserve(length.checked_add(LARGE)?)?;
        let gap = start.map_addr(|address| address.next_multiple_of(LARGE));
        let before = gap.addr() - start.addr();
        let mut around = Self(vec![(start, before), (gap.map_addr(|address| address + length), LARGE - before)]);
        // SAFETY: the gap lies within the reservation, which nothing uses.
        unsafe { munmap(gap, length) }.ok()?;
        for _ in 0..FILLED {
            let first = reserve(length)?;
            if first == gap {
                // SAFETY: reserved above, and nothing uses it.
                unsafe { munmap(gap, length) }.ok()?;
                break;
            }
            around.0.push((first, length));
        }
        Some(around)
    }
}

fn reserve(length: usize) -> Option<*mut c_void> {
    // SAFETY: a new mapping at an address of the kernel's choice.
    unsafe { mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), MapFlags::PRIVATE) }.ok()
}

impl Drop for Gap {
    fn drop(&mut self) {
        for (start, length) in self.0.iter().filter(|(_, length)| *length > 0) {
            // SAFETY: what is left of the reservation is this gap's own.
            let _ = unsafe { munmap(*start, *length) };
        }
    }
}

/// One large page's worth of a file, mapped where a large page could be.
struct Window {
    reserved: *mut c_void,
    mapped: *mut c_void,
}

impl Window {
    fn of(file: &File, index: usize) -> Option<Self> {
        let reserved = reserve(2 * LARGE)?;
        let window = Self { reserved, mapped: reserved.map_addr(|address| address.next_multiple_of(LARGE)) };
        let (offset, flags) = ((index * LARGE) as u64, MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: the range lies within the reservation above, which nothing else uses.
        unsafe { mmap(window.mapped, LARGE, ProtFlags::READ, flags, file.as_fd(), offset) }.ok()?;
        Some(window)
    }

    fn collapse(&self) -> bool {
        // SAFETY: the range is mapped, and collapsing changes no byte that anybody could see.
        unsafe { libc::madvise(self.mapped, LARGE, libc::MADV_COLLAPSE) == 0 }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the whole reservation, with what was mapped into it, is this window's own.
        let _ = unsafe { munmap(self.reserved, 2 * LARGE) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::FileExt;

    use rustix::fs::MemfdFlags;

    use super::*;

    const LENGTH: usize = 3 * LARGE + 4096;

    /// Whether what is mapped next is aligned. Another thread may come first, but hardly each time, and one of 512 addresses
    /// is aligned anyhow.
    fn next_is_aligned() -> bool {
        (0..8).any(|_| {
            let gap = Gap::for_model(LENGTH as u64 - 1).unwrap();
            let next = reserve(LENGTH).unwrap();
            drop(gap);
            // SAFETY: reserved above, and nothing uses it.
            unsafe { munmap(next, LENGTH) }.unwrap();
            next.addr().is_multiple_of(LARGE)
        })
    }

    #[test]
    fn what_is_mapped_next_is_aligned() {
        assert!(next_is_aligned());
    }

    #[test]
    fn a_gap_that_is_not_aligned_is_not_the_first() {
        // Room for the model, but not for a large page more, where no large page may begin.
        let around = reserve(LENGTH + 2 * LARGE).unwrap();
        let unaligned = around.map_addr(|address| address.next_multiple_of(LARGE) + 4096);
        // SAFETY: within the reservation, which nothing uses.
        unsafe { munmap(unaligned, LENGTH) }.unwrap();
        assert!(next_is_aligned());
    }

    #[test]
    fn gathering_changes_no_byte() {
        let file = File::from(rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
        let bytes: Vec<u8> = (0..2 * LARGE + 5).map(|at| (at / 4093) as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        for index in 0..2 {
            // A kernel without large pages says no, and that is fine.
            Window::of(&file, index).unwrap().collapse();
        }
        let mut found = vec![0; bytes.len()];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found == bytes);
    }
}
