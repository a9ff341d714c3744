//! Bars that lie: a group for each peer, a bar for each series, the value behind it, a thin line over its spread.

use super::super::format;
use super::super::statistics::Spread;
use super::super::svg::{Anchor, Drawing};

const WIDTH: f64 = 720.0;
const NAMES_WIDTH: f64 = 100.0;
const BARS_WIDTH: f64 = 520.0;
const BAR_HEIGHT: f64 = 14.0;
const BAR_STEP: f64 = 17.0;
const GROUP_GAP: f64 = 9.0;
const TOP: f64 = 64.0;

/// A group: its name, and a value for each series.
pub(super) type Group = (&'static str, Vec<Option<Spread>>);

pub(super) fn draw(title: &str, series: &[&str], groups: &[Group]) -> String {
    let mut drawing = Drawing::new(title, WIDTH);
    let all = groups.iter().flat_map(|(_, values)| values.iter().flatten());
    let most = all.map(|spread| spread.most).fold(f64::MIN_POSITIVE, f64::max);
    let length = |value: f64| value / most * BARS_WIDTH;
    if series.len() > 1 {
        legend(&mut drawing, series);
    }
    let mut y = TOP;
    for (name, values) in groups {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let middle = y + values.len() as f64 * BAR_STEP / 2.0 + 3.0;
        drawing.text((NAMES_WIDTH - 8.0, middle), Anchor::End, name);
        for (number, value) in values.iter().enumerate() {
            let text_at = |x: f64| (x + 6.0, y + BAR_HEIGHT - 3.0);
            if let Some(Spread { median, least, most }) = *value {
                drawing.bar((NAMES_WIDTH, y), (length(median), BAR_HEIGHT), number);
                let middle = y + BAR_HEIGHT / 2.0;
                drawing.line((NAMES_WIDTH + length(least), middle), (NAMES_WIDTH + length(most), middle));
                let end = NAMES_WIDTH + length(most);
                drawing.text(text_at(end), Anchor::Start, &format::number(median));
            } else {
                drawing.text(text_at(NAMES_WIDTH), Anchor::Start, "–");
            }
            y += BAR_STEP;
        }
        y += GROUP_GAP;
    }
    drawing.finish(y + 4.0)
}

fn legend(drawing: &mut Drawing, series: &[&str]) {
    let mut x = NAMES_WIDTH;
    for (number, name) in series.iter().enumerate() {
        drawing.bar((x, 38.0), (12.0, 12.0), number);
        drawing.text((x + 18.0, 48.0), Anchor::Start, name);
        x += 130.0;
    }
}
