//! Ids: the nine types, the ids of the platform's services, names for Prometheus.

use std::collections::BTreeSet;

use app_config::CONFIG_SERVICE_ID;
use app_core::{APP_SERVICE, plugins::linked_services};
use app_health::HEALTHCHECK_SERVICE_ID;
use app_ids::{
    AppId, DomainId, ErrorId, HealthCheckId, InstanceId, LogEventId, MetricId, ReleaseId, ServiceId,
};
use app_metrics::{METRICS_SERVICE_ID, MetricSpec, prometheus_name};

macro_rules! is_an_id {
    ($($id:ident)+) => {
        $(
            let id = $id::new(0xe492_14fa_20b3_5ba8);
            assert_eq!(id.as_u64(), 0xe492_14fa_20b3_5ba8);
            assert_eq!(id.hex(), "e49214fa20b35ba8");
            assert_eq!($id::new(0xf).hex(), "f", "no padding, as Go's %x");
            assert_eq!(id.to_string(), id.hex());
            assert_eq!("0xe49214fa20b35ba8".parse(), Ok(id));
        )+
    };
}

#[test]
fn an_id_is_a_number_with_a_hexadecimal_form() {
    is_an_id!(DomainId AppId ReleaseId InstanceId ServiceId ErrorId LogEventId MetricId HealthCheckId);
}

#[test]
fn every_instance_has_another_id() {
    assert_ne!(InstanceId::random(), InstanceId::random());
}

#[test]
fn the_services_of_the_platform_keep_their_ids() {
    let ids = [
        (APP_SERVICE, 0),
        (CONFIG_SERVICE_ID, 0x8681_3dd7_8fd2_07f5),
        (METRICS_SERVICE_ID, 0xe305_4017_c1b1_d214),
        (HEALTHCHECK_SERVICE_ID, 0xe105_d090_9fcc_5ec5),
    ];
    for (id, number) in ids {
        assert_eq!(id.as_u64(), number);
    }
}

#[test]
fn config_metrics_and_health_are_the_infrastructure() {
    let services = linked_services();
    let infrastructure = services.iter().filter(|service| service.is_infrastructure());
    let expected = BTreeSet::from([CONFIG_SERVICE_ID, METRICS_SERVICE_ID, HEALTHCHECK_SERVICE_ID]);
    assert_eq!(infrastructure.map(app_core::ServiceDescriptor::id).collect::<BTreeSet<_>>(), expected);
    assert!(services.len() > expected.len(), "the quota service is linked, and none of them");
}

#[test]
fn a_metric_is_named_for_prometheus_by_its_service_and_id() {
    let (service, metric) = (ServiceId::new(0xe492_14fa_20b3_5ba8), MetricId::new(0xdb72_2ec1_bb1b_5766));
    let name = "op_e49214fa20b35ba8_db722ec1bb1b5766";
    assert_eq!(metric.prometheus_name(service), name);
    assert_eq!(prometheus_name(&MetricSpec::new(service, metric, "How many.")), name);
}
