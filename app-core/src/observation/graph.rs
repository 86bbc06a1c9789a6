//! The operation `app graph`: the services with their dependencies and states.

use app_errors::Error;

use crate::{APP_SERVICE, App, service_graph::ServiceGraph};

crate::operation! {
    of: APP_SERVICE,
    name: "graph",
    role: Read,
    effect: Reads,
    about: "Lists the services with their dependencies, states and start times.",
    run: graph,
}

async fn graph(app: App) -> Result<ServiceGraph, Error> {
    Ok(ServiceGraph::of(&app))
}
