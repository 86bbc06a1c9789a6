//! An app with several addresses. A command that reads asks the first one that answers. A change needs one address, or `--all`.

use serde_json::json;

use crate::failures::unreachable;
use crate::fixture::{Fixture, object};

/// Every command that changes something, and the record of it in the fake app.
const CHANGES: [(&[&str], &str); 8] = [
    (&["kill", "--yes"], "end"),
    (&["restart", "mail"], "restart 0xbeef"),
    (&["reload"], "reload"),
    (&["level", "set", "debug"], "set app"),
    (&["level", "reset"], "reset 0x0"),
    (&["health", "run", "loop"], "run 0x8d"),
    (&["health", "pause", "loop"], "pause 0x8d"),
    (&["health", "resume", "loop"], "resume 0x8d"),
];

/// The addresses in a context, as a list.
fn in_context(fixture: &Fixture, addresses: &str) {
    fixture.files.contexts("ADDRESS", crate::fixture::ENDPOINT);
    let file = fixture.files.path().join("contexts.json");
    let text = std::fs::read_to_string(&file).unwrap().replace("\"ADDRESS\"", addresses);
    std::fs::write(&file, text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_to_one_of_several_addresses_is_refused_and_one_to_all_reaches_each() {
    let fixture = Fixture::new().await;
    let (other_app, other, other_address) = fixture.another().await;
    let address = fixture.address();
    in_context(&fixture, &format!("[\"{address}\", \"{other_address}\"]"));
    fixture.run(&["status"]).await.printed();
    for (change, noted) in CHANGES {
        let change = [change, &["--reason", "why"]].concat();
        let said = fixture.run(&change).await.refused(2);
        assert_eq!(
            said,
            format!(
                "there are several addresses: {address}, {other_address}; name one with --address HOST:PORT, \
                 or change all with --all"
            )
        );
        assert_eq!((fixture.fake.calls(), other.calls()), (vec![], vec![]), "{change:?}");

        let text = fixture.run(&[&change[..], &["--all"]].concat()).await.printed();
        for address in [address, other_address] {
            assert!(text.contains(&format!("{address}:\n")), "{text}");
        }
        for fake in [&fixture.fake, &other] {
            let calls = fake.calls();
            assert!(calls.len() == 1 && calls[0].contains(noted), "{change:?}: {calls:?}");
        }
        let only = other_address.to_string();
        let text = fixture.run(&[&change[..], &["--address", &only]].concat()).await.printed();
        assert!(!text.contains(&only) || text.contains("instance"), "{text}");
        assert_eq!((fixture.fake.calls().len(), other.calls().len()), (0, 1), "{change:?}");
    }
    other_app.stop().await.expect_clean();
    fixture.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_each_is_reported_and_the_worst_is_the_status() {
    let fixture = Fixture::new().await;
    let address = fixture.address();
    let (_socket, unreachable) = unreachable();
    in_context(&fixture, &format!("[\"{unreachable}\", \"{address}\", \"{address}\"]"));
    let ran = fixture.run(&["restart", "mail", "--all", "--reason", "why", "--json"]).await.harmless();
    assert_eq!(ran.status, Some(3), "{ran:?}");
    let done = object(ran.stdout.trim_end());
    assert_eq!((&done["target"], &done["name"]), (&json!(address.to_string()), &json!("mail")));
    let failed = object(ran.stderr.trim_end());
    let said = failed["error"].as_str().unwrap();
    assert!(said.starts_with(&format!("{unreachable}: connection refused")), "{said}");
    assert_eq!(fixture.fake.calls(), ["restart 0xbeef: why"], "once, though the address is there twice");

    let ran = fixture.run_as("reader", &["restart", "mail", "--all", "--reason", "why"]).await;
    assert!(matches!(ran.status, Some(0 | 3 | 5)), "{ran:?}");
    fixture.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_twice_and_a_name_of_one_machine_are_one() {
    let fixture = Fixture::new().await;
    let address = fixture.address();
    in_context(&fixture, &format!("[\"{address}\", \"{address}\"]"));
    fixture.run(&["reload", "--reason", "why"]).await.printed();
    in_context(&fixture, &format!("\"localhost:{}\"", address.port()));
    fixture.run(&["reload", "--reason", "why"]).await.printed();
    assert_eq!(fixture.fake.calls().len(), 2);
    fixture.app.stop().await.expect_clean();
}
