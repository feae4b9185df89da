/* The sparse autoencoder's mini-batch, for one floating-point type and one instruction set.
 *
 * This file is included several times by _autoencoder_kernels.h, with
 *     REAL   float or double          NAME(f)  f with a suffix for type and instruction set
 *     NET    struct of its arrays     VL       lanes of a vector
 *     DOUBLE whether REAL is double   MR       rows of a register tile
 * reference.py is its readable twin. Letters are those of the exercise: x (N, D) rows, W1 (D, L),
 * b1 (L), W2 (L, D), b2 (D); h = sigmoid(x W1 + b1), o = sigmoid(h W2 + b2) or h W2 + b2.
 *
 * Widths are padded to whole vectors (Dp, Lp) and the padding is kept at zero, so that no
 * loop has a tail. Work is split between threads so that every sum is taken in an order that
 * does not depend on their number: rows of the batch in the first half of a step, pixels
 * (columns of W2, rows of W1) in the second.
 */

#if VL > 1
typedef REAL NAME(vec) __attribute__((vector_size(VL * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
typedef INTEGER NAME(ivec) __attribute__((vector_size(VL * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#define VEC NAME(vec)
#define IVEC NAME(ivec)
#define SPLAT(s) ((s) - (VEC){0})
#else
#define VEC REAL
#define SPLAT(s) (s)
#endif
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))

/* 1 / (1 + exp(-a)); exp(y) = 2^n exp(r) with |r| <= ln 2 / 2, where the Taylor polynomial's
 * remainder is below one rounding. What is no number stays none. */
static INLINE VEC NAME(sigmoid)(VEC a)
{
#if VL > 1
    const VEC most = SPLAT((REAL)(DOUBLE ? 700 : 80));
    const VEC y = MAXIMUM(-most, MINIMUM(most, -a));
    /* Adding and subtracting 1.5 * 2^(mantissa bits) rounds to the nearest whole number. */
    const REAL magic = DOUBLE ? (REAL)6755399441055744.0 : (REAL)12582912.0;
    const VEC shifted = y * (REAL)1.4426950408889634 + magic;
    const VEC n = shifted - magic;
    /* ln 2 in two parts, so that n ln 2 is exact where it cancels. */
    VEC r = y - n * (DOUBLE ? (REAL)6.93147180369123816490e-01 : (REAL)0.693359375);
    r = r - n * (DOUBLE ? (REAL)1.90821492927058770002e-10 : (REAL)-2.12194440e-4);
    VEC p;
#if DOUBLE
    p = SPLAT((REAL)(1.0 / 6227020800.0));
    p = p * r + (REAL)(1.0 / 479001600.0);
    p = p * r + (REAL)(1.0 / 39916800.0);
    p = p * r + (REAL)(1.0 / 3628800.0);
    p = p * r + (REAL)(1.0 / 362880.0);
    p = p * r + (REAL)(1.0 / 40320.0);
    p = p * r + (REAL)(1.0 / 5040.0);
    p = p * r + (REAL)(1.0 / 720.0);
#else
    p = SPLAT((REAL)(1.0 / 720.0));
#endif
    p = p * r + (REAL)(1.0 / 120.0);
    p = p * r + (REAL)(1.0 / 24.0);
    p = p * r + (REAL)(1.0 / 6.0);
    p = p * r + (REAL)0.5;
    p = p * r + (REAL)1;
    p = p * r + (REAL)1;
    /* 2^n: the low bits of `shifted` are n, and go into the exponent. */
    const IVEC bits = (((IVEC)shifted) << (DOUBLE ? 52 : 23)) +
                      (DOUBLE ? (INTEGER)0x3FF0000000000000LL : (INTEGER)0x3F800000);
    return (REAL)1 / ((REAL)1 + p * (VEC)bits);
#else
    return (REAL)1 / ((REAL)1 + (REAL)exp(-(double)a));
#endif
}

static INLINE double NAME(add_lanes)(VEC v)
{
#if VL > 1
    double sum = 0;
    for (int lane = 0; lane < VL; lane++) sum += (double)v[lane];
    return sum;
#else
    return (double)v;
#endif
}

/* out (rows, vectors * VL) = sum over k of a(i, k) b(k, :), a(i, k) = a[i * ais + k * aks].
 * One register tile; every element is summed over k from first to last. */
static INLINE void NAME(tile)(const int rows, const int vectors, const REAL *a, int64_t ais,
                              int64_t aks, const REAL *b, int64_t ldb, int64_t depth, REAL *out,
                              int64_t ldo)
{
    VEC sum[MR][2];
    UNROLL
    for (int i = 0; i < rows; i++) {
        sum[i][0] = SPLAT((REAL)0);
        sum[i][1] = SPLAT((REAL)0);
    }
    for (int64_t k = 0; k < depth; k++) {
        const VEC b0 = LOAD(b + k * ldb);
        const VEC b1 = vectors > 1 ? LOAD(b + k * ldb + VL) : b0;
        const REAL *ak = a + k * aks;
        UNROLL
        for (int i = 0; i < rows; i++) {
            const VEC s = SPLAT(ak[i * ais]);
            sum[i][0] += s * b0;
            if (vectors > 1) sum[i][1] += s * b1;
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        STORE(out + i * ldo, sum[i][0]);
        if (vectors > 1) STORE(out + i * ldo + VL, sum[i][1]);
    }
}

/* out (m, width) = a (m, depth) b (depth, width); width is whole vectors. */
static INLINE void NAME(product)(const REAL *a, int64_t ais, int64_t aks, const REAL *b, int64_t ldb,
                                 REAL *out, int64_t ldo, int64_t m, int64_t width, int64_t depth)
{
    for (int64_t j = 0; j < width; j += 2 * VL) {
        const int pair = width - j > VL;
        int64_t i = 0;
        for (; i + MR <= m; i += MR) {
            if (pair)
                NAME(tile)(MR, 2, a + i * ais, ais, aks, b + j, ldb, depth, out + i * ldo + j, ldo);
            else
                NAME(tile)(MR, 1, a + i * ais, ais, aks, b + j, ldb, depth, out + i * ldo + j, ldo);
        }
        for (; i < m; i++) {
            if (pair)
                NAME(tile)(1, 2, a + i * ais, ais, aks, b + j, ldb, depth, out + i * ldo + j, ldo);
            else
                NAME(tile)(1, 1, a + i * ais, ais, aks, b + j, ldb, depth, out + i * ldo + j, ldo);
        }
    }
}

/* Both forms that occur, as functions of their own so that strides of one are constants. */
static NOINLINE void NAME(rows_times)(const REAL *a, int64_t lda, const REAL *b, int64_t ldb,
                                      REAL *out, int64_t ldo, int64_t m, int64_t width, int64_t depth)
{
    NAME(product)(a, lda, 1, b, ldb, out, ldo, m, width, depth);
}

static NOINLINE void NAME(columns_times)(const REAL *a, int64_t lda, const REAL *b, int64_t ldb,
                                         REAL *out, int64_t ldo, int64_t m, int64_t width,
                                         int64_t depth)
{
    NAME(product)(a, 1, lda, b, ldb, out, ldo, m, width, depth);
}

#include "_solvers.h"

/* Where a row of the data begins; it may be float32 while all else is double. */
static INLINE const char *NAME(row_of)(const struct job *job, const REAL *data, int64_t row, int64_t D)
{
    return job->narrow ? (const char *)(job->narrow + row * D) : (const char *)(data + row * D);
}

/* First half of a step for rows [begin, end) of the batch: everything but the sparsity's pull.
 * `left` is how many rows `order` has: those of the batch after this one are fetched meanwhile,
 * as they lie anywhere in the data and would be waited for. */
static NOINLINE void NAME(rows_part)(const NET *net, const struct job *job,
                                     const REAL *data, const int64_t *order, int64_t left,
                                     int64_t begin, int64_t end, double scale)
{
    const int64_t D = net->D, Dp = net->Dp, Lp = net->Lp, n = end - begin;
    if (n <= 0) return;
    REAL *x = net->x + begin * Dp, *h = net->h + begin * Lp;
    REAL *g = net->g + begin * Dp, *a = net->a + begin * Lp;
    for (int64_t i = 0; i < n; i++) {
        const char *row = NAME(row_of)(job, data, order[begin + i], D);
        if (job->narrow)
            for (int64_t d = 0; d < D; d++) x[i * Dp + d] = (REAL)((const float *)row)[d];
        else
            memcpy(x + i * Dp, row, (size_t)D * sizeof(REAL));
    }

    NAME(rows_times)(x, Dp, net->w1, Lp, h, Lp, n, Lp, D);
    for (int64_t first = 0; first < n; first += ROWS) {
        double *sums = net->block_sums + (begin + first) / ROWS * Lp;
        const int64_t last = first + ROWS < n ? first + ROWS : n;
        for (int64_t j = 0; j < Lp; j += VL) {
            VEC sum = SPLAT((REAL)0);
            const VEC bias = LOAD(net->b1 + j), mask = LOAD(net->mask_l + j);
            for (int64_t i = first; i < last; i++) {
                const VEC value = NAME(sigmoid)(LOAD(h + i * Lp + j) + bias) * mask;
                STORE(h + i * Lp + j, value);
                sum += value;
            }
            REAL lanes[VL];
            STORE(lanes, sum);
            for (int lane = 0; lane < VL; lane++) sums[j + lane] = (double)lanes[lane];
        }
    }
    if (job->only_sums) return;

    NAME(rows_times)(h, Lp, net->w2, Dp, g, Dp, n, Dp, net->L);
    const VEC factor = SPLAT((REAL)scale), one = SPLAT((REAL)1);
    for (int64_t i = 0; i < n; i++) {
        const int64_t later = begin + i + job->batch;
        const char *next =
            later < left ? NAME(row_of)(job, data, order[later], D) : (const char *)(x + i * Dp);
        const int64_t bytes = job->narrow ? (int64_t)sizeof(float) : (int64_t)sizeof(REAL);
        VEC loss = SPLAT((REAL)0);
        for (int64_t j = 0; j < Dp; j += VL) {
            FETCH(next + j * bytes);
            VEC out = LOAD(g + i * Dp + j) + LOAD(net->b2 + j);
            if (!job->linear) out = NAME(sigmoid)(out);
            const VEC difference = (out - LOAD(x + i * Dp + j)) * LOAD(net->mask_d + j);
            loss += difference * difference;
            VEC delta = difference * factor;
            if (!job->linear) delta = delta * out * (one - out);
            STORE(g + i * Dp + j, delta);
        }
        net->row_loss[begin + i] = NAME(add_lanes)(loss);
    }
    if (job->only_cost) return;
    NAME(rows_times)(g, Dp, net->w2t, Lp, a, Lp, n, Lp, D);
}

/* a <- (a + pull) h (1 - h) for rows [begin, end): the gradient at the hidden units' input. */
static NOINLINE void NAME(hidden_part)(const NET *net, const REAL *pull, int64_t begin,
                                       int64_t end)
{
    const int64_t Lp = net->Lp;
    const VEC one = SPLAT((REAL)1);
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < Lp; j += VL) {
            const VEC h = LOAD(net->h + i * Lp + j);
            const VEC a = LOAD(net->a + i * Lp + j) + LOAD(pull + j);
            STORE(net->a + i * Lp + j, a * h * (one - h));
        }
}

/* w2t rows [first, last) from the columns of w2 that were just written. */
static NOINLINE void NAME(transpose)(const NET *net, int64_t first, int64_t last)
{
    const int64_t L = net->L, Lp = net->Lp, Dp = net->Dp;
    for (int64_t d = first; d < last; d += VL)
        for (int64_t l = 0; l < L; l++) {
            const REAL *from = net->w2 + l * Dp + d;
            for (int64_t k = 0; k < VL; k++) net->w2t[(d + k) * Lp + l] = from[k];
        }
}

/* Sum of squares of a strip of weights, kept by strip so that any threads add up the same. */
static NOINLINE void NAME(square_strip)(const NET *net, int64_t strip)
{
    const int64_t first = strip * VL, D = net->D, Lp = net->Lp, Dp = net->Dp;
    const int64_t last = first + VL < D ? first + VL : D;
    VEC sum1 = SPLAT((REAL)0), sum2 = SPLAT((REAL)0);
    for (int64_t d = first; d < last; d++)
        for (int64_t j = 0; j < Lp; j += VL) {
            const VEC w = LOAD(net->w1 + d * Lp + j);
            sum1 += w * w;
        }
    for (int64_t l = 0; l < net->L; l++) {
        const VEC w = LOAD(net->w2 + l * Dp + first);
        sum2 += w * w;
    }
    net->squares[2 * strip] = NAME(add_lanes)(sum1);
    net->squares[2 * strip + 1] = NAME(add_lanes)(sum2);
}

/* Second half of a step for pixels [first, last), whole vectors: gradients and the update.
 * dW2 = h' g + lam W2, dW1 = x' a + lam W1; with job->gradient they are added up instead. */
static NOINLINE void NAME(pixels_part)(const NET *net, const struct job *job,
                                       const struct rule *rule, int64_t rows, int64_t first,
                                       int64_t last, REAL *scratch)
{
    const int64_t D = net->D, L = net->L, Dp = net->Dp, Lp = net->Lp;
    const REAL lam = (REAL)job->lam;
    const int64_t step = 2 * VL;
    for (int64_t d = first; d < last; d += step) {
        const int64_t width = last - d < step ? last - d : step;
        NAME(columns_times)(net->h, Lp, net->g + d, Dp, scratch, width, L, width, rows);
        for (int64_t l = 0; l < L; l++) {
            REAL *w = net->w2 + l * Dp + d, *g = scratch + l * width;
            if (job->gradient) {
                REAL *sum = net->m2 + l * Dp + d;
                for (int64_t k = 0; k < width; k++) sum[k] += g[k];
            } else {
                for (int64_t k = 0; k < width; k++) g[k] += lam * w[k];
                NAME(update)(rule, w, net->m2 + l * Dp + d, net->v2 + l * Dp + d, g, width);
            }
        }
    }
    const int64_t rows_end = last < D ? last : D;
    for (int64_t d = first; d < rows_end; d += MR) {
        const int64_t height = rows_end - d < MR ? rows_end - d : MR;
        NAME(columns_times)(net->x + d, Dp, net->a, Lp, scratch, Lp, height, Lp, rows);
        for (int64_t k = 0; k < height; k++) {
            REAL *w = net->w1 + (d + k) * Lp, *g = scratch + k * Lp;
            if (job->gradient) {
                REAL *sum = net->m1 + (d + k) * Lp;
                for (int64_t j = 0; j < Lp; j++) sum[j] += g[j];
            } else {
                for (int64_t j = 0; j < Lp; j++) g[j] += lam * w[j];
                NAME(update)(rule, w, net->m1 + (d + k) * Lp, net->v1 + (d + k) * Lp, g, Lp);
            }
        }
    }
    /* Biases have no decay: db2 = sum of g, db1 = sum of a over the rows. */
    for (int64_t d = first; d < last; d += VL) {
        VEC sum = SPLAT((REAL)0);
        for (int64_t i = 0; i < rows; i++) sum += LOAD(net->g + i * Dp + d);
        STORE(scratch, sum);
        if (job->gradient)
            STORE(net->mb2 + d, LOAD(net->mb2 + d) + sum);
        else
            NAME(update)(rule, net->b2 + d, net->mb2 + d, net->vb2 + d, scratch, VL);
    }
    if (first == 0 && last > first)
        for (int64_t j = 0; j < Lp; j += VL) {
            VEC sum = SPLAT((REAL)0);
            for (int64_t i = 0; i < rows; i++) sum += LOAD(net->a + i * Lp + j);
            STORE(scratch, sum);
            if (job->gradient)
                STORE(net->mb1 + j, LOAD(net->mb1 + j) + sum);
            else
                NAME(update)(rule, net->b1 + j, net->mb1 + j, net->vb1 + j, scratch, VL);
        }
    if (!job->gradient) {
        NAME(transpose)(net, first, last);
        for (int64_t d = first; d < last; d += VL) NAME(square_strip)(net, d / VL);
    }
}

/* rho_hat, beta * sum of KL, and its pull on the hidden units: every thread gets the same. */
static NOINLINE double NAME(sparsity)(const NET *net, const struct job *job,
                                      const double *sums, int64_t rows, double *rho_hat, REAL *pull)
{
    const double rho = job->rho, least = CLAMP;
    double cost = 0;
    for (int64_t l = 0; l < net->L; l++) {
        double mean = sums[l] / (double)rows;
        rho_hat[l] = mean;
        mean = mean < least ? least : (mean > 1 - least ? 1 - least : mean);
        cost += rho * log(rho / mean) + (1 - rho) * log((1 - rho) / (1 - mean));
        pull[l] = (REAL)(job->beta / (double)rows * ((1 - rho) / (1 - mean) - rho / mean));
    }
    for (int64_t l = net->L; l < net->Lp; l++) pull[l] = 0;
    return job->beta * cost;
}

static NOINLINE void NAME(add_blocks)(const NET *net, int64_t rows, double *sums)
{
    for (int64_t l = 0; l < net->Lp; l++) sums[l] = 0;
    for (int64_t block = 0; block < (rows + ROWS - 1) / ROWS; block++)
        for (int64_t l = 0; l < net->Lp; l++) sums[l] += net->block_sums[block * net->Lp + l];
}

/* What thread `part` of `job->parts` does in one call: job->most steps of training. */
static NOINLINE void NAME(train_part)(const NET *net, struct job *job, const REAL *data,
                                      int part)
{
    const int64_t strips = net->Dp / VL;
    struct share pixels = share_of(strips, part, job->parts);
    REAL *scratch = net->scratch + part * job->scratch_size;
    REAL *pull = scratch + job->scratch_size - net->Lp;
    double *sums = job->sums + part * 2 * net->Lp, *rho_hat = sums + net->Lp;
    struct rule rule = {job->solver, job->learning_rate, job->momentum, 0, 1, 1};

    for (int64_t strip = pixels.begin; strip < pixels.end; strip++) NAME(square_strip)(net, strip);
    NAME(transpose)(net, pixels.begin * VL, pixels.end * VL);
    wait_for_all(&job->barrier, job->parts);

    for (int64_t step = 0; step < job->most; step++) {
        const int64_t from = step * job->batch;
        const int64_t rows = job->rows - from < job->batch ? job->rows - from : job->batch;
        struct share mine = share_of((rows + ROWS - 1) / ROWS, part, job->parts);
        const int64_t begin = mine.begin * ROWS, end = mine.end * ROWS < rows ? mine.end * ROWS : rows;

        /* The weights' squares before this step moves them. */
        double squares = 0;
        for (int64_t strip = 0; strip < 2 * strips; strip++) squares += net->squares[strip];
        NAME(rows_part)(net, job, data, job->order + from, job->rows - from, begin, end,
                        1.0 / (double)rows);
        wait_for_all(&job->barrier, job->parts);

        NAME(add_blocks)(net, rows, sums);
        const double sparsity = NAME(sparsity)(net, job, sums, rows, rho_hat, pull);
        double loss = 0;
        for (int64_t i = 0; i < rows; i++) loss += net->row_loss[i];
        const double reconstruction = loss / (2.0 * (double)rows), decay = job->lam / 2 * squares;
        if (part == 0) {
            job->terms[3 * step] = reconstruction;
            job->terms[3 * step + 1] = decay;
            job->terms[3 * step + 2] = sparsity;
        }
        /* All threads have the same numbers, so all leave together. */
        if (!isfinite(reconstruction + decay + sparsity)) {
            if (part == 0) job->finite = 0;
            return;
        }
        NAME(hidden_part)(net, pull, begin, end);
        wait_for_all(&job->barrier, job->parts);

        if (job->solver == ADAM) {
            const double count = (double)(job->taken + step + 1);
            rule.unbias1 = 1 / (1 - pow(0.9, count));
            rule.unbias2 = 1 / (1 - pow(0.999, count));
        }
        NAME(pixels_part)(net, job, &rule, rows, pixels.begin * VL, pixels.end * VL, scratch);
        if (part == 0) {
            job->done = step + 1;
            memcpy(job->rho_hat, rho_hat, (size_t)net->L * sizeof(double));
            job->halt = *job->interrupt != 0;
        }
        wait_for_all(&job->barrier, job->parts);
        if (job->halt) return;
    }
}

/* Thread `part` of a pass over all rows in blocks of job->batch: with only_sums the column sums
 * of h (into job->rho_hat of thread 0's sums), else the cost and, with gradient, its gradient. */
static NOINLINE void NAME(pass_part)(const NET *net, struct job *job, const REAL *data,
                                     int part)
{
    const int64_t strips = net->Dp / VL;
    struct share pixels = share_of(strips, part, job->parts);
    REAL *scratch = net->scratch + part * job->scratch_size;
    REAL *pull = scratch + job->scratch_size - net->Lp;
    double *sums = job->sums + part * 2 * net->Lp;
    struct rule rule = {SGD, 0, 0, 0, 1, 1};
    for (int64_t l = 0; l < net->Lp; l++)
        pull[l] = l < net->L ? (REAL)job->given_pull[l] : (REAL)0;
    for (int64_t strip = pixels.begin; strip < pixels.end; strip++) NAME(square_strip)(net, strip);
    NAME(transpose)(net, pixels.begin * VL, pixels.end * VL);
    wait_for_all(&job->barrier, job->parts);
    for (int64_t from = 0; from < job->rows; from += job->batch) {
        const int64_t rows = job->rows - from < job->batch ? job->rows - from : job->batch;
        struct share mine = share_of((rows + ROWS - 1) / ROWS, part, job->parts);
        const int64_t begin = mine.begin * ROWS, end = mine.end * ROWS < rows ? mine.end * ROWS : rows;
        NAME(rows_part)(net, job, data, job->order + from, 0, begin, end, job->scale);
        if (job->gradient) NAME(hidden_part)(net, pull, begin, end);
        wait_for_all(&job->barrier, job->parts);
        if (part == 0) {
            NAME(add_blocks)(net, rows, sums);
            for (int64_t l = 0; l < net->L; l++) job->rho_hat[l] += sums[l];
            if (!job->only_sums)
                for (int64_t i = 0; i < rows; i++) job->loss += net->row_loss[i];
        }
        if (job->gradient)
            NAME(pixels_part)(net, job, &rule, rows, pixels.begin * VL, pixels.end * VL, scratch);
        wait_for_all(&job->barrier, job->parts);
    }
    if (part == 0) {
        job->squares = 0;
        for (int64_t strip = 0; strip < 2 * strips; strip++) job->squares += net->squares[strip];
    }
}

#undef VEC
#undef IVEC
#undef SPLAT
#undef LOAD
#undef STORE
