//! The minutes that were generated last.

use std::collections::VecDeque;
use std::sync::Arc;

use strategy_core::time::Minute;

use crate::market::Block;

/// Most rows kept, about 32 MB; a page of history and the stream need two or three minutes.
const MAX_ROWS: usize = 500_000;
/// Most minutes kept.
const MAX_BLOCKS: usize = 256;

/// Recently used blocks, the newest at the back.
#[derive(Debug, Default)]
pub(super) struct BlockCache {
    blocks: VecDeque<Arc<Block>>,
    rows: usize,
}

impl BlockCache {
    pub(super) fn get(&mut self, minute: Minute) -> Option<Arc<Block>> {
        let index = self.blocks.iter().rposition(|block| block.minute == minute)?;
        let block = self.blocks.remove(index)?;
        self.blocks.push_back(Arc::clone(&block));
        Some(block)
    }

    pub(super) fn put(&mut self, block: Arc<Block>) {
        if self.blocks.iter().any(|known| known.minute == block.minute) {
            return;
        }
        self.rows += block.rows.len();
        self.blocks.push_back(block);
        while self.blocks.len() > MAX_BLOCKS || (self.rows > MAX_ROWS && self.blocks.len() > 2) {
            let Some(oldest) = self.blocks.pop_front() else {
                return;
            };
            self.rows -= oldest.rows.len();
        }
    }
}
