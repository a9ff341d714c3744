//! Curves over multiples of a load, from zero up.

use super::super::format;
use super::super::svg::{Anchor, Drawing};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 260.0;
const GRID_LINES: u32 = 4;

/// A curve: its name, and a value for each multiple.
pub(super) type Curve = (&'static str, Vec<f64>);

pub(super) fn draw(title: &str, multiples: &[&str], curves: &[Curve]) -> String {
    let mut drawing = Drawing::new(title, WIDTH);
    let most = curves.iter().flat_map(|(_, values)| values).copied().fold(f64::MIN_POSITIVE, f64::max);
    let height = |value: f64| BOTTOM - value / most * (BOTTOM - TOP);
    // Multiples are powers of one number: evenly apart.
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let x_of =
        |at: usize| LEFT + 30.0 + at as f64 / (multiples.len().max(2) - 1) as f64 * (RIGHT - LEFT - 60.0);
    for line in 0..=GRID_LINES {
        let value = most * f64::from(line) / f64::from(GRID_LINES);
        let y = height(value);
        drawing.grid((LEFT, y), (RIGHT, y));
        drawing.text((LEFT - 8.0, y + 4.0), Anchor::End, &format::number(value));
    }
    for (at, multiple) in multiples.iter().enumerate() {
        drawing.text((x_of(at), BOTTOM + 20.0), Anchor::Middle, multiple);
    }
    for (series, (name, values)) in curves.iter().enumerate() {
        let points: Vec<(f64, f64)> =
            values.iter().enumerate().map(|(at, value)| (x_of(at), height(*value))).collect();
        drawing.curve(&points, series);
        if let Some((x, y)) = points.last() {
            drawing.text((x + 10.0, y + 4.0), Anchor::Start, name);
        }
        for ((x, y), value) in points.iter().zip(values) {
            drawing.text((*x, y - 8.0), Anchor::Middle, &format::number(*value));
        }
    }
    drawing.finish(BOTTOM + 32.0)
}
