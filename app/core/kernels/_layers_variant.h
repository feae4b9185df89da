/* One instruction set of the layers' kernels, for float and for double.
 * The includer sets BYTES (of a vector; 0 for none), SUFFIX and the sizes of register tiles:
 *     MR             most rows of w in a tile          VECTORS_<rows>  vectors of pixels beside
 *     MOST_TAPS      most taps of a line in a tile     LINES_<taps>    lines of them
 */

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
#include "_solvers.h"
#include "_pool.h"
#include "_correlate.h"
#include "_conv.h"
#include "_dense.h"
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
#include "_solvers.h"
#include "_pool.h"
#include "_correlate.h"
#include "_conv.h"
#include "_dense.h"
#include "_lanes_end.h"

#undef BYTES
#undef SUFFIX
#undef MR
#undef VECTORS_1
#undef VECTORS_2
#undef VECTORS_3
#undef VECTORS_4
#undef VECTORS_5
#undef MOST_TAPS
#undef LINES_1
#undef LINES_2
#undef LINES_3
#undef LINES_4
