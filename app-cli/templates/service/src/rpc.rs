//! The endpoint: serves the interface `Greeter` of the schema to other processes.

use std::rc::Rc;

use app_core::prelude::*;
use app_rpc::Bootstrap;

use crate::api_capnp::greeter;
use crate::{MY_SERVICE_RPC, MyService};

app_rpc::rpc_methods! { crate::METHODS }

app_rpc::rpc_endpoint! {
    id: MY_SERVICE_RPC, name: "my-service-rpc", doc: "Who may be greeted over RPC.", bootstrap: bootstrap
}

// The parameter is the dependency. So the service runs as long as the endpoint listens.
async fn bootstrap(handle: Dep<MyService>) -> Result<Bootstrap, Error> {
    let handle = MyService::clone(&handle);
    Ok(Bootstrap::new(move |_peer| client(handle.clone())))
}

/// The capability that each client gets.
fn client(handle: MyService) -> greeter::Client {
    capnp_rpc::new_client(Remote(handle))
}

struct Remote(MyService);

impl greeter::Server for Remote {
    async fn hello(
        self: Rc<Self>,
        params: greeter::HelloParams,
        mut results: greeter::HelloResults,
    ) -> capnp::Result<()> {
        let name = params.get()?.get_name()?.to_str()?;
        let hello = self.0.hello(name).await.map_err(app_rpc::exception)?;
        let mut results = results.get();
        results.set_text(&hello.text);
        results.set_number(hello.number);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use app_core::testing::TestApp;

    use super::*;
    use crate::MY_SERVICE;

    #[tokio::test(start_paused = true)]
    async fn a_client_is_greeted_and_told_what_is_wrong() {
        let app = TestApp::with([MY_SERVICE]).await;
        let greeter = client(MyService::clone(&app.get::<MyService>()));
        let hello = async |name: &str| {
            let mut call = greeter.hello_request();
            call.get().set_name(name);
            let answer = call.send().promise.await?;
            Ok::<_, capnp::Error>(answer.get()?.get_text()?.to_string()?)
        };
        assert_eq!(hello("Ada").await.unwrap(), "Hello, Ada!");
        let refused = hello("").await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("name: must have 1 to 100 bytes")
        );
        app.stop().await.expect_clean();
    }
}
