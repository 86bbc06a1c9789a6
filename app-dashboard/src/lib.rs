//! The operator's page: a web page on loopback that shows running apps and operates them.
//!
//! Why a crate of its own: a page has a server, sessions and a browser's rules, and none of these belong into a service. The
//! services get no new door. The page asks the apps through [`Apps`], which `appctl` implements with the admin interface and the
//! operator's certificate. So a reader sees what a reader may, and each change is on record in the app.
//!
//! - [`Bound`] listens on loopback only, then serves until its service stops.
//! - [`Tokens`] makes the token of the URL. A token is good once, and for a minute.
//! - An app is asked only while a page shows it.
//! - Texts of apps are data. The page shows them as text, never as markup.
//!
//! What stays out: how to reach an app, what it answers, and roles. They are in `app-cli`, `app-rpc` and the apps.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let listen = app_dashboard::loopback("127.0.0.1:0").expect("this is loopback");
//! let bound = app_dashboard::Bound::to(listen).await.expect("a free port");
//! let token = bound.tokens().renew().expect("random bytes");
//! let url = bound.url(&token);
//! assert!(url.starts_with("http://127.0.0.1:") && url.contains("/#token="));
//! assert!(app_dashboard::loopback("0.0.0.0:0").is_err());
//! # }
//! ```

mod apps;
mod assets;
mod changes;
mod exposition;
mod fleet;
mod guard;
mod history;
mod listen;
mod parse;
mod routes;
mod server;
mod sessions;
mod stall;
mod stream;
mod summary;
mod watch;

pub use self::apps::{
    Answer, AppLink, Apps, Asked, Call, Change, Changed, Instance, Problem, ProblemKind, Question,
};
pub use self::listen::loopback;
pub use self::server::Bound;
pub use self::sessions::Tokens;
