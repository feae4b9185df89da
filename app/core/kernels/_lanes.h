/* Vectors of VL numbers, for the type and instruction set that the includer names. */
#if BYTES > 0
typedef REAL NAME(vec) __attribute__((vector_size(VL * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
typedef INTEGER NAME(ivec) __attribute__((vector_size(VL * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#define VEC NAME(vec)
#define IVEC NAME(ivec)
#define SPLAT(s) ((s) - (VEC){0})
#if defined(__clang__)
#define SHUFFLE(a, b, mask)                                                              \
    do {                                                                                 \
        const IVEC from = mask;                                                          \
        for (int i = 0; i < VL; i++) out[i] = from[i] < VL ? (a)[from[i]] : (b)[from[i] - VL]; \
    } while (0)
#else
#define SHUFFLE(a, b, mask) out = __builtin_shuffle((a), (b), (IVEC)mask)
#endif
/* Lanes in pairs of d: those with bit d of their number clear stay in `low`. */
static INLINE VEC NAME(low)(VEC a, VEC b, int d)
{
    VEC out;
    SHUFFLE(a, b, LANES(LANE_LOW, d));
    return out;
}
static INLINE VEC NAME(high)(VEC a, VEC b, int d)
{
    VEC out;
    SHUFFLE(a, b, LANES(LANE_HIGH, d));
    return out;
}
/* Every second number of a and b one after the other. */
static INLINE VEC NAME(even)(VEC a, VEC b)
{
    VEC out;
    SHUFFLE(a, b, LANES(LANE_EVERY, 0));
    return out;
}
static INLINE VEC NAME(odd)(VEC a, VEC b)
{
    VEC out;
    SHUFFLE(a, b, LANES(LANE_EVERY, 1));
    return out;
}
#undef SHUFFLE
#else
#define VEC REAL
#define SPLAT(s) (s)
#endif
/* A vector that is used several times is loaded once, not by each instruction that uses it. */
#if BYTES > 0 && defined(__x86_64__)
#define HOLD(v) __asm__("" : "+v"(v))
#else
#define HOLD(v) ((void)0)
#endif
#define LOAD(p) (*(const VEC *)(p))
#define STORE(p, v) (*(VEC *)(p) = (v))
