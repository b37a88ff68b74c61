//! A name of bounded length, read piece by piece.

/// Length of an event name or a `type` that is compared, bytes. A longer one equals no name.
pub const MAX_NAME: usize = 64;

/// The first bytes of a name, and how long it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    bytes: [u8; MAX_NAME],
    length: usize,
}

impl Default for Name {
    fn default() -> Self {
        Self { bytes: [0; MAX_NAME], length: 0 }
    }
}

impl Name {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.length..) {
            room.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        }
        self.length = self.length.saturating_add(bytes.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The name; `None` if it is longer than [`MAX_NAME`].
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length)
    }

    /// Whether it is one of `names` to a reader that ignores case and spaces around it.
    pub(super) fn is_one_of(&self, names: &[&[u8]]) -> bool {
        let own = self.bytes().map(<[u8]>::trim_ascii);
        own.is_some_and(|own| names.iter().any(|name| own.eq_ignore_ascii_case(name)))
    }
}
