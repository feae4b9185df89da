"""Compiled normalizations, and what is done number by number: the loops of _norm.h, _columns.h,
_rows.h and _pointwise.h behind Python functions.

Arguments are checked in `app.core.kernels.compiled`: arrays are contiguous, of one type, and of
the shapes that the numbers say. Here work is shared between threads, and the GIL is released
while they compute.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t
from libc.string cimport memset

cdef extern from "_norms_kernels.h" nogil:
    struct norm:
        int64_t maps, channels, size, groups, members, outer, inner
        int parts, relu, given
        double eps
        const void *x
        const void *gamma
        const void *beta
        const void *dout
        void *out
        void *dx
        void *dgamma
        void *dbeta
        double *mean
        double *var
        double *inverse
        double *sums
    struct pointwise:
        int64_t count, size
        int parts
        double factor
        const void *x
        const void *dout
        const void *drawn
        void *out
        void *mask
    void norm_forward_part(const norm *, int, int, int) noexcept
    void norm_backward_part(const norm *, int, int, int) noexcept
    void norm_gather(const norm *, int, int) noexcept
    void columns_forward_part(const norm *, int, int, int) noexcept
    void columns_backward_part(const norm *, int, int, int) noexcept
    void rows_forward_part(const norm *, int, int, int) noexcept
    void rows_backward_part(const norm *, int, int, int) noexcept
    void rows_slopes_part(const norm *, int, int, int) noexcept
    void relu_forward_part(const pointwise *, int, int, int) noexcept
    void relu_backward_part(const pointwise *, int, int, int) noexcept
    void leaky_part(const pointwise *, int, int, int) noexcept
    void multiply_part(const pointwise *, int, int, int) noexcept
    void dropout_part(const pointwise *, int, int, int) noexcept
    void mean_forward_part(const pointwise *, int, int, int) noexcept
    void mean_backward_part(const pointwise *, int, int, int) noexcept
    int best_instructions() noexcept

ctypedef void (*norm_loop)(const norm *, int, int, int) noexcept nogil
ctypedef void (*pointwise_loop)(const pointwise *, int, int, int) noexcept nogil

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


cdef class Normalizing:
    """What the threads share of one call of a normalization."""

    cdef norm norm
    cdef norm_loop loop
    cdef int instructions
    cdef bint double

    def __cinit__(self, x, moments, maps, groups, int parts):
        memset(&self.norm, 0, sizeof(self.norm))
        self.double = x.dtype.itemsize == 8
        self.instructions = instructions
        self.norm.maps, self.norm.channels, self.norm.size = maps
        self.norm.groups, self.norm.members, self.norm.outer, self.norm.inner = groups
        self.norm.parts = parts
        self.norm.x = address(x)
        self.norm.mean = <double *>address(moments[0], True)
        self.norm.var = <double *>address(moments[1], True)
        self.norm.inverse = <double *>address(moments[2], True)

    def run(self, int part):
        """Do the share of thread `part`."""
        with nogil:
            self.loop(&self.norm, part, self.double, self.instructions)


cdef class Pointwise:
    """What the threads share of one call that treats each number, or each map, by itself."""

    cdef pointwise work
    cdef pointwise_loop loop
    cdef int instructions
    cdef bint double

    def __cinit__(self, x, out, int64_t count, int parts):
        memset(&self.work, 0, sizeof(self.work))
        self.double = out.dtype.itemsize == 8
        self.instructions = instructions
        self.work.count, self.work.parts = count, parts
        self.work.x, self.work.out = address(x), address(out, True)

    def run(self, int part):
        """Do the share of thread `part`."""
        with nogil:
            self.loop(&self.work, part, self.double, self.instructions)


include "_sharing.pxi"


def normalize(
    str kind, x, gamma, beta, out, moments, maps, groups, double eps, bint given, bint relu,
    int parts, helpers,
):
    """Write x̂ γ + β, behind it a ReLU, to `out`.

    `kind` says how `x` lies: in "maps" of pixels, or as rows with a feature in each column, that
    are normalized along the "columns" or the "rows". `moments` (3, groups) receives mean, variance
    and 1/σ of each group; when they are `given`, mean and 1/σ are read.
    """
    cdef Normalizing work = Normalizing(x, moments, maps, groups, parts)
    work.norm.eps, work.norm.given, work.norm.relu = eps, given, relu
    work.norm.gamma, work.norm.beta = address(gamma), address(beta)
    work.norm.out = address(out, True)
    if kind == "maps":
        work.loop = norm_forward_part
    elif kind == "columns":
        work.loop = columns_forward_part
    else:
        work.loop = rows_forward_part
    share_out(work.run, parts, helpers)


def normalize_backward(
    str kind, dout, x, gamma, beta, moments, sums, dx, dgamma, dbeta, maps, groups, bint given,
    bint relu, int parts, helpers,
):
    """Write the gradients of a normalization to `dx`, `dgamma` and `dbeta`.

    `sums` is room for two numbers (float64) for each map.
    """
    cdef Normalizing work = Normalizing(x, moments, maps, groups, parts)
    work.norm.given, work.norm.relu = given, relu
    work.norm.gamma, work.norm.beta = address(gamma), address(beta)
    work.norm.dout = address(dout)
    work.norm.dx = address(dx, True)
    work.norm.dgamma, work.norm.dbeta = address(dgamma, True), address(dbeta, True)
    work.norm.sums = <double *>address(sums, True)
    if kind == "maps":
        work.loop = norm_backward_part
        share_out(work.run, parts, helpers)
        with nogil:
            norm_gather(&work.norm, work.double, work.instructions)
    elif kind == "columns":
        work.loop = columns_backward_part
        share_out(work.run, parts, helpers)
    else:
        work.loop = rows_backward_part
        share_out(work.run, parts, helpers)
        work.loop = rows_slopes_part
        share_out(work.run, parts, helpers)


def relu_forward(x, out, int parts, helpers):
    """Write max(x, 0) to `out`."""
    cdef Pointwise work = Pointwise(x, out, x.size, parts)
    work.loop = relu_forward_part
    share_out(work.run, parts, helpers)


def relu_backward(dout, x, dx, int parts, helpers):
    """Write dout where x is above zero, and 0 elsewhere, to `dx`."""
    cdef Pointwise work = Pointwise(x, dx, x.size, parts)
    work.work.dout = address(dout)
    work.loop = relu_backward_part
    share_out(work.run, parts, helpers)


def leaky(values, x, double slope, out, int parts, helpers):
    """Write `values` where x is above zero, and `slope` times them elsewhere, to `out`."""
    cdef Pointwise work = Pointwise(x, out, x.size, parts)
    work.work.dout, work.work.factor = address(values), slope
    work.loop = leaky_part
    share_out(work.run, parts, helpers)


def multiply(x, mask, out, int parts, helpers):
    """Write x mask to `out`."""
    cdef Pointwise work = Pointwise(x, out, x.size, parts)
    work.work.dout = address(mask)
    work.loop = multiply_part
    share_out(work.run, parts, helpers)


def dropout(x, drawn, double p, mask, out, int parts, helpers):
    """Write the mask of a dropout, by numbers (float64) drawn from [0, 1), and x mask."""
    cdef Pointwise work = Pointwise(x, out, x.size, parts)
    work.work.drawn, work.work.factor = address(drawn), p
    work.work.mask = address(mask, True)
    work.loop = dropout_part
    share_out(work.run, parts, helpers)


def mean_forward(x, out, int64_t size, int parts, helpers):
    """Write the mean of each `size` numbers of `x` to `out`."""
    cdef Pointwise work = Pointwise(x, out, out.size, parts)
    work.work.size = size
    work.loop = mean_forward_part
    share_out(work.run, parts, helpers)


def mean_backward(dout, dx, int64_t size, int parts, helpers):
    """Give each slope in equal shares to `size` numbers of `dx`."""
    cdef Pointwise work = Pointwise(dout, dx, dout.size, parts)
    work.work.dout, work.work.size = address(dout), size
    work.loop = mean_backward_part
    share_out(work.run, parts, helpers)
