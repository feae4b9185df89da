/* All variants of the layers' kernels, and the choice between them at run time.
 *
 * One build serves every machine: the same source is compiled for the plain instruction set,
 * for AVX2 and for AVX-512, each with the register tiles that suit it.
 */
#ifndef FILTERSCOPE_LAYERS_KERNELS_H
#define FILTERSCOPE_LAYERS_KERNELS_H

#include "_choice.h"
#include "_plans.h"

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
