//! Drawings as SVG: a few shapes and a style sheet of their own.
//!
//! Written here because a drawing in a README is looked at on light and on dark pages, which takes a style sheet that asks
//! for the reader's scheme; plotting libraries write fixed colours.
//!
//! Invariants: the same calls give the same bytes; nothing outside the file is named, fonts neither.

use std::fmt::Write as _;

/// Colours of series, light and dark.
const SERIES: [(&str, &str); 4] =
    [("#0969da", "#58a6ff"), ("#bc4c00", "#f0883e"), ("#1a7f37", "#3fb950"), ("#8250df", "#a371f7")];

/// A drawing that grows.
#[derive(Debug)]
pub(super) struct Drawing {
    title: String,
    width: f64,
    body: String,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Drawing {
    /// An empty one; `title` stands at its top.
    pub(super) fn new(title: &str, width: f64) -> Self {
        let mut drawing = Self { title: title.to_owned(), width, body: String::new() };
        drawing.shape(format_args!(r#"<text class="title" x="10" y="24">{}</text>"#, escape(title)));
        drawing
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.shape(format_args!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#));
    }

    /// A filled rectangle in the colour of a series.
    pub(super) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), series: usize) {
        let series = series % SERIES.len();
        self.shape(format_args!(
            r#"<rect class="fill{series}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="2"/>"#
        ));
    }

    /// A thin line in the colour of the text.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.straight("line", from, to);
    }

    /// A line of a grid.
    pub(super) fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.straight("grid", from, to);
    }

    fn straight(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.shape(format_args!(
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        ));
    }

    /// A line through points, with a dot at each.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], series: usize) {
        let series = series % SERIES.len();
        let joined: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.shape(format_args!(r#"<polyline class="curve{series}" points="{}"/>"#, joined.join(" ")));
        for (x, y) in points {
            self.shape(format_args!(r#"<circle class="fill{series}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#));
        }
    }

    /// The file.
    pub(super) fn finish(self, height: f64) -> String {
        let Self { title, width, body } = self;
        let style = style();
        let title = escape(&title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n<title>{title}</title>\n{style}{body}</svg>\n"
        )
    }

    fn shape(&mut self, shape: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.body, "{shape}");
    }
}

fn style() -> String {
    let series = |dark: bool| {
        let colour = |(number, (light, darker)): (usize, &(&str, &str))| {
            let colour = if dark { darker } else { light };
            format!(".fill{number}{{fill:{colour}}}.curve{number}{{stroke:{colour}}}")
        };
        SERIES.iter().enumerate().map(colour).collect::<String>()
    };
    format!(
        "<style>\ntext{{font:12px sans-serif;fill:#1f2328}}.title{{font-size:15px;font-weight:bold}}\
         .line{{stroke:#1f2328}}.grid{{stroke:#8c959f;stroke-opacity:.35}}\
         polyline{{fill:none;stroke-width:2}}{}\n\
         @media (prefers-color-scheme:dark){{text{{fill:#e6edf3}}.line{{stroke:#e6edf3}}{}}}\n</style>\n",
        series(false),
        series(true)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_one_element_with_its_style_for_both_schemes() {
        let mut drawing = Drawing::new("fast & <straight>", 640.0);
        drawing.bar((10.0, 40.0), (100.0, 14.0), 1);
        drawing.curve(&[(1.0, 2.0), (3.0, 4.0)], 5);
        let svg = drawing.finish(90.0);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 90\""), "{svg}");
        assert!(svg.contains("<title>fast &amp; &lt;straight&gt;</title>"));
        assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("class=\"curve1\""));
        assert!(!svg.contains("url(") && !svg.contains("font-family"));
    }
}
