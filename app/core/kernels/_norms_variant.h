/* One instruction set of the normalizations and of what is done number by number, for float and
 * for double. The includer sets BYTES (of a vector; 0 for none) and SUFFIX. */

#define REAL float
#define INTEGER int32_t
#define DOUBLE 0
#define SQRT sqrtf
#define VL (BYTES > 0 ? BYTES / 4 : 1)
#define NAME(f) GLUE(f, GLUE(_f32, SUFFIX))
#if BYTES == 64
#define LANES LANES_16
#elif BYTES == 32
#define LANES LANES_8
#else
#define LANES LANES_4
#endif
#include "_lanes.h"
#include "_norm.h"
#include "_columns.h"
#include "_rows.h"
#include "_pointwise.h"
#include "_lanes_end.h"

#define REAL double
#define INTEGER int64_t
#define DOUBLE 1
#define SQRT sqrt
#define VL (BYTES > 0 ? BYTES / 8 : 1)
#define NAME(f) GLUE(f, GLUE(_f64, SUFFIX))
#if BYTES == 64
#define LANES LANES_8
#elif BYTES == 32
#define LANES LANES_4
#else
#define LANES LANES_2
#endif
#include "_lanes.h"
#include "_norm.h"
#include "_columns.h"
#include "_rows.h"
#include "_pointwise.h"
#include "_lanes_end.h"

#undef BYTES
#undef SUFFIX
