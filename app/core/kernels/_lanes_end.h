/* Forgets what _lanes.h and its includer said. */
#undef VEC
#undef IVEC
#undef SPLAT
#undef HOLD
#undef LOAD
#undef STORE
#undef REAL
#undef INTEGER
#undef DOUBLE
#undef SQRT
#undef VL
#undef NAME
#undef LANES
