/* Normalizations of rows (N, D) of one floating-point type and one instruction set, where the
 * lanes of a vector are neighbouring columns; see _norms_kernels.h. The compiler makes vectors of
 * these loops by itself, as nothing is added up along a line. */

/* Columns that are taken at once; sums of them are kept beside each other. */
#define STRIP 64

static NOINLINE void NAME(columns_forward_part)(const struct norm *norm, int part)
{
    const int64_t N = norm->members, D = norm->channels;
    const struct share strips = share_of((D + STRIP - 1) / STRIP, part, norm->parts);
    const REAL *gamma = (const REAL *)norm->gamma, *beta = (const REAL *)norm->beta;
    for (int64_t strip = strips.begin; strip < strips.end; strip++) {
        const int64_t from = strip * STRIP, width = least(STRIP, D - from);
        const REAL *x = (const REAL *)norm->x + from;
        double *mean = norm->mean + from, *var = norm->var + from, *inverse = norm->inverse + from;
        REAL middle[STRIP], scale[STRIP];
        if (!norm->given) {
            for (int64_t i = 0; i < width; i++) mean[i] = var[i] = 0;
            for (int64_t n = 0; n < N; n++)
                for (int64_t i = 0; i < width; i++) mean[i] += (double)x[n * D + i];
            for (int64_t i = 0; i < width; i++) mean[i] /= (double)N;
            for (int64_t n = 0; n < N; n++)
                for (int64_t i = 0; i < width; i++) {
                    const double apart = (double)x[n * D + i] - mean[i];
                    var[i] += apart * apart;
                }
            for (int64_t i = 0; i < width; i++) {
                var[i] /= (double)N;
                inverse[i] = 1 / sqrt(var[i] + norm->eps);
            }
        }
        for (int64_t i = 0; i < width; i++) {
            middle[i] = (REAL)mean[i];
            scale[i] = (REAL)((double)gamma[from + i] * inverse[i]);
        }
        for (int64_t n = 0; n < N; n++) {
            REAL *out = (REAL *)norm->out + n * D + from;
            for (int64_t i = 0; i < width; i++) {
                const REAL value = (x[n * D + i] - middle[i]) * scale[i] + beta[from + i];
                out[i] = norm->relu && value < 0 ? (REAL)0 : value;
            }
        }
    }
}

static NOINLINE void NAME(columns_backward_part)(const struct norm *norm, int part)
{
    const int64_t N = norm->members, D = norm->channels;
    const struct share strips = share_of((D + STRIP - 1) / STRIP, part, norm->parts);
    const REAL *gamma = (const REAL *)norm->gamma, *beta = (const REAL *)norm->beta;
    for (int64_t strip = strips.begin; strip < strips.end; strip++) {
        const int64_t from = strip * STRIP, width = least(STRIP, D - from);
        const REAL *x = (const REAL *)norm->x + from, *dout = (const REAL *)norm->dout + from;
        double plain[STRIP] = {0}, tilted[STRIP] = {0};
        REAL middle[STRIP], scale[STRIP], tilt[STRIP], level[STRIP];
        for (int64_t i = 0; i < width; i++) {
            middle[i] = (REAL)norm->mean[from + i];
            scale[i] = (REAL)((double)gamma[from + i] * norm->inverse[from + i]);
        }
        for (int64_t n = 0; n < N; n++)
            for (int64_t i = 0; i < width; i++) {
                const int64_t at = n * D + i;
                const REAL apart = x[at] - middle[i];
                const REAL slope =
                    NAME(passed_one)(dout[at], apart, scale[i], beta[from + i], norm->relu);
                plain[i] += (double)slope;
                tilted[i] += (double)slope * (double)apart;
            }
        for (int64_t i = 0; i < width; i++) {
            const double inverse = norm->inverse[from + i];
            const double weight = (double)gamma[from + i] * inverse;
            tilted[i] *= inverse;
            ((REAL *)norm->dbeta)[from + i] = (REAL)plain[i];
            ((REAL *)norm->dgamma)[from + i] = (REAL)tilted[i];
            level[i] = (REAL)(-weight * plain[i] / (double)N);
            tilt[i] = (REAL)(-weight * inverse * tilted[i] / (double)N);
        }
        for (int64_t n = 0; n < N; n++) {
            REAL *dx = (REAL *)norm->dx + n * D + from;
            for (int64_t i = 0; i < width; i++) {
                const int64_t at = n * D + i;
                const REAL apart = x[at] - middle[i];
                const REAL slope =
                    NAME(passed_one)(dout[at], apart, scale[i], beta[from + i], norm->relu);
                dx[i] = slope * scale[i] + (norm->given ? (REAL)0 : apart * tilt[i] + level[i]);
            }
        }
    }
}
#undef STRIP
