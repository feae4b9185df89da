/* What happens to each number by itself, of one floating-point type and one instruction set, and
 * the mean of a map; see _norms_kernels.h. The twins are reference/activations.py, dropout.py and
 * pool.py; as there, nothing that is no number is lost. */

static NOINLINE void NAME(relu_forward_part)(const struct pointwise *work, int part)
{
    const struct share share = share_of(work->count, part, work->parts);
    const REAL *x = (const REAL *)work->x;
    REAL *out = (REAL *)work->out;
    for (int64_t i = share.begin; i < share.end; i++) out[i] = x[i] < 0 ? (REAL)0 : x[i];
}

static NOINLINE void NAME(relu_backward_part)(const struct pointwise *work, int part)
{
    const struct share share = share_of(work->count, part, work->parts);
    const REAL *x = (const REAL *)work->x, *dout = (const REAL *)work->dout;
    REAL *out = (REAL *)work->out;
    for (int64_t i = share.begin; i < share.end; i++)
        out[i] = dout[i] * (x[i] > 0 ? (REAL)1 : (REAL)0);
}

static NOINLINE void NAME(leaky_part)(const struct pointwise *work, int part)
{
    const struct share share = share_of(work->count, part, work->parts);
    const REAL *x = (const REAL *)work->x, *from = (const REAL *)work->dout;
    const REAL factor = (REAL)work->factor;
    REAL *out = (REAL *)work->out;
    for (int64_t i = share.begin; i < share.end; i++)
        out[i] = from[i] * (x[i] > 0 ? (REAL)1 : factor);
}

static NOINLINE void NAME(multiply_part)(const struct pointwise *work, int part)
{
    const struct share share = share_of(work->count, part, work->parts);
    const REAL *x = (const REAL *)work->x, *dout = (const REAL *)work->dout;
    REAL *out = (REAL *)work->out;
    for (int64_t i = share.begin; i < share.end; i++) out[i] = x[i] * dout[i];
}

/* The mask of a dropout, 1/p where a number drawn from [0, 1) is below p, and out = x mask. */
static NOINLINE void NAME(dropout_part)(const struct pointwise *work, int part)
{
    const struct share share = share_of(work->count, part, work->parts);
    const REAL *x = (const REAL *)work->x;
    const double *drawn = (const double *)work->drawn;
    const REAL kept = (REAL)1 / (REAL)work->factor;
    REAL *out = (REAL *)work->out, *mask = (REAL *)work->mask;
    for (int64_t i = share.begin; i < share.end; i++) {
        mask[i] = drawn[i] < work->factor ? kept : (REAL)0;
        out[i] = x[i] * mask[i];
    }
}

/* The mean of each map; `count` maps of `size` numbers. */
static NOINLINE void NAME(mean_forward_part)(const struct pointwise *work, int part)
{
    const struct share share = share_of(work->count, part, work->parts);
    for (int64_t map = share.begin; map < share.end; map++) {
        const REAL *x = (const REAL *)work->x + map * work->size;
        double total = 0;
        for (int64_t i = 0; i < work->size;) {
            const int64_t end = least(i + 1024, work->size);
            VEC sum = SPLAT((REAL)0);
            for (; i + VL <= end; i += VL) sum += LOAD(x + i);
            total += NAME(across)(sum);
            for (; i < end; i++) total += (double)x[i];
        }
        ((REAL *)work->out)[map] = (REAL)(total / (double)work->size);
    }
}

static NOINLINE void NAME(mean_backward_part)(const struct pointwise *work, int part)
{
    const struct share share = share_of(work->count, part, work->parts);
    for (int64_t map = share.begin; map < share.end; map++) {
        const REAL value = ((const REAL *)work->dout)[map] / (REAL)work->size;
        REAL *dx = (REAL *)work->out + map * work->size;
        for (int64_t i = 0; i < work->size; i++) dx[i] = value;
    }
}
