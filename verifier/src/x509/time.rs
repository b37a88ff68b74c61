//! UTCTime and GeneralizedTime as RFC 5280 §4.1.2.5 has them: seconds always, no fractions, `Z`. Unix seconds, from 1970 on.

/// `YYMMDDHHMMSSZ`, of the years 1970 to 2049.
pub(super) fn utc(text: &[u8]) -> Option<u64> {
    let (year, rest) = text.split_first_chunk::<2>()?;
    let year = decimal(year)?;
    unix(if year < 50 { 2000 + year } else { 1900 + year }, rest)
}

/// `YYYYMMDDHHMMSSZ`.
pub(super) fn generalized(text: &[u8]) -> Option<u64> {
    let (year, rest) = text.split_first_chunk::<4>()?;
    unix(decimal(year)?, rest)
}

/// `MMDDHHMMSSZ` of a year.
fn unix(year: u64, rest: &[u8]) -> Option<u64> {
    let mut fields = [0; 5];
    let (digits, [b'Z']) = rest.split_at_checked(10)? else { return None };
    for (field, digits) in fields.iter_mut().zip(digits.chunks_exact(2)) {
        *field = decimal(digits)?;
    }
    let [month, day, hour, minute, second] = fields;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, 28 + u64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (before, rest) = lengths.split_at_checked(usize::try_from(month).ok()?.checked_sub(1)?)?;
    let is_time = year >= 1970 && (1..=*rest.first()?).contains(&day) && hour < 24 && minute < 60 && second < 60;
    // Leap days before this year, of all years.
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let days = || (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + before.iter().sum::<u64>() + day - 1;
    is_time.then(|| ((days() * 24 + hour) * 60 + minute) * 60 + second)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}
