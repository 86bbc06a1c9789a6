//! Recording and alerting rules.

use app_ids::MetricId;

/// A group of rules. Two groups with the same name are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub(super) place: u16,
    pub(super) name: &'static str,
}

impl Group {
    /// Recorded series.
    pub const RECORDED: Self = Self::new("recorded", 0);
    /// Alerts of the platform.
    pub const PLATFORM: Self = Self::new("platform", 1);
    /// Alerts of RPC endpoints and clients.
    pub const RPC: Self = Self::new("rpc", 2);

    /// A group. Groups are in the order of their places. Those of the platform are below 100.
    #[must_use]
    pub const fn new(name: &'static str, place: u16) -> Self {
        Self { place, name }
    }
}

/// How urgent an alert is: its label `severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// Users are affected, or will be soon.
    Critical,
    /// An operator should look at it today.
    Warning,
}

impl Severity {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// The two kinds of rules, each with a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleKind {
    /// Recording rules.
    Recording,
    /// Alerting rules. Some use recorded series.
    Alerts,
}

/// A recording or alerting rule. [`rules!`](crate::rules) contributes it.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub(super) group: Group,
    pub(super) place: u16,
    pub(super) name: &'static str,
    pub(super) query: &'static str,
    pub(super) each: Option<MetricId>,
    pub(super) why: &'static str,
    /// For alerts.
    pub(super) severity: Option<Severity>,
    pub(super) lasting: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
}

inventory::collect!(Rule);

impl Rule {
    /// A recorded series. By convention its name is `{labels}:{what}:{how}`.
    #[must_use]
    pub const fn record(name: &'static str, query: &'static str) -> Self {
        Self::new(Group::RECORDED, name, query, None)
    }

    /// An alert: it fires for each series that the query returns.
    #[must_use]
    pub const fn alert(group: Group, name: &'static str, query: &'static str, severity: Severity) -> Self {
        Self::new(group, name, query, Some(severity))
    }

    const fn new(group: Group, name: &'static str, query: &'static str, severity: Option<Severity>) -> Self {
        Self {
            group,
            place: 100,
            name,
            query,
            each: None,
            why: "",
            severity,
            lasting: "",
            summary: "",
            description: "",
        }
    }

    /// Asks for each service that documents a metric with this id: `METRIC` in the query stands for its readable name.
    /// The queries are joined by `or`.
    #[must_use]
    pub const fn each(mut self, metric: MetricId) -> Self {
        self.each = Some(metric);
        self
    }

    /// Sets the place within the group, 100 by default. Equal places are in the order of names.
    #[must_use]
    pub const fn place(mut self, place: u16) -> Self {
        self.place = place;
        self
    }

    /// Sets a comment for readers of the file.
    #[must_use]
    pub const fn why(mut self, why: &'static str) -> Self {
        self.why = why;
        self
    }

    /// Sets for how long the query must return a series until the alert fires, such as `2m`.
    #[must_use]
    pub const fn lasting(mut self, lasting: &'static str) -> Self {
        self.lasting = lasting;
        self
    }

    /// Sets the annotation `summary`: what is wrong, where. A template of Prometheus.
    #[must_use]
    pub const fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Sets the annotation `description`: what it means, and what to do. A template of Prometheus.
    #[must_use]
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// All linked rules of a kind, in the order of the file.
    pub(super) fn linked(kind: RuleKind) -> Vec<&'static Self> {
        let alerts = kind == RuleKind::Alerts;
        let all = inventory::iter::<Self>.into_iter().filter(|rule| rule.severity.is_some() == alerts);
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|rule| (rule.group, rule.place, rule.name));
        all
    }

    /// The names of all recorded series.
    pub(super) fn recorded() -> Vec<&'static str> {
        Self::linked(RuleKind::Recording).iter().map(|rule| rule.name).collect()
    }
}
