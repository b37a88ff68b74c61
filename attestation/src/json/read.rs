//! Reads canonical JSON in place. A first pass checks the text; later passes find the values that a format asks for. It keeps
//! only those values, so memory depends on the format and not on how the text is split into values.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell};

use super::scan::Scanner;
use super::value::{Value, checked, place};
use crate::{FormatError, base64url};

/// Maximum number of members of one object; no format has more.
const MAX_MEMBERS: usize = 16;

/// Reads text that is one value in canonical form: `take` reads its parts.
pub(crate) fn read<'a, T>(
    text: &'a [u8],
    limit: usize,
    take: impl FnOnce(Field<'a, '_>) -> T,
) -> Result<T, FormatError> {
    let (whole, canonical) = checked(text, limit)?;
    let errors = Errors::default();
    let taken = take(Field { at: 0, value: Some(whole), errors: &errors });
    match (errors.shape.get(), errors.wrong.into_inner()) {
        (Some(at), _) => Err(place(text, at)),
        (None, _) if !canonical => Err(FormatError::NotCanonical),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(taken),
    }
}

/// The first errors found: where the text departs from its format's shape, and the first wrong value.
#[derive(Default)]
struct Errors {
    shape: Cell<Option<usize>>,
    wrong: OnceCell<FormatError>,
}

/// A value that is being converted to its type.
pub(crate) struct Field<'a, 'e> {
    /// Its offset in the text.
    at: usize,
    /// `None` if an error is recorded already.
    value: Option<Value<'a>>,
    errors: &'e Errors,
}

/// The members of an object that were not taken yet.
pub(crate) struct Members<'a, 'e> {
    at: usize,
    members: Vec<(Cow<'a, str>, Value<'a>)>,
    errors: &'e Errors,
}

pub(crate) struct Elements<'a, 'e> {
    /// Before the next element.
    scanner: Option<Scanner<'a>>,
    left: usize,
    errors: &'e Errors,
}

impl Errors {
    fn misshapen(&self, at: usize) {
        self.shape.set(self.shape.get().or(Some(at)));
    }

    fn refuse(&self, error: FormatError) {
        // `set` keeps the first error.
        let _ = self.wrong.set(error);
    }
}

impl<'a, 'e> Field<'a, 'e> {
    /// Reads the value; a value of another type is an error of shape.
    fn value<T: Default>(&self, read: impl FnOnce(Value<'a>) -> Option<T>) -> T {
        self.value.and_then(read).unwrap_or_else(|| {
            self.errors.misshapen(self.at);
            T::default()
        })
    }

    fn lent(&self) -> Cow<'a, str> {
        self.value(Value::text)
    }

    pub(crate) fn text(self) -> String {
        self.lent().into_owned()
    }

    /// Bytes in base64url without padding.
    pub(crate) fn base64(self, field: &'static str) -> Vec<u8> {
        base64url::decode(&self.lent()).unwrap_or_else(|| {
            self.errors.refuse(FormatError::Base64 { field });
            Vec::new()
        })
    }

    pub(crate) fn number(self, greatest: u64) -> u64 {
        self.value(|value| value.number().filter(|number| *number <= greatest))
    }

    /// The elements of an array, at most `most`.
    pub(crate) fn array(self, most: usize) -> Elements<'a, 'e> {
        let (left, scanner) = self.value(|value| {
            let (count, before) = value.elements()?;
            (count <= most).then_some((count, Some(before)))
        });
        Elements { scanner, left, errors: self.errors }
    }

    /// An object; a member that `take` leaves is an error.
    pub(crate) fn object<T>(self, take: impl FnOnce(&mut Members<'a, 'e>) -> T) -> T {
        let members = self.value(|value| value.object(MAX_MEMBERS));
        let mut members = Members { at: self.at, members, errors: self.errors };
        let taken = take(&mut members);
        members.finish();
        taken
    }
}

impl<'a, 'e> Members<'a, 'e> {
    pub(crate) fn optional(&mut self, name: &str) -> Option<Field<'a, 'e>> {
        let at = self.members.iter().position(|(found, _)| found == name)?;
        let (_, value) = self.members.remove(at);
        Some(Field { at: value.at(), value: Some(value), errors: self.errors })
    }

    /// Takes a member, or records that it is missing.
    pub(crate) fn required(&mut self, name: &str) -> Field<'a, 'e> {
        let (at, errors) = (self.at, self.errors);
        self.optional(name).unwrap_or_else(|| {
            errors.misshapen(at);
            Field { at, value: None, errors }
        })
    }

    /// True if this member is present and was not taken.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(found, _)| found == name)
    }

    /// Records the first error.
    pub(crate) fn refuse(&self, error: FormatError) {
        self.errors.refuse(error);
    }

    fn finish(&self) {
        if let Some((_, value)) = self.members.first() {
            self.errors.misshapen(value.at());
        }
    }
}

impl<'a, 'e> Iterator for Elements<'a, 'e> {
    type Item = Field<'a, 'e>;

    fn next(&mut self) -> Option<Field<'a, 'e>> {
        self.left = self.left.checked_sub(1)?;
        let scanner = self.scanner.as_mut()?;
        let value = Value::next(scanner)?;
        Some(Field { at: value.at(), value: Some(value), errors: self.errors })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
