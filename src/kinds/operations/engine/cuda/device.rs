//! What the engine asks of a CUDA device: one piece of memory, kernels by name, batched products. All `unsafe` is here.
//!
//! Addresses are byte offsets into the memory; every call checks them or passes them to code that stays inside
//! (see [`super::buffers`]). Calls are queued on one stream and return at once; only downloads wait.

use super::Precision;
use crate::kinds::operations::engine::EngineError;
use candle_core::cuda_backend::cudarc::{
    cublas::{
        CudaBlas, result as blas, sys::cublasComputeType_t, sys::cublasGemmAlgo_t, sys::cublasOperation_t,
        sys::cublasSetWorkspace_v2, sys::cudaDataType,
    },
    driver::{
        CudaContext, CudaEvent, CudaFunction, CudaGraph, CudaSlice, CudaStream, DevicePtr, DeviceRepr,
        DriverError, LaunchConfig, PushKernelArg, result as driver, sys::CUevent_flags,
        sys::CUgraphInstantiate_flags, sys::CUstreamCaptureMode,
    },
};
use std::sync::Arc;

/// PTX of kernels.cu.
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

macro_rules! kernels {
    ($($name:ident),* $(,)?) => {
        /// The kernels of kernels.cu, by their names there.
        #[allow(non_camel_case_types)] // C names
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Kernel { $($name),* }
        const KERNELS: &[(Kernel, &str)] = &[$((Kernel::$name, stringify!($name))),*];
    };
}
kernels![
    embed,
    embed_backward,
    start_sum,
    multiply,
    chunk_sums,
    add_chunks,
    norm_forward,
    norm_backward,
    activate,
    attention_forward,
    scores_backward,
    inputs_backward,
    signs_backward,
    cross_entropy,
    pull_factors,
    pull_add,
    mean_loss,
    tally,
    widen,
    column_sums,
    adamw,
];

/// What a layer of a step is like; as in kernels.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Dims {
    pub stride: i64,
    pub batch_stride: i64,
    pub v: i32,
    pub d: i32,
    pub heads: i32,
    pub rows: i32,
    pub capacity: i32,
    pub first: i32,
    pub last: i32,
    pub operators: i32,
}

// SAFETY: plain numbers in C's layout, without pointers.
unsafe impl DeviceRepr for Dims {}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg {
    /// The layer's dimensions.
    Dims(Dims),
    /// Bytes from the beginning of the memory.
    At(usize),
    /// No buffer.
    Null,
    Int(i32),
    Long(i64),
}

/// Blocks and threads: the grid's y is always the replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    blocks: usize,
    tiles: usize,
    threads: (u32, u32, u32),
    /// What the kernel reads and writes of one replica's memory, each float once.
    floats: usize,
}

impl Grid {
    /// One thread an element.
    pub fn elements(n: usize) -> Self {
        Self::tiles(n.div_ceil(256), 1, (256, 1, 1))
    }

    /// One warp an item.
    pub fn warps(n: usize) -> Self {
        Self::tiles(n.div_ceil(8), 1, (256, 1, 1))
    }

    /// That many blocks of one row of threads.
    pub fn blocks(blocks: usize, threads: u32) -> Self {
        Self::tiles(blocks, 1, (threads, 1, 1))
    }

    /// That many blocks for each of some tiles of columns.
    pub fn tiles(blocks: usize, tiles: usize, threads: (u32, u32, u32)) -> Self {
        Self { blocks, tiles, threads, floats: 0 }
    }

    /// With what a replica's memory gives and takes, for [`Gpu::take_timings`].
    pub fn moving(self, floats: usize) -> Self {
        Self { floats, ..self }
    }
}

/// A batch of row-major matrices: where the first begins and the length of a row; all replicas are `stride` floats apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    pub at: usize,
    pub width: usize,
}

/// What a product is for: x·wᵀ, dy·w, dyᵀ·x, a Gram matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Product {
    Forward,
    Input,
    Weight,
    Gram,
}

/// What a stretch of the stream was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    Kernel(Kernel),
    /// One of a replica: rows and columns of its result, inner size.
    Product(Product, [usize; 3]),
}

impl Work {
    pub fn name(self) -> String {
        let product = |what: &str, [m, n, k]: [usize; 3]| format!("{what}, ({m}, {k}) by ({k}, {n})");
        match self {
            Self::Product(Product::Forward, size) => product("product", size),
            Self::Product(Product::Input, size) => product("product, gradient of inputs", size),
            Self::Product(Product::Weight, size) => product("product, gradient of weights", size),
            Self::Product(Product::Gram, size) => product("product in f64", size),
            Self::Kernel(kernel) => kernel.name().to_owned(),
        }
    }
}

impl Kernel {
    fn name(self) -> &'static str {
        KERNELS.iter().find(|(k, _)| *k == self).map_or("", |(_, name)| name)
    }
}

/// Work recorded once, to be queued again by one call.
pub(super) struct Recording(CudaGraph);

// SAFETY: CUDA's graphs belong to no thread; they may be used by one at a time, and no method takes one by `&self` alone.
unsafe impl Send for Recording {}

/// Bytes for cuBLAS, what NVIDIA recommends for a Hopper device. It would otherwise allocate, which a recording must not.
pub(super) const WORKSPACE: usize = 32 << 20;

/// One device, one stream, one piece of memory.
pub(super) struct Gpu {
    stream: Arc<CudaStream>,
    blas: CudaBlas,
    functions: Vec<CudaFunction>,
    memory: CudaSlice<u8>,
    /// cuBLAS' own.
    _workspace: CudaSlice<u8>,
    base: u64,
    compute: cublasComputeType_t,
    /// Begin, end and bytes of each piece of work, while they are asked for.
    timings: Option<Vec<(Work, CudaEvent, CudaEvent, usize)>>,
}

impl Gpu {
    /// Takes `bytes` of the device's memory, all zero, and loads the kernels.
    pub fn new(context: &Arc<CudaContext>, bytes: usize, precision: Precision) -> Result<Self, EngineError> {
        // its own stream: the default one cannot be recorded
        let stream = context.new_stream().map_err(failed("opening a stream"))?;
        let memory = stream.alloc_zeros::<u8>(bytes).map_err(failed("memory"))?;
        let workspace = stream.alloc_zeros::<u8>(WORKSPACE).map_err(failed("memory of cuBLAS"))?;
        let base = memory.device_ptr(&stream).0;
        let module = context.load_module(PTX.into()).map_err(failed("loading the kernels"))?;
        let load = |(_, name): &(Kernel, &str)| module.load_function(name).map_err(failed(name));
        let blas = |e| EngineError::Cuda(format!("opening cuBLAS: {e}"));
        let cublas = CudaBlas::new(stream.clone()).map_err(blas)?;
        let at = workspace.device_ptr(&stream).0 as *mut std::ffi::c_void;
        // SAFETY: the workspace lives as long as the handle, and nothing else uses it.
        unsafe { cublasSetWorkspace_v2(*cublas.handle(), at, WORKSPACE) }.result().map_err(blas)?;
        Ok(Self {
            blas: cublas,
            _workspace: workspace,
            functions: KERNELS.iter().map(load).collect::<Result<_, _>>()?,
            compute: match precision {
                Precision::F32 => cublasComputeType_t::CUBLAS_COMPUTE_32F,
                Precision::Tf32 => cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
            },
            timings: None,
            stream,
            memory,
            base,
        })
    }

    /// Copies to the device.
    pub fn upload(&mut self, at: usize, bytes: &[u8]) -> Result<(), EngineError> {
        let mut to =
            self.memory.try_slice_mut(at..at + bytes.len()).ok_or_else(|| outside(at, bytes.len()))?;
        self.stream.memcpy_htod(bytes, &mut to).map_err(failed("copy to the device"))
    }

    /// Waits for everything queued and copies back.
    pub fn download(&mut self, at: usize, bytes: &mut [u8]) -> Result<(), EngineError> {
        let from = self.memory.try_slice(at..at + bytes.len()).ok_or_else(|| outside(at, bytes.len()))?;
        self.stream.memcpy_dtoh(&from, bytes).map_err(failed("copy from the device"))?;
        self.synchronize()
    }

    /// Queues a copy within the device; the two pieces must not overlap.
    pub fn copy(&mut self, from: usize, to: usize, len: usize) -> Result<(), EngineError> {
        let fits = |at: usize| at + len <= self.memory.len();
        if !fits(from) || !fits(to) || from.abs_diff(to) < len {
            return Err(outside(from.max(to), len));
        }
        let at = |at: usize| self.base + at as u64;
        // SAFETY: both pieces lie inside the memory and are apart; the stream orders the copy with everything else.
        unsafe { driver::memcpy_dtod_async(at(to), at(from), len, self.stream.cu_stream()) }
            .map_err(failed("copy on the device"))
    }

    /// Sets bytes to zero.
    pub fn clear(&mut self, at: usize, len: usize) -> Result<(), EngineError> {
        let mut to = self.memory.try_slice_mut(at..at + len).ok_or_else(|| outside(at, len))?;
        self.stream.memset_zeros(&mut to).map_err(failed("clearing memory"))
    }

    /// Waits for everything queued.
    pub fn synchronize(&self) -> Result<(), EngineError> {
        self.stream.synchronize().map_err(failed("waiting for the device"))
    }

    /// Queues a kernel for the first `replicas` replicas.
    pub fn launch(
        &mut self,
        kernel: Kernel,
        grid: Grid,
        replicas: usize,
        args: &[Arg],
    ) -> Result<(), EngineError> {
        let config = LaunchConfig {
            grid_dim: (grid.blocks as u32, replicas as u32, grid.tiles as u32),
            block_dim: grid.threads,
            shared_mem_bytes: 0,
        };
        // addresses need a place to live until the launch
        let addresses: Vec<u64> =
            args.iter().map(|a| if let Arg::At(at) = a { self.base + *at as u64 } else { 0 }).collect();
        let begin = self.event()?;
        let mut builder = self.stream.launch_builder(&self.functions[kernel as usize]);
        for (arg, address) in args.iter().zip(&addresses) {
            match arg {
                Arg::Dims(dims) => builder.arg(dims),
                Arg::At(_) | Arg::Null => builder.arg(address),
                Arg::Int(n) => builder.arg(n),
                Arg::Long(n) => builder.arg(n),
            };
        }
        // SAFETY: the arguments are those of the kernel's signature, and every buffer they name lies in `memory` with
        // the lengths that buffers.rs laid out for the dimensions given.
        unsafe { builder.launch(config) }.map_err(failed(kernel.name()))?;
        self.note(Work::Kernel(kernel), begin, 4 * grid.floats * replicas)
    }

    /// y (n, out) = x (n, in) · wᵀ + beta·y, w (out, in); one product a replica.
    pub fn forward(
        &mut self,
        (y, beta): (Matrix, f32),
        x: Matrix,
        w: usize,
        n: usize,
        (replicas, stride): (usize, usize),
    ) -> Result<(), EngineError> {
        let (w, work) = (Matrix { at: w, width: x.width }, Product::Forward);
        self.product(work, [y.width, n, x.width], w, x, (y, beta), (replicas, stride))
    }

    /// dx (n, in) = dy (n, out) · w + beta·dx
    pub fn backward_input(
        &mut self,
        (dx, beta): (Matrix, f32),
        dy: Matrix,
        w: usize,
        n: usize,
        (replicas, stride): (usize, usize),
    ) -> Result<(), EngineError> {
        let w = Matrix { at: w, width: dx.width };
        self.product(Product::Input, [dx.width, n, dy.width], w, dy, (dx, beta), (replicas, stride))
    }

    /// dw (out, in) = dyᵀ · x
    pub fn backward_weight(
        &mut self,
        dw: usize,
        dy: Matrix,
        x: Matrix,
        n: usize,
        (replicas, stride): (usize, usize),
    ) -> Result<(), EngineError> {
        let dw = Matrix { at: dw, width: x.width };
        self.product(Product::Weight, [x.width, dy.width, n], x, dy, (dw, 0.0), (replicas, stride))
    }

    /// In cuBLAS' terms, where a row-major matrix is the transpose of a column-major one: c (m, n) = op(a)·op(b) + beta·c.
    fn product(
        &mut self,
        work: Product,
        [m, n, k]: [usize; 3],
        a: Matrix,
        b: Matrix,
        (c, beta): (Matrix, f32),
        (replicas, stride): (usize, usize),
    ) -> Result<(), EngineError> {
        let [op_a, op_b] = [work == Product::Forward, work == Product::Weight].map(operation);
        let (one, stride) = (1.0f32, stride as i64);
        let at = |matrix: Matrix| (self.base + matrix.at as u64) as *mut std::ffi::c_void;
        let float = cudaDataType::CUDA_R_32F;
        let begin = self.event()?;
        // SAFETY: as for the kernels; alpha and beta are read before the call returns.
        let done = unsafe {
            blas::gemm_strided_batched_ex(
                *self.blas.handle(),
                op_a,
                op_b,
                m as i32,
                n as i32,
                k as i32,
                (&raw const one).cast(),
                at(a),
                float,
                a.width as i32,
                stride,
                at(b),
                float,
                b.width as i32,
                stride,
                (&raw const beta).cast(),
                at(c),
                float,
                c.width as i32,
                stride,
                replicas as i32,
                self.compute,
                cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        done.map_err(|e| EngineError::Cuda(format!("cuBLAS, {m} × {n} × {k}, {replicas} replicas: {e}")))?;
        let written = if beta == 0.0 { 1 } else { 2 };
        // m and n are cuBLAS' own: columns first
        self.note(Work::Product(work, [n, m, k]), begin, 4 * replicas * (m * k + k * n + written * m * n))
    }

    /// gram (d, d) += xᵀ·x of x (n, d), in f64; replicas are `stride` f64 apart.
    pub fn add_gram(
        &mut self,
        gram: usize,
        x: usize,
        [n, d]: [usize; 2],
        (replicas, stride): (usize, usize),
    ) -> Result<(), EngineError> {
        let (one, stride) = (1.0f64, stride as i64);
        let at = |at: usize| (self.base + at as u64) as *mut f64;
        let begin = self.event()?;
        // SAFETY: as for the kernels.
        let done = unsafe {
            blas::dgemm_strided_batched(
                *self.blas.handle(),
                operation(false),
                operation(true),
                d as i32,
                d as i32,
                n as i32,
                &one,
                at(x),
                d as i32,
                stride,
                at(x),
                d as i32,
                stride,
                &one,
                at(gram),
                d as i32,
                stride,
                replicas as i32,
            )
        };
        done.map_err(|e| EngineError::Cuda(format!("cuBLAS, Gram matrix of {n} × {d}: {e}")))?;
        self.note(Work::Product(Product::Gram, [d, d, n]), begin, 8 * replicas * (n * d + 2 * d * d))
    }

    /// From now on work is recorded, not done, until [`end_recording`](Self::end_recording).
    pub fn start_recording(&mut self) -> Result<(), EngineError> {
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        self.stream.begin_capture(mode).map_err(failed("recording an epoch"))
    }

    /// What was recorded.
    pub fn end_recording(&mut self) -> Result<Recording, EngineError> {
        let graph =
            self.stream.end_capture(CUgraphInstantiate_flags(0)).map_err(failed("recording an epoch"))?;
        graph.map(Recording).ok_or_else(|| EngineError::Cuda("recording an epoch gave nothing".to_owned()))
    }

    /// Queues what was recorded.
    pub fn replay(&mut self, recording: &Recording) -> Result<(), EngineError> {
        recording.0.launch().map_err(failed("queueing a recorded epoch"))
    }

    /// Whether work is timed.
    pub fn is_timing(&self) -> bool {
        self.timings.is_some()
    }

    /// From now on every piece of work is timed; costs two events each.
    pub fn start_timing(&mut self) {
        self.timings = Some(Vec::new());
    }

    /// Milliseconds of each piece of work since [`start_timing`](Self::start_timing), in order, and the bytes that it has
    /// to read and write, each once; stops timing.
    pub fn take_timings(&mut self) -> Result<Vec<(Work, f64, usize)>, EngineError> {
        self.synchronize()?;
        let timings = self.timings.take().unwrap_or_default();
        let piece = |(work, begin, end, bytes): (Work, CudaEvent, CudaEvent, usize)| {
            begin.elapsed_ms(&end).map(|ms| (work, f64::from(ms), bytes)).map_err(failed("timing"))
        };
        timings.into_iter().map(piece).collect()
    }

    fn event(&self) -> Result<Option<CudaEvent>, EngineError> {
        let record = || self.stream.record_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        self.timings.as_ref().map(|_| record()).transpose().map_err(failed("timing"))
    }

    fn note(&mut self, work: Work, begin: Option<CudaEvent>, bytes: usize) -> Result<(), EngineError> {
        let end = self.event()?;
        if let (Some(timings), Some(begin), Some(end)) = (&mut self.timings, begin, end) {
            timings.push((work, begin, end, bytes));
        }
        Ok(())
    }
}

fn operation(transposed: bool) -> cublasOperation_t {
    if transposed { cublasOperation_t::CUBLAS_OP_T } else { cublasOperation_t::CUBLAS_OP_N }
}

fn failed(what: &str) -> impl Fn(DriverError) -> EngineError {
    move |e| EngineError::Cuda(format!("{what}: {e}"))
}

fn outside(at: usize, len: usize) -> EngineError {
    EngineError::Cuda(format!("internal error: bytes {at} to {} are outside the memory taken", at + len))
}
