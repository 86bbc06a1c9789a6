//! The graph as a tree of lines: each service above those that it needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{GraphService, ServiceGraph};

/// The most bytes of branches before a name. What lies deeper is not indented further.
const MOST_BRANCHES: usize = 192;

/// A line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeLine<'a> {
    /// The branches before the name.
    pub branches: String,
    /// The service.
    pub service: &'a GraphService,
    /// Whether an earlier line has the services that it needs, so that they are left out here.
    pub above: bool,
}

impl TreeLine<'_> {
    /// The line without its state: `+- quota (0xce1f)`.
    #[must_use]
    pub fn named(&self) -> String {
        let GraphService { name, id, .. } = self.service;
        let (name, id) = (app_errors::one_line(name), app_errors::one_line(id));
        let above = if self.above { ", see above" } else { "" };
        format!("{}{name} ({id}{above})", self.branches)
    }
}

impl ServiceGraph {
    /// The lines of the tree. The services that no other one needs come first, infrastructure last.
    #[must_use]
    pub fn tree(&self) -> Vec<TreeLine<'_>> {
        let by_id: BTreeMap<_, _> =
            self.services.iter().map(|service| (service.id.as_str(), service)).collect();
        let needed: BTreeSet<_> = self.services.iter().flat_map(|service| &service.needs).collect();
        let mut roots: Vec<_> =
            self.services.iter().filter(|service| !needed.contains(&service.id)).collect();
        roots.sort_by_key(|service| (service.infrastructure, service.platform, &service.name, &service.id));
        // An answer may come from anywhere: a circle has no root, and none of its services may be left out.
        roots.extend(self.services.iter().filter(|service| needed.contains(&service.id)));
        let mut tree = Tree { by_id, shown: BTreeSet::new(), lines: Vec::new() };
        for root in roots {
            if !tree.shown.contains(root.id.as_str()) {
                tree.add(root);
            }
        }
        tree.lines
    }

    /// The tree as text, a line for each service, with its state.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.tree() {
            text.push_str(&line.named());
            if let Some(state) = &line.service.state {
                text.push_str("  ");
                text.push_str(&app_errors::one_line(state).to_string());
            }
            text.push('\n');
        }
        text
    }
}

struct Tree<'a> {
    by_id: BTreeMap<&'a str, &'a GraphService>,
    /// The services whose needs were shown.
    shown: BTreeSet<&'a str>,
    lines: Vec<TreeLine<'a>>,
}

impl<'a> Tree<'a> {
    /// Adds a service and what it needs.
    fn add(&mut self, root: &'a GraphService) {
        // A stack of our own: an answer with a long chain must not exhaust that of the thread.
        let mut open = vec![(root, String::new(), String::new())];
        while let Some((service, branches, below)) = open.pop() {
            let is_new = self.shown.insert(&service.id);
            self.lines.push(TreeLine { branches, service, above: !is_new && !service.needs.is_empty() });
            if !is_new {
                continue;
            }
            let mut needs: Vec<_> =
                service.needs.iter().filter_map(|id| self.by_id.get(id.as_str()).copied()).collect();
            needs.sort_by_key(|need| (&need.name, &need.id));
            let last = needs.len().saturating_sub(1);
            for (at, need) in needs.into_iter().enumerate().rev() {
                let (branch, beside) = match at {
                    _ if below.len() >= MOST_BRANCHES => ("", ""),
                    at if at == last => ("`- ", "   "),
                    _ => ("|- ", "|  "),
                };
                open.push((need, format!("{below}{branch}"), format!("{below}{beside}")));
            }
        }
    }
}
