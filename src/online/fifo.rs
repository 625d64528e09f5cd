//! A queue that grows a chunk at a time, so that a backlog never costs one giant copy.

use std::collections::VecDeque;

/// Entries of a chunk.
const CHUNK: usize = 4_096;

/// First in, first out. Its users bound it: at most one entry a row, or a key.
#[derive(Debug)]
pub(crate) struct Fifo<T> {
    chunks: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Fifo<T> {
    pub(crate) fn new() -> Self {
        Fifo { chunks: VecDeque::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// About what its entries take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.len * size_of::<T>()) as u64
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.chunks.front().and_then(VecDeque::front)
    }

    pub(crate) fn push(&mut self, value: T) {
        self.len += 1;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push_back(value),
            _ => self.chunks.push_back(VecDeque::from([value])),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let value = self.chunks.front_mut()?.pop_front()?;
        self.len -= 1;
        if self.chunks.front().is_some_and(VecDeque::is_empty) && self.chunks.len() > 1 {
            self.chunks.pop_front();
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_comes_out_in_order_across_chunks() {
        let mut fifo = Fifo::new();
        let mut next = 0;
        for round in 0..5 {
            for value in 0..10_000 {
                fifo.push(round * 10_000 + value);
            }
            for _ in 0..7_000 {
                assert_eq!(fifo.front(), Some(&next));
                assert_eq!(fifo.pop(), Some(next));
                next += 1;
            }
        }
        assert_eq!(fifo.len(), 15_000);
        while let Some(value) = fifo.pop() {
            assert_eq!(value, next);
            next += 1;
        }
        assert_eq!((next, fifo.len()), (50_000, 0));
        assert!(fifo.front().is_none());
    }
}
