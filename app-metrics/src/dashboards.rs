//! Dashboards and rules from the code: each crate contributes the panels, the recorded series and the alerts of its own
//! metrics, beside their [`MetricDoc`](crate::MetricDoc)s.
//!
//! A query is PromQL with readable names. [`grafana_dashboard`] and [`rules_file`] print it as it is, or with the names
//! that are ids. With ids a counter has two names: `op_.._total` in OpenMetrics and `op_..` in text format 0.0.4. So a
//! query of a counter asks for both, joined by `or`, and is right for either scraper. A readable name is the same in both
//! formats.
//!
//! In the queries of a panel, two words stand for what the dashboard selects: `INSTANCES` for the chosen jobs and
//! instances, and `SERVICES` for these and the chosen services.
//!
//! ```
//! use app_core::prelude::*;
//! use app_metrics::{Group, MetricDoc, Panel, Row, Rule, Severity, Target};
//!
//! ids! {
//!     /// Sends mail.
//!     pub MAIL: ServiceId = 0x3f6d_20b1_9ce4_7a58, "mail-out";
//!     /// Mails sent.
//!     pub SENT: MetricId = 0x72c8_e1f0_4b95_d36a, "sent";
//! }
//!
//! const SENT_DOC: MetricDoc = MetricDoc::counter(MAIL, SENT, "Mails sent.").unit("mails");
//! const ROW: Row = Row::new("Mail", 200);
//!
//! app_metrics::document! { SENT_DOC }
//! app_metrics::panels! {
//!     Panel::lines(ROW, "Mails a second")
//!         .about("Mails that the server took (sent).")
//!         .unit("ops")
//!         .targets(&[Target::new("{{instance}}", "rate(mail_out_sent_total{INSTANCES}[$__rate_interval])")]),
//! }
//! app_metrics::rules! {
//!     Rule::alert(Group::new("mail", 200), "NoMail", "increase(mail_out_sent_total[1h]) == 0", Severity::Warning)
//!         .summary("{{ $labels.job }} sent no mail within an hour"),
//! }
//!
//! let alerts = app_metrics::rules_file(app_metrics::Names::Ids, app_metrics::RuleKind::Alerts).unwrap();
//! assert!(alerts.contains("(increase(op_3f6d20b19ce47a58_72c8e1f04b95d36a_total[1h]) or increase("));
//! ```

mod grafana;
mod panel;
mod query;
mod rule;
#[cfg(test)]
mod tests;
mod yaml;

pub use grafana::grafana_dashboard;
pub use panel::{Panel, Row, Target};
pub use rule::{Group, Rule, RuleKind, Severity};
pub use yaml::rules_file;

/// Adds [`Panel`] constants, separated by commas, to the dashboard of every application that links this crate.
#[macro_export]
macro_rules! panels {
    ($($panel:expr),+ $(,)?) => {
        $( $crate::__private::inventory::submit! { $panel } )+
    };
}

/// Adds [`Rule`] constants, separated by commas, to the rules of every application that links this crate.
#[macro_export]
macro_rules! rules {
    ($($rule:expr),+ $(,)?) => {
        $( $crate::__private::inventory::submit! { $rule } )+
    };
}
