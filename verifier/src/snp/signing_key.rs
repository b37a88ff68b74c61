//! The two kinds of keys that sign reports.

/// Which key signed (SIGNING_KEY).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SigningKey {
    /// The chip's own key.
    Vcek,
    /// A key that AMD gave to a cloud provider.
    Vlek,
}

impl SigningKey {
    /// The name in texts.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Vcek => "Vcek",
            Self::Vlek => "Vlek",
        }
    }
}
