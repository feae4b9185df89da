/* One instruction set of the autoencoder's kernel, for float and for double.
 * The includer sets BYTES (of a vector; 0 for none), MR, SUFFIX and, where there are any,
 * MINIMUM_F32 … MAXIMUM_F64. */

#define REAL float
#define INTEGER int32_t
#define DOUBLE 0
#define SQRT sqrtf
#define NET struct net_f32
#define MINIMUM MINIMUM_F32
#define MAXIMUM MAXIMUM_F32
#define VL (BYTES > 0 ? BYTES / 4 : 1)
#define NAME(f) GLUE(f, GLUE(_f32, SUFFIX))
#include "_autoencoder.h"
#undef REAL
#undef INTEGER
#undef DOUBLE
#undef SQRT
#undef NET
#undef MINIMUM
#undef MAXIMUM
#undef VL
#undef NAME

#define REAL double
#define INTEGER int64_t
#define DOUBLE 1
#define SQRT sqrt
#define NET struct net_f64
#define MINIMUM MINIMUM_F64
#define MAXIMUM MAXIMUM_F64
#define VL (BYTES > 0 ? BYTES / 8 : 1)
#define NAME(f) GLUE(f, GLUE(_f64, SUFFIX))
#include "_autoencoder.h"
#undef REAL
#undef INTEGER
#undef DOUBLE
#undef SQRT
#undef NET
#undef MINIMUM
#undef MAXIMUM
#undef VL
#undef NAME

#undef BYTES
#undef MR
#undef SUFFIX
#undef MINIMUM_F32
#undef MAXIMUM_F32
#undef MINIMUM_F64
#undef MAXIMUM_F64
