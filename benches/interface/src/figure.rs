//! A measured figure beside its limit.

/// A line of the table.
pub struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    /// The most that is good.
    limit: Option<f64>,
}

/// A figure, printed as soon as it is measured.
pub fn figure(what: impl Into<String>, value: f64, unit: &'static str, limit: impl Into<Option<f64>>) -> Figure {
    let figure = Figure { what: what.into(), value, unit, limit: limit.into() };
    println!("{}", figure.line());
    figure
}

impl Figure {
    /// Whether it is beyond its limit.
    pub fn is_missed(&self) -> bool {
        self.limit.is_some_and(|limit| self.value > limit)
    }

    fn line(&self) -> String {
        let value = if self.value < 100.0 { format!("{:.2}", self.value) } else { format!("{:.0}", self.value) };
        let limit = self.limit.map_or(String::new(), |limit| {
            // Of nothing there is no share.
            let ratio = if limit > 0.0 { format!("{:.2}", self.value / limit) } else { "–".to_owned() };
            format!(
                "{:>9} {ratio:>6}  {}",
                format!("{limit} {}", self.unit),
                if self.is_missed() { "MISS" } else { "pass" }
            )
        });
        format!("{:<72} {:>11} {limit}", self.what, format!("{value} {}", self.unit))
    }
}
