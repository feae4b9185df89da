/* All variants of the autoencoder's kernel, and the choice between them at run time.
 *
 * One build serves every machine: the same source is compiled for the plain instruction set,
 * for AVX2 and for AVX-512, each with the register tile that suits it.
 */
#ifndef FILTERSCOPE_AUTOENCODER_KERNELS_H
#define FILTERSCOPE_AUTOENCODER_KERNELS_H

#include "_vectors.h"

/* Sums over rows are taken in blocks of this many, whatever the number of threads. */
#define ROWS 16
/* rho_hat is held this far off 0 and 1, where KL and its slope are infinite. */
#define CLAMP 1e-8

struct job {
    const int64_t *order;
    const volatile int32_t *interrupt;
    int64_t rows, batch, most, taken, done, scratch_size;
    int parts, solver, linear, gradient, only_sums, only_cost, finite;
    volatile int halt;
    double learning_rate, momentum, lam, beta, rho, scale, loss, squares;
    double *terms, *rho_hat, *sums;
    const double *given_pull;
    const float *narrow; /* rows when they are float32 and all else is double, else NULL */
    volatile long barrier[2]; /* how many have arrived; which round it is */
};

#if defined(__GNUC__) || defined(__clang__)
#if defined(__x86_64__)
#include <immintrin.h>
#define RELAX() _mm_pause()
#else
#define RELAX() ((void)0)
#endif
#if defined(_WIN32)
#include <windows.h>
#define GIVE_WAY() SwitchToThread()
#else
#include <sched.h>
#define GIVE_WAY() sched_yield()
#endif

/* A short spin, then a polite one: with fewer cores than threads it must not burn a slice. */
static void wait_for_all(volatile long (*barrier)[2], int parts)
{
    if (parts == 1) return;
    volatile long *arrived = &(*barrier)[0], *round = &(*barrier)[1];
    const long now = __atomic_load_n(round, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL) == parts) {
        __atomic_store_n(arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(round, now + 1, __ATOMIC_RELEASE);
        return;
    }
    for (long spins = 0; __atomic_load_n(round, __ATOMIC_ACQUIRE) == now; spins++) {
        if (spins < 4000)
            RELAX();
        else
            GIVE_WAY();
    }
}
#else
static void wait_for_all(volatile long (*barrier)[2], int parts) { (void)barrier; (void)parts; }
#endif

/* The arrays of a network and of its batch; widths are padded, the padding is zero. */
#define DEFINE_NET(type, real)                                                        \
    struct net_##type {                                                               \
        int64_t D, L, Dp, Lp;                                                         \
        real *w1, *b1, *w2, *b2, *w2t; /* (D, Lp) (Lp) (L, Dp) (Dp) (Dp, Lp) */       \
        real *m1, *mb1, *m2, *mb2;     /* the solver's first memory, or a gradient */ \
        real *v1, *vb1, *v2, *vb2;     /* its second */                               \
        real *x, *h, *g, *a;           /* batch: (B, Dp) (B, Lp) (B, Dp) (B, Lp) */   \
        real *mask_d, *mask_l;         /* 1 where a column is real */                 \
        real *scratch;                 /* job->scratch_size for each thread */        \
        double *row_loss, *block_sums, *squares; /* (B) (B / ROWS, Lp) (2 Dp / VL) */ \
    };
DEFINE_NET(f32, float)
DEFINE_NET(f64, double)

#if defined(__GNUC__) || defined(__clang__)
#define BYTES 16
/* Where a comparison picks bits: a NaN in b is kept. */
#define PICK(condition, a, b) ((VEC)(((IVEC)(condition) & (IVEC)(a)) | (~(IVEC)(condition) & (IVEC)(b))))
#define MINIMUM_F32(a, b) PICK((a) < (b), a, b)
#define MAXIMUM_F32(a, b) PICK((a) > (b), a, b)
#define MINIMUM_F64(a, b) PICK((a) < (b), a, b)
#define MAXIMUM_F64(a, b) PICK((a) > (b), a, b)
#else
#define BYTES 0
#endif
#define MR 4
#define SUFFIX _plain
#include "_autoencoder_variant.h"

#ifdef HAVE_WIDE
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#define BYTES 32
#define MR 4
#define SUFFIX _v3
#define MINIMUM_F32(a, b) ((VEC)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define MAXIMUM_F32(a, b) ((VEC)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define MINIMUM_F64(a, b) ((VEC)_mm256_min_pd((__m256d)(a), (__m256d)(b)))
#define MAXIMUM_F64(a, b) ((VEC)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#include "_autoencoder_variant.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#define BYTES 64
#define MR 8
#define SUFFIX _v4
#define MINIMUM_F32(a, b) ((VEC)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define MAXIMUM_F32(a, b) ((VEC)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define MINIMUM_F64(a, b) ((VEC)_mm512_min_pd((__m512d)(a), (__m512d)(b)))
#define MAXIMUM_F64(a, b) ((VEC)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#include "_autoencoder_variant.h"
#pragma GCC pop_options
#endif

/* Widths are padded to this many numbers, whole vectors of every variant. */
#define PAD_F32 16
#define PAD_F64 8

#ifdef HAVE_WIDE
#define CHOOSE(function, type)                                            \
    switch (instructions) {                                               \
    case V4: function##_##type##_v4(net, job, data, part); break;         \
    case V3: function##_##type##_v3(net, job, data, part); break;         \
    default: function##_##type##_plain(net, job, data, part); break;      \
    }
#else
#define CHOOSE(function, type) \
    (void)instructions;        \
    function##_##type##_plain(net, job, data, part);
#endif
#define DEFINE_CHOICE(function, type, real)                                               \
    static void function##_##type(const struct net_##type *net, struct job *job,          \
                                  const real *data, int part, int instructions)           \
    {                                                                                     \
        CHOOSE(function##_part, type)                                                     \
    }
DEFINE_CHOICE(train, f32, float)
DEFINE_CHOICE(train, f64, double)
DEFINE_CHOICE(pass, f32, float)
DEFINE_CHOICE(pass, f64, double)

/* --- memory: one block, carved into aligned arrays ------------------------------------ */

/* Take `count` numbers from the block; with no block, only count the bytes. */
#define TAKE(field, real, count)                            \
    do {                                                    \
        net->field = block ? (real *)(block + used) : NULL; \
        used += padded((count) * (int64_t)sizeof(real), 64); \
    } while (0)

#define DEFINE_MEMORY(type, real, lanes)                                                       \
    static int64_t carve_##type(struct net_##type *net, char *block, int64_t D, int64_t L,     \
                                int64_t B, int64_t threads, int64_t *scratch_size)             \
    {                                                                                          \
        int64_t used = 0;                                                                      \
        const int64_t Dp = padded(D, lanes), Lp = padded(L, lanes);                            \
        const int64_t wide = 2 * lanes * L, high = 8 * Lp;                                     \
        *scratch_size = padded((wide > high ? wide : high) + lanes + Lp, 16);                  \
        net->D = D, net->L = L, net->Dp = Dp, net->Lp = Lp;                                    \
        TAKE(w1, real, D * Lp); TAKE(b1, real, Lp); TAKE(w2, real, L * Dp);                    \
        TAKE(b2, real, Dp); TAKE(w2t, real, Dp * Lp);                                          \
        TAKE(m1, real, D * Lp); TAKE(mb1, real, Lp); TAKE(m2, real, L * Dp); TAKE(mb2, real, Dp); \
        TAKE(v1, real, D * Lp); TAKE(vb1, real, Lp); TAKE(v2, real, L * Dp); TAKE(vb2, real, Dp); \
        TAKE(x, real, B * Dp); TAKE(h, real, B * Lp); TAKE(g, real, B * Dp); TAKE(a, real, B * Lp); \
        TAKE(mask_d, real, Dp); TAKE(mask_l, real, Lp);                                        \
        TAKE(scratch, real, threads * *scratch_size);                                          \
        TAKE(row_loss, double, B); TAKE(block_sums, double, (B / ROWS + 1) * Lp);              \
        TAKE(squares, double, 2 * Dp);                                                         \
        if (block) {                                                                           \
            for (int64_t d = 0; d < D; d++) net->mask_d[d] = 1;                                \
            for (int64_t l = 0; l < L; l++) net->mask_l[l] = 1;                                \
        }                                                                                      \
        return used;                                                                           \
    }                                                                                          \
    /* Between W1, b1, W2, b2 one after the other and the padded arrays. */                    \
    static void copy_##type(const struct net_##type *net, real *flat, real *w1, real *b1,      \
                            real *w2, real *b2, int out)                                       \
    {                                                                                          \
        const int64_t D = net->D, L = net->L, Dp = net->Dp, Lp = net->Lp;                      \
        const size_t l = (size_t)L * sizeof(real), d = (size_t)D * sizeof(real);               \
        if (!out) { /* An earlier call that ran into infinities may have left some beside. */  \
            memset(w1, 0, (size_t)(D * Lp) * sizeof(real));                                    \
            memset(b1, 0, (size_t)Lp * sizeof(real));                                          \
            memset(w2, 0, (size_t)(L * Dp) * sizeof(real));                                    \
            memset(b2, 0, (size_t)Dp * sizeof(real));                                          \
        }                                                                                      \
        for (int64_t i = 0; i < D; i++)                                                        \
            out ? memcpy(flat + i * L, w1 + i * Lp, l) : memcpy(w1 + i * Lp, flat + i * L, l);  \
        flat += D * L;                                                                         \
        out ? memcpy(flat, b1, l) : memcpy(b1, flat, l);                                       \
        flat += L;                                                                             \
        for (int64_t i = 0; i < L; i++)                                                        \
            out ? memcpy(flat + i * D, w2 + i * Dp, d) : memcpy(w2 + i * Dp, flat + i * D, d);  \
        flat += L * D;                                                                         \
        out ? memcpy(flat, b2, d) : memcpy(b2, flat, d);                                       \
    }
DEFINE_MEMORY(f32, float, PAD_F32)
DEFINE_MEMORY(f64, double, PAD_F64)
#endif
