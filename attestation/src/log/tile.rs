//! Tiles: how a store holds the hashes of a tree, 256 of one level in each (C2SP tlog-tiles).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::MAX_SIZE;
use super::tree::complete;
use crate::{Digest, FormatError};

/// Levels of the tree in one tile.
pub const HEIGHT: u8 = 8;
/// Hashes in a full tile, and entries in a full bundle.
pub const WIDTH: u64 = 1 << HEIGHT;
/// Levels of tiles in the largest log.
pub const LEVELS: u8 = 5;
const HASH: usize = 32;

/// 256 neighbours, or as many as there are: the place of a tile in its level, or of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    index: u64,
    width: u16,
}

/// One tile of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    level: u8,
    span: Span,
}

impl Span {
    /// Returns number `index` among the spans of `count` neighbours, or `None` if it would be empty.
    pub fn of(index: u64, count: u64) -> Option<Self> {
        let left = count.checked_sub(index.checked_mul(WIDTH)?)?;
        // safe: at most 256
        let width = u16::try_from(left.min(WIDTH)).expect("at most 256");
        (width > 0).then_some(Self { index, width })
    }

    /// Returns the spans in which `new` neighbours differ from the first `old` of them, from left to right.
    pub fn changed(old: u64, new: u64) -> impl Iterator<Item = Self> {
        let first = if old < new { old / WIDTH } else { u64::MAX / WIDTH };
        (first..).map_while(move |index| Self::of(index, new))
    }

    /// Its number, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many neighbours it has, 1 to 256.
    pub fn width(&self) -> usize {
        self.width.into()
    }

    /// Returns true if it has all 256.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == WIDTH
    }

    /// The numbers of its neighbours.
    pub fn range(&self) -> Range<u64> {
        let start = self.index * WIDTH;
        start..start + u64::from(self.width)
    }

    /// Returns the end of its path: groups of three digits, `x` before all but the last, `.p/WIDTH` unless it is full.
    pub fn path(&self) -> String {
        let mut path = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            path = format!("x{:03}/{path}", rest % 1000);
            rest /= 1000;
        }
        match self.is_full() {
            true => path,
            false => format!("{path}.p/{}", self.width),
        }
    }
}

impl Tile {
    /// Returns the tile of this level, with this index, in a tree of `size` entries; `None` if that tree has none.
    pub fn of(level: u8, index: u64, size: u64) -> Option<Self> {
        let count = (level < LEVELS && size <= MAX_SIZE).then(|| size >> (HEIGHT * level))?;
        Some(Self { level, span: Span::of(index, count)? })
    }

    /// Returns the tile in a tree of `size` entries that leads to the root of a complete subtree, and the place of the hashes
    /// below that root; `None` if the tree has no such subtree. [`complete`] makes the root of them.
    pub fn with(level: u8, index: u64, size: u64) -> Option<(Self, Range<usize>)> {
        let (above, within) = (level / HEIGHT, level % HEIGHT);
        let start = index.checked_shl(within.into()).filter(|start| start >> within == index)?;
        let tile = Self::of(above, start / WIDTH, size)?;
        // safe: below 256
        let start = usize::try_from(start % WIDTH).expect("below 256");
        let places = start..start + (1 << within);
        (places.end <= tile.span.width()).then_some((tile, places))
    }

    /// Returns the tiles in which a tree of `new` entries differs from that of its first `old` entries, from the leaves upwards.
    pub fn changed(old: u64, new: u64) -> impl Iterator<Item = Self> {
        (0..LEVELS).flat_map(move |level| {
            let count = |size: u64| size.min(MAX_SIZE) >> (HEIGHT * level);
            Span::changed(count(old), count(new)).map(move |span| Self { level, span })
        })
    }

    /// Its level, 0 to 4; the hashes of level 0 are those of leaves.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Its place in the level.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns its path below the log's address: `tile/LEVEL/INDEX`, with `.p/WIDTH` unless it is full.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, self.span.path())
    }
}

/// Encodes the hashes of a tile: one after the other.
pub fn encode(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Decodes a tile of `width` hashes.
///
/// # Errors
/// [`FormatError::OutOfRange`] for another number of bytes.
pub fn decode(bytes: &[u8], width: usize) -> Result<Vec<Digest>, FormatError> {
    let (hashes, rest) = bytes.as_chunks::<HASH>();
    if hashes.len() != width || !rest.is_empty() {
        return Err(FormatError::OutOfRange { field: "tile", expected: "32 bytes for each hash of its width" });
    }
    Ok(hashes.iter().map(|hash| Digest(*hash)).collect())
}

/// Returns the root of the complete subtree at `places` of a tile's hashes, as [`Tile::with`] says; `None` for other places.
pub fn subtree(hashes: &[Digest], places: Range<usize>) -> Option<Digest> {
    complete(hashes.get(places)?)
}
