/* Correlation over the pixels of one image, of one floating-point type and instruction set.
 *
 * A tile of output rows x pixel vectors is held in registers and summed over taps k = (c, i, j);
 * where tap k of a pixel lies is told by a table of offsets. It is the whole forward pass of a
 * convolution, and the gradient of x, which is a correlation of dout with the taps of w that meet
 * the same remainder of the stride. Where the rows of an output are short, the taps are first
 * copied into columns, so that a vector spans several rows.
 */

/* r (VL vectors) becomes its own transpose. */
#if VL > 1
static INLINE void NAME(transpose_vectors)(VEC *r)
{
    UNROLL
    for (int d = 1; d < VL; d *= 2)
        UNROLL
        for (int i = 0; i < VL; i++) {
            if (i & d) continue;
            const VEC a = r[i], b = r[i + d];
            r[i] = NAME(low)(a, b, d);
            r[i + d] = NAME(high)(a, b, d);
        }
}
#endif

/* out (columns, ldo) = in (rows, ldi) transposed; columns of `out` from `rows` to ldo are zero. */
static NOINLINE void NAME(transpose)(const REAL *in, int64_t ldi, int64_t rows, int64_t columns,
                                     REAL *out, int64_t ldo)
{
    for (int64_t f = 0; f < ldo; f += VL) {
        const int64_t height = most(0, least(VL, rows - f));
        int64_t p = 0;
#if VL > 1
        for (; height > 0 && p + VL <= columns; p += VL) {
            VEC r[VL];
            if (height == VL) {
                UNROLL
                for (int i = 0; i < VL; i++) r[i] = LOAD(in + (f + i) * ldi + p);
            } else {
                UNROLL
                for (int i = 0; i < VL; i++) {
                    r[i] = SPLAT((REAL)0);
                    if (i < height) r[i] = LOAD(in + (f + i) * ldi + p);
                }
            }
            NAME(transpose_vectors)(r);
            UNROLL
            for (int i = 0; i < VL; i++) STORE(out + (p + i) * ldo + f, r[i]);
        }
#endif
        for (; p < columns; p++)
            for (int64_t i = 0; i < VL && f + i < ldo; i++)
                out[p * ldo + f + i] = i < height ? in[(f + i) * ldi + p] : (REAL)0;
    }
}

/* One register tile: rows of w (depth, rows) against the pixel vectors at `at`. */
static INLINE void NAME(correlate)(const int rows, const int vectors, const REAL *const *at,
                                   const int32_t *offset, int64_t depth, const REAL *w,
                                   const REAL *bias, VEC sum[MR][MOST_VECTORS])
{
    const REAL *place[MOST_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++) place[v] = at[v];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
        for (int v = 0; v < vectors; v++) sum[r][v] = SPLAT(bias ? bias[r] : (REAL)0);
    for (int64_t k = 0; k < depth; k++) {
        const int64_t o = offset[k];
        VEC s[MR];
        UNROLL
        for (int r = 0; r < rows; r++) s[r] = SPLAT(w[k * rows + r]);
        UNROLL
        for (int v = 0; v < vectors; v++) {
            VEC x = LOAD(place[v] + o);
            HOLD(x);
            UNROLL
            for (int r = 0; r < rows; r++) sum[r][v] += s[r] * x;
        }
    }
}

/* The tile of each height as a function of its own. Row r of it goes to the plane first + r of the
 * outputs, of which `lanes` pixels count; neighbours there lie `step` apart. */
#define DEFINE_CORRELATION(rows, vectors)                                                          \
    static NOINLINE void NAME(correlate_##rows)(                                                   \
        const REAL *const *at, REAL *const *outs, const int *lanes, const int32_t *offset,         \
        int64_t depth, const REAL *w, const REAL *bias, int64_t first, int64_t plane, int64_t step) \
    {                                                                                              \
        VEC sum[MR][MOST_VECTORS];                                                                 \
        NAME(correlate)(rows, vectors, at, offset, depth, w, bias, sum);                           \
        UNROLL                                                                                     \
        for (int v = 0; v < vectors; v++) {                                                        \
            REAL *out = outs[v] + first * plane;                                                   \
            if (lanes[v] == VL && step == 1) {                                                     \
                UNROLL                                                                             \
                for (int r = 0; r < rows; r++) STORE(out + r * plane, sum[r][v]);                  \
            } else {                                                                               \
                UNROLL                                                                             \
                for (int r = 0; r < rows; r++) {                                                   \
                    REAL part[VL];                                                                 \
                    STORE(part, sum[r][v]);                                                        \
                    for (int i = 0; i < lanes[v]; i++) out[r * plane + i * step] = part[i];        \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_CORRELATION(1, VECTORS_1)
DEFINE_CORRELATION(2, VECTORS_2)
DEFINE_CORRELATION(3, VECTORS_3)
DEFINE_CORRELATION(4, VECTORS_4)
#if MR == 8
DEFINE_CORRELATION(5, VECTORS_5)
DEFINE_CORRELATION(6, VECTORS_5)
DEFINE_CORRELATION(7, VECTORS_5)
DEFINE_CORRELATION(8, VECTORS_5)
#endif
#undef DEFINE_CORRELATION

typedef void (*NAME(correlation))(const REAL *const *, REAL *const *, const int *, const int32_t *,
                                  int64_t, const REAL *, const REAL *, int64_t, int64_t, int64_t);

static NAME(correlation) NAME(correlation_of)(int64_t rows, int64_t *vectors)
{
    switch (rows) {
    case 1: *vectors = VECTORS_1; return NAME(correlate_1);
    case 2: *vectors = VECTORS_2; return NAME(correlate_2);
    case 3: *vectors = VECTORS_3; return NAME(correlate_3);
#if MR == 8
    case 5: *vectors = VECTORS_5; return NAME(correlate_5);
    case 6: *vectors = VECTORS_5; return NAME(correlate_6);
    case 7: *vectors = VECTORS_5; return NAME(correlate_7);
    case 8: *vectors = VECTORS_5; return NAME(correlate_8);
#endif
    default: *vectors = VECTORS_4; return NAME(correlate_4);
    }
}

/* Copy the taps of pixels [begin, end) of a grid into columns. Whole vectors are copied; what
 * is too much is overwritten by the next ones, or lies behind the last. */
static NOINLINE void NAME(fill_columns)(const REAL *frame, const struct grid *grid,
                                        const int32_t *offset, int64_t depth, int64_t begin,
                                        int64_t end, REAL *columns)
{
    for (int64_t k = 0; k < depth; k++) {
        REAL *to = columns + k * COLUMN_STRIDE;
        int64_t row = begin / grid->width, x = begin % grid->width;
        for (int64_t p = begin; p < end; row++, x = 0) {
            const int64_t count = least(grid->width - x, end - p);
            const REAL *from = frame + offset[k] + grid->in + row * grid->in_line + x;
            for (int64_t i = 0; i < count; i += VL) STORE(to + i, LOAD(from + i));
            to += count;
            p += count;
        }
    }
}

/* All rows of w, packed in tiles, against all pixels of a grid of one image. With `columns`
 * (room for depth x COLUMN_STRIDE, then rows x COLUMN_PIXELS) vectors span several lines. */
static NOINLINE void NAME(correlate_grid)(const REAL *frame, const struct grid *grid,
                                          const int32_t *offset, const int32_t *column_offset,
                                          int64_t depth, const REAL *w, const REAL *bias,
                                          int64_t rows, REAL *out, int64_t plane, REAL *columns)
{
    const int64_t pixels = grid->height * grid->width, width = grid->width;
    if (pixels <= 0) return;
    const int64_t tiles = (rows + MR - 1) / MR, across = (width + VL - 1) / VL;
    const int packed = grid->out_step == 1 && grid->out_line == width;
    const int64_t block = columns ? COLUMN_PIXELS : pixels;
    REAL *stage = columns && !packed ? columns + depth * COLUMN_STRIDE : NULL;
    for (int64_t begin = 0; begin < pixels; begin += block) {
        const int64_t end = least(pixels, begin + block);
        const int64_t count = columns ? (end - begin + VL - 1) / VL : grid->height * across;
        if (columns) NAME(fill_columns)(frame, grid, offset, depth, begin, end, columns);
        for (int64_t first = 0; first < count; first += CHUNK) {
            const REAL *at[CHUNK];
            REAL *outs[CHUNK];
            int lanes[CHUNK];
            for (int64_t i = 0; i < CHUNK; i++) {
                /* The last vector fills up the tile. */
                const int64_t v = least(first + i, count - 1);
                if (columns) {
                    const int64_t p = v * VL;
                    at[i] = columns + p;
                    outs[i] = stage ? stage + p : out + grid->out + begin + p;
                    lanes[i] = (int)least(VL, end - begin - p);
                } else {
                    /* The last vector of a line overlaps the one before, where it can. */
                    const int64_t row = v / across;
                    const int64_t x = most(0, least(v % across * VL, width - VL));
                    at[i] = frame + grid->in + row * grid->in_line + x;
                    outs[i] = out + grid->out + row * grid->out_line + x * grid->out_step;
                    lanes[i] = (int)least(VL, width - x);
                }
            }
            for (int64_t tile = 0; tile < tiles; tile++) {
                const struct share share = share_of(rows, (int)tile, (int)tiles);
                int64_t vectors;
                const NAME(correlation) function =
                    NAME(correlation_of)(share.end - share.begin, &vectors);
                for (int64_t i = 0; i < CHUNK && first + i < count; i += vectors)
                    function(at + i, outs + i, lanes + i, columns ? column_offset : offset, depth,
                             w + share.begin * depth, bias ? bias + share.begin : NULL,
                             share.begin, stage ? COLUMN_PIXELS : plane,
                             columns ? 1 : grid->out_step);
            }
        }
        if (!stage) continue;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t p = begin; p < end; p++)
                out[grid->out + r * plane + p / width * grid->out_line + p % width * grid->out_step] =
                    stage[r * COLUMN_PIXELS + p - begin];
    }
}
