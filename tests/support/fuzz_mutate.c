/* fuzz_mutate.c - see fuzz.h: the changes made to an input. */
#include "fuzz.h"

#include "base/rng.h"

#include <string.h>

enum { MAX_CHANGES = 4, BITS = 8 };

struct draw {
    uint64_t seed;
    uint64_t at;
};

static size_t below(struct draw *d, size_t n)
{
    return (size_t)rng_below(d->seed, d->at++, n);
}

/* Values at which sizes and signs go wrong. */
static void put_number(uint8_t *p, size_t room, struct draw *d)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   0x7f,
                                   0x80,
                                   0xff,
                                   0x7fff,
                                   0xffff,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   0x7fffffffffffffff,
                                   0x8000000000000000,
                                   0xffffffffffffffff};
    uint64_t value = odd[below(d, sizeof odd / sizeof *odd)];
    size_t width = (size_t)1 << below(d, 4);
    for (size_t i = 0; i < width && i < room; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

/* A piece of from replaces, or goes before, what is at a place; returns the new size. */
static size_t splice(uint8_t *out, size_t cap, size_t n, struct fuzz_bytes from, struct draw *d)
{
    uint8_t piece[64];
    size_t len = 1 + below(d, from.n < sizeof piece ? from.n : sizeof piece);
    size_t at = below(d, n + 1);
    memcpy(piece, from.bytes + below(d, from.n - len + 1), len);
    if (below(d, 2) && n + len <= cap) {
        memmove(out + at + len, out + at, n - at);
        n += len;
    }
    if (at + len > cap)
        return n;
    memcpy(out + at, piece, len);
    return at + len > n ? at + len : n;
}

static size_t cut(uint8_t *out, size_t n, struct draw *d)
{
    size_t at = below(d, n);
    size_t len = 1 + below(d, n - at < 32 ? n - at : 32);
    if (below(d, 8) == 0)
        return at;
    memmove(out + at, out + at + len, n - at - len);
    return n - len;
}

size_t fuzz_mutate(uint8_t *out, size_t cap, struct fuzz_bytes in, struct fuzz_bytes other,
                   uint64_t seed, uint64_t index)
{
    struct draw d = {.seed = rng_u64(seed, index)};
    size_t changes = 1 + below(&d, MAX_CHANGES);
    size_t n = in.n < cap ? in.n : cap;
    memcpy(out, in.bytes, n);
    for (size_t i = 0; i < changes && n > 0; i++) {
        size_t at = below(&d, n);
        switch (below(&d, 6)) {
        case 0:
            out[at] ^= (uint8_t)(1U << below(&d, BITS));
            break;
        case 1:
            out[at] = (uint8_t)below(&d, 256);
            break;
        case 2:
            put_number(out + at, n - at, &d);
            break;
        case 3:
            n = cut(out, n, &d);
            break;
        case 4:
            n = splice(out, cap, n, in, &d);
            break;
        default:
            if (other.n)
                n = splice(out, cap, n, other, &d);
        }
    }
    return n;
}
