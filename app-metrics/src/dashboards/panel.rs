//! Panels of the dashboard.

use app_ids::MetricId;

/// A row of the dashboard: panels with a title in common. Two rows with the same title are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub(super) place: u16,
    pub(super) title: &'static str,
}

impl Row {
    /// What an operator looks at first.
    pub const OVERVIEW: Self = Self::new("Overview", 0);
    /// The command servers of services.
    pub const COMMANDS: Self = Self::new("Commands", 500);
    /// The HTTP server.
    pub const HTTP: Self = Self::new("HTTP: scrapes and probes", 600);
    /// RPC endpoints and clients.
    pub const RPC: Self = Self::new("RPC connections and calls", 700);
    /// The process.
    pub const PROCESS: Self = Self::new("Process", 800);
    /// Services, builds and configs.
    pub const WHAT_RUNS: Self = Self::new("What runs", 900);

    /// A row. Rows are in the order of their places. Those of the platform are at 0 and from 500 on, so a row of a
    /// service belongs between 100 and 499.
    #[must_use]
    pub const fn new(title: &'static str, place: u16) -> Self {
        Self { place, title }
    }
}

/// How a panel shows its values.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    Lines,
    Stacked,
    Bars,
    /// A number, with its colour below 1 and from 1 on.
    Number {
        below: &'static str,
        from_one: &'static str,
    },
    /// Green while the value is 1, red while it is 0.
    Timeline,
    /// A table without these columns, and with new names for others.
    Table {
        hidden: &'static [&'static str],
        renamed: &'static [(&'static str, &'static str)],
    },
}

/// A panel of the dashboard. [`panels!`](crate::panels) contributes it.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    pub(super) row: Row,
    pub(super) place: u16,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) look: Look,
    pub(super) unit: &'static str,
    pub(super) size: (u8, u8),
    pub(super) lowest: Option<i32>,
    pub(super) highest: Option<i32>,
    pub(super) decimals: Option<u8>,
    pub(super) targets: &'static [Target],
}

inventory::collect!(Panel);

impl Panel {
    /// Lines over time, from 0 on.
    #[must_use]
    pub const fn lines(row: Row, title: &'static str) -> Self {
        Self::new(row, title, Look::Lines, Some(0))
    }

    /// Lines over time, stacked, from 0 on.
    #[must_use]
    pub const fn stacked(row: Row, title: &'static str) -> Self {
        Self::new(row, title, Look::Stacked, Some(0))
    }

    /// Bars over time, from 0 on, for what happened within an interval.
    #[must_use]
    pub const fn bars(row: Row, title: &'static str) -> Self {
        Self::new(row, title, Look::Bars, Some(0))
    }

    /// A number on a colour of Grafana: `below` 1, and `from_one` on.
    #[must_use]
    pub const fn number(row: Row, title: &'static str, below: &'static str, from_one: &'static str) -> Self {
        Self::new(row, title, Look::Number { below, from_one }, None).size(3, 4)
    }

    /// A bar for each series: green while it is 1, red while it is 0.
    #[must_use]
    pub const fn timeline(row: Row, title: &'static str) -> Self {
        Self::new(row, title, Look::Timeline, None)
    }

    /// A table of the current values. Labels are columns. `hidden` columns are left out, others are `renamed`.
    #[must_use]
    pub const fn table(
        row: Row,
        title: &'static str,
        hidden: &'static [&'static str],
        renamed: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self::new(row, title, Look::Table { hidden, renamed }, None)
    }

    const fn new(row: Row, title: &'static str, look: Look, lowest: Option<i32>) -> Self {
        Self {
            row,
            place: 100,
            title,
            about: "",
            look,
            unit: "none",
            size: (8, 8),
            lowest,
            highest: None,
            decimals: None,
            targets: &[],
        }
    }

    /// Sets the place within the row, 100 by default. Equal places are in the order of titles.
    #[must_use]
    pub const fn place(mut self, place: u16) -> Self {
        self.place = place;
        self
    }

    /// Sets what the panel shows, with the recorded names of its metrics in brackets.
    #[must_use]
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// Sets the unit in Grafana's words: `s`, `bytes`, `percentunit`, `reqps`, `ops`; `none` by default.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Sets the width, of 24 columns, and the height. The default is 8 by 8.
    #[must_use]
    pub const fn size(mut self, width: u8, height: u8) -> Self {
        self.size = (width, height);
        self
    }

    /// Sets the range of the axis; `None` for what the values need.
    #[must_use]
    pub const fn range(mut self, lowest: Option<i32>, highest: Option<i32>) -> Self {
        self.lowest = lowest;
        self.highest = highest;
        self
    }

    /// Sets the number of decimals.
    #[must_use]
    pub const fn decimals(mut self, decimals: u8) -> Self {
        self.decimals = Some(decimals);
        self
    }

    /// Sets the queries.
    #[must_use]
    pub const fn targets(mut self, targets: &'static [Target]) -> Self {
        self.targets = targets;
        self
    }

    /// All linked panels, in the order of the dashboard.
    pub(super) fn linked() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().collect();
        all.sort_by_key(|panel| (panel.row, panel.place, panel.title));
        all
    }
}

/// A query of a panel.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub(super) legend: &'static str,
    pub(super) query: &'static str,
    pub(super) each: Option<MetricId>,
    pub(super) right: Option<&'static str>,
}

impl Target {
    /// A query with its legend, such as `{{instance}}`.
    #[must_use]
    pub const fn new(legend: &'static str, query: &'static str) -> Self {
        Self { legend, query, each: None, right: None }
    }

    /// A query for each service that documents a metric with this id. `METRIC` in the query stands for the readable name
    /// of the metric, and `SERVICE` in the legend for the name of the service.
    #[must_use]
    pub const fn each(metric: MetricId, legend: &'static str, query: &'static str) -> Self {
        Self { legend, query, each: Some(metric), right: None }
    }

    /// Shows the values on the right axis, in this unit of Grafana.
    #[must_use]
    pub const fn right_axis(mut self, unit: &'static str) -> Self {
        self.right = Some(unit);
        self
    }
}
