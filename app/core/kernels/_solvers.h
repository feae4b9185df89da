/* One solver's rule on n neighbouring weights, the readable form of which is
 * app/core/solvers/first_order.py: w moves against the slope g + reg w, and m and v are what
 * the rule remembers. All numbers are treated alike wherever they lie, so that the result does
 * not depend on how they are cut. */
static INLINE void NAME(update)(const struct rule *rule, REAL *w, REAL *m, REAL *v, const REAL *g,
                                int64_t n)
{
    const REAL rate = (REAL)rule->learning_rate, mu = (REAL)rule->momentum, reg = (REAL)rule->reg;
    const REAL small = (REAL)1e-8;
    switch (rule->solver) {
    case SGD:
        for (int64_t i = 0; i < n; i++) w[i] -= rate * (g[i] + reg * w[i]);
        break;
    case MOMENTUM:
        for (int64_t i = 0; i < n; i++) {
            m[i] = mu * m[i] - rate * (g[i] + reg * w[i]);
            w[i] += m[i];
        }
        break;
    case NESTEROV:
        for (int64_t i = 0; i < n; i++) {
            const REAL slope = g[i] + reg * w[i];
            m[i] = mu * m[i] - rate * slope;
            w[i] += mu * m[i] - rate * slope;
        }
        break;
    case ADAM: {
        const REAL keep1 = (REAL)0.9, keep2 = (REAL)0.999;
        const REAL add1 = (REAL)(1 - 0.9), add2 = (REAL)(1 - 0.999);
        const REAL unbias1 = (REAL)rule->unbias1, unbias2 = (REAL)rule->unbias2;
        for (int64_t i = 0; i < n; i++) {
            const REAL slope = g[i] + reg * w[i];
            m[i] = keep1 * m[i] + add1 * slope;
            v[i] = keep2 * v[i] + add2 * (slope * slope);
            w[i] -= rate * (m[i] * unbias1) / (SQRT(v[i] * unbias2) + small);
        }
        break;
    }
    case RMSPROP: {
        const REAL keep = (REAL)0.99, add = (REAL)(1 - 0.99);
        for (int64_t i = 0; i < n; i++) {
            const REAL slope = g[i] + reg * w[i];
            m[i] = keep * m[i] + add * (slope * slope);
            w[i] -= rate * slope / (SQRT(m[i]) + small);
        }
        break;
    }
    case ADAGRAD:
        for (int64_t i = 0; i < n; i++) {
            const REAL slope = g[i] + reg * w[i];
            m[i] += slope * slope;
            w[i] -= rate * slope / (SQRT(m[i]) + small);
        }
        break;
    }
}

/* Sum of squares; lanes are added up in double. */
static INLINE double NAME(squares)(const REAL *w, int64_t n)
{
    double total = 0;
    int64_t i = 0;
#if VL > 1
    VEC sum = SPLAT((REAL)0);
    for (; i + VL <= n; i += VL) {
        const VEC value = LOAD(w + i);
        sum += value * value;
    }
    for (int lane = 0; lane < VL; lane++) total += (double)sum[lane];
#endif
    for (; i < n; i++) total += (double)w[i] * (double)w[i];
    return total;
}
