/*
 * rng.h - SplitMix64, addressed by (seed, index): no state, any element on its own.
 *
 * The same rule as `splitmix_uniform` of the executable specification, so that generated weights and
 * start values are equal in every implementation.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* The index-th 64-bit number of a seed. */
uint64_t rng_u64(uint64_t seed, uint64_t index);

/* The same as a float in [-1, 1): its top 24 bits, exact. */
float rng_uniform(uint64_t seed, uint64_t index);

/* A number in [0, n), n > 0; the bias is under n / 2^64. */
uint64_t rng_below(uint64_t seed, uint64_t index, uint64_t n);

#endif /* BASE_RNG_H */
