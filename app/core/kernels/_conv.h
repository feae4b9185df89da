/* Convolution of one floating-point type and one instruction set; see _layers_kernels.h.
 *
 * The readable twin is reference/conv.py; letters are those of CS231n: x (N, C, H, W),
 * w (F, C, HH, WW), out (N, F, OH, OW). Both ways work on one image at a time, copied into a
 * padded frame, so that no loop asks whether it is at an edge. Forward and dx are correlations
 * (_correlate.h); a stride becomes neighbouring numbers by splitting the frame by remainders.
 *
 * `dw_tile` holds taps x vectors of filters, and sums over the pixels of an image; dout is
 * transposed for it. Images are summed in fixed groups, whatever the number of threads.
 */

/* w (F, C, HH, WW) to tiles of filters x all taps. */
static NOINLINE void NAME(pack_filters)(const struct conv *conv, const REAL *w, REAL *out)
{
    const int64_t depth = conv->C * conv->HH * conv->WW, tiles = (conv->F + MR - 1) / MR;
    for (int64_t tile = 0; tile < tiles; tile++) {
        const struct share share = share_of(conv->F, (int)tile, (int)tiles);
        const int64_t height = share.end - share.begin;
        for (int64_t r = 0; r < height; r++)
            for (int64_t k = 0; k < depth; k++)
                out[share.begin * depth + k * height + r] = w[(share.begin + r) * depth + k];
    }
}

/* w to tiles of channels x the taps (f, i, j) that meet rows = a, columns = b of the stride. */
static NOINLINE void NAME(pack_channels)(const struct conv *conv, const REAL *w,
                                         const struct phase *phase, REAL *out)
{
    const int64_t tiles = (conv->C + MR - 1) / MR;
    for (int64_t tile = 0; tile < tiles; tile++) {
        const struct share share = share_of(conv->C, (int)tile, (int)tiles);
        REAL *to = out + share.begin * phase->depth;
        for (int64_t f = 0; f < conv->F; f++)
            for (int64_t i = phase->a; i < conv->HH; i += conv->sy)
                for (int64_t j = phase->b; j < conv->WW; j += conv->sx)
                    for (int64_t c = share.begin; c < share.end; c++)
                        *to++ = w[((f * conv->C + c) * conv->HH + i) * conv->WW + j];
    }
}

/* Pack w for what is to be done; once, before the parts. */
static NOINLINE void NAME(conv_prepare)(const struct conv *conv, int backward)
{
    if (!backward) NAME(pack_filters)(conv, (const REAL *)conv->w, (REAL *)conv->packed);
    for (int64_t i = 0; i < conv->phase_count; i++)
        NAME(pack_channels)(conv, (const REAL *)conv->w, conv->phases + i,
                            (REAL *)conv->packed + conv->phases[i].packed);
}

/* Copy x of one image into its frame, whose edges are zero: channels, then remainders of the
 * stride (`ry` x `rx` of them; 1 x 1 keeps neighbours together), then lines. */
static NOINLINE void NAME(fill_frame)(const struct conv *conv, const REAL *x, int64_t ry, int64_t rx,
                                      int64_t sy, int64_t sx, int64_t height, int64_t width,
                                      REAL *frame)
{
    for (int64_t c = 0; c < conv->C; c++)
        for (int64_t a = 0; a < ry; a++)
            for (int64_t b = 0; b < rx; b++) {
                REAL *plane = frame + ((c * ry + a) * rx + b) * height * width;
                const REAL *from = x + c * conv->H * conv->W;
                const int64_t first = ceiling(conv->px - b, sx);
                const int64_t last = least(width, ceiling(conv->px + conv->W - b, sx));
                for (int64_t q = ceiling(conv->py - a, sy); q < height; q++) {
                    const int64_t y = q * sy + a - conv->py;
                    if (y >= conv->H) break;
                    REAL *to = plane + q * width;
                    const REAL *line = from + y * conv->W + b - conv->px;
                    if (sx == 1)
                        memcpy(to + first, line + first,
                               (size_t)most(0, last - first) * sizeof(REAL));
                    else if (sx == 2)
                        for (int64_t p = first; p < last; p++) to[p] = line[2 * p];
                    else
                        for (int64_t p = first; p < last; p++) to[p] = line[p * sx];
                }
            }
}

/* A part of the images forward. */
static NOINLINE void NAME(conv_forward_part)(const struct conv *conv, int part)
{
    const struct share images = share_of(conv->N, part, conv->parts);
    const int64_t plane = conv->OH * conv->OW;
    char *scratch = conv->scratch + part * conv->scratch_bytes;
    REAL *frame = (REAL *)scratch;
    REAL *columns = conv->in_columns ? (REAL *)(scratch + conv->frame_bytes) : NULL;
    REAL *whole = (REAL *)(scratch + conv->frame_bytes + conv->columns_bytes);
    const struct grid grid = {conv->OH, conv->OW, 0, conv->QW, 0, conv->OW, 1};
    if (images.begin < images.end) memset(frame, 0, (size_t)conv->frame_bytes);
    for (int64_t n = images.begin; n < images.end; n++) {
        NAME(fill_frame)(conv, (const REAL *)conv->x + n * conv->C * conv->H * conv->W, conv->ry,
                         conv->rx, conv->sy, conv->sx, conv->QH, conv->QW, frame);
        REAL *out = conv->pool ? whole : (REAL *)conv->out + n * conv->F * plane;
        NAME(correlate_grid)(frame, &grid, conv->offset, conv->column_offset, conv->depth,
                             (const REAL *)conv->packed, (const REAL *)conv->b, conv->F, out, plane,
                             columns);
        if (conv->pool)
            for (int64_t f = 0; f < conv->F; f++) {
                const int64_t size = conv->pool->OH * conv->pool->OW, at = (n * conv->F + f) * size;
                NAME(max_plane)(conv->pool, out + f * plane, (REAL *)conv->out + at,
                                conv->pool->where + at);
                NAME(rectify_pooled)((REAL *)conv->out + at, conv->pool->where + at, size);
            }
        else if (conv->relu)
            NAME(rectify)(out, conv->F * plane);
    }
}

/* --- the gradient of w ----------------------------------------------------------------- */

/* sum (k, Fp) += x dout over the pixels of one image: `lines` lines of `taps` neighbouring taps
 * against vectors of filters. */
static INLINE void NAME(dw_tile)(const int lines, const int taps, const int vectors,
                                 const struct conv *conv, int64_t height, const REAL *const *at,
                                 const REAL *dout, REAL *total, int64_t next_line)
{
    VEC sum[MOST_LINES][MOST_TAPS][2];
    const REAL *line[MOST_LINES];
    const int64_t Fp = conv->Fp, sx = conv->sx, down = conv->sy * conv->FW;
    UNROLL
    for (int l = 0; l < lines; l++) {
        line[l] = at[l];
        UNROLL
        for (int t = 0; t < taps; t++)
            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[l][t][v] = LOAD(total + l * next_line + t * Fp + v * VL);
    }
    for (int64_t y = 0; y < height; y++) {
        for (int64_t x = 0; x < conv->OW; x++) {
            VEC d0 = LOAD(dout), d1 = vectors > 1 ? LOAD(dout + VL) : d0;
            HOLD(d0);
            HOLD(d1);
            UNROLL
            for (int l = 0; l < lines; l++)
                UNROLL
                for (int t = 0; t < taps; t++) {
                    const VEC s = SPLAT(line[l][x * sx + t]);
                    sum[l][t][0] += s * d0;
                    if (vectors > 1) sum[l][t][1] += s * d1;
                }
            dout += Fp;
        }
        UNROLL
        for (int l = 0; l < lines; l++) line[l] += down;
    }
    UNROLL
    for (int l = 0; l < lines; l++)
        UNROLL
        for (int t = 0; t < taps; t++)
            UNROLL
            for (int v = 0; v < vectors; v++)
                STORE(total + l * next_line + t * Fp + v * VL, sum[l][t][v]);
}

/* Tiles of several lines, then the lines that are left one by one. */
#define DEFINE_DW(taps, lines)                                                                     \
    static NOINLINE void NAME(dw_lines_##taps)(const struct conv *conv, int64_t height,            \
                                               const REAL *frame, int64_t tap, const REAL *dout,   \
                                               REAL *total)                                        \
    {                                                                                              \
        const int64_t Fp = conv->Fp, next = conv->WW * Fp, all = conv->C * conv->HH;               \
        for (int64_t line = 0, count; line < all; line += count) {                                 \
            const REAL *at[lines];                                                                 \
            count = all - line >= lines ? lines : 1;                                               \
            for (int64_t l = 0; l < count; l++)                                                    \
                at[l] = frame + ((line + l) / conv->HH * conv->FH + (line + l) % conv->HH) * conv->FW + \
                        tap;                                                                       \
            for (int64_t f = 0; f < Fp; f += 2 * VL) {                                             \
                REAL *to = total + line * next + tap * Fp + f;                                     \
                if (count == 1) {                                                                  \
                    if (Fp - f > VL)                                                               \
                        NAME(dw_tile)(1, taps, 2, conv, height, at, dout + f, to, next);                   \
                    else                                                                           \
                        NAME(dw_tile)(1, taps, 1, conv, height, at, dout + f, to, next);                   \
                } else if (Fp - f > VL)                                                            \
                    NAME(dw_tile)(lines, taps, 2, conv, height, at, dout + f, to, next);                   \
                else                                                                               \
                    NAME(dw_tile)(lines, taps, 1, conv, height, at, dout + f, to, next);                   \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_DW(1, LINES_1)
DEFINE_DW(2, LINES_2)
DEFINE_DW(3, LINES_3)
DEFINE_DW(4, LINES_4)
#if MOST_TAPS == 7
DEFINE_DW(5, 2)
DEFINE_DW(6, 2)
DEFINE_DW(7, 2)
#endif
#undef DEFINE_DW

/* total ((k, Fp), then db) += the gradients of one image. Some lines of the output at a time meet
 * all taps, while they are in the nearest cache. */
static NOINLINE void NAME(dw_image)(const struct conv *conv, const REAL *frame, const REAL *dout,
                                    REAL *total)
{
    const int pieces = (int)((conv->WW + MOST_TAPS - 1) / MOST_TAPS);
    const int64_t Fp = conv->Fp, line = conv->OW * Fp, down = conv->sy * conv->FW;
    const int64_t lines = most(1, NEAR_BYTES / (line * (int64_t)sizeof(REAL)));
    for (int64_t y = 0; y < conv->OH; y += lines) {
        const int64_t height = least(lines, conv->OH - y);
        const REAL *part = dout + y * line, *in = frame + y * down;
        for (int piece = 0; piece < pieces; piece++) {
            const struct share taps = share_of(conv->WW, piece, pieces);
            switch (taps.end - taps.begin) {
            case 1: NAME(dw_lines_1)(conv, height, in, taps.begin, part, total); break;
            case 2: NAME(dw_lines_2)(conv, height, in, taps.begin, part, total); break;
            case 3: NAME(dw_lines_3)(conv, height, in, taps.begin, part, total); break;
            case 4: NAME(dw_lines_4)(conv, height, in, taps.begin, part, total); break;
#if MOST_TAPS == 7
            case 5: NAME(dw_lines_5)(conv, height, in, taps.begin, part, total); break;
            case 6: NAME(dw_lines_6)(conv, height, in, taps.begin, part, total); break;
            case 7: NAME(dw_lines_7)(conv, height, in, taps.begin, part, total); break;
#endif
            }
        }
        /* db = sum of dout, every fourth pixel beside the others. */
        for (int64_t f = 0; f < Fp; f += VL) {
            REAL *to = total + conv->depth * Fp + f;
            VEC sum[4];
            UNROLL
            for (int i = 0; i < 4; i++) sum[i] = SPLAT((REAL)0);
            const int64_t pixels = height * conv->OW;
            int64_t p = 0;
            for (; p + 4 <= pixels; p += 4)
                UNROLL
                for (int i = 0; i < 4; i++) sum[i] += LOAD(part + (p + i) * Fp + f);
            for (; p < pixels; p++) sum[0] += LOAD(part + p * Fp + f);
            STORE(to, LOAD(to) + ((sum[0] + sum[1]) + (sum[2] + sum[3])));
        }
    }
}

/* dout of one image behind a ReLU or a ReLU and a pool, on all pixels of the convolution. */
static const REAL *NAME(dout_image)(const struct conv *conv, int64_t n, REAL *whole)
{
    const int64_t plane = conv->OH * conv->OW;
    if (conv->pool) {
        const int64_t size = conv->pool->OH * conv->pool->OW;
        memset(whole, 0, (size_t)(conv->F * plane) * sizeof(REAL));
        for (int64_t f = 0; f < conv->F; f++) {
            const int64_t at = (n * conv->F + f) * size;
            NAME(scatter_plane)((const REAL *)conv->dout + at, conv->pool->where + at, size,
                                whole + f * plane);
        }
        return whole;
    }
    const REAL *dout = (const REAL *)conv->dout + n * conv->F * plane;
    if (!conv->relu) return dout;
    const REAL *seen = (const REAL *)conv->seen + n * conv->F * plane;
    for (int64_t i = 0; i < conv->F * plane; i++) whole[i] = seen[i] > 0 ? dout[i] : (REAL)0;
    return whole;
}

/* Groups of images backward; each group sums its own gradient of w and b. */
static NOINLINE void NAME(conv_backward_part)(const struct conv *conv, int part)
{
    const struct share groups = share_of(conv->groups, part, conv->parts);
    const int64_t plane = conv->OH * conv->OW, image = conv->C * conv->H * conv->W;
    const int64_t total = (conv->depth + 1) * conv->Fp;
    char *scratch = conv->scratch + part * conv->scratch_bytes;
    REAL *frame = (REAL *)scratch;
    REAL *columns = (REAL *)(scratch + conv->frame_bytes);
    REAL *whole = (REAL *)(scratch + conv->frame_bytes + conv->columns_bytes);
    REAL *turned = whole + conv->F * plane;
    REAL *behind = turned + plane * conv->Fp;
    if (groups.begin < groups.end) {
        memset(frame, 0, (size_t)conv->frame_bytes);
        if (conv->dx) memset(behind, 0, (size_t)(conv->F * conv->DH * conv->DW + 64) * sizeof(REAL));
    }
    for (int64_t group = groups.begin; group < groups.end; group++) {
        const struct share images = share_of(conv->N, (int)group, (int)conv->groups);
        REAL *sums = (REAL *)conv->partials + group * total;
        memset(sums, 0, (size_t)total * sizeof(REAL));
        for (int64_t n = images.begin; n < images.end; n++) {
            const REAL *dout = NAME(dout_image)(conv, n, whole);
            NAME(fill_frame)(conv, (const REAL *)conv->x + n * image, 1, 1, 1, 1, conv->FH, conv->FW,
                             frame);
            NAME(transpose)(dout, plane, conv->F, plane, turned, conv->Fp);
            NAME(dw_image)(conv, frame, turned, sums);
            if (!conv->dx) continue;
            for (int64_t f = 0; f < conv->F; f++)
                for (int64_t y = 0; y < conv->OH; y++)
                    memcpy(behind + ((f * conv->DH + y + conv->most_i - 1) * conv->DW + conv->most_j - 1),
                           dout + (f * conv->OH + y) * conv->OW, (size_t)conv->OW * sizeof(REAL));
            for (int64_t i = 0; i < conv->phase_count; i++) {
                const struct phase *phase = conv->phases + i;
                NAME(correlate_grid)(behind, &phase->grid, conv->offset + phase->offset,
                                     conv->column_offset, phase->depth,
                                     (const REAL *)conv->packed + phase->packed, NULL, conv->C,
                                     (REAL *)conv->dx + n * image, conv->H * conv->W,
                                     phase->in_columns ? columns : NULL);
            }
        }
    }
}

/* Add up the groups' gradients, always in the same order. */
static NOINLINE void NAME(conv_gather)(const struct conv *conv)
{
    const int64_t total = (conv->depth + 1) * conv->Fp;
    REAL *sums = (REAL *)conv->partials, *dw = (REAL *)conv->dw, *db = (REAL *)conv->db;
    for (int64_t group = 1; group < conv->groups; group++)
        for (int64_t i = 0; i < total; i++) sums[i] += sums[group * total + i];
    for (int64_t f = 0; f < conv->F; f++) {
        for (int64_t k = 0; k < conv->depth; k++) dw[f * conv->depth + k] = sums[k * conv->Fp + f];
        db[f] = sums[conv->depth * conv->Fp + f];
    }
}
