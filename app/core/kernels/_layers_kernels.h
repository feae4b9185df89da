/* All variants of the layers' kernels, and the choice between them at run time.
 *
 * One build serves every machine: the same source is compiled for the plain instruction set,
 * for AVX2 and for AVX-512, each with the register tiles that suit it.
 */
#ifndef FILTERSCOPE_LAYERS_KERNELS_H
#define FILTERSCOPE_LAYERS_KERNELS_H

#include "_plans.h"

#define LANE_LOW(i, d) ((i) & (d) ? VL + (i) - (d) : (i))
#define LANE_HIGH(i, d) ((i) & (d) ? VL + (i) : (i) + (d))
#define LANE_EVERY(i, d) (2 * (i) + (d))
#define LANES_2(M, d) {M(0, d), M(1, d)}
#define LANES_4(M, d) {M(0, d), M(1, d), M(2, d), M(3, d)}
#define LANES_8(M, d) \
    {M(0, d), M(1, d), M(2, d), M(3, d), M(4, d), M(5, d), M(6, d), M(7, d)}
#define LANES_16(M, d)                                                                    \
    {M(0, d), M(1, d), M(2, d), M(3, d), M(4, d), M(5, d), M(6, d), M(7, d), M(8, d), M(9, d), \
     M(10, d), M(11, d), M(12, d), M(13, d), M(14, d), M(15, d)}

/* Sixteen registers hold a tile of about twelve vectors, thirty-two one of twenty-eight. */
#if defined(__GNUC__) || defined(__clang__)
#define BYTES 16
#else
#define BYTES 0
#endif
#define SUFFIX _plain
#define MR 4
#define VECTORS_1 8
#define VECTORS_2 4
#define VECTORS_3 2
#define VECTORS_4 2
#define VECTORS_5 2
#define MOST_TAPS 4
#define LINES_1 4
#define LINES_2 2
#define LINES_3 2
#define LINES_4 1
#include "_layers_variant.h"

#ifdef HAVE_WIDE
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#define BYTES 32
#define SUFFIX _v3
#define MR 4
#define VECTORS_1 8
#define VECTORS_2 4
#define VECTORS_3 2
#define VECTORS_4 2
#define VECTORS_5 2
#define MOST_TAPS 4
#define LINES_1 4
#define LINES_2 2
#define LINES_3 2
#define LINES_4 1
#include "_layers_variant.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#define BYTES 64
#define SUFFIX _v4
#define MR 8
#define VECTORS_1 8
#define VECTORS_2 8
#define VECTORS_3 8
#define VECTORS_4 4
#define VECTORS_5 2
#define MOST_TAPS 7
#define LINES_1 8
#define LINES_2 6
#define LINES_3 4
#define LINES_4 3
#include "_layers_variant.h"
#pragma GCC pop_options
#endif

/* function_f32(..., instructions) and function_f64, whichever variant is asked for. */
#ifdef HAVE_WIDE
#define CHOOSE(function, type, arguments)                  \
    switch (instructions) {                                \
    case V4: function##_##type##_v4 arguments; break;      \
    case V3: function##_##type##_v3 arguments; break;      \
    default: function##_##type##_plain arguments; break;   \
    }
#else
#define CHOOSE(function, type, arguments) \
    (void)instructions;                   \
    function##_##type##_plain arguments;
#endif
#define DEFINE_CHOICE(function, parameters, arguments)                          \
    static void function(parameters, int real_is_double, int instructions)      \
    {                                                                           \
        if (real_is_double) {                                                   \
            CHOOSE(function, f64, arguments)                                    \
        } else {                                                                \
            CHOOSE(function, f32, arguments)                                    \
        }                                                                       \
    }
#define TWO(a, b) a, b
DEFINE_CHOICE(max_pool_forward_part, TWO(const struct pool *pool, int part), (pool, part))
DEFINE_CHOICE(max_pool_backward_part, TWO(const struct pool *pool, int part), (pool, part))
DEFINE_CHOICE(avg_pool_forward_part, TWO(const struct pool *pool, int part), (pool, part))
DEFINE_CHOICE(avg_pool_backward_part, TWO(const struct pool *pool, int part), (pool, part))
DEFINE_CHOICE(conv_prepare, TWO(const struct conv *conv, int backward), (conv, backward))
DEFINE_CHOICE(conv_forward_part, TWO(const struct conv *conv, int part), (conv, part))
DEFINE_CHOICE(conv_backward_part, TWO(const struct conv *conv, int part), (conv, part))
DEFINE_CHOICE(conv_gather, const struct conv *conv, (conv))
DEFINE_CHOICE(dense_forward_part, TWO(const struct dense *dense, int part), (dense, part))
DEFINE_CHOICE(dense_prepare, const struct dense *dense, (dense))
DEFINE_CHOICE(dense_backward_part, TWO(const struct dense *dense, int part), (dense, part))
DEFINE_CHOICE(update_part, TWO(const struct dense *dense, int part), (dense, part))

/* Numbers in a vector of the instruction set. */
static int lanes_of(int real_is_double, int instructions)
{
#if defined(__GNUC__) || defined(__clang__)
    return (instructions == V4 ? 64 : instructions == V3 ? 32 : 16) / (real_is_double ? 8 : 4);
#else
    (void)real_is_double, (void)instructions;
    return 1;
#endif
}
#endif
