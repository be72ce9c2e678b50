/*
 * fuzz.h - a driver for fuzz targets that needs no special compiler.
 *
 * A target is a program of LLVMFuzzerTestOneInput and fuzz_corpus. Linked with fuzz_main.c it runs:
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

struct fuzz_bytes {
    const uint8_t *bytes;
    size_t n;
};

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
size_t fuzz_mutate(uint8_t *out, size_t cap, struct fuzz_bytes in, struct fuzz_bytes other,
                   uint64_t seed, uint64_t index);

/* The driver; the process's exit status. */
int fuzz_main(int argc, char **argv);

#endif /* SUPPORT_FUZZ_H */
