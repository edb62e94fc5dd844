//! Memory that a component has from the start.
//!
//! A call gets a fresh instance, and what it allocates first would have it grow its memory: the standard library's
//! allocator begins with nothing. Growing costs two changes of page protections, one now and one when the host makes
//! the memory small again for the next call, which is most of what a call for a small tenant takes. So the first
//! allocations come out of an array in the memory that every instance begins with.
//!
//! Nothing is given back here but the last block: what does not fit any more, and all that a policy allocates and
//! frees in loops, goes to the standard library's allocator. So at most the array itself is lost to it.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};

/// What a table of a thousand layers takes, and what most policies need beside it. More would cost small tenants what
/// it spares larger ones: the host clears all of it that any call before has touched. It is no part of the component's
/// file.
pub(crate) const ARENA_BYTES: usize = 64 << 10;

/// As large as any alignment that is asked for in practice; what wants more goes to the allocator behind.
const ARENA_ALIGN: usize = 16;

/// The array.
#[repr(C, align(16))]
struct Block<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

/// Hands out the array from its beginning on, and is followed by another allocator.
pub(crate) struct Arena<A, const BYTES: usize> {
    block: Block<BYTES>,
    /// Bytes that are handed out.
    used: Cell<usize>,
    behind: A,
}

// An instance has one thread, and the WebAssembly that the host takes has no way to make another.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "there are no threads")]
unsafe impl<A, const BYTES: usize> Sync for Arena<A, BYTES> {}

impl<A, const BYTES: usize> Arena<A, BYTES> {
    pub(crate) const fn before(behind: A) -> Self {
        Arena { block: Block(UnsafeCell::new([0; BYTES])), used: Cell::new(0), behind }
    }

    fn start(&self) -> *mut u8 {
        self.block.0.get().cast()
    }

    /// Where in the array a block begins; `None` for one from behind.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        block.addr().checked_sub(self.start().addr()).filter(|offset| *offset < BYTES)
    }

    /// A block out of the array, if there is room.
    fn inside(&self, layout: Layout) -> Option<*mut u8> {
        let offset = self.used.get().next_multiple_of(layout.align());
        let fits = layout.align() <= ARENA_ALIGN && self.take(offset, layout.size());
        fits.then(|| self.start().wrapping_add(offset))
    }

    /// Takes `size` bytes at `offset`, if they are there. A block of nothing takes a byte, so that it has an offset.
    fn take(&self, offset: usize, size: usize) -> bool {
        let end = offset.checked_add(size.max(1)).filter(|end| *end <= BYTES);
        end.map(|end| self.used.set(end)).is_some()
    }

    /// Whether this is the block that was handed out last.
    fn is_last(&self, offset: usize, size: usize) -> bool {
        offset + size.max(1) == self.used.get()
    }
}

#[allow(unsafe_code, reason = "an allocator hands out memory")]
unsafe impl<A: GlobalAlloc, const BYTES: usize> GlobalAlloc for Arena<A, BYTES> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the ones that are asked for.
        self.inside(layout).unwrap_or_else(|| unsafe { self.behind.alloc(layout) })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // What was given back and is handed out again is not zero.
        let clear = |block: *mut u8| {
            // SAFETY: the block is as long as was asked for.
            unsafe { block.write_bytes(0, layout.size()) };
            block
        };
        // SAFETY: as above. The allocator behind knows what is zero already.
        self.inside(layout).map(clear).unwrap_or_else(|| unsafe { self.behind.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset(block) {
            Some(offset) if self.is_last(offset, layout.size()) => self.used.set(offset),
            Some(_) => {}
            // SAFETY: it is not from the array, so it is from behind, with this layout.
            None => unsafe { self.behind.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset(block) else {
            // SAFETY: it is not from the array, so it is from behind, with this layout.
            return unsafe { self.behind.realloc(block, layout, size) };
        };
        if self.is_last(offset, layout.size()) && self.take(offset, size) {
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller promises that `size` rounded up to this alignment fits.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both are at least as long as the old block, and no two blocks share a byte.
            unsafe { block.copy_to_nonoverlapping(moved, layout.size()) };
        }
        moved
    }
}

#[cfg(test)]
#[allow(unsafe_code, reason = "an allocator is called as allocators are")]
mod tests {
    use std::alloc::System;

    use proptest::prelude::*;

    use super::*;

    const BYTES: usize = ARENA_BYTES;
    type Small = Arena<System, BYTES>;

    fn arena() -> Box<Small> {
        Box::new(Arena::before(System))
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    /// Whether a block of `size` bytes comes out of the array.
    fn takes(arena: &Small, size: usize, align: usize) -> bool {
        let layout = layout(size, align);
        let block = unsafe { arena.alloc(layout) };
        assert!(!block.is_null() && block.addr() % align == 0);
        let inside = arena.offset(block).is_some();
        if !inside {
            unsafe { arena.dealloc(block, layout) };
        }
        inside
    }

    #[test]
    fn the_size_of_the_array_is_obeyed_and_violated() {
        assert!(takes(&arena(), BYTES, 16));
        assert!(!takes(&arena(), BYTES + 1, 16));
        let full = arena();
        assert!(takes(&full, BYTES - 16, 1) && takes(&full, 16, 16) && !takes(&full, 1, 1));
    }

    #[test]
    fn what_wants_a_larger_alignment_comes_from_behind() {
        let arena = arena();
        assert!(!takes(&arena, 8, 32) && takes(&arena, 8, 16));
    }

    #[test]
    fn the_last_block_grows_and_is_given_back_in_place() {
        let arena = arena();
        let block = unsafe { arena.alloc(layout(8, 8)) };
        assert_eq!(unsafe { arena.realloc(block, layout(8, 8), 512) }, block);
        assert_eq!(arena.used.get(), 512);
        unsafe { arena.dealloc(block, layout(512, 8)) };
        assert_eq!(arena.used.get(), 0);
    }

    #[test]
    fn a_block_that_is_handed_out_again_is_zeroed_on_demand() {
        let arena = arena();
        let block = unsafe { arena.alloc(layout(64, 1)) };
        unsafe { block.write_bytes(7, 64) };
        unsafe { arena.dealloc(block, layout(64, 1)) };
        let again = unsafe { arena.alloc_zeroed(layout(64, 1)) };
        assert_eq!(again, block);
        assert_eq!(unsafe { std::slice::from_raw_parts(again, 64) }, [0; 64]);
    }

    proptest! {
        /// Blocks that come, change their size and go, each filled with a byte of its own.
        #[test]
        fn blocks_keep_what_is_written_into_them(
            steps in prop::collection::vec((0u8..3, 0usize..3000, 0u32..5, any::<prop::sample::Index>()), 0..80),
        ) {
            let arena = arena();
            let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
            let bytes = |block: *mut u8, len: usize| unsafe { std::slice::from_raw_parts(block, len) };
            for (number, (what, size, align, which)) in (1u8..).zip(steps) {
                if what == 0 || blocks.is_empty() {
                    let layout = layout(size.max(1), 1 << align);
                    let block = unsafe { arena.alloc(layout) };
                    unsafe { block.write_bytes(number, layout.size()) };
                    blocks.push((block, layout, number));
                } else {
                    let (block, old, filled) = blocks.swap_remove(which.index(blocks.len()));
                    if what == 1 {
                        let size = size.max(1);
                        let moved = unsafe { arena.realloc(block, old, size) };
                        prop_assert!(bytes(moved, size.min(old.size())).iter().all(|byte| *byte == filled));
                        unsafe { moved.write_bytes(filled, size) };
                        blocks.push((moved, layout(size, old.align()), filled));
                    } else {
                        unsafe { arena.dealloc(block, old) };
                    }
                }
                for (block, layout, filled) in &blocks {
                    prop_assert_eq!(block.addr() % layout.align(), 0);
                    prop_assert!(bytes(*block, layout.size()).iter().all(|byte| byte == filled));
                }
            }
            for (block, layout, _) in blocks {
                unsafe { arena.dealloc(block, layout) };
            }
        }
    }
}
