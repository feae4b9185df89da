/* Normalizations of one floating-point type and one instruction set; see _norms_kernels.h.
 *
 * The readable twin is reference/norm.py. What is normalized together is a group: of a batchnorm
 * all maps of a channel, of a groupnorm some neighbouring maps of a picture. A group is the work
 * of one thread, and its sums are always added up in the same order. x_hat is not kept: x, the
 * mean and 1/sigma say the same with less to read and write.
 */

/* So many numbers are added up in their own type, then in double. They stay in the nearest cache
 * for the second look. */
#define BLOCK 1024

/* The sum of a vector's numbers. */
static INLINE double NAME(across)(VEC v)
{
#if VL > 1
    if (VL > 8) v = NAME(low)(v, v, 8) + NAME(high)(v, v, 8);
    if (VL > 4) v = NAME(low)(v, v, 4) + NAME(high)(v, v, 4);
    if (VL > 2) v = NAME(low)(v, v, 2) + NAME(high)(v, v, 2);
    v = NAME(low)(v, v, 1) + NAME(high)(v, v, 1);
    return (double)v[0];
#else
    return (double)v;
#endif
}

/* Add a map's numbers to `sum`, and to `spread` their squared distances from the mean of all that
 * were added before and now: `count` of them before. Distances are taken from a block's own mean,
 * so that a large mean costs no digits (Chan, Golub, LeVeque, 1983). */
static INLINE void NAME(add_moments)(const REAL *x, int64_t size, int64_t count, double *sum,
                                     double *spread)
{
    for (int64_t from = 0; from < size; from += BLOCK) {
        const int64_t n = least(BLOCK, size - from);
        const REAL *in = x + from;
        VEC total = SPLAT((REAL)0), more = SPLAT((REAL)0), less = SPLAT((REAL)0);
        double own = 0, squares = 0;
        int64_t i = 0;
        for (; i + 2 * VL <= n; i += 2 * VL) {
            total += LOAD(in + i);
            more += LOAD(in + i + VL);
        }
        for (; i + VL <= n; i += VL) total += LOAD(in + i);
        own = NAME(across)(total + more);
        for (; i < n; i++) own += (double)in[i];
        const REAL mean = (REAL)(own / (double)n);
        const VEC middle = SPLAT(mean);
        total = more = SPLAT((REAL)0);
        for (i = 0; i + 2 * VL <= n; i += 2 * VL) {
            const VEC a = LOAD(in + i) - middle, b = LOAD(in + i + VL) - middle;
            total += a * a;
            more += b * b;
            less += a + b;
        }
        for (; i + VL <= n; i += VL) {
            const VEC a = LOAD(in + i) - middle;
            total += a * a;
            less += a;
        }
        double rest = NAME(across)(less);
        squares = NAME(across)(total + more);
        for (; i < n; i++) {
            const double a = (double)in[i] - (double)mean;
            squares += a * a;
            rest += a;
        }
        /* What rounding took from the block's mean; where that is no number, it stays so. */
        squares -= rest * rest / (double)n;
        if (rest == rest) own = (double)mean * (double)n + rest;
        const double before = (double)(count + from);
        if (before > 0) {
            const double apart = own / (double)n - *sum / before;
            squares += apart * apart * (before * (double)n / (before + (double)n));
        }
        *sum += own;
        *spread += squares;
    }
}

static INLINE int64_t NAME(map_of)(const struct norm *norm, int64_t group, int64_t member)
{
    return group * norm->outer + member * norm->inner;
}

/* Find mean, variance and 1/sigma of a group. */
static NOINLINE void NAME(moments)(const struct norm *norm, int64_t group)
{
    double sum = 0, spread = 0;
    for (int64_t j = 0; j < norm->members; j++)
        NAME(add_moments)((const REAL *)norm->x + NAME(map_of)(norm, group, j) * norm->size,
                          norm->size, j * norm->size, &sum, &spread);
    const double count = (double)(norm->members * norm->size);
    norm->mean[group] = sum / count;
    norm->var[group] = spread / count;
    norm->inverse[group] = 1 / sqrt(spread / count + norm->eps);
}

/* Numbers by which a map was shifted and scaled. */
struct NAME(terms) {
    REAL mean, scale, shift;
};

static INLINE struct NAME(terms) NAME(terms_of)(const struct norm *norm, int64_t group, int64_t map)
{
    const int64_t channel = map % norm->channels;
    const struct NAME(terms) terms = {
        (REAL)norm->mean[group],
        (REAL)((double)((const REAL *)norm->gamma)[channel] * norm->inverse[group]),
        ((const REAL *)norm->beta)[channel],
    };
    return terms;
}

/* out = (x - mean) scale + shift of one map, behind it a ReLU. */
static INLINE void NAME(shift_map)(const REAL *x, int64_t size, struct NAME(terms) terms, int relu,
                                   REAL *out)
{
    int64_t i = 0;
#if VL > 1
    const VEC mean = SPLAT(terms.mean), scale = SPLAT(terms.scale), shift = SPLAT(terms.shift);
    for (; i + VL <= size; i += VL) {
        VEC value = (LOAD(x + i) - mean) * scale + shift;
        if (relu) value = (VEC)(~(IVEC)(value < 0) & (IVEC)value);
        STORE(out + i, value);
    }
#endif
    for (; i < size; i++) {
        const REAL value = (x[i] - terms.mean) * terms.scale + terms.shift;
        out[i] = relu && value < 0 ? (REAL)0 : value;
    }
}

static NOINLINE void NAME(norm_forward_part)(const struct norm *norm, int part)
{
    const struct share groups = share_of(norm->groups, part, norm->parts);
    for (int64_t group = groups.begin; group < groups.end; group++) {
        if (!norm->given) NAME(moments)(norm, group);
        for (int64_t j = 0; j < norm->members; j++) {
            const int64_t map = NAME(map_of)(norm, group, j), at = map * norm->size;
            const struct NAME(terms) terms = NAME(terms_of)(norm, group, map);
            const REAL *x = (const REAL *)norm->x + at;
            if (norm->relu)
                NAME(shift_map)(x, norm->size, terms, 1, (REAL *)norm->out + at);
            else
                NAME(shift_map)(x, norm->size, terms, 0, (REAL *)norm->out + at);
        }
    }
}

/* What a ReLU behind the normalization lets through of a slope, where x is `apart` from the mean.
 * Its input is computed once more as it was on the way forth: that is quicker than to read it. As in
 * the twin, a slope that is no number is none behind the ReLU either. */
static INLINE REAL NAME(passed_one)(REAL slope, REAL apart, REAL scale, REAL shift, int relu)
{
    return !relu || apart * scale + shift > 0 ? slope : slope - slope;
}
#if VL > 1
static INLINE VEC NAME(passed)(VEC slope, VEC apart, VEC scale, VEC shift, int relu)
{
    if (!relu) return slope;
    return slope * (VEC)((IVEC)(apart * scale + shift > 0) & (IVEC)SPLAT((REAL)1));
}
#endif

/* The sums of a map's slopes, and of slope times (x - mean). */
static INLINE void NAME(slope_sums)(const REAL *x, const REAL *dout, int64_t size,
                                    struct NAME(terms) terms, int relu, double *sums)
{
    sums[0] = sums[1] = 0;
    for (int64_t i = 0; i < size;) {
        const int64_t end = least(i + BLOCK, size);
#if VL > 1
        const VEC mean = SPLAT(terms.mean), scale = SPLAT(terms.scale), shift = SPLAT(terms.shift);
        VEC plain[2] = {SPLAT((REAL)0), SPLAT((REAL)0)}, tilted[2] = {plain[0], plain[0]};
        for (; i + 2 * VL <= end; i += 2 * VL) {
            UNROLL
            for (int k = 0; k < 2; k++) {
                const VEC apart = LOAD(x + i + k * VL) - mean;
                const VEC slope = NAME(passed)(LOAD(dout + i + k * VL), apart, scale, shift, relu);
                plain[k] += slope;
                tilted[k] += slope * apart;
            }
        }
        for (; i + VL <= end; i += VL) {
            const VEC apart = LOAD(x + i) - mean;
            const VEC slope = NAME(passed)(LOAD(dout + i), apart, scale, shift, relu);
            plain[0] += slope;
            tilted[0] += slope * apart;
        }
        sums[0] += NAME(across)(plain[0] + plain[1]);
        sums[1] += NAME(across)(tilted[0] + tilted[1]);
#endif
        for (; i < end; i++) {
            const REAL apart = x[i] - terms.mean;
            const REAL slope = NAME(passed_one)(dout[i], apart, terms.scale, terms.shift, relu);
            sums[0] += (double)slope;
            sums[1] += (double)slope * (double)apart;
        }
    }
}

/* dx = scale dout + tilt (x - mean) + level of one map. */
static INLINE void NAME(slope_map)(const REAL *x, const REAL *dout, int64_t size,
                                   struct NAME(terms) terms, REAL tilt, REAL level, int relu,
                                   int given, REAL *dx)
{
    int64_t i = 0;
#if VL > 1
    const VEC mean = SPLAT(terms.mean), scale = SPLAT(terms.scale), shift = SPLAT(terms.shift);
    const VEC lean = SPLAT(tilt), beside = SPLAT(level);
    for (; i + VL <= size; i += VL) {
        const VEC apart = LOAD(x + i) - mean;
        VEC value = NAME(passed)(LOAD(dout + i), apart, scale, shift, relu) * scale;
        if (!given) value += apart * lean + beside;
        STORE(dx + i, value);
    }
#endif
    for (; i < size; i++) {
        const REAL apart = x[i] - terms.mean;
        REAL value = NAME(passed_one)(dout[i], apart, terms.scale, terms.shift, relu) * terms.scale;
        if (!given) value += apart * tilt + level;
        dx[i] = value;
    }
}

static INLINE void NAME(group_backward)(const struct norm *norm, int64_t group, int relu, int given)
{
    const REAL *x = (const REAL *)norm->x, *dout = (const REAL *)norm->dout;
    const int64_t size = norm->size;
    const double inverse = norm->inverse[group];
    const double count = (double)(norm->members * size);
    double level = 0, tilt = 0;
    for (int64_t j = 0; j < norm->members; j++) {
        const int64_t map = NAME(map_of)(norm, group, j), at = map * size;
        const double weight = (double)((const REAL *)norm->gamma)[map % norm->channels];
        double *sums = norm->sums + 2 * map;
        NAME(slope_sums)(x + at, dout + at, size, NAME(terms_of)(norm, group, map), relu, sums);
        sums[1] *= inverse;
        level += weight * sums[0];
        tilt += weight * sums[1];
    }
    level *= -inverse / count;
    tilt *= -inverse * inverse / count;
    for (int64_t j = 0; j < norm->members; j++) {
        const int64_t map = NAME(map_of)(norm, group, j), at = map * size;
        NAME(slope_map)(x + at, dout + at, size, NAME(terms_of)(norm, group, map), (REAL)tilt,
                        (REAL)level, relu, given, (REAL *)norm->dx + at);
    }
}

static NOINLINE void NAME(norm_backward_part)(const struct norm *norm, int part)
{
    const struct share groups = share_of(norm->groups, part, norm->parts);
    for (int64_t group = groups.begin; group < groups.end; group++) {
        if (norm->given)
            NAME(group_backward)(norm, group, norm->relu, 1);
        else if (norm->relu)
            NAME(group_backward)(norm, group, 1, 0);
        else
            NAME(group_backward)(norm, group, 0, 0);
    }
}

/* Slopes along gamma and beta: the sums of each channel's maps, picture by picture. */
static NOINLINE void NAME(norm_gather)(const struct norm *norm)
{
    for (int64_t channel = 0; channel < norm->channels; channel++) {
        double plain = 0, tilted = 0;
        for (int64_t map = channel; map < norm->maps; map += norm->channels) {
            plain += norm->sums[2 * map];
            tilted += norm->sums[2 * map + 1];
        }
        ((REAL *)norm->dbeta)[channel] = (REAL)plain;
        ((REAL *)norm->dgamma)[channel] = (REAL)tilted;
    }
}
#undef BLOCK
