/*
 * real.h - the element type of the arrays that kernels touch: float.
 *
 * Built with MRAD_DOUBLE it is double. tests/CMakeLists.txt builds the reference kernels and the code
 * with hand-written gradients that way (library mrad_double), so that finite differences check the
 * very code that runs in float. Weights and stored features are float in both builds.
 */
#ifndef OPS_REAL_H
#define OPS_REAL_H

#ifdef MRAD_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif /* OPS_REAL_H */
