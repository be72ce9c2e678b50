/* image_stb.c - the only file that sees stb_image: decodes what image_probe.c found whole. */
#include "images/image_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <limits.h>
#include <string.h>

/*
 * The largest block that the image being decoded can need. stb_image inflates all data that a PNG
 * brings, however few pixels its header announces; only the allocator can stop it.
 */
static _Thread_local size_t stb_limit;

static void *stb_malloc(size_t n)
{
    unsigned char *block = NULL;
    if (n > stb_limit)
        return NULL;
    if (MEM_NEW(block, n) != ERR_OK)
        err_clear(); /* stb_image reports it in its own words */
    return block;
}

static void *stb_realloc(void *old, size_t old_bytes, size_t n)
{
    unsigned char *block = stb_malloc(n);
    if (!block)
        return NULL;
    if (old)
        memcpy(block, old, old_bytes < n ? old_bytes : n);
    mem_release(old);
    return block;
}

#define STBI_MALLOC(n)                  stb_malloc((size_t)(n))
#define STBI_REALLOC_SIZED(p, old_n, n) stb_realloc((p), (size_t)(old_n), (size_t)(n))
#define STBI_FREE(p)                    mem_release(p)
#define STBI_ASSERT(x)                  ((void)0)
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_ONLY_GIF
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
/* reported at the end of the file, so a pop would bring it back */
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>

int image_stb_decode(struct image *out, const struct image_header *header,
                     const struct image_bytes *file)
{
    int rc = ERR_OK;
    int w = 0;
    int h = 0;
    int channels = 0;
    int want = (int)image_pixel_bytes(header->mode);
    uint8_t *pixels = NULL;
    BUG_ON(file->n > INT_MAX);
    /* 8 bytes of a pixel in RGBA with 16 bits, twice that because buffers grow by doubling */
    stb_limit = ((size_t)16 << 20) + 2 * file->n + 16 * header->width * header->height;
    if (header->mode == IMAGE_GREY16)
        pixels = (uint8_t *)stbi_load_16_from_memory(file->at, (int)file->n, &w, &h, &channels, 1);
    else
        pixels = stbi_load_from_memory(file->at, (int)file->n, &w, &h, &channels, want);
    if (!pixels)
        FAIL(ERR_FORMAT, "%s: cannot be decoded: %s", file->name, stbi_failure_reason());
    if ((size_t)w != header->width || (size_t)h != header->height)
        FAIL(ERR_FORMAT, "%s: decoded to %d x %d, but its header says %zu x %zu", file->name, w, h,
             header->width, header->height);
    *out = (struct image){header->width, header->height, header->mode, pixels};
    pixels = NULL;
out:
    MEM_FREE(pixels);
    return rc;
}
