//! Graphs of services: what is in them, trees, Graphviz, and who stops along.

use super::*;
use crate::testing::{TestApp, runs};

fn service(id: u64, name: &str, needs: &[u64]) -> GraphService {
    GraphService {
        id: format!("{id:#x}"),
        name: name.to_owned(),
        state: Some("running".to_owned()),
        reason: None,
        needs: needs.iter().map(|id| format!("{id:#x}")).collect(),
        rests_on: Vec::new(),
        level: 0,
        infrastructure: false,
        platform: false,
        restarts: 0,
        start_began_millis: None,
        start_millis: None,
    }
}

fn graph(services: Vec<GraphService>) -> ServiceGraph {
    ServiceGraph { services }
}

#[test]
fn a_tree_shows_each_service_above_what_it_needs_and_repeats_nothing() {
    let graph = graph(vec![
        service(1, "store", &[]),
        service(2, "cache", &[1]),
        service(3, "api", &[2, 1]),
        service(4, "jobs", &[2]),
    ]);
    let expected = "\
api (0x3)  running
|- cache (0x2)  running
|  `- store (0x1)  running
`- store (0x1)  running
jobs (0x4)  running
`- cache (0x2, see above)  running
";
    assert_eq!(graph.text(), expected);
}

#[test]
fn a_circle_in_an_answer_ends_and_shows_every_service() {
    let graph = graph(vec![service(1, "a", &[2]), service(2, "b", &[1]), service(3, "c", &[9])]);
    let expected =
        "c (0x3)  running\na (0x1)  running\n`- b (0x2)  running\n   `- a (0x1, see above)  running\n";
    assert_eq!(graph.text(), expected);
    assert_eq!(graph.along("0x1").len(), 2);
    assert!(graph.along("0x77").is_empty());
}

#[test]
fn a_long_chain_does_not_exhaust_the_stack() {
    let chain = (0..10_000).map(|id| service(id, "link", &[id + 1])).collect();
    assert_eq!(graph(chain).tree().len(), 10_000);
}

#[test]
fn graphviz_gets_quoted_names() {
    let mut hostile = service(1, "a \"b\" \\N <&lt;>\n\u{1b}[2J", &[2]);
    hostile.infrastructure = true;
    let dot = graph(vec![hostile, service(2, "plain", &[])]).dot();
    let expected = [
        "digraph services {",
        "  node [shape=box, style=filled];",
        r#"  "0x1" [label="a \"b\" \\N <&amp;lt;>\\n\\u{1b}[2J\n0x1\nrunning", fillcolor="palegreen", peripheries=2];"#,
        r#"  "0x2" [label="plain\n0x2\nrunning", fillcolor="palegreen"];"#,
        r#"  "0x1" -> "0x2";"#,
        "}",
        "",
    ];
    assert_eq!(dot, expected.join("\n"));
}

#[tokio::test]
async fn the_graph_of_an_app_has_levels_states_and_infrastructure() {
    let (store, api, base) = (ServiceId::new(1), ServiceId::new(2), ServiceId::new(3));
    let app = TestApp::builder()
        .service(runs(base, "base").infrastructure(true))
        .service(runs(api, "api").after([store]))
        .service(runs(store, "store"))
        .start()
        .await;
    let graph = ServiceGraph::of(&app);
    let told: Vec<_> = graph.services.iter().map(|s| (s.name.as_str(), s.level)).collect();
    assert_eq!(told, [("base", 0), ("store", 1), ("api", 2)]);
    let api = &graph.services[2];
    assert_eq!(
        (api.needs.as_slice(), api.rests_on.as_slice()),
        (["0x1".to_owned()].as_slice(), ["0x3".to_owned()].as_slice())
    );
    assert!(
        api.start_began_millis.is_some_and(|began| began > 1_600_000_000_000) && api.start_millis.is_some()
    );
    let names = |id: &str| graph.along(id).iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    assert_eq!(names("0x1"), ["api", "store"]);
    assert_eq!(names("0x3"), ["api", "store", "base"]);
    let json = serde_json::to_value(&graph).unwrap();
    assert_eq!(json["services"][1]["state"], "running");
    assert_eq!(serde_json::from_value::<ServiceGraph>(json).unwrap(), graph);
    app.stop().await.expect_clean();
}

#[test]
fn services_that_cannot_start_have_no_graph() {
    let lost = runs(ServiceId::new(1), "lost").after([ServiceId::new(99)]);
    let problems = ServiceGraph::planned(vec![lost]).unwrap_err();
    assert!(problems[0].to_string().contains("which is not linked"), "{problems:?}");
}
