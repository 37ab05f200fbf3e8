//! Why the analyzer could not be put together.

use strategy_core::num::NumError;
use strategy_core::store::StoreError;

use crate::llm::deepseek::SetupError;
use crate::llm::recording::RecordingError;

/// Why the analyzer could not be put together, or a run of one cycle failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalyzerError {
    /// The Redis settings cannot be used.
    #[error("the store cannot be set up")]
    Store(#[source] StoreError),
    /// The model's client cannot be made.
    #[error("the model cannot be set up")]
    Model(#[source] SetupError),
    /// The file of `--replay-model` has nothing for this market.
    #[error("nothing can be replayed")]
    Replay(#[source] RecordingError),
    /// A setting has more digits than amounts keep.
    #[error("analyzer.analysis.min_order_volume_threshold cannot be used")]
    Threshold(#[source] NumError),
    /// The only cycle of a run wrote no line.
    #[error("no recommendation was written")]
    Once(#[source] crate::cycle::CycleError),
}
