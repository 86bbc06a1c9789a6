//! An app with several addresses: what reads asks one that answers, what changes needs to know which.

use serde_json::json;

use crate::failures::nobody;
use crate::stand::{Stand, object};

/// Every command that changes something, and what a fake app notes of it.
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
fn in_context(stand: &Stand, addresses: &str) {
    stand.files.contexts("ADDRESS", crate::stand::ENDPOINT);
    let file = stand.files.path().join("contexts.json");
    let text = std::fs::read_to_string(&file).unwrap().replace("\"ADDRESS\"", addresses);
    std::fs::write(&file, text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_to_one_of_several_addresses_is_refused_and_one_to_all_reaches_each() {
    let stand = Stand::new().await;
    let (other_app, other, other_address) = stand.another().await;
    let address = stand.address();
    in_context(&stand, &format!("[\"{address}\", \"{other_address}\"]"));
    stand.run(&["status"]).await.printed();
    for (change, noted) in CHANGES {
        let change = [change, &["--reason", "why"]].concat();
        let said = stand.run(&change).await.refused(2);
        assert_eq!(
            said,
            format!(
                "there are several addresses: {address}, {other_address}; say which with --address HOST:PORT, \
                 or change all with --all"
            )
        );
        assert_eq!((stand.fake.calls(), other.calls()), (vec![], vec![]), "{change:?}");

        let text = stand.run(&[&change[..], &["--all"]].concat()).await.printed();
        for address in [address, other_address] {
            assert!(text.contains(&format!("{address}:\n")), "{text}");
        }
        for fake in [&stand.fake, &other] {
            let calls = fake.calls();
            assert!(calls.len() == 1 && calls[0].contains(noted), "{change:?}: {calls:?}");
        }
        let only = other_address.to_string();
        let text = stand.run(&[&change[..], &["--address", &only]].concat()).await.printed();
        assert!(!text.contains(&only) || text.contains("instance"), "{text}");
        assert_eq!((stand.fake.calls().len(), other.calls().len()), (0, 1), "{change:?}");
    }
    other_app.stop().await.expect_clean();
    stand.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_each_is_reported_and_the_worst_is_the_status() {
    let stand = Stand::new().await;
    let address = stand.address();
    let (_socket, nobody) = nobody();
    in_context(&stand, &format!("[\"{nobody}\", \"{address}\", \"{address}\"]"));
    let ran = stand.run(&["restart", "mail", "--all", "--reason", "why", "--json"]).await.harmless();
    assert_eq!(ran.status, Some(3), "{ran:?}");
    let done = object(ran.stdout.trim_end());
    assert_eq!((&done["target"], &done["name"]), (&json!(address.to_string()), &json!("mail")));
    let failed = object(ran.stderr.trim_end());
    let said = failed["error"].as_str().unwrap();
    assert!(said.starts_with(&format!("{nobody}: connection refused")), "{said}");
    assert_eq!(stand.fake.calls(), ["restart 0xbeef: why"], "once, though the address is there twice");

    let ran = stand.run_as("reader", &["restart", "mail", "--all", "--reason", "why"]).await;
    assert!(matches!(ran.status, Some(0 | 3 | 5)), "{ran:?}");
    stand.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_twice_and_a_name_of_one_machine_are_one() {
    let stand = Stand::new().await;
    let address = stand.address();
    in_context(&stand, &format!("[\"{address}\", \"{address}\"]"));
    stand.run(&["reload", "--reason", "why"]).await.printed();
    in_context(&stand, &format!("\"localhost:{}\"", address.port()));
    stand.run(&["reload", "--reason", "why"]).await.printed();
    assert_eq!(stand.fake.calls().len(), 2);
    stand.app.stop().await.expect_clean();
}
