//! A step allocates nothing, once its room has been made.
#![allow(missing_docs, clippy::unwrap_used)]

use groklab_vectors::{
    mlp::{Engine, Init, Loss, Mlp, Penalty},
    optim::{AdamW, Optimizer, Sgd},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

struct Counting;
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// the only test here: others would allocate beside it
#[test]
fn a_step_allocates_nothing() {
    let mlp = Mlp::new(&[6, 9, 8, 4], true, 0.5).unwrap();
    let mut params = Init::Uniform { scale: 1.0 }.draw(&mlp, 0).unwrap();
    let (inputs, labels, v) = (vec![0.5; 60], vec![1; 10], vec![0.5; 40]);
    let mut grads = vec![0.0; params.len()];
    let mut engine = Engine::new(&mlp);
    let (mut sgd, mut adamw) = (Sgd::new(0.9, 0.1, params.len()), AdamW::new(0.1, params.len()));
    let penalty = Penalty { strength: 0.1, level: None };
    let mut step = || {
        let term = Some((&penalty, &v[..]));
        engine.gradient(&params, &inputs, &labels, Loss::CrossEntropy, term, &mut grads).unwrap();
        sgd.step(&mut params, &grads, 1e-3).unwrap();
        adamw.step(&mut params, &grads, 1e-3).unwrap();
    };
    let before = ALLOCATIONS.load(Relaxed);
    step();
    let first = ALLOCATIONS.load(Relaxed);
    assert!(first > before, "nothing is counted");
    (0..5).for_each(|_| step());
    assert_eq!(ALLOCATIONS.load(Relaxed), first);
}
