//! The one place that starts background tasks.

use std::future::Future;

use tokio_util::sync::{CancellationToken, DropGuard};

/// The background tasks of one server; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Tasks {
    token: CancellationToken,
    _guard: DropGuard,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        let token = CancellationToken::new();
        Self {
            _guard: token.clone().drop_guard(),
            token,
        }
    }

    /// Cancelled when the server is to end.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Runs a future until it is done or the server ends.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        spawn_until(self.token.clone(), future);
    }
}

/// Runs a future until it is done or `token` is cancelled.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulator has no life cycle of its own: a task that dies fails the test that uses it"
)]
pub(crate) fn spawn_until(token: CancellationToken, future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(async move {
        token.run_until_cancelled_owned(future).await;
    }));
}
