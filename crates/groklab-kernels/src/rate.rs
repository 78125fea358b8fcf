//! What the processor can do at most: multiply-adds that never leave the registers.

use super::InstructionSet;

/// Does at least `count` multiply-adds in registers and returns how many it did: divide by the time it took.
/// They are independent of one another, so nothing but the arithmetic units limits them.
pub fn multiply_adds(set: InstructionSet, count: u64) -> u64 {
    let kernels = set.kernels();
    let each = (kernels.spin_rows * kernels.spin_vectors * kernels.lanes) as u64;
    let steps = usize::try_from(count.div_ceil(each)).unwrap_or(usize::MAX).max(1);
    // SAFETY: an `InstructionSet` is only made for a processor that has it.
    std::hint::black_box(unsafe { (kernels.spin)(steps) });
    steps as u64 * each
}
