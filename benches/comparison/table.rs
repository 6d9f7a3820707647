//! What was measured, as a table: durations side by side and their ratio.

use std::fmt;
use std::time::Duration;

/// Rows of the table, in order.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 5]>,
}

/// A duration as it is shown.
pub fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

impl Table {
    /// Theirs, ours, and how many times as long theirs takes.
    pub fn ratio(&mut self, their: &str, theirs: Duration, our: &str, ours: Duration) {
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        self.push([
            their,
            &milliseconds(theirs),
            our,
            &milliseconds(ours),
            &format!("{ratio:.0} x"),
        ]);
    }

    /// The same where ours takes longer.
    pub fn ratio_of_cost(&mut self, our: &str, ours: Duration, their: &str, theirs: Duration) {
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        let ratio = format!("{ratio:.1} x as long");
        self.push([their, &milliseconds(theirs), our, &milliseconds(ours), &ratio]);
    }

    /// How one of ours grows.
    pub fn growth(&mut self, what: &str, large: Duration, small: Duration) {
        let ratio = large.as_secs_f64() / small.as_secs_f64();
        let ratio = format!("{ratio:.1} x the time");
        self.push(["", &milliseconds(small), what, &milliseconds(large), &ratio]);
    }

    /// A figure by itself.
    pub fn fact(&mut self, what: &str, figure: String) {
        self.push(["", "", what, &figure, ""]);
    }

    fn push(&mut self, row: [&str; 5]) {
        eprintln!("{}", row.join("  "));
        self.rows.push(row.map(str::to_owned));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| compared with | | this | | ratio |\n|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}
