//! Work of some milliseconds on a thread of its own, so that other tasks go on meanwhile.

use std::future::pending;
use std::panic::resume_unwind;

use tokio::task::JoinError;

/// Does the work elsewhere and waits for it. A panic in it goes on here.
///
/// # Cancel safety
/// When the call is dropped the work goes on to its end and its result is dropped.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// The outcome of work that runs elsewhere. A panic in it goes on here.
///
/// # Cancel safety
/// As that of `work`.
pub(crate) async fn joined<T>(work: impl Future<Output = Result<T, JoinError>>) -> T {
    match work.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The program is ending, and nobody waits for this.
            Err(_) => pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_result_comes_back_and_a_panic_too() {
        assert_eq!(aside(|| 7).await, 7);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(aside(|| -> u8 { panic!("on purpose") }));
        let panicked = tasks.join_next().await.unwrap();
        assert!(panicked.unwrap_err().is_panic());
    }
}
