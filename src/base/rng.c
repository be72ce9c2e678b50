/* rng.c - see rng.h. */
#include "base/rng.h"

uint64_t rng_u64(uint64_t seed, uint64_t index)
{
    uint64_t z = (index + 1) * UINT64_C(0x9E3779B97F4A7C15) + seed * UINT64_C(0xD1342543DE82EF95);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

float rng_uniform(uint64_t seed, uint64_t index)
{
    return (float)((double)(rng_u64(seed, index) >> 40) / 8388608.0 - 1.0);
}

uint64_t rng_below(uint64_t seed, uint64_t index, uint64_t n)
{
    return rng_u64(seed, index) % n;
}
