//! What the model does next, told by the test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::{ModelReply, lock};

/// Which kind of request a scripted reply waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Whatever comes.
    Any,
    /// A request that offers tools and has no tool results yet.
    Tools,
    /// A request with tool results, or one that offers no tools.
    Final,
}

/// A queue of replies; clones share it. What is not scripted is answered well.
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<VecDeque<Entry>>>);

#[derive(Debug, Clone)]
struct Entry {
    phase: Phase,
    reply: ModelReply,
    times: u32,
}

impl Script {
    /// The next request gets this reply, after those queued before.
    pub fn next(&self, reply: ModelReply) {
        self.push(Phase::Any, reply, 1);
    }

    /// The next request that offers tools gets this reply.
    pub fn next_tools(&self, reply: ModelReply) {
        self.push(Phase::Tools, reply, 1);
    }

    /// The next request that wants the final answer gets this reply.
    pub fn next_final(&self, reply: ModelReply) {
        self.push(Phase::Final, reply, 1);
    }

    /// Every request gets this reply until [`Script::clear`].
    pub fn always(&self, reply: ModelReply) {
        self.push(Phase::Any, reply, u32::MAX);
    }

    /// The next `times` requests of a phase get this reply; `u32::MAX` means all.
    pub fn push(&self, phase: Phase, reply: ModelReply, times: u32) {
        lock(&self.0).push_back(Entry { phase, reply, times });
    }

    /// Forgets what has not been used.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// How many replies wait, those for ever included.
    pub fn waiting(&self) -> usize {
        lock(&self.0).len()
    }

    /// The reply to a request of this phase: the first one queued for it.
    pub(super) fn take(&self, phase: Phase) -> ModelReply {
        let mut queue = lock(&self.0);
        let fits = |entry: &Entry| entry.phase == Phase::Any || entry.phase == phase;
        let Some(index) = queue.iter().position(fits) else {
            return ModelReply::Well;
        };
        let entry = &mut queue[index];
        let reply = entry.reply.clone();
        if entry.times != u32::MAX {
            entry.times -= 1;
        }
        if entry.times == 0 {
            queue.remove(index);
        }
        reply
    }
}
