//! The kernel: one tile of C, held in registers along the whole inner block, and finished before it is stored.
//!
//! Written once over [`Vector`]; each instruction set compiles it for every height and width it uses.

/// A vector register of one instruction set.
///
/// # Safety
/// Implementations may use instructions of their set only: whoever calls a method must know that the processor has it.
/// Pointers must be valid for [`LANES`](Vector::LANES) numbers, or `n` in the methods that take it; alignment is not
/// needed.
pub(crate) unsafe trait Vector: Copy {
    /// Numbers in a register.
    const LANES: usize;
    /// Every lane `x`.
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// The first `n` lanes, 0 < n < LANES; the others are zero.
    unsafe fn load_part(from: *const f32, n: usize) -> Self;
    unsafe fn store_part(self, to: *mut f32, n: usize);
    /// a·b + self
    unsafe fn mul_add(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// max(self, 0); NaN stays NaN.
    unsafe fn relu(self) -> Self;
    /// self where `other` > 0 or NaN, else 0.
    unsafe fn where_positive(self, other: Self) -> Self;
    /// A hint that the line at `at` will be needed soon; never a fault.
    #[inline(always)]
    unsafe fn prefetch(_at: *const f32) {}
    /// The same for what is needed later: into the second cache.
    #[inline(always)]
    unsafe fn prefetch_later(_at: *const f32) {}
}

/// Rows that start `stride` apart; nothing if the pointer is null.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub pointer: *const f32,
    pub stride: usize,
}

impl Side {
    pub const NONE: Self = Self { pointer: std::ptr::null(), stride: 0 };

    /// From (i, j) on.
    ///
    /// # Safety
    /// (i, j) must lie in the matrix this side stands for, if it stands for one.
    pub unsafe fn from(self, i: usize, j: usize) -> Self {
        if self.pointer.is_null() {
            return self;
        }
        // SAFETY: the caller's contract.
        Self { pointer: unsafe { self.pointer.add(i * self.stride + j) }, ..self }
    }
}

/// Tiles of equal height, one below the other: C[..count · MR, ..width] = finish(Σₗ A[.., l]·B[l, ..]).
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    /// How many.
    pub count: usize,
    /// Terms of the sums.
    pub k: usize,
    /// (MR, k) of the first tile.
    pub a: *const f32,
    pub a_row: usize,
    pub a_column: usize,
    /// From one tile's A to the next.
    pub a_tile: usize,
    /// (k, NV · LANES), rows `b_row` apart; entries beyond `width` are not used.
    pub b: *const f32,
    pub b_row: usize,
    /// What the next call is likely to take for B.
    pub next_b: *const f32,
    pub c: *mut f32,
    pub c_row: usize,
    /// Columns of C, more than (NV − 1) · LANES and at most NV · LANES.
    pub width: usize,
    /// Added to the sums, one after the other.
    pub add: [Side; 3],
    pub relu: bool,
    /// Multiplied with the sum.
    pub times: Side,
    /// Where it is positive the sum stays, elsewhere it becomes 0.
    pub gate: Side,
}

impl Tiles {
    /// What a tile reads besides its factors, one matrix at most in all products that matter; otherwise C.
    #[inline(always)]
    fn beside(&self) -> Side {
        let c = Side { pointer: self.c, stride: self.c_row };
        let sides = [self.times, self.gate, self.add[2]];
        sides.into_iter().find(|side| !side.pointer.is_null()).unwrap_or(c)
    }
}

/// Numbers in a cache line of most processors.
const LINE: usize = 16;

/// # Safety
/// The processor must have V's instruction set. All pointers of `tiles` must be valid for what their fields say, for
/// count · MR rows; nothing but `c` and the sides may overlap C, and a side that overlaps it must start where C does and
/// have its stride.
#[inline(always)]
pub(crate) unsafe fn compute<V: Vector, const MR: usize, const NV: usize>(tiles: &Tiles) {
    // SAFETY: the caller's contract covers every address below: rows < count · MR, columns < width, k steps.
    unsafe {
        let beside = tiles.beside();
        let (mut ahead_b, mut line_b) = (tiles.next_b, 0);
        for t in 0..tiles.count {
            let mut sums = [[V::splat(0.0); NV]; MR];
            let (mut a, mut b) = (tiles.a.add(t * tiles.a_tile), tiles.b);
            // of the next tile a line after the other, down its rows; of the next panel along them. Counted like this: with
            // divisions, or an iterator, LLVM 22 moves sums out of registers, and half the speed is lost
            let below = (t + 1) * MR;
            let next_c = tiles.c.wrapping_add(below * tiles.c_row);
            let next = beside.pointer.wrapping_add(below * beside.stride);
            let (mut ahead_c, mut ahead, mut hints) = (next_c, next, 0);
            for _ in 0..tiles.k / UNROLLED {
                V::prefetch(ahead_c);
                V::prefetch(ahead);
                V::prefetch_later(ahead_b.wrapping_add(line_b));
                (ahead_c, ahead) = (ahead_c.wrapping_add(tiles.c_row), ahead.wrapping_add(beside.stride));
                hints += 1;
                if hints % MR == 0 {
                    let line = hints / MR * LINE;
                    (ahead_c, ahead) = (next_c.wrapping_add(line), next.wrapping_add(line));
                }
                line_b += LINE;
                if line_b >= NV * V::LANES {
                    (ahead_b, line_b) = (ahead_b.wrapping_add(tiles.b_row), 0);
                }
                for _ in 0..UNROLLED {
                    step(&mut sums, a, tiles.a_row, b);
                    // past the end after the last step, and then not used
                    a = a.wrapping_add(tiles.a_column);
                    b = b.wrapping_add(tiles.b_row);
                }
            }
            for _ in 0..tiles.k % UNROLLED {
                step(&mut sums, a, tiles.a_row, b);
                a = a.wrapping_add(tiles.a_column);
                b = b.wrapping_add(tiles.b_row);
            }
            // constants where they are most often known, so that every load and store is a plain one
            if tiles.width == NV * V::LANES {
                finish::<V, MR, NV, true>(sums, tiles, t * MR);
            } else {
                finish::<V, MR, NV, false>(sums, tiles, t * MR);
            }
        }
    }
}

/// Steps of the inner loop written out, with a hint of each kind: its end is then foreseen more often.
const UNROLLED: usize = 4;

/// One term of every sum.
///
/// # Safety
/// As [`compute`], at the place where `a` and `b` point.
#[inline(always)]
unsafe fn step<V: Vector, const MR: usize, const NV: usize>(
    sums: &mut [[V; NV]; MR],
    a: *const f32,
    a_row: usize,
    b: *const f32,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut row = [V::splat(0.0); NV];
        for (j, row) in row.iter_mut().enumerate() {
            *row = V::load(b.add(j * V::LANES));
        }
        for (i, sums) in sums.iter_mut().enumerate() {
            let factor = V::splat(*a.add(i * a_row));
            for (sum, row) in sums.iter_mut().zip(row) {
                *sum = sum.mul_add(factor, row);
            }
        }
    }
}

/// Side by side, so that each question is asked once a tile.
///
/// # Safety
/// As [`compute`]; FULL says that the tile is as wide as its vectors.
#[inline(always)]
unsafe fn finish<V: Vector, const MR: usize, const NV: usize, const FULL: bool>(
    mut sums: [[V; NV]; MR],
    tiles: &Tiles,
    row: usize,
) {
    // SAFETY: the caller's contract.
    unsafe {
        macro_rules! lanes {
            ($j:expr) => {
                if FULL { V::LANES } else { tiles.width - $j * V::LANES }
            };
        }
        // a macro: a closure would be compiled without the instruction set
        macro_rules! with {
            ($side:expr, $method:ident) => {
                let side: Side = $side;
                if !side.pointer.is_null() {
                    for (i, sums) in sums.iter_mut().enumerate() {
                        for (j, sum) in sums.iter_mut().enumerate() {
                            let from = side.pointer.add((row + i) * side.stride + j * V::LANES);
                            let n = lanes!(j);
                            let x = if n < V::LANES { V::load_part(from, n) } else { V::load(from) };
                            *sum = sum.$method(x);
                        }
                    }
                }
            };
        }
        for add in tiles.add {
            with!(add, add);
        }
        if tiles.relu {
            for sum in sums.as_flattened_mut() {
                *sum = sum.relu();
            }
        }
        with!(tiles.times, mul);
        with!(tiles.gate, where_positive);
        for (i, sums) in sums.into_iter().enumerate() {
            for (j, sum) in sums.into_iter().enumerate() {
                let to = tiles.c.add((row + i) * tiles.c_row + j * V::LANES);
                if lanes!(j) < V::LANES { sum.store_part(to, lanes!(j)) } else { sum.store(to) }
            }
        }
    }
}

/// `steps` rounds of MR · NV independent multiply-adds in registers; returns one of the results, so that none is left out.
///
/// # Safety
/// The processor must have V's instruction set.
#[inline(always)]
pub(crate) unsafe fn spin<V: Vector, const MR: usize, const NV: usize>(steps: usize) -> f32 {
    // SAFETY: registers only, and stores into an array of V's size.
    unsafe {
        let (a, b) = (V::splat(std::hint::black_box(0.999_999)), V::splat(std::hint::black_box(1e-6)));
        let mut sums = [[V::splat(1.0); NV]; MR];
        for _ in 0..steps {
            for row in &mut sums {
                for sum in row {
                    *sum = b.mul_add(*sum, a); // sum·a + b: stays near 1
                }
            }
        }
        let mut total = V::splat(0.0);
        for sum in sums.into_iter().flatten() {
            total = total.add(sum);
        }
        let mut lanes = [0.0f32; 64];
        assert!(V::LANES <= lanes.len());
        total.store(lanes.as_mut_ptr());
        lanes[0]
    }
}
