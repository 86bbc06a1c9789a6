//! The arguments of an operation as a parameter.

use std::{fmt, ops::Deref};

/// The arguments of a call, as a parameter of an operation's function. `T` is `Deserialize` and `JsonSchema`, and its JSON is an
/// object.
///
/// ```
/// use app_core::prelude::*;
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # struct Forget { rule: String }
/// async fn forget(args: Args<Forget>) -> Result<(), Error> {
///     let Forget { rule } = args.into_inner();
///     // ..
/// #   drop(rule);
///     Ok(())
/// }
/// ```
pub struct Args<T>(T);

impl<T> Args<T> {
    pub(crate) fn new(arguments: T) -> Self {
        Self(arguments)
    }

    /// The arguments themselves.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Args<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Args<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
