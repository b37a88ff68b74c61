//! Reads UTCTime and GeneralizedTime (RFC 5280 §4.1.2.5): with seconds, no fractions, `Z`. Gives Unix seconds, from 1970 on.

/// Reads `YYMMDDHHMMSSZ` for the years 1970 to 2049.
pub(super) fn utc(text: &[u8]) -> Option<u64> {
    let (year, rest) = text.split_first_chunk::<2>()?;
    let year = decimal(year)?;
    unix(if year < 50 { 2000 + year } else { 1900 + year }, rest)
}

/// Reads `YYYYMMDDHHMMSSZ`.
pub(super) fn generalized(text: &[u8]) -> Option<u64> {
    let (year, rest) = text.split_first_chunk::<4>()?;
    unix(decimal(year)?, rest)
}

/// Reads `MMDDHHMMSSZ` in a year.
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
    // Leap days in the years 1 to `year`.
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let days = || (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + before.iter().sum::<u64>() + day - 1;
    is_time.then(|| ((days() * 24 + hour) * 60 + minute) * 60 + second)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn at(text: &str) -> Option<u64> {
        generalized(text.as_bytes())
    }

    #[test]
    fn days_follow_each_other() {
        let days =
            (1970..2405).flat_map(|year| (0..14).flat_map(move |month| (0..33).map(move |day| (year, month, day))));
        let midnights = days.filter_map(|(year, month, day)| at(&format!("{year}{month:02}{day:02}000000Z")));
        let mut count = 0;
        for (day, midnight) in (0_u64..).zip(midnights) {
            assert_eq!(midnight, day * 86_400);
            count += 1;
        }
        // 435 years, 106 of them leap years: 2100, 2200 and 2300 are not.
        assert_eq!(count, 435 * 365 + 106);
        for (text, seconds) in [
            ("20000301000000Z", 951_868_800),
            ("21000301000000Z", 4_107_542_400),
            ("24000301000000Z", 13_574_649_600),
            ("99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(at(text), Some(seconds));
        }
        assert_eq!(at("19691231235959Z"), None);
    }

    #[test]
    fn clocks_end_before_midnight() {
        let clock = |text: &str| at(&format!("19700101{text}"));
        assert_eq!((clock("010203Z"), clock("235959Z")), (Some(3723), Some(86_399)));
        for wrong in ["240000Z", "006000Z", "000060Z", "0000:0Z", "000000", "000000z", "000000ZZ", "000000.0Z", "0000Z"]
        {
            assert_eq!(clock(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn two_digits_are_years_from_1970_to_2049() {
        for year in 0..100 {
            let full = if year < 50 { 2000 + year } else { 1900 + year };
            let own = utc(format!("{year:02}0301123456Z").as_bytes());
            assert_eq!(own, at(&format!("{full}0301123456Z")));
            assert_eq!(own.is_none(), (50..70).contains(&year));
        }
    }
}
