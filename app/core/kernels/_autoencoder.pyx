"""The autoencoder's compiled kernel: the loops of _autoencoder.h behind the twin's signatures.

Arguments are checked in `app.core.kernels`; here memory is laid out, the batch is shared
between threads, and the GIL is released for the whole call.
"""

from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.string cimport memset

import numpy as np

cdef extern from "_autoencoder_kernels.h" nogil:
    enum:
        MOST_THREADS
    struct net_f32:
        int64_t D, L, Dp, Lp
        float *w1
        float *b1
        float *w2
        float *b2
        float *m1
        float *mb1
        float *m2
        float *mb2
        float *v1
        float *vb1
        float *v2
        float *vb2
    struct net_f64:
        int64_t D, L, Dp, Lp
        double *w1
        double *b1
        double *w2
        double *b2
        double *m1
        double *mb1
        double *m2
        double *mb2
        double *v1
        double *vb1
        double *v2
        double *vb2
    struct job:
        const int64_t *order
        const int32_t *interrupt
        int64_t rows, batch, most, taken, done, scratch_size
        int parts, solver, linear, gradient, only_sums, only_cost, finite
        double learning_rate, momentum, lam, beta, rho, scale, loss, squares
        double *terms
        double *rho_hat
        double *sums
        const double *given_pull
        const float *narrow
    int64_t carve_f32(net_f32 *, char *, int64_t, int64_t, int64_t, int64_t, int64_t *) noexcept
    int64_t carve_f64(net_f64 *, char *, int64_t, int64_t, int64_t, int64_t, int64_t *) noexcept
    void copy_f32(const net_f32 *, float *, float *, float *, float *, float *, int) noexcept
    void copy_f64(const net_f64 *, double *, double *, double *, double *, double *, int) noexcept
    void train_f32(const net_f32 *, job *, const float *, int, int) noexcept
    void train_f64(const net_f64 *, job *, const double *, int, int) noexcept
    void pass_f32(const net_f32 *, job *, const float *, int, int) noexcept
    void pass_f64(const net_f64 *, job *, const double *, int, int) noexcept
    int best_instructions() noexcept

INSTRUCTIONS = ("128-bit", "AVX2", "AVX-512")[best_instructions()]
MAX_THREADS = MOST_THREADS


cdef class Workspace:
    """Arrays for networks of one size, used by one call at a time.

    Parameters
    ----------
    double : bool
        Whether numbers are float64.
    D, L, batch, threads : int
        Pixels, hidden units, most rows in a batch, and threads that share it.
    """

    cdef net_f32 f32
    cdef net_f64 f64
    cdef job job
    cdef void *block
    cdef bint double, training
    cdef int instructions
    cdef const float *data32
    cdef const double *data64
    cdef double[::1] sums
    cdef readonly int threads
    cdef readonly tuple key

    def __cinit__(self, bint double, int64_t D, int64_t L, int64_t batch, int threads):
        cdef int64_t size, scratch = 0
        cdef char *start
        if double:
            size = carve_f64(&self.f64, NULL, D, L, batch, threads, &scratch)
        else:
            size = carve_f32(&self.f32, NULL, D, L, batch, threads, &scratch)
        self.block = PyMem_RawCalloc(size + 64, 1)
        if self.block == NULL:
            raise MemoryError
        start = <char *>((<uintptr_t>self.block + 63) // 64 * 64)
        if double:
            carve_f64(&self.f64, start, D, L, batch, threads, &scratch)
        else:
            carve_f32(&self.f32, start, D, L, batch, threads, &scratch)
        memset(&self.job, 0, sizeof(self.job))
        self.job.scratch_size = scratch
        self.job.parts = threads
        self.double = double
        self.threads = threads
        self.instructions = best_instructions()
        self.sums = np.zeros(2 * threads * (L + 64))
        self.key = (bool(double), D, L, batch, threads)

    def __dealloc__(self):
        PyMem_RawFree(self.block)

    def limit_instructions(self, int most):
        """Use at most the instruction set `most` (0 plain, 1 AVX2, 2 AVX-512); for tests."""
        self.instructions = min(most, best_instructions())

    def run(self, int part):
        """Do the share of thread `part`; returns when all threads have done theirs."""
        with nogil:
            if self.training:
                if self.double:
                    train_f64(&self.f64, &self.job, self.data64, part, self.instructions)
                else:
                    train_f32(&self.f32, &self.job, self.data32, part, self.instructions)
            elif self.double:
                pass_f64(&self.f64, &self.job, self.data64, part, self.instructions)
            else:
                pass_f32(&self.f32, &self.job, self.data32, part, self.instructions)


ctypedef fused real:
    float
    double


cdef void _move(Workspace space, real *theta, real *memory, int64_t stride, int slots, int out) noexcept:
    """Copy weights and the solver's memory in or out of the padded arrays."""
    if real is float:
        copy_f32(&space.f32, theta, space.f32.w1, space.f32.b1, space.f32.w2, space.f32.b2, out)
        if slots > 0:
            copy_f32(&space.f32, memory, space.f32.m1, space.f32.mb1, space.f32.m2, space.f32.mb2, out)
        if slots > 1:
            copy_f32(&space.f32, memory + stride, space.f32.v1, space.f32.vb1, space.f32.v2, space.f32.vb2, out)
    else:
        copy_f64(&space.f64, theta, space.f64.w1, space.f64.b1, space.f64.w2, space.f64.b2, out)
        if slots > 0:
            copy_f64(&space.f64, memory, space.f64.m1, space.f64.mb1, space.f64.m2, space.f64.mb2, out)
        if slots > 1:
            copy_f64(&space.f64, memory + stride, space.f64.v1, space.f64.vb1, space.f64.v2, space.f64.vb2, out)


cdef int _point_at(Workspace space, x) except -1:
    """Let the kernel read rows `x`: float32, or float64 when the weights are."""
    cdef const float[:, ::1] narrow
    cdef const double[:, ::1] wide
    space.data32 = NULL
    space.data64 = NULL
    if x.dtype == np.float32:
        narrow = x
        space.data32 = &narrow[0, 0]
    else:
        wide = x
        space.data64 = &wide[0, 0]
    space.job.narrow = space.data32 if space.double else NULL
    return 0


include "_sharing.pxi"


def train_steps(
    Workspace space, real[::1] theta, real[:, ::1] memory, x,
    const int64_t[::1] order, double[:, ::1] terms, double[::1] rho_hat,
    const int32_t[::1] interrupt, int64_t batch_size, int64_t taken, int solver, bint linear,
    double learning_rate, double momentum, double lam, double beta, double rho, helpers,
):
    """See `app.core.kernels.reference.train_steps`; returns (steps done, whether all was finite)."""
    cdef job *task = &space.job
    cdef int slots = <int>memory.shape[0]
    cdef real *first_memory = &memory[0, 0] if slots > 0 else NULL
    _move(space, &theta[0], first_memory, memory.shape[1], slots, 0)
    task.order = &order[0]
    task.interrupt = &interrupt[0]
    task.rows = order.shape[0]
    task.batch = batch_size
    task.most = terms.shape[0]
    task.taken = taken
    task.done = 0
    task.solver = solver
    task.linear = linear
    task.gradient = task.only_sums = task.only_cost = 0
    task.finite = 1
    task.learning_rate = learning_rate
    task.momentum = momentum
    task.lam = lam
    task.beta = beta
    task.rho = rho
    task.terms = &terms[0, 0]
    task.rho_hat = &rho_hat[0]
    task.sums = &space.sums[0]
    space.training = True
    _point_at(space, x)
    share_out(space.run, space.threads, helpers)
    _move(space, &theta[0], first_memory, memory.shape[1], slots, 1)
    return int(task.done), bool(task.finite)


def full_pass(
    Workspace space, real[::1] theta, real[::1] gradient, x,
    const int64_t[::1] order, double[::1] sums, const double[::1] pull, int64_t batch_size,
    double scale, bint linear, bint only_sums, helpers,
):
    """Visit all rows of `order` once.

    With `only_sums`, add the column sums of h to `sums`. Otherwise return Σ‖d − o‖² and ΣW²,
    and, when `gradient` is not empty, add the gradient without decay to it; `pull` (L,) is
    the sparsity's slope at the hidden units' activations, `scale` is 1/N.
    """
    cdef job *task = &space.job
    cdef bint wanted = gradient.shape[0] > 0
    _move(space, &theta[0], <real *>NULL, 0, 0, 0)
    if wanted:
        gradient[:] = 0
        if real is float:
            copy_f32(&space.f32, &gradient[0], space.f32.m1, space.f32.mb1, space.f32.m2, space.f32.mb2, 0)
        else:
            copy_f64(&space.f64, &gradient[0], space.f64.m1, space.f64.mb1, space.f64.m2, space.f64.mb2, 0)
    task.order = &order[0]
    task.rows = order.shape[0]
    task.batch = batch_size
    task.linear = linear
    task.gradient = wanted
    task.only_sums = only_sums
    task.only_cost = not wanted
    task.scale = scale
    task.loss = 0
    task.rho_hat = &sums[0]
    task.sums = &space.sums[0]
    task.given_pull = &pull[0]
    space.training = False
    _point_at(space, x)
    share_out(space.run, space.threads, helpers)
    if wanted:
        if real is float:
            copy_f32(&space.f32, &gradient[0], space.f32.m1, space.f32.mb1, space.f32.m2, space.f32.mb2, 1)
        else:
            copy_f64(&space.f64, &gradient[0], space.f64.m1, space.f64.mb1, space.f64.m2, space.f64.mb2, 1)
    return task.loss, task.squares
