//! Numbers as people read them.

use super::statistics::Spread;

/// Three digits at least, thousands set apart.
#[must_use]
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => String::from("0"),
        size if size >= 1000.0 => with_separators(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The median, then the spread if there is one.
#[must_use]
pub(super) fn spread(Spread { median, least, most }: Spread) -> String {
    let [median, least, most] = [median, least, most].map(number);
    if least == most { median } else { format!("{median} ({least}–{most})") }
}

fn with_separators(value: f64) -> String {
    let whole = format!("{value:.0}");
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole.as_str()), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_separators() {
        for (value, text) in [
            (0.0, "0"),
            (0.123, "0.12"),
            (6.0, "6.00"),
            (17.04, "17.0"),
            (345.6, "346"),
            (999.6, "1000"),
            (1000.0, "1,000"),
            (139_000.0, "139,000"),
            (1_234_567.8, "1,234,568"),
            (-2500.0, "-2,500"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_spread_is_shown_if_there_is_one() {
        assert_eq!(spread(Spread { median: 6.0, least: 5.9, most: 6.25 }), "6.00 (5.90–6.25)");
        assert_eq!(spread(Spread { median: 6.0, least: 6.0, most: 6.001 }), "6.00");
    }
}
