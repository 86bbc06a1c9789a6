//! Tests of reading in pieces.

use app_core::Identity;
use app_ids::{AppId, DomainId, InstanceId, MetricId, ReleaseId, ServiceId};

use super::super::{Format, ProcessMetrics, Progress, Scrape};
use super::Exposition;
use crate::GaugeVectorSpec;
use crate::names::Names;
use crate::registry::MetricRegistry;
use crate::spec::Origin;

#[test]
fn pieces_of_any_length_are_the_whole_and_the_last_is_the_end() {
    let identity = Identity {
        domain: DomainId::new(1),
        app: AppId::new(2),
        release: ReleaseId::new(3),
        instance: InstanceId::new(4),
    };
    let registry = MetricRegistry::new(identity, 1_000);
    // Characters of one to four bytes.
    for metric in 1..=3 {
        let spec = GaugeVectorSpec::new(ServiceId::new(0xa), MetricId::new(metric), "aäの🦀.", ["rule"]);
        let vector = registry.register(spec, Origin::Service).unwrap();
        for series in 0..50 {
            vector.with([format!("aäの🦀{series}").as_str()]).unwrap().set(1.0);
        }
    }
    for format in [Format::Text, Format::OpenMetrics] {
        let scrape = || Scrape::new(format, Names::Ids, registry.snapshot(), ProcessMetrics::default());
        let mut whole = String::new();
        assert_eq!(scrape().write(&mut whole, usize::MAX), Progress::Done);
        for bytes in [1, 2, 3, 7, 64, 1000, whole.len() - 1, whole.len(), whole.len() + 1, usize::MAX / 2] {
            let (mut exposition, mut read) = (Exposition::new(scrape()), Vec::new());
            let mut pieces = 1;
            while !exposition.read(&mut read, bytes) {
                assert_eq!(
                    read.len(),
                    pieces * bytes,
                    "every piece but the last is as long as was asked for"
                );
                pieces += 1;
            }
            assert_eq!(String::from_utf8(read.clone()).unwrap(), whole);
            assert!(exposition.read(&mut read, bytes) && read.len() == whole.len(), "reading after the end");
        }
        let mut exposition = Exposition::new(scrape());
        assert!(!exposition.read(&mut Vec::new(), 0), "reading nothing is not the end");
    }
}
