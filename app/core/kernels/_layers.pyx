"""The layers' compiled kernels: the loops of _conv.h, _pool.h and _dense.h behind Python functions.

Arguments are checked in `app.core.kernels.compiled`: arrays are contiguous, of one type, and of
the shapes that the numbers say. Here memory is laid out, work is shared between threads, and the
GIL is released while they compute.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.string cimport memset

cdef extern from "_layers_kernels.h" nogil:
    enum:
        MOST_THREADS, MOST_GROUPS_OF_IMAGES "MOST_GROUPS"
    struct pool:
        int64_t planes, H, W, HH, WW, OH, OW, sy, sx
        const void *x
        const void *dout
        void *out
        void *dx
        int32_t *where
        int parts
    struct conv:
        int64_t N, C, H, W, F, HH, WW, OH, OW, sy, sx, py, px
        int parts, relu, lanes
        const void *x
        const void *w
        const void *b
        const void *dout
        const void *seen
        void *out
        void *dx
        void *dw
        void *db
        pool *pool
    struct rule:
        int solver
        double learning_rate, momentum, reg, unbias1, unbias2
    struct dense:
        int64_t N, D, M
        int parts, relu
        const void *x
        const void *b
        const void *dout
        const void *seen
        void *w
        void *out
        void *dx
        void *dw
        void *db
        void *m
        void *v
        double *squares
        rule rule
    int64_t dense_plan(dense *, char *, int64_t, int, int) noexcept
    void dense_forward_part(const dense *, int, int, int) noexcept
    void dense_prepare(const dense *, int, int) noexcept
    void dense_backward_part(const dense *, int, int, int) noexcept
    void update_part(const dense *, int, int, int) noexcept
    int64_t conv_plan(conv *, char *, int64_t, int) noexcept
    void conv_prepare(const conv *, int, int, int) noexcept
    void conv_forward_part(const conv *, int, int, int) noexcept
    void conv_backward_part(const conv *, int, int, int) noexcept
    void conv_gather(const conv *, int, int) noexcept
    void max_pool_forward_part(const pool *, int, int, int) noexcept
    void max_pool_backward_part(const pool *, int, int, int) noexcept
    void avg_pool_forward_part(const pool *, int, int, int) noexcept
    void avg_pool_backward_part(const pool *, int, int, int) noexcept
    int lanes_of(int, int) noexcept
    int best_instructions() noexcept

INSTRUCTIONS = ("128-bit", "AVX2", "AVX-512")[best_instructions()]
MAX_THREADS = MOST_THREADS
MOST_GROUPS = MOST_GROUPS_OF_IMAGES

cdef enum:
    CONV_FORWARD, CONV_BACKWARD, MAX_FORWARD, MAX_BACKWARD, AVG_FORWARD, AVG_BACKWARD
    DENSE_FORWARD, DENSE_BACKWARD, UPDATE

cdef int instructions = best_instructions()


def limit_instructions(int most):
    """Use at most the instruction set `most` (0 plain, 1 AVX2, 2 AVX-512); for tests."""
    global instructions
    instructions = min(most, best_instructions())


cdef void *address(array, bint writable=False) except? NULL:
    """Return where the numbers of a contiguous array begin; its caller keeps it alive."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
    cdef void *found = view.buf
    PyBuffer_Release(&view)
    return found


cdef class Work:
    """What the threads share of one call."""

    cdef conv conv
    cdef pool pool
    cdef dense dense
    cdef int kind, instructions
    cdef bint double
    cdef void *block

    def __cinit__(self, int kind, bint double):
        memset(&self.conv, 0, sizeof(self.conv))
        memset(&self.pool, 0, sizeof(self.pool))
        memset(&self.dense, 0, sizeof(self.dense))
        self.kind = kind
        self.double = double
        self.instructions = instructions

    def __dealloc__(self):
        PyMem_RawFree(self.block)

    def run(self, int part):
        """Do the share of thread `part`."""
        with nogil:
            if self.kind == CONV_FORWARD:
                conv_forward_part(&self.conv, part, self.double, self.instructions)
            elif self.kind == CONV_BACKWARD:
                conv_backward_part(&self.conv, part, self.double, self.instructions)
            elif self.kind == MAX_FORWARD:
                max_pool_forward_part(&self.pool, part, self.double, self.instructions)
            elif self.kind == MAX_BACKWARD:
                max_pool_backward_part(&self.pool, part, self.double, self.instructions)
            elif self.kind == AVG_FORWARD:
                avg_pool_forward_part(&self.pool, part, self.double, self.instructions)
            elif self.kind == AVG_BACKWARD:
                avg_pool_backward_part(&self.pool, part, self.double, self.instructions)
            elif self.kind == DENSE_FORWARD:
                dense_forward_part(&self.dense, part, self.double, self.instructions)
            elif self.kind == DENSE_BACKWARD:
                dense_backward_part(&self.dense, part, self.double, self.instructions)
            else:
                update_part(&self.dense, part, self.double, self.instructions)

    cdef char *take(self, int64_t bytes) except NULL:
        """Return memory that lasts as long as this, from a whole line of the cache on."""
        self.block = PyMem_RawMalloc(bytes + 64)
        if self.block == NULL:
            raise MemoryError
        return <char *>((<uintptr_t>self.block + 63) // 64 * 64)

    cdef int lay_out_conv(self, bint backward) except -1:
        cdef int64_t size = 8 if self.double else 4
        self.conv.lanes = lanes_of(self.double, self.instructions)
        cdef int64_t bytes = conv_plan(&self.conv, NULL, size, backward)
        conv_plan(&self.conv, self.take(bytes), size, backward)
        with nogil:
            conv_prepare(&self.conv, backward, self.double, self.instructions)
        return 0

    cdef int lay_out_dense(self, bint backward) except -1:
        cdef int64_t size = 8 if self.double else 4
        cdef int lanes = lanes_of(self.double, self.instructions)
        cdef int64_t bytes = dense_plan(&self.dense, NULL, size, lanes, backward)
        dense_plan(&self.dense, self.take(bytes), size, lanes, backward)
        if backward:
            with nogil:
                dense_prepare(&self.dense, self.double, self.instructions)
        return 0


include "_sharing.pxi"


cdef void _set_conv(conv *conv, x_shape, w_shape, windows):
    conv.N, conv.C, conv.H, conv.W = x_shape
    conv.F, _, conv.HH, conv.WW = w_shape
    _, (conv.sy, conv.sx), (conv.py, conv.px), (conv.OH, conv.OW) = windows


cdef void _set_pool(pool *pool, int64_t planes, int64_t H, int64_t W, windows):
    pool.planes, pool.H, pool.W = planes, H, W
    (pool.HH, pool.WW), (pool.sy, pool.sx), _, (pool.OH, pool.OW) = windows


def conv_forward(x, w, b, out, windows, bint relu, pool_windows, where, int parts, helpers):
    """Write the convolution of `x` with `w`, behind it a ReLU or a ReLU and a max pool, to `out`.

    With `pool_windows`, `where` (int32, of out's shape) receives the place of each maximum in its
    plane, or −1 where the ReLU lets nothing through.
    """
    cdef Work work = Work(CONV_FORWARD, x.dtype.itemsize == 8)
    _set_conv(&work.conv, x.shape, w.shape, windows)
    work.conv.parts = parts
    work.conv.relu = relu
    work.conv.x, work.conv.w, work.conv.b = address(x), address(w), address(b)
    work.conv.out = address(out, True)
    if pool_windows is not None:
        _set_pool(&work.pool, 0, work.conv.OH, work.conv.OW, pool_windows)
        work.pool.where = <int32_t *>address(where, True)
        work.conv.pool = &work.pool
    work.lay_out_conv(False)
    share_out(work.run, parts, helpers)


def conv_backward(
    dout, x, w, dx, dw, db, windows, seen, pool_windows, where, int parts, helpers
):
    """Write the gradients of a convolution to `dx` (or None), `dw` and `db`.

    `seen` is the output of a ReLU behind it, or None; `pool_windows` and `where` are those of
    the forward pass.
    """
    cdef Work work = Work(CONV_BACKWARD, x.dtype.itemsize == 8)
    _set_conv(&work.conv, x.shape, w.shape, windows)
    work.conv.parts = parts
    work.conv.x, work.conv.w, work.conv.dout = address(x), address(w), address(dout)
    work.conv.dw, work.conv.db = address(dw, True), address(db, True)
    if dx is not None:
        work.conv.dx = address(dx, True)
    if seen is not None:
        work.conv.relu = True
        work.conv.seen = address(seen)
    if pool_windows is not None:
        _set_pool(&work.pool, 0, work.conv.OH, work.conv.OW, pool_windows)
        work.pool.where = <int32_t *>address(where)
        work.conv.pool = &work.pool
    work.lay_out_conv(True)
    share_out(work.run, parts, helpers)
    with nogil:
        conv_gather(&work.conv, work.double, work.instructions)


def max_pool_forward(x, out, where, windows, int parts, helpers):
    """Write the maxima of `x` (N, C, H, W) to `out` and their places to `where` (int32)."""
    cdef Work work = Work(MAX_FORWARD, x.dtype.itemsize == 8)
    _set_pool(&work.pool, x.shape[0] * x.shape[1], x.shape[2], x.shape[3], windows)
    work.pool.parts = parts
    work.pool.x = address(x)
    work.pool.out = address(out, True)
    work.pool.where = <int32_t *>address(where, True)
    share_out(work.run, parts, helpers)


def max_pool_backward(dout, where, dx, windows, int parts, helpers):
    """Write the gradient of a max pool to `dx`."""
    cdef Work work = Work(MAX_BACKWARD, dx.dtype.itemsize == 8)
    _set_pool(&work.pool, dx.shape[0] * dx.shape[1], dx.shape[2], dx.shape[3], windows)
    work.pool.parts = parts
    work.pool.dout = address(dout)
    work.pool.dx = address(dx, True)
    work.pool.where = <int32_t *>address(where)
    share_out(work.run, parts, helpers)


def avg_pool_forward(x, out, windows, int parts, helpers):
    """Write the means of `x` to `out`."""
    cdef Work work = Work(AVG_FORWARD, x.dtype.itemsize == 8)
    _set_pool(&work.pool, x.shape[0] * x.shape[1], x.shape[2], x.shape[3], windows)
    work.pool.parts = parts
    work.pool.x = address(x)
    work.pool.out = address(out, True)
    share_out(work.run, parts, helpers)


def avg_pool_backward(dout, dx, windows, int parts, helpers):
    """Write the gradient of an average pool to `dx`."""
    cdef Work work = Work(AVG_BACKWARD, dx.dtype.itemsize == 8)
    _set_pool(&work.pool, dx.shape[0] * dx.shape[1], dx.shape[2], dx.shape[3], windows)
    work.pool.parts = parts
    work.pool.dout = address(dout)
    work.pool.dx = address(dx, True)
    share_out(work.run, parts, helpers)


cdef void _set_rule(rule *rule, int solver, int64_t step, double learning_rate, double momentum, double reg):
    rule.solver = solver
    rule.learning_rate, rule.momentum, rule.reg = learning_rate, momentum, reg
    rule.unbias1, rule.unbias2 = 1 / (1 - 0.9**step), 1 / (1 - 0.999**step)


def dense_forward(x, w, b, out, bint relu, int parts, helpers):
    """Write x w + b, behind it a ReLU, to `out`; x (N, D), w (D, M), b (M)."""
    cdef Work work = Work(DENSE_FORWARD, x.dtype.itemsize == 8)
    work.dense.N, work.dense.D = x.shape
    work.dense.M = w.shape[1]
    work.dense.parts, work.dense.relu = parts, relu
    work.dense.x, work.dense.w, work.dense.b = address(x), address(w), address(b)
    work.dense.out = address(out, True)
    work.lay_out_dense(False)
    share_out(work.run, parts, helpers)


def dense_backward(dout, x, w, dx, dw, db, seen, int parts, helpers):
    """Write the gradients of an affine layer to `dx` (or None), `dw` and `db`.

    `seen` is the output of a ReLU behind it, or None.
    """
    cdef Work work = Work(DENSE_BACKWARD, x.dtype.itemsize == 8)
    work.dense.N, work.dense.D = x.shape
    work.dense.M = w.shape[1]
    work.dense.parts = parts
    work.dense.x, work.dense.w, work.dense.dout = address(x), address(w), address(dout)
    work.dense.dw, work.dense.db = address(dw, True), address(db, True)
    if dx is not None:
        work.dense.dx = address(dx, True)
    if seen is not None:
        work.dense.seen = address(seen)
    work.lay_out_dense(True)
    share_out(work.run, parts, helpers)


def dense_backward_update(
    dout, x, w, memory, dx, db, seen, squares, int solver, int64_t step, double learning_rate,
    double momentum, double reg, int parts, helpers,
):
    """Write `dx` (or None) and `db`, and move `w` by the solver's rule.

    `memory` holds up to two arrays like w. `squares` (float64) receives the sums of squares of
    w's blocks of rows before they moved.
    """
    cdef Work work = Work(DENSE_BACKWARD, x.dtype.itemsize == 8)
    work.dense.N, work.dense.D = x.shape
    work.dense.M = w.shape[1]
    work.dense.parts = parts
    work.dense.x, work.dense.w, work.dense.dout = address(x), address(w, True), address(dout)
    work.dense.db = address(db, True)
    work.dense.squares = <double *>address(squares, True)
    if dx is not None:
        work.dense.dx = address(dx, True)
    if seen is not None:
        work.dense.seen = address(seen)
    if len(memory) > 0:
        work.dense.m = address(memory[0], True)
    if len(memory) > 1:
        work.dense.v = address(memory[1], True)
    _set_rule(&work.dense.rule, solver, step, learning_rate, momentum, reg)
    work.lay_out_dense(True)
    share_out(work.run, parts, helpers)


def update(
    theta, gradient, memory, int solver, int64_t step, double learning_rate, double momentum,
    double reg, int parts, helpers,
):
    """Move `theta` by the solver's rule."""
    cdef Work work = Work(UPDATE, theta.dtype.itemsize == 8)
    work.dense.N = theta.size
    work.dense.parts = parts
    work.dense.w, work.dense.x = address(theta, True), address(gradient)
    if len(memory) > 0:
        work.dense.m = address(memory[0], True)
    if len(memory) > 1:
        work.dense.v = address(memory[1], True)
    _set_rule(&work.dense.rule, solver, step, learning_rate, momentum, reg)
    share_out(work.run, parts, helpers)
