//! Reads canonical JSON in place: a first pass checks the text, later ones find the values that a format asks for. Nothing but
//! those values is kept, so memory follows from what is read, not from how the text is cut into values.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell};

use super::scan::Scanner;
use super::value::{Value, checked, place};
use crate::{FormatError, base64url};

/// Members of one object, at most: no format has more.
const MAX_MEMBERS: usize = 16;

/// Reads text that is one value in its canonical form: `take` takes it apart.
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

/// The first things that are wrong: where the text is not of its format's shape, and what is wrong with what is.
#[derive(Default)]
struct Errors {
    shape: Cell<Option<usize>>,
    wrong: OnceCell<FormatError>,
}

/// A value on its way to a typed one.
pub(crate) struct Field<'a, 'e> {
    /// Where it stands.
    at: usize,
    /// None where that is wrong already.
    value: Option<Value<'a>>,
    errors: &'e Errors,
}

/// The members of an object: names, and where their values stand.
pub(crate) struct Members<'a, 'e> {
    at: usize,
    members: Vec<(Cow<'a, str>, Value<'a>)>,
    errors: &'e Errors,
}

/// The elements of an array.
pub(crate) struct Elements<'a, 'e> {
    /// Before the next one.
    scanner: Option<Scanner<'a>>,
    left: usize,
    errors: &'e Errors,
}

impl Errors {
    fn misshapen(&self, at: usize) {
        self.shape.set(self.shape.get().or(Some(at)));
    }

    fn refuse(&self, error: FormatError) {
        // The first one counts.
        let _ = self.wrong.set(error);
    }
}

impl<'a, 'e> Field<'a, 'e> {
    /// Reads the value; without one of that kind the text is misshapen.
    fn value<T: Default>(&self, read: impl FnOnce(Value<'a>) -> Option<T>) -> T {
        self.value.and_then(read).unwrap_or_else(|| {
            self.errors.misshapen(self.at);
            T::default()
        })
    }

    fn lent(&self) -> Cow<'a, str> {
        self.value(Value::text)
    }

    /// A text.
    pub(crate) fn text(self) -> String {
        self.lent().into_owned()
    }

    /// Bytes in base64url, without padding.
    pub(crate) fn base64(self, field: &'static str) -> Vec<u8> {
        base64url::decode(&self.lent()).unwrap_or_else(|| {
            self.errors.refuse(FormatError::Base64 { field });
            Vec::new()
        })
    }

    /// An integer.
    pub(crate) fn number(self, greatest: u64) -> u64 {
        self.value(|value| value.number().filter(|number| *number <= greatest))
    }

    /// The elements of an array of at most `most`.
    pub(crate) fn array(self, most: usize) -> Elements<'a, 'e> {
        let (left, scanner) = self.value(|value| {
            let (count, before) = value.elements()?;
            (count <= most).then_some((count, Some(before)))
        });
        Elements { scanner, left, errors: self.errors }
    }

    /// An object, of which nothing may be left.
    pub(crate) fn object<T>(self, take: impl FnOnce(&mut Members<'a, 'e>) -> T) -> T {
        let members = self.value(|value| value.object(MAX_MEMBERS));
        let mut members = Members { at: self.at, members, errors: self.errors };
        let taken = take(&mut members);
        members.finish();
        taken
    }
}

impl<'a, 'e> Members<'a, 'e> {
    /// Takes a member, if there is one.
    pub(crate) fn optional(&mut self, name: &str) -> Option<Field<'a, 'e>> {
        let at = self.members.iter().position(|(found, _)| found == name)?;
        let (_, value) = self.members.remove(at);
        Some(Field { at: value.at(), value: Some(value), errors: self.errors })
    }

    /// Takes a member.
    pub(crate) fn required(&mut self, name: &str) -> Field<'a, 'e> {
        let (at, errors) = (self.at, self.errors);
        self.optional(name).unwrap_or_else(|| {
            errors.misshapen(at);
            Field { at, value: None, errors }
        })
    }

    /// Whether a member is there that was not taken.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(found, _)| found == name)
    }

    /// Remembers what is wrong.
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
