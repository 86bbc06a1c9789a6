//! A list that many threads read without a lock while one thread changes it.
//!
//! Blocks of doubling size are allocated when first needed and never moved, so a reader may walk them at any time. Each
//! slot is an atomic pointer. A reader sees every entry that was set before it began and not cleared since.

use crate::sync::{ArcSwapOption, OnceLock};
use std::array;
use std::sync::Arc;

/// Slots of the first block. Each block has twice as many slots as the one before it.
const FIRST: usize = 8;
pub(crate) const BLOCKS: usize = 24;
/// Number of slots: 134 million.
pub(crate) const CAPACITY: usize = FIRST * ((1 << BLOCKS) - 1);

type Block<T> = Box<[ArcSwapOption<T>]>;

pub(crate) struct Slots<T> {
    blocks: [OnceLock<Block<T>>; BLOCKS],
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { blocks: array::from_fn(|_| OnceLock::new()) }
    }
}

impl<T> Slots<T> {
    /// Fills or clears a slot. An index of [`CAPACITY`] or more has no slot; the vector's cap is lower.
    pub(crate) fn set(&self, index: usize, entry: Option<Arc<T>>) {
        let (block, offset) = place(index);
        let Some(block_cell) = self.blocks.get(block) else { return };
        let new_block = || (0..FIRST << block).map(|_| ArcSwapOption::empty()).collect();
        if let Some(slot) = block_cell.get_or_init(new_block).get(offset) {
            slot.store(entry);
        }
    }

    /// The filled slots from an index on, in order, each with its index.
    pub(crate) fn iter_from(&self, first: usize) -> impl Iterator<Item = (usize, Arc<T>)> {
        let (first_block, first_offset) = place(first);
        let blocks = self.blocks.iter().map_while(OnceLock::get).enumerate().skip(first_block);
        blocks.flat_map(move |(number, block)| {
            let begins = FIRST * ((1 << number) - 1);
            let skipped = if number == first_block { first_offset } else { 0 };
            let slots = block.iter().enumerate().skip(skipped);
            slots.filter_map(move |(offset, slot)| Some((begins + offset, slot.load_full()?)))
        })
    }
}

/// Block and offset of an index: block `b` begins at index `FIRST * (2^b - 1)`.
pub(crate) fn place(index: usize) -> (usize, usize) {
    let block = (index / FIRST + 1).ilog2() as usize;
    (block, index - FIRST * ((1 << block) - 1))
}
