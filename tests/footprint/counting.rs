//! An allocator that counts what is held: the bytes of each allocation as the system's allocator cuts
//! them, so that many small ones are not taken for less than they are.

#![expect(unsafe_code, reason = "an allocator is unsafe by its interface")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tidemark_operators::slab::heap_bytes;

static HELD: AtomicU64 = AtomicU64::new(0);

/// The bytes that are held now.
pub fn held() -> u64 {
    HELD.load(Relaxed)
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(heap_bytes(layout.size() as u64), Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(heap_bytes(layout.size() as u64), Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(at, layout) }
    }
}
