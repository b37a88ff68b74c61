//! One comparison as a row of the table, and whether its goal is met.

use crate::statistics::Series;

/// One comparison.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) peer: String,
    /// The measured values, turn by turn.
    pub(crate) value: Series,
    pub(crate) goal: Goal,
}

/// The unit of a row, and the goal for its median.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// A ratio, at least this.
    AtLeast(f64),
    /// A ratio of times, at most this.
    AtMost(f64),
    /// Microseconds, at most this.
    MicrosAtMost(f64),
    /// Microseconds, without a goal.
    Micros,
    /// Milliseconds, at most this.
    MillisAtMost(f64),
    /// Milliseconds, without a goal.
    Millis,
    /// KiB, without a goal.
    Kib,
    /// A ratio, without a goal.
    None,
}

impl Row {
    pub(crate) fn met(&self) -> bool {
        let median = self.value.median();
        match self.goal {
            Goal::AtLeast(least) => median >= least,
            Goal::AtMost(most) | Goal::MicrosAtMost(most) | Goal::MillisAtMost(most) => median <= most,
            Goal::Micros | Goal::Millis | Goal::Kib | Goal::None => true,
        }
    }

    /// Returns the cells of the row.
    pub(crate) fn cells(&self) -> [String; 6] {
        let (least, most) = self.value.range();
        let number = |value: f64| match self.goal {
            Goal::AtLeast(_) | Goal::AtMost(_) | Goal::None => format!("{value:.3}"),
            Goal::MicrosAtMost(_) | Goal::Micros => format!("{value:.1} µs"),
            Goal::MillisAtMost(_) => format!("{value:.3} ms"),
            Goal::Millis if value < 10.0 => format!("{value:.3} ms"),
            Goal::Millis => format!("{value:.0} ms"),
            Goal::Kib => format!("{value:.1} KiB"),
        };
        let goal = match self.goal {
            Goal::AtLeast(goal) => format!("≥ {goal:.2}"),
            Goal::AtMost(goal) => format!("≤ {goal:.2}"),
            Goal::MicrosAtMost(goal) => format!("≤ {goal:.0} µs"),
            Goal::MillisAtMost(goal) => format!("≤ {goal:.1} ms"),
            Goal::Micros | Goal::Millis | Goal::Kib | Goal::None => String::new(),
        };
        let verdict = match (self.goal, self.met()) {
            (Goal::Micros | Goal::Millis | Goal::Kib | Goal::None, _) => "",
            (_, true) => ", met",
            (_, false) => ", **not met**",
        };
        [
            number(self.value.median()),
            format!("{} to {}", number(least), number(most)),
            format!("{goal}{verdict}"),
            self.what.clone(),
            self.ours.clone(),
            self.peer.clone(),
        ]
    }
}
