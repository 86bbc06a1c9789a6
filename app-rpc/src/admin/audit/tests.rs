//! What records show about a client, whatever its certificate contains.

use app_core::{Identity, Log, LogLevel, log::CapturedLog};
use app_ids::InstanceId;
use rcgen::{CertificateParams, KeyPair, SanType};
use serde_json::{Value, json};

use super::super::methods::METHODS;
use super::super::reason::Reason;
use super::*;
use crate::Role;

/// A certificate with these names.
fn certificate(names: &[String]) -> Certificate {
    let mut params = CertificateParams::default();
    params.subject_alt_names =
        names.iter().map(|name| SanType::DnsName(name.as_str().try_into().unwrap())).collect();
    let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    Certificate::parse(signed.der()).unwrap()
}

fn captured() -> (Audit, CapturedLog) {
    let identity =
        Identity { domain: 1.into(), app: 2.into(), release: 3.into(), instance: InstanceId::random() };
    let (log, captured) = Log::captured(&identity, LogLevel::Error);
    (Audit(log.audit(super::super::APP_RPC_SERVICE_ID, "rpc")), captured)
}

fn record(certificate: &Certificate, granted: Granted) -> Record {
    Record {
        method: METHODS.iter().find(|method| method.name == "App.end").unwrap(),
        outcome: Outcome::Denied,
        detail: String::new(),
        client: ShownClient::new(certificate, granted.by.as_deref()),
        address: ([192, 0, 2, 1], 7).into(),
        granted,
        needed: Role::Admin,
        target: "application".to_owned(),
        reason: Reason::NotTaken.text().to_owned(),
        called: None,
    }
}

fn written(names: &[String], by: Option<&str>) -> Value {
    let (audit, captured) = captured();
    let granted = Granted { role: Role::Operate, by: by.map(str::to_owned) };
    assert!(!audit.write(&record(&certificate(names), granted)).is_refused());
    let text = captured.text();
    assert!(text.len() < 8000 && text.lines().count() == 1, "{text}");
    captured.records().remove(0)
}

#[test]
fn a_name_with_quotes_commas_and_control_characters_is_one_member_of_the_list() {
    let names: Vec<_> = ["a,b", "\"],\"outcome\":\"granted\",\"x\":[\"", "\u{1b}[2J\r\n\0", "plain.example"]
        .map(str::to_owned)
        .into();
    let record = written(&names, Some("plain.example"));
    assert_eq!(record["names"], json!(names));
    assert_eq!((&record["outcome"], &record["granted_by"]), (&"denied".into(), &"plain.example".into()));
    assert_eq!(record["names_left_out"], 0);
}

#[test]
fn the_name_that_gave_the_role_is_shown_among_a_thousand_of_255_bytes() {
    let names: Vec<_> = (0..1000).map(|number| format!("{number:0255}")).collect();
    let record = written(&names, Some(&names[777]));
    assert_eq!(record["granted_by"], names[777]);
    let shown = record["names"].as_array().unwrap();
    assert!(shown.contains(&json!(names[777])) && shown.contains(&json!(names[0])));
    assert_eq!(record["names_left_out"], 1000 - shown.len());
    assert!(shown.len() >= 10, "{}", shown.len());
}

#[test]
fn calls_without_a_record_are_told_with_their_number_and_methods() {
    let (audit, captured) = captured();
    let client = ShownClient::new(&certificate(&["read.example".to_owned()]), None);
    let counts = Tally::from([("App.kill", 900), ("Levels.setApp", 80)]);
    drop(audit.write_counts(&client, Outcome::Denied, &counts, Duration::from_millis(4200)));
    let record = captured.records().remove(0);
    assert_eq!(record["message"], "980 more calls of this client were denied in the last 5 s");
    assert_eq!(record["methods"], json!({ "App.kill": 900, "Levels.setApp": 80 }));
    assert_eq!((&record["count"], &record["seconds"]), (&980.into(), &5.into()));
    assert_eq!(record["names"], json!(["read.example"]));
}
