//! The graph in the language of Graphviz.

use std::fmt::Write as _;

use super::{GraphService, ServiceGraph};

impl ServiceGraph {
    /// The graph for Graphviz: `dot -Tsvg`. An arrow leads from a service to one that it needs.
    ///
    /// Infrastructure services, which all other services depend on, are drawn with a double border and without these arrows.
    ///
    /// ```
    /// use app_core::service_graph::ServiceGraph;
    ///
    /// assert!(ServiceGraph::default().dot().starts_with("digraph services {\n"));
    /// ```
    #[must_use]
    pub fn dot(&self) -> String {
        let mut dot = String::from("digraph services {\n  node [shape=box, style=filled];\n");
        for service in &self.services {
            let GraphService { id, name, state, infrastructure, .. } = service;
            let state = state.as_deref().unwrap_or_default();
            let line = if state.is_empty() { String::new() } else { format!("\\n{}", quoted(state)) };
            let border = if *infrastructure { ", peripheries=2" } else { "" };
            // Writing to a string does not fail.
            let _ = writeln!(
                dot,
                "  \"{id}\" [label=\"{}\\n{id}{line}\", fillcolor=\"{}\"{border}];",
                quoted(name),
                colour(state),
                id = quoted(id),
            );
        }
        for service in &self.services {
            for need in &service.needs {
                let _ = writeln!(dot, "  \"{}\" -> \"{}\";", quoted(&service.id), quoted(need));
            }
        }
        dot.push_str("}\n");
        dot
    }
}

/// The colour of a state. The label names the state as well.
fn colour(state: &str) -> &'static str {
    match state {
        "running" => "palegreen",
        "failed" => "lightcoral",
        "" => "white",
        _ => "khaki",
    }
}

/// Text for a label or an id in double quotes. A backslash begins an escape of Graphviz, and `&` an entity.
fn quoted(text: &str) -> String {
    let shown = app_errors::one_line(text).to_string();
    shown.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}
