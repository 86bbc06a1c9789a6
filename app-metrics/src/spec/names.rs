//! The name of a metric, and the constant labels.

use super::MetricSpec;
use app_core::Identity;
use app_ids::ServiceId;

/// Names of the labels that every sample carries, in the order of the exposition. No metric may have a label of its own
/// with one of these names.
pub const CONSTANT_LABELS: [&str; 5] = ["domain", "app", "svc", "release", "instance"];

/// The constant labels of a service's metrics: names and values (ids in hex), in the order of [`CONSTANT_LABELS`].
pub(crate) fn constant_labels(identity: &Identity, service: ServiceId) -> [(&'static str, String); 5] {
    let [domain, app, svc, release, instance] = CONSTANT_LABELS;
    [
        (domain, identity.domain.hex()),
        (app, identity.app.hex()),
        (svc, service.hex()),
        (release, identity.release.hex()),
        (instance, identity.instance.hex()),
    ]
}

/// Constant labels as text: `domain="1",app="2"`. Ids need no escaping.
pub(crate) fn label_text(labels: &[(&'static str, String)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    labels.join(",")
}

/// The name of a metric in Prometheus: `op_{service hex}_{metric hex}`, such as `op_e49214fa20b35ba8_db722ec1bb1b5766`.
#[must_use]
pub fn prometheus_name(spec: &MetricSpec) -> String {
    spec.prometheus_name()
}
