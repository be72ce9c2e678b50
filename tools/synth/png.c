/* png.c - see png.h. zlib at its fastest level: stb's deflate took a third of the program's time. */
#include "synth/png.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static unsigned char *put_word(unsigned char *at, uint32_t word)
{
    for (int k = 0; k < 4; k++)
        at[k] = (unsigned char)(word >> (24 - 8 * k));
    return at + 4;
}

/* The n bytes at `at` + 8 become a chunk; returns what follows it. */
static unsigned char *close_chunk(unsigned char *at, const char *kind, size_t n)
{
    (void)put_word(at, (uint32_t)n);
    memcpy(at + 4, kind, 4);
    return put_word(at + 8 + n, (uint32_t)crc32(crc32(0, NULL, 0), at + 4, (uInt)n + 4));
}

/* Rows with the filter "sub": each byte less the same channel of the pixel before. */
static void filter_rows(unsigned char *out, const unsigned char *pixels, int size, int channels)
{
    const size_t row = (size_t)size * (size_t)channels;
    for (int y = 0; y < size; y++, pixels += row) {
        *out++ = 1;
        for (size_t i = 0; i < row; i++)
            *out++ = (unsigned char)(pixels[i] -
                                     (i < (size_t)channels ? 0 : pixels[i - (size_t)channels]));
    }
}

int png_write(const char *path, const unsigned char *pixels, int size, int channels)
{
    int rc = ERR_OK;
    static const unsigned char signature[8] = {137, 'P', 'N', 'G', 13, 10, 26, 10};
    const size_t n_raw = (size_t)size * ((size_t)size * (size_t)channels + 1);
    uLongf n = compressBound(n_raw);
    int bad = 0;
    FILE *stream = NULL;
    unsigned char *raw = NULL;
    unsigned char *file = NULL;
    TRY(MEM_NEW(raw, n_raw));
    TRY(MEM_NEW(file, n + 64)); /* signature, and three chunks with 12 bytes each around them */
    filter_rows(raw, pixels, size, channels);
    memcpy(file, signature, sizeof signature);
    unsigned char *at = file + sizeof signature;
    (void)put_word(put_word(at + 8, (uint32_t)size), (uint32_t)size);
    at[16] = 8;                     /* bits */
    at[17] = channels == 3 ? 2 : 0; /* colour or grey */
    at = close_chunk(at, "IHDR", 13);
    if (compress2(at + 8, &n, raw, n_raw, 1) != Z_OK)
        FAIL(ERR_MEMORY, "%s: no memory to compress %zu bytes", path, n_raw);
    at = close_chunk(at, "IDAT", n);
    at = close_chunk(at, "IEND", 0);
    /* plain, not atomic: thousands of files are written, and waiting for the disk would take longest */
    errno = 0;
    stream = fopen(path, "wb");
    if (!stream || fwrite(file, 1, (size_t)(at - file), stream) != (size_t)(at - file))
        FAIL(ERR_IO, "cannot write %s: %s", path, strerror(errno));
    bad = fclose(stream);
    stream = NULL;
    if (bad)
        FAIL(ERR_IO, "cannot write %s: %s", path, strerror(errno));
out:
    if (stream)
        (void)fclose(stream);
    MEM_FREE(file);
    MEM_FREE(raw);
    return rc;
}
