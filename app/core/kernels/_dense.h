/* The affine layer of one floating-point type and one instruction set; see _layers_kernels.h.
 *
 * The readable twin is reference/dense.py; x (N, D), w (D, M), b (M). A product is made of
 * tiles of rows x two vectors that are held in registers. What a tile reads is copied beside
 * each other first, as rows of a matrix may lie a power of two apart and then get into each
 * other's way in the cache. Every element is summed from first to last, in blocks of DEPTH.
 *
 * Going back, w is visited once: some of its rows at a time give dx and dw of their own inputs,
 * and, if a solver's rule is given, move at once, while they and dw are in the cache.
 */

#define UNIT (2 * VL)

/* out (rows, UNIT) += a b; a(r, k) = a[k * step + r], b(k, :) = b[k * ldb]. */
static INLINE void NAME(multiply)(const int rows, const REAL *a, int64_t step, const REAL *b,
                                  int64_t ldb, int64_t depth, REAL *out, int64_t ldo, int add)
{
    VEC sum[MR][2];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < 2; v++) {
            sum[r][v] = SPLAT((REAL)0);
            if (add) sum[r][v] = LOAD(out + r * ldo + v * VL);
        }
    for (int64_t k = 0; k < depth; k++) {
        VEC b0 = LOAD(b), b1 = LOAD(b + VL);
        HOLD(b0);
        HOLD(b1);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const VEC s = SPLAT(a[r]);
            sum[r][0] += s * b0;
            sum[r][1] += s * b1;
        }
        a += step;
        b += ldb;
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < 2; v++) STORE(out + r * ldo + v * VL, sum[r][v]);
}

static NOINLINE void NAME(multiply_rows)(int64_t rows, const REAL *a, int64_t step, const REAL *b,
                                         int64_t ldb, int64_t depth, REAL *out, int64_t ldo, int add)
{
    switch (rows) {
    case 1: NAME(multiply)(1, a, step, b, ldb, depth, out, ldo, add); break;
    case 2: NAME(multiply)(2, a, step, b, ldb, depth, out, ldo, add); break;
    case 3: NAME(multiply)(3, a, step, b, ldb, depth, out, ldo, add); break;
#if MR == 8
    case 5: NAME(multiply)(5, a, step, b, ldb, depth, out, ldo, add); break;
    case 6: NAME(multiply)(6, a, step, b, ldb, depth, out, ldo, add); break;
    case 7: NAME(multiply)(7, a, step, b, ldb, depth, out, ldo, add); break;
    case 8: NAME(multiply)(8, a, step, b, ldb, depth, out, ldo, add); break;
#endif
    default: NAME(multiply)(4, a, step, b, ldb, depth, out, ldo, add); break;
    }
}

/* Rows [0, height) of a matrix as panels of VL rows x depth, transposed. */
static INLINE void NAME(panels)(const REAL *in, int64_t ldi, int64_t height, int64_t depth, REAL *out)
{
    for (int64_t r = 0; r < height; r += VL)
        NAME(transpose)(in + r * ldi, ldi, least(VL, height - r), depth, out + r * depth, VL);
}

/* out (height, UNIT) += or = panels times b, by tiles of up to MR rows. */
static INLINE void NAME(multiply_panels)(const REAL *panels, int64_t panel_depth, int64_t height,
                                         const REAL *b, int64_t ldb, int64_t depth, REAL *out,
                                         int64_t ldo, int add)
{
    const int64_t tall = least(MR, VL);
    for (int64_t r = 0; r < height; r += tall)
        NAME(multiply_rows)(least(tall, height - r), panels + r / VL * VL * panel_depth + r % VL, VL, b,
                            ldb, depth, out + r * ldo, ldo, add);
}

/* Columns [first, last) of w's units, for all rows of x. */
static NOINLINE void NAME(dense_forward_part)(const struct dense *dense, int part)
{
    const struct share units = share_of((dense->M + UNIT - 1) / UNIT, part, dense->parts);
    const int64_t N = dense->N, D = dense->D, M = dense->M;
    const REAL *x = (const REAL *)dense->x, *w = (const REAL *)dense->w;
    const REAL *bias = (const REAL *)dense->b;
    REAL *out = (REAL *)dense->out;
    REAL *panels = (REAL *)(dense->scratch + part * dense->scratch_bytes);
    REAL *piece = panels + ROWS_AT_ONCE * DEPTH;
    REAL *sums = piece + DEPTH * UNIT;
    for (int64_t begin = units.begin; begin < units.end; begin += UNITS_AT_ONCE) {
        const int64_t end = least(units.end, begin + UNITS_AT_ONCE);
        const int64_t from = begin * UNIT, to = least(M, end * UNIT), lds = (end - begin) * UNIT;
        for (int64_t n = 0; n < N; n += ROWS_AT_ONCE) {
            const int64_t height = least(ROWS_AT_ONCE, N - n);
            for (int64_t d = 0; d < D; d += DEPTH) {
                const int64_t depth = least(DEPTH, D - d);
                NAME(panels)(x + n * D + d, D, height, depth, panels);
                for (int64_t c = from; c < to; c += UNIT) {
                    const int64_t width = least(UNIT, to - c);
                    for (int64_t k = 0; k < depth; k++) {
                        const REAL *line = w + (d + k) * M + c;
                        if (width == UNIT) {
                            STORE(piece + k * UNIT, LOAD(line));
                            STORE(piece + k * UNIT + VL, LOAD(line + VL));
                            FETCH(line + UNIT);
                            FETCH(line + UNIT + VL);
                        } else {
                            memset(piece + k * UNIT, 0, UNIT * sizeof(REAL));
                            memcpy(piece + k * UNIT, line, (size_t)width * sizeof(REAL));
                        }
                    }
                    NAME(multiply_panels)(panels, depth, height, piece, UNIT, depth, sums + c - from,
                                          lds, d > 0);
                }
            }
            for (int64_t r = 0; r < height; r++) {
                REAL *line = out + (n + r) * M + from;
                const REAL *sum = sums + r * lds;
                for (int64_t j = 0; j < to - from; j++) {
                    const REAL value = sum[j] + bias[from + j];
                    line[j] = dense->relu && value < 0 ? (REAL)0 : value;
                }
            }
        }
    }
}

/* dout (behind a ReLU: where it let something through) with room for whole units, as it is and
 * as panels; and db. Once, before the parts. */
static NOINLINE void NAME(dense_prepare)(const struct dense *dense)
{
    const int64_t N = dense->N, M = dense->M, ldd = dense->ldd;
    const REAL *dout = (const REAL *)dense->dout, *seen = (const REAL *)dense->seen;
    REAL *lines = (REAL *)dense->lines, *db = (REAL *)dense->db;
    for (int64_t j = 0; j < M; j++) db[j] = 0;
    for (int64_t n = 0; n < N; n++) {
        REAL *line = lines + n * ldd;
        for (int64_t j = M; j < ldd; j++) line[j] = 0;
        if (seen)
            for (int64_t j = 0; j < M; j++)
                line[j] = seen[n * M + j] > 0 ? dout[n * M + j] : (REAL)0;
        else
            memcpy(line, dout + n * M, (size_t)M * sizeof(REAL));
        for (int64_t j = 0; j < M; j++) db[j] += line[j];
    }
    if (dense->dx) NAME(panels)(lines, ldd, N, M, (REAL *)dense->panels);
}

static INLINE void NAME(fetch)(const REAL *unit)
{
    FETCH(unit);
    FETCH(unit + VL);
}

static NOINLINE void NAME(dense_backward_part)(const struct dense *dense, int part)
{
    const int64_t N = dense->N, D = dense->D, M = dense->M, ldd = dense->ldd;
    const struct share blocks = share_of((D + UNIT - 1) / UNIT, part, dense->parts);
    const REAL *lines = (const REAL *)dense->lines, *x = (const REAL *)dense->x;
    REAL *w = (REAL *)dense->w, *m = (REAL *)dense->m, *v = (REAL *)dense->v;
    REAL *turned = (REAL *)(dense->scratch + part * dense->scratch_bytes);
    REAL *slopes = turned + M * UNIT;
    REAL *inputs = slopes + MR * ldd;
    REAL *sums = inputs + N * UNIT;
    for (int64_t block = blocks.begin; block < blocks.end; block++) {
        const int64_t d = block * UNIT, height = least(UNIT, D - d);
        if (dense->dx) {
            REAL *dx = (REAL *)dense->dx + d;
            NAME(transpose)(w + d * M, M, height, M, turned, UNIT);
            if (height == UNIT)
                NAME(multiply_panels)((const REAL *)dense->panels, M, N, turned, UNIT, M, dx, D, 0);
            else {
                NAME(multiply_panels)((const REAL *)dense->panels, M, N, turned, UNIT, M, sums, UNIT, 0);
                for (int64_t n = 0; n < N; n++)
                    memcpy(dx + n * D, sums + n * UNIT, (size_t)height * sizeof(REAL));
            }
        }
        if (height < UNIT) memset(inputs, 0, (size_t)(N * UNIT) * sizeof(REAL));
        for (int64_t n = 0; n < N; n++)
            memcpy(inputs + n * UNIT, x + n * D + d, (size_t)height * sizeof(REAL));
        double squares = 0;
        for (int64_t i = 0; i < height; i += MR) {
            const int64_t rows = least(MR, height - i);
            for (int64_t c = 0; c < M; c += UNIT) {
                /* What is needed next comes from far: it is fetched while slopes are computed. */
                for (int64_t r = 0; r < rows; r++) {
                    const int64_t at = (d + i + r) * M + c;
                    /* For dx, these rows of w are here already, and the next block's are not. */
                    const int64_t next = dense->dx ? at + UNIT * M : at;
                    if (next < D * M) NAME(fetch)(w + next);
                    if (m) NAME(fetch)(m + at);
                    if (v) NAME(fetch)(v + at);
                }
                NAME(multiply_rows)(rows, inputs + i, UNIT, lines + c, ldd, N, slopes + c, ldd, 0);
            }
            for (int64_t r = 0; r < rows; r++) {
                const int64_t at = (d + i + r) * M;
                const REAL *slope = slopes + r * ldd;
                if (dense->dw) {
                    memcpy((REAL *)dense->dw + at, slope, (size_t)M * sizeof(REAL));
                    continue;
                }
                squares += NAME(squares)(w + at, M);
                NAME(update)(&dense->rule, w + at, m ? m + at : NULL, v ? v + at : NULL, slope, M);
            }
        }
        if (dense->squares) dense->squares[block] = squares;
    }
}

/* A piece of a vector of weights. */
static NOINLINE void NAME(update_part)(const struct dense *dense, int part)
{
    const struct share share = share_of(dense->N, part, dense->parts);
    REAL *w = (REAL *)dense->w, *m = (REAL *)dense->m, *v = (REAL *)dense->v;
    const int64_t from = share.begin;
    NAME(update)(&dense->rule, w + from, m ? m + from : NULL, v ? v + from : NULL,
                 (const REAL *)dense->x + from, share.end - from);
}
#undef UNIT
