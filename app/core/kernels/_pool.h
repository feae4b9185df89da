/* Pooling of one floating-point type and one instruction set; see _layers_kernels.h.
 *
 * The readable twin is reference/pool.py. The forward pass of the maximum notes where in its
 * plane each one was found, so that the backward pass need not look for it again. Of equal
 * numbers the first counts, line by line; what is no number wins over all that are.
 */

#define BEATS(value, best) (((value) > (best)) | (((value) != (value)) & ((best) == (best))))

/* One plane (H, W): the maxima, and their places y W + x. */
static NOINLINE void NAME(max_plane)(const struct pool *pool, const REAL *in, REAL *out,
                                     int32_t *where)
{
    const int64_t W = pool->W, OW = pool->OW;
    for (int64_t y = 0; y < pool->OH; y++) {
        const int64_t line = y * pool->sy * W;
        int64_t x = 0;
#if VL > 1
        const int pairs = pool->HH == 2 && pool->WW == 2 && pool->sx == 2;
        IVEC ramp = (IVEC){0};
        UNROLL
        for (int i = 0; i < VL; i++) ramp[i] = 2 * i;
        for (; pairs && x + VL <= OW; x += VL) {
            const REAL *upper = in + line + 2 * x, *lower = upper + W;
            const VEC u0 = LOAD(upper), u1 = LOAD(upper + VL);
            const VEC l0 = LOAD(lower), l1 = LOAD(lower + VL);
            VEC best = NAME(even)(u0, u1);
            IVEC place = ramp + (INTEGER)(line + 2 * x);
            const VEC others[3] = {NAME(odd)(u0, u1), NAME(even)(l0, l1), NAME(odd)(l0, l1)};
            const INTEGER steps[3] = {1, (INTEGER)W, (INTEGER)W + 1};
            const IVEC start = place;
            UNROLL
            for (int i = 0; i < 3; i++) {
                const IVEC better = (IVEC)BEATS(others[i], best);
                best = (VEC)((better & (IVEC)others[i]) | (~better & (IVEC)best));
                place = (better & (start + steps[i])) | (~better & place);
            }
            STORE(out + y * OW + x, best);
            UNROLL
            for (int i = 0; i < VL; i++) where[y * OW + x + i] = (int32_t)place[i];
        }
#endif
        for (; x < OW; x++) {
            const int64_t corner = line + x * pool->sx;
            REAL best = in[corner];
            int64_t place = corner;
            for (int64_t i = 0; i < pool->HH; i++)
                for (int64_t j = 0; j < pool->WW; j++) {
                    const REAL value = in[corner + i * W + j];
                    if (BEATS(value, best)) {
                        best = value;
                        place = corner + i * W + j;
                    }
                }
            out[y * OW + x] = best;
            where[y * OW + x] = (int32_t)place;
        }
    }
}

/* Give each gradient to the place its maximum came from; a negative place is nowhere. */
static NOINLINE void NAME(scatter_plane)(const REAL *dout, const int32_t *where, int64_t size,
                                         REAL *dx)
{
    for (int64_t i = 0; i < size; i++)
        if (where[i] >= 0) dx[where[i]] += dout[i];
}

/* ReLU of what was pooled; a maximum that is not above zero passes no gradient on. */
static NOINLINE void NAME(rectify_pooled)(REAL *out, int32_t *where, int64_t size)
{
    for (int64_t i = 0; i < size; i++) {
        where[i] = out[i] > 0 ? where[i] : -1;
        out[i] = out[i] < 0 ? (REAL)0 : out[i];
    }
}

static NOINLINE void NAME(rectify)(REAL *out, int64_t size)
{
    for (int64_t i = 0; i < size; i++) out[i] = out[i] < 0 ? (REAL)0 : out[i];
}

static NOINLINE void NAME(max_pool_forward_part)(const struct pool *pool, int part)
{
    const struct share planes = share_of(pool->planes, part, pool->parts);
    const int64_t size = pool->OH * pool->OW;
    for (int64_t i = planes.begin; i < planes.end; i++)
        NAME(max_plane)(pool, (const REAL *)pool->x + i * pool->H * pool->W,
                        (REAL *)pool->out + i * size, pool->where + i * size);
}

static NOINLINE void NAME(max_pool_backward_part)(const struct pool *pool, int part)
{
    const struct share planes = share_of(pool->planes, part, pool->parts);
    const int64_t size = pool->OH * pool->OW, plane = pool->H * pool->W;
    for (int64_t i = planes.begin; i < planes.end; i++) {
        REAL *dx = (REAL *)pool->dx + i * plane;
        memset(dx, 0, (size_t)plane * sizeof(REAL));
        NAME(scatter_plane)((const REAL *)pool->dout + i * size, pool->where + i * size, size, dx);
    }
}

static NOINLINE void NAME(avg_pool_forward_part)(const struct pool *pool, int part)
{
    const struct share planes = share_of(pool->planes, part, pool->parts);
    const int64_t W = pool->W, OW = pool->OW;
    const REAL count = (REAL)(pool->HH * pool->WW);
    for (int64_t n = planes.begin; n < planes.end; n++) {
        const REAL *in = (const REAL *)pool->x + n * pool->H * W;
        REAL *out = (REAL *)pool->out + n * pool->OH * OW;
        for (int64_t y = 0; y < pool->OH; y++, out += OW) {
            const REAL *line = in + y * pool->sy * W;
            for (int64_t x = 0; x < OW; x++) {
                REAL sum = 0;
                for (int64_t i = 0; i < pool->HH; i++)
                    for (int64_t j = 0; j < pool->WW; j++) sum += line[x * pool->sx + i * W + j];
                out[x] = sum / count;
            }
        }
    }
}

static NOINLINE void NAME(avg_pool_backward_part)(const struct pool *pool, int part)
{
    const struct share planes = share_of(pool->planes, part, pool->parts);
    const int64_t W = pool->W, OW = pool->OW, plane = pool->H * W;
    const REAL count = (REAL)(pool->HH * pool->WW);
    for (int64_t n = planes.begin; n < planes.end; n++) {
        REAL *dx = (REAL *)pool->dx + n * plane;
        const REAL *dout = (const REAL *)pool->dout + n * pool->OH * OW;
        memset(dx, 0, (size_t)plane * sizeof(REAL));
        for (int64_t y = 0; y < pool->OH; y++, dout += OW)
            for (int64_t x = 0; x < OW; x++) {
                const REAL share = dout[x] / count;
                REAL *corner = dx + y * pool->sy * W + x * pool->sx;
                for (int64_t i = 0; i < pool->HH; i++)
                    for (int64_t j = 0; j < pool->WW; j++) corner[i * W + j] += share;
            }
    }
}
#undef BEATS
