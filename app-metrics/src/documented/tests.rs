//! Tests of documented metrics.

use super::{MetricDoc, metrics_page};
use crate::{CounterVectorSpec, HistogramVectorSpec};
use app_ids::{MetricId, ServiceId};

const MAIL: ServiceId = ServiceId::new(0x8f2c);

const SENT: MetricDoc =
    MetricDoc::counter_vector(MAIL, MetricId::new(1), "Mails sent.", &[("outcome", "`taken` or `refused`")])
        .unit("mails")
        .meaning("Refused ones are not tried again.")
        .queries(&[("A second", "rate(METRIC[5m]) > 0"), ("At all", "METRIC")]);

const SECONDS: MetricDoc = MetricDoc::histogram_vector(
    MAIL,
    MetricId::new(2),
    "Seconds to the answer.",
    &[("server", "its name"), ("outcome", "what came of it")],
    &[0.1, 2.5],
)
.unit("seconds");

#[test]
fn a_spec_says_what_its_documentation_says() {
    let spec = CounterVectorSpec::new(MAIL, MetricId::new(1), "Mails sent.", ["outcome"]);
    assert_eq!(SENT.counter_vector_spec(), spec);
    let (labels, buckets) = (["server", "outcome"], [0.1, 2.5]);
    let spec = HistogramVectorSpec::new(MAIL, MetricId::new(2), "Seconds to the answer.", labels, buckets);
    assert_eq!(SECONDS.histogram_vector_spec(), spec);
}

#[test]
fn what_is_measured_in_the_name_of_another_service_has_its_name() {
    const OTHER: MetricDoc = SENT.of_service(ServiceId::new(0xa));
    assert_eq!(OTHER.counter_vector_spec().vector.spec.service, ServiceId::new(0xa));
    assert_eq!(OTHER.example_queries().nth(1).unwrap().1, "op_a_1_total");
}

#[test]
fn queries_have_the_name_that_prometheus_knows() {
    let queries: Vec<_> = SENT.example_queries().collect();
    assert_eq!(queries[0], ("A second", "rate(op_8f2c_1_total[5m]) > 0".to_owned()));
    assert_eq!(queries[1], ("At all", "op_8f2c_1_total".to_owned()));
}

#[test]
fn the_page_has_all_that_is_to_be_known() {
    let page = metrics_page(&[&SENT, &SECONDS]);
    for part in [
        "\n## Service `without a name` (0x8f2c)\n",
        "| `op_8f2c_1_total` | none | counter | mails |\n",
        "\nMails sent. Refused ones are not tried again.\n",
        "\n- name in Prometheus: `op_8f2c_1_total`\n- readable name: none\n- id: 0x1\n- kind: counter vector, unit: mails\n",
        "\n- label `outcome`: `taken` or `refused`\n",
        "\nA second:\n\n```promql\nrate(op_8f2c_1_total[5m]) > 0\n```\n",
        "\n- label `server`: its name\n- label `outcome`: what came of it\n- buckets up to: 0.1, 2.5\n",
    ] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
    assert_eq!(page.matches("\n## ").count(), 1, "one section for the one service");
}
