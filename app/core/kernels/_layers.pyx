"""The layers' compiled kernels: the loops of _conv.h and _pool.h behind Python functions.

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
    cdef int kind, instructions
    cdef bint double
    cdef void *block

    def __cinit__(self, int kind, bint double):
        memset(&self.conv, 0, sizeof(self.conv))
        memset(&self.pool, 0, sizeof(self.pool))
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
            else:
                avg_pool_backward_part(&self.pool, part, self.double, self.instructions)

    cdef int lay_out(self, bint backward) except -1:
        """Give the convolution its memory."""
        cdef int64_t size = 8 if self.double else 4
        self.conv.lanes = lanes_of(self.double, self.instructions)
        cdef int64_t bytes = conv_plan(&self.conv, NULL, size, backward)
        self.block = PyMem_RawMalloc(bytes + 64)
        if self.block == NULL:
            raise MemoryError
        conv_plan(&self.conv, <char *>((<uintptr_t>self.block + 63) // 64 * 64), size, backward)
        conv_prepare(&self.conv, backward, self.double, self.instructions)
        return 0


cdef object _wait_for_one(outbox):
    """Wait until one part is done; return what was raised meanwhile, such as Ctrl-C, or None."""
    try:
        outbox.get()
    except BaseException as error:
        _wait_for_one(outbox)
        return error
    return None


cdef int _share_out(Work work, int parts, helpers) except -1:
    """Run all parts: the first here, the others in the helpers' threads.

    All must end before the arrays may go. No signal is looked at between the puts and the first
    part, as this is no bytecode; one that comes while waiting is raised when all are done.
    """
    cdef list tasks = [(work.run, part) for part in range(1, parts)]
    late = None
    for inbox, task in zip(helpers.inboxes, tasks):
        inbox.put(task)
    work.run(0)
    for task in tasks:
        late = _wait_for_one(helpers.outbox) or late
    if late is not None:
        raise late
    return 0


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
    work.lay_out(False)
    _share_out(work, parts, helpers)


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
    work.lay_out(True)
    _share_out(work, parts, helpers)
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
    _share_out(work, parts, helpers)


def max_pool_backward(dout, where, dx, windows, int parts, helpers):
    """Write the gradient of a max pool to `dx`."""
    cdef Work work = Work(MAX_BACKWARD, dx.dtype.itemsize == 8)
    _set_pool(&work.pool, dx.shape[0] * dx.shape[1], dx.shape[2], dx.shape[3], windows)
    work.pool.parts = parts
    work.pool.dout = address(dout)
    work.pool.dx = address(dx, True)
    work.pool.where = <int32_t *>address(where)
    _share_out(work, parts, helpers)


def avg_pool_forward(x, out, windows, int parts, helpers):
    """Write the means of `x` to `out`."""
    cdef Work work = Work(AVG_FORWARD, x.dtype.itemsize == 8)
    _set_pool(&work.pool, x.shape[0] * x.shape[1], x.shape[2], x.shape[3], windows)
    work.pool.parts = parts
    work.pool.x = address(x)
    work.pool.out = address(out, True)
    _share_out(work, parts, helpers)


def avg_pool_backward(dout, dx, windows, int parts, helpers):
    """Write the gradient of an average pool to `dx`."""
    cdef Work work = Work(AVG_BACKWARD, dx.dtype.itemsize == 8)
    _set_pool(&work.pool, dx.shape[0] * dx.shape[1], dx.shape[2], dx.shape[3], windows)
    work.pool.parts = parts
    work.pool.dout = address(dout)
    work.pool.dx = address(dx, True)
    _share_out(work, parts, helpers)
