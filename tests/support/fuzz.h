/*
 * fuzz.h - a driver for fuzz targets that needs no special compiler.
 *
 * A target is a program of LLVMFuzzerTestOneInput and fuzz_corpus. Linked with fuzz.c it gets a main:
 *
 *     fuzz_NAME [SECONDS [SEED]]    mutate the corpus for that long (default 5); deterministic but for
 *                                   the number of inputs; an input that crashes is saved and named
 *     fuzz_NAME --corpus FOLDER     write the corpus, for libFuzzer
 *     fuzz_NAME --run FILES         run these inputs
 *
 * With clang and -DMRAD_LIBFUZZER=ON for cmake, libFuzzer takes the place of that main.
 */
#ifndef SUPPORT_FUZZ_H
#define SUPPORT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The target: feed the bytes to a reader. Must neither crash nor leave memory. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The target's inputs to start from: calls fuzz_add for each. */
void fuzz_corpus(void);

/* Add an input to the corpus; the bytes are copied. */
void fuzz_add(const void *bytes, size_t n);

/*
 * A changed copy of the input into out, which has room for cap bytes: bits, bytes and numbers changed,
 * parts removed, doubled or taken from other. The same seed and index give the same bytes. Returns the
 * new size.
 */
size_t fuzz_mutate(uint8_t *out, size_t cap, const uint8_t *in, size_t n, const uint8_t *other,
                   size_t n_other, uint64_t seed, uint64_t index);

#endif /* SUPPORT_FUZZ_H */
