//! Listening sockets that may outlive the process.
//!
//! A listening service asks the app for its listener, by its own name ([`App::listen`](crate::App::listen)). It gets one that this
//! process inherited, or one that is bound now. A service need not know which:
//!
//! ```
//! # use app_core::{prelude::*, testing::TestApp};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let app = TestApp::empty().await;
//! let listener = app.listen("echo", Some([127, 0, 0, 1].into()), 0)?;
//! let address = listener.address();
//! let accepting = listener.accepting()?;
//! let client = tokio::net::TcpStream::connect(address).await?;
//! let (server, from) = accepting.accept().await?;
//! assert_eq!(from, client.local_addr()?);
//! # Ok(())
//! # }
//! ```
//!
//! | a listener comes from | when |
//! |---|---|
//! | `LISTEN_FDS` | a service manager passes it on: the socket belongs to the manager (a `.socket` unit) |
//! | the store of the service manager | an earlier process of the same unit bound it and stored it |
//! | the process that this one replaces | `--handover` |
//! | this process | otherwise |
//!
//! Every service that listens also declares it, with a [`ListeningService`](crate::plugins::ListeningService). So a start and `--check` find out which inherited
//! listener belongs to which service before anything runs, and say what does not fit.

mod accepting;
mod bind;
mod descriptors;
mod environment;
mod offer;
mod place;
mod store;
mod table;

pub use self::{
    accepting::{Accepting, AcceptsLast, Listener, is_out_of_descriptors},
    bind::{ListenError, listen, try_address},
    offer::ListenerOrigin,
    place::{ListenPlace, SetBy},
    table::{ListenerStatus, StoreStep},
};
pub(crate) use self::{
    environment::{Inherited, take_inherited},
    offer::Offer,
    place::Listening,
    table::{Assignment, Listeners},
};
