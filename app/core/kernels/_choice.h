/* What all kernels of layers share: the lanes of a vector by name, and the choice between variants. */
#ifndef FILTERSCOPE_CHOICE_H
#define FILTERSCOPE_CHOICE_H

#include "_vectors.h"

/* Which numbers of two vectors a shuffle takes, for as many lanes as there are; see _lanes.h. */
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

#endif
