/* Layer normalization of rows (N, D) of one floating-point type and one instruction set: each row
 * by itself, gamma and beta for each column; see _norms_kernels.h. */

static NOINLINE void NAME(rows_forward_part)(const struct norm *norm, int part)
{
    const struct share rows = share_of(norm->groups, part, norm->parts);
    const REAL *gamma = (const REAL *)norm->gamma, *beta = (const REAL *)norm->beta;
    const int64_t D = norm->channels;
    for (int64_t n = rows.begin; n < rows.end; n++) {
        NAME(moments)(norm, n);
        const REAL *x = (const REAL *)norm->x + n * D;
        const REAL mean = (REAL)norm->mean[n], inverse = (REAL)norm->inverse[n];
        REAL *out = (REAL *)norm->out + n * D;
        for (int64_t i = 0; i < D; i++) out[i] = (x[i] - mean) * inverse * gamma[i] + beta[i];
    }
}

static NOINLINE void NAME(rows_backward_part)(const struct norm *norm, int part)
{
    const struct share rows = share_of(norm->groups, part, norm->parts);
    const REAL *gamma = (const REAL *)norm->gamma;
    const int64_t D = norm->channels;
    for (int64_t n = rows.begin; n < rows.end; n++) {
        const REAL *x = (const REAL *)norm->x + n * D, *dout = (const REAL *)norm->dout + n * D;
        const REAL mean = (REAL)norm->mean[n];
        const double inverse = norm->inverse[n];
        REAL *dx = (REAL *)norm->dx + n * D;
        double sums[2] = {0, 0};
        for (int64_t i = 0; i < D;) {
            const int64_t end = least(i + 1024, D);
            VEC plain = SPLAT((REAL)0), tilted = SPLAT((REAL)0);
            for (; i + VL <= end; i += VL) {
                const VEC slope = LOAD(dout + i) * LOAD(gamma + i);
                plain += slope;
                tilted += slope * (LOAD(x + i) - SPLAT(mean));
            }
            sums[0] += NAME(across)(plain);
            sums[1] += NAME(across)(tilted);
            for (; i < end; i++) {
                const double slope = (double)dout[i] * (double)gamma[i];
                sums[0] += slope;
                sums[1] += slope * ((double)x[i] - (double)mean);
            }
        }
        const REAL along = (REAL)inverse, level = (REAL)(-inverse * sums[0] / (double)D);
        const REAL tilt = (REAL)(-inverse * inverse * inverse * sums[1] / (double)D);
        for (int64_t i = 0; i < D; i++)
            dx[i] = dout[i] * gamma[i] * along + (x[i] - mean) * tilt + level;
    }
}

/* Slopes along gamma and beta: each column's sums, row by row. `parts` share the columns. */
static NOINLINE void NAME(rows_slopes_part)(const struct norm *norm, int part)
{
    const int64_t D = norm->channels;
    const struct share columns = share_of(D, part, norm->parts);
    for (int64_t from = columns.begin; from < columns.end; from += 64) {
        const int64_t width = least(64, columns.end - from);
        double plain[64] = {0}, tilted[64] = {0};
        for (int64_t n = 0; n < norm->groups; n++) {
            const REAL *x = (const REAL *)norm->x + n * D + from;
            const REAL *dout = (const REAL *)norm->dout + n * D + from;
            const double mean = (double)(REAL)norm->mean[n], inverse = norm->inverse[n];
            for (int64_t i = 0; i < width; i++) {
                plain[i] += (double)dout[i];
                tilted[i] += (double)dout[i] * (((double)x[i] - mean) * inverse);
            }
        }
        for (int64_t i = 0; i < width; i++) {
            ((REAL *)norm->dbeta)[from + i] = (REAL)plain[i];
            ((REAL *)norm->dgamma)[from + i] = (REAL)tilted[i];
        }
    }
}
