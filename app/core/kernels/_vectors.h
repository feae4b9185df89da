/* What the headers of all kernels share: how loops are unrolled and split between threads,
 * solvers' numbers, and which instruction set is the best one here. */
#ifndef FILTERSCOPE_VECTORS_H
#define FILTERSCOPE_VECTORS_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Numbered as in app/core/solvers/first_order.py. */
enum { SGD = 0, MOMENTUM = 1, NESTEROV = 2, ADAM = 3, RMSPROP = 4, ADAGRAD = 5 };

struct rule {
    int solver;
    double learning_rate, momentum, reg, unbias1, unbias2;
};

struct share {
    int64_t begin, end;
};

static struct share share_of(int64_t count, int part, int parts)
{
    struct share share = {count * part / parts, count * (part + 1) / parts};
    return share;
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
/* a / b for b > 0, rounded up, also where a is negative. */
static inline int64_t ceiling(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }
static inline int64_t padded(int64_t width, int64_t lanes) { return (width + lanes - 1) / lanes * lanes; }

#if defined(__GNUC__) || defined(__clang__)
#define INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define UNROLL _Pragma("GCC unroll 16")
#define FETCH(p) __builtin_prefetch((p), 0, 2)
#define MOST_THREADS 64
#else
#define INLINE inline
#define NOINLINE
#define UNROLL
#define FETCH(p) ((void)(p))
#define MOST_THREADS 1
#endif

#define GLUE_(a, b) a##b
#define GLUE(a, b) GLUE_(a, b)

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define HAVE_WIDE 1
#endif

enum { PLAIN = 0, V3 = 1, V4 = 2 };

/* The widest instruction set this machine has. */
static int best_instructions(void)
{
#ifdef HAVE_WIDE
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return V4;
    if (__builtin_cpu_supports("x86-64-v3")) return V3;
#endif
    return PLAIN;
}

#endif
