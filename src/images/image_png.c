/* image_png.c - writing of PNG files with stb_image_write. */
#include "images/image_int.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#include <limits.h>
#include <string.h>

static void *png_malloc(size_t n)
{
    unsigned char *block = NULL;
    if (MEM_NEW(block, n) != ERR_OK)
        err_clear(); /* reported by the caller, who sees no result */
    return block;
}

static void *png_realloc(void *old, size_t old_bytes, size_t n)
{
    unsigned char *block = png_malloc(n);
    if (!block)
        return NULL;
    if (old)
        memcpy(block, old, old_bytes < n ? old_bytes : n);
    mem_release(old);
    return block;
}

#define STBIW_MALLOC(n)                  png_malloc((size_t)(n))
#define STBIW_REALLOC_SIZED(p, old_n, n) png_realloc((p), (size_t)(old_n), (size_t)(n))
#define STBIW_FREE(p)                    mem_release(p)
#define STBIW_ASSERT(x)                  ((void)0)
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
/* reported at the end of the file, so a pop would bring it back */
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image_write.h>

int image_write_png(const char *path, const uint8_t *pixels, size_t width, size_t height,
                    size_t channels)
{
    int rc = ERR_OK;
    unsigned char *png = NULL;
    int n = 0;
    if (width == 0 || height == 0 || channels < 1 || channels > 4 ||
        height > INT_MAX / 8 / channels / width)
        FAIL(ERR_SHAPE, "%s: cannot write %zu x %zu pixels of %zu channels as PNG", path, width,
             height, channels);
    png = stbi_write_png_to_mem(pixels, (int)(width * channels), (int)width, (int)height,
                                (int)channels, &n);
    if (!png)
        FAIL(ERR_MEMORY, "%s: out of memory while writing PNG", path);
    TRY(file_write(path, (const char *)png, (size_t)n));
out:
    MEM_FREE(png);
    return rc;
}
