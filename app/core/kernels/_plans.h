/* What a call of a layer's kernel is told, and how its memory is laid out; the same for all types
 * and instruction sets. */
#ifndef FILTERSCOPE_PLANS_H
#define FILTERSCOPE_PLANS_H

#include "_vectors.h"

/* Numbers behind a frame that a vector may read, but not use. */
#define SLACK 64
/* Pixels whose taps are copied into columns at a time. The distance of columns is no power of
 * two, or they would fall on the same lines of the cache. */
#define COLUMN_PIXELS 128
#define COLUMN_STRIDE 144
/* Vectors of pixels that meet all filters before the next are taken. */
#define CHUNK 8
#define MOST_VECTORS 8
#define MOST_LINES 8
/* So much of dout meets all taps before the next: half of a nearest cache. */
#define NEAR_BYTES 24576
/* Images are summed in at most so many groups, and in fewer when their gradients are large. */
#define MOST_GROUPS 16
#define GROUP_NUMBERS 8000000

struct pool {
    int64_t planes, H, W, HH, WW, OH, OW, sy, sx;
    const void *x, *dout;
    void *out, *dx;
    int32_t *where; /* of each maximum in its plane */
    int parts;
};

/* Blocks of a product: what is read again and again stays in the nearest caches. */
#define DEPTH 128
#define ROWS_AT_ONCE 96
#define UNITS_AT_ONCE 16

struct dense {
    int64_t N, D, M;
    int parts, relu;
    const void *x, *b, *dout, *seen;
    void *w, *out, *dx, *dw, *db; /* without dw, w moves by the rule; m and v are its memory */
    void *m, *v;
    double *squares; /* of w's rows before they moved, for each block of them */
    struct rule rule;
    /* Set by dense_plan: */
    int64_t ldd, scratch_bytes;
    void *lines, *panels;
    char *scratch;
};

/* Lay out an affine layer in a block of memory; with no block, only count the bytes. */
static int64_t dense_plan(struct dense *dense, char *block, int64_t size, int lanes, int backward)
{
    const int64_t unit = 2 * lanes, line = 64;
    const int64_t tall = padded(dense->N, lanes);
    int64_t used = 0, lines = 0, panels = 0;
    /* An odd number of cache lines, so that rows do not fall on the same ones. */
    dense->ldd = padded(dense->M, unit);
    if (dense->ldd * size / line % 2 == 0) dense->ldd += lanes;
    if (backward) {
        lines = padded(dense->N * dense->ldd * size, line);
        panels = dense->dx ? padded(tall * dense->M * size, line) : 0;
        dense->scratch_bytes =
            padded((dense->M * unit + 8 * dense->ldd + 2 * dense->N * unit) * size, line) + line;
    } else
        dense->scratch_bytes =
            padded((ROWS_AT_ONCE * DEPTH + DEPTH * unit + ROWS_AT_ONCE * UNITS_AT_ONCE * unit) * size,
                   line) + line;
    if (block) {
        dense->lines = block;
        dense->panels = block + lines;
        dense->scratch = block + lines + panels;
    }
    used = lines + panels + dense->parts * dense->scratch_bytes;
    return used;
}

/* Pixels of an output, and where the first of them lies in the frame that is read. */
struct grid {
    int64_t height, width, in, in_line, out, out_line, out_step;
};

/* Rows = a and columns = b (modulo the stride) of x in its frame, which meet the same taps. */
struct phase {
    int64_t a, b, depth, offset, packed;
    int in_columns;
    struct grid grid;
};

struct conv {
    int64_t N, C, H, W, F, HH, WW, OH, OW, sy, sx, py, px;
    int parts, relu, lanes;
    const void *x, *w, *b, *dout, *seen;
    void *out, *dx, *dw, *db;
    struct pool *pool;
    /* Set by conv_plan: */
    int64_t depth, Fp, groups, ry, rx, QH, QW, FH, FW, DH, DW, most_i, most_j, deepest, phase_count;
    int64_t frame_bytes, columns_bytes, scratch_bytes;
    int in_columns;
    struct phase *phases;
    int32_t *offset, *column_offset;
    void *packed, *partials;
    char *scratch;
};

/* Whether columns pay: vectors that hold more pixels, against the copy of every tap. */
static int columns_pay(int64_t height, int64_t width, int64_t rows, int64_t lanes)
{
    const int64_t by_lines = height * ((width + lanes - 1) / lanes);
    const int64_t by_columns = (height * width + lanes - 1) / lanes;
    return by_columns * rows + 10 * by_lines < by_lines * rows;
}

/* Lay out a convolution in a block of memory; with no block, only count the bytes. */
static int64_t conv_plan(struct conv *conv, char *block, int64_t size, int backward)
{
    const int64_t line = 64;
    int64_t used = 0;
    conv->depth = conv->C * conv->HH * conv->WW;
    conv->Fp = padded(conv->F, conv->lanes);
    conv->FH = conv->H + 2 * conv->py, conv->FW = conv->W + 2 * conv->px;
    conv->ry = least(conv->sy, conv->HH), conv->rx = least(conv->sx, conv->WW);
    conv->QH = (conv->FH + conv->sy - 1) / conv->sy, conv->QW = (conv->FW + conv->sx - 1) / conv->sx;
    conv->most_i = (conv->HH + conv->sy - 1) / conv->sy;
    conv->most_j = (conv->WW + conv->sx - 1) / conv->sx;
    conv->DH = conv->most_i - 1 + most(conv->OH, (conv->py + conv->H - 1) / conv->sy + 1);
    conv->DW = conv->most_j - 1 + most(conv->OW, (conv->px + conv->W - 1) / conv->sx + 1);
    conv->groups = least(conv->N, MOST_GROUPS);
    conv->groups = most(1, least(conv->groups, GROUP_NUMBERS / ((conv->depth + 1) * conv->Fp)));
    conv->phase_count = backward && conv->dx ? conv->sy * conv->sx : 0;
    conv->in_columns = 0;

#define TAKE(field, type, bytes)                                  \
    do {                                                          \
        conv->field = block ? (type *)(block + used) : NULL;      \
        used += padded(bytes, line);                              \
    } while (0)
    TAKE(phases, struct phase, conv->phase_count * (int64_t)sizeof(struct phase));
    int64_t taps = 0, widest = 0;
    conv->deepest = 0;
    if (!backward) {
        taps = conv->depth;
        conv->deepest = conv->depth;
        conv->in_columns = columns_pay(conv->OH, conv->OW, conv->F, conv->lanes);
        widest = conv->in_columns ? conv->F : 0;
    }
    for (int64_t i = 0; i < conv->phase_count; i++) {
        const int64_t a = i / conv->sx, b = i % conv->sx;
        const int64_t q = ceiling(conv->py - a, conv->sy), p = ceiling(conv->px - b, conv->sx);
        const int64_t last_q = ceiling(conv->py + conv->H - a, conv->sy);
        const int64_t last_p = ceiling(conv->px + conv->W - b, conv->sx);
        struct phase phase = {a, b, 0, taps, taps * conv->C, 0, {0}};
        phase.depth = conv->F * most(0, ceiling(conv->HH - a, conv->sy)) *
                      most(0, ceiling(conv->WW - b, conv->sx));
        phase.grid = (struct grid){most(0, last_q - q), most(0, last_p - p),
                                   (q + conv->most_i - 1) * conv->DW + p + conv->most_j - 1, conv->DW,
                                   (q * conv->sy + a - conv->py) * conv->W + p * conv->sx + b - conv->px,
                                   conv->sy * conv->W, conv->sx};
        phase.in_columns = phase.depth > 0 && columns_pay(phase.grid.height, phase.grid.width,
                                                          conv->C, conv->lanes);
        taps += phase.depth;
        conv->deepest = most(conv->deepest, phase.depth);
        if (phase.in_columns) widest = conv->C;
        if (block) conv->phases[i] = phase;
    }
    TAKE(offset, int32_t, taps * 4);
    TAKE(column_offset, int32_t, conv->deepest * 4);
    TAKE(packed, void, taps * (backward ? conv->C : conv->F) * size);
    TAKE(partials, void, backward ? conv->groups * (conv->depth + 1) * conv->Fp * size : 0);
    conv->frame_bytes =
        padded((backward ? conv->C * conv->FH * conv->FW
                         : conv->C * conv->ry * conv->rx * conv->QH * conv->QW) * size + SLACK * size, line);
    conv->columns_bytes =
        widest ? padded((conv->deepest * COLUMN_STRIDE + widest * COLUMN_PIXELS) * size, line) : 0;
    int64_t rest = 0;
    if (backward)
        rest = conv->OH * conv->OW * (conv->F + conv->Fp) +
               (conv->dx ? conv->F * conv->DH * conv->DW + SLACK : 0);
    else if (conv->pool)
        rest = conv->F * conv->OH * conv->OW;
    conv->scratch_bytes = padded(conv->frame_bytes + conv->columns_bytes + rest * size, line) + 64;
    TAKE(scratch, char, conv->parts * conv->scratch_bytes);
#undef TAKE
    if (!block) return used;

    for (int64_t k = 0; k < conv->deepest; k++) conv->column_offset[k] = (int32_t)(k * COLUMN_STRIDE);
    int32_t *offset = conv->offset;
    if (!backward)
        for (int64_t c = 0; c < conv->C; c++)
            for (int64_t i = 0; i < conv->HH; i++)
                for (int64_t j = 0; j < conv->WW; j++)
                    *offset++ = (int32_t)((((c * conv->ry + i % conv->sy) * conv->rx + j % conv->sx) *
                                               conv->QH + i / conv->sy) * conv->QW + j / conv->sx);
    for (int64_t n = 0; n < conv->phase_count; n++)
        for (int64_t f = 0; f < conv->F; f++)
            for (int64_t i = 0; conv->phases[n].a + i * conv->sy < conv->HH; i++)
                for (int64_t j = 0; conv->phases[n].b + j * conv->sx < conv->WW; j++)
                    *offset++ = (int32_t)((f * conv->DH - i) * conv->DW - j);
    return used;
}
#endif
