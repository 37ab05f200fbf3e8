//! Which of several analyzers on the same keys writes lines: the one whose status stands in Redis.
//!
//! The status task learns it with every write, the cycles ask. Where Redis does not answer nothing changes: who
//! wrote writes on, who waited waits on, and who has just begun is alone as far as it can know.

use strategy_core::store::{StoreError, Writer};
use tokio::sync::watch;

/// Whether this analyzer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not known yet.
    Unknown,
    /// It does.
    Writer,
    /// Another one does: this one waits until that is gone.
    Standby,
}

impl Standing {
    /// Notes how the last write of the status went, and says a change in the log.
    pub(crate) fn note(standing: &watch::Sender<Self>, outcome: &Result<Writer, StoreError>) {
        let before = *standing.borrow();
        let now = before.after(outcome.as_ref().ok());
        match (before, now, outcome) {
            (Self::Standby, Self::Standby, _) => {}
            (_, Self::Standby, Ok(Writer::Other(other))) => tracing::warn!(
                other,
                "another analyzer writes the same keys: waiting as its standby"
            ),
            (Self::Standby, Self::Writer, _) => {
                tracing::info!("the other analyzer is gone: this one writes the lines from now on");
            }
            _ => {}
        }
        standing.send_replace(now);
    }

    /// What follows from the last write; none where there was no answer.
    fn after(self, writer: Option<&Writer>) -> Self {
        match (writer, self) {
            (Some(Writer::Other(_)), _) => Self::Standby,
            (Some(Writer::This), _) | (None, Self::Unknown) => Self::Writer,
            (None, known) => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_changes_who_writes() {
        let other = Writer::Other("b".to_owned());
        for known in [Standing::Unknown, Standing::Writer, Standing::Standby] {
            assert_eq!(known.after(Some(&Writer::This)), Standing::Writer);
            assert_eq!(known.after(Some(&other)), Standing::Standby);
        }
        assert_eq!(Standing::Unknown.after(None), Standing::Writer);
        assert_eq!(Standing::Writer.after(None), Standing::Writer);
        assert_eq!(Standing::Standby.after(None), Standing::Standby);
    }
}
