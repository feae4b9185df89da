/* All variants of the normalizations and of what is done number by number, and the choice between
 * them at run time; see _layers_kernels.h. */
#ifndef FILTERSCOPE_NORMS_KERNELS_H
#define FILTERSCOPE_NORMS_KERNELS_H

#include "_choice.h"

/* `maps` maps of `size` numbers lie one after the other; a map belongs to the channel
 * (its number modulo `channels`). Member j of group i is the map i outer + j inner. */
struct norm {
    int64_t maps, channels, size, groups, members, outer, inner;
    int parts, relu, given; /* given: mean and inverse are, and do not depend on x */
    double eps;
    const void *x, *gamma, *beta, *dout;
    void *out, *dx, *dgamma, *dbeta;
    double *mean, *var, *inverse; /* of each group */
    double *sums;                 /* of each map's slopes, and of slope times x_hat */
};

struct pointwise {
    int64_t count, size;
    int parts;
    double factor;
    const void *x, *dout, *drawn;
    void *out, *mask;
};

#if defined(__GNUC__) || defined(__clang__)
#define BYTES 16
#else
#define BYTES 0
#endif
#define SUFFIX _plain
#include "_norms_variant.h"

#ifdef HAVE_WIDE
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#define BYTES 32
#define SUFFIX _v3
#include "_norms_variant.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#define BYTES 64
#define SUFFIX _v4
#include "_norms_variant.h"
#pragma GCC pop_options
#endif

DEFINE_CHOICE(norm_forward_part, TWO(const struct norm *norm, int part), (norm, part))
DEFINE_CHOICE(norm_backward_part, TWO(const struct norm *norm, int part), (norm, part))
DEFINE_CHOICE(norm_gather, const struct norm *norm, (norm))
DEFINE_CHOICE(columns_forward_part, TWO(const struct norm *norm, int part), (norm, part))
DEFINE_CHOICE(columns_backward_part, TWO(const struct norm *norm, int part), (norm, part))
DEFINE_CHOICE(rows_forward_part, TWO(const struct norm *norm, int part), (norm, part))
DEFINE_CHOICE(rows_backward_part, TWO(const struct norm *norm, int part), (norm, part))
DEFINE_CHOICE(rows_slopes_part, TWO(const struct norm *norm, int part), (norm, part))
DEFINE_CHOICE(relu_forward_part, TWO(const struct pointwise *work, int part), (work, part))
DEFINE_CHOICE(relu_backward_part, TWO(const struct pointwise *work, int part), (work, part))
DEFINE_CHOICE(leaky_part, TWO(const struct pointwise *work, int part), (work, part))
DEFINE_CHOICE(multiply_part, TWO(const struct pointwise *work, int part), (work, part))
DEFINE_CHOICE(dropout_part, TWO(const struct pointwise *work, int part), (work, part))
DEFINE_CHOICE(mean_forward_part, TWO(const struct pointwise *work, int part), (work, part))
DEFINE_CHOICE(mean_backward_part, TWO(const struct pointwise *work, int part), (work, part))
#endif
