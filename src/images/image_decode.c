/*
 * image_decode.c - see images.h: which decoder takes a file, limits, and the life of struct image.
 */
#include "images/image_int.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

#include <string.h>

#define MAX_FILE_BYTES ((size_t)1 << 30)
#define MAX_PIXELS     ((size_t)1 << 28)

/*
 * No format here packs more than about 4000 bytes into one (GIF's longest LZW codes; deflate stays
 * near 1000), so a header that claims more is a lie. The constant part lets tiny files pass.
 */
#define MAX_EXPANSION  ((size_t)4096)
#define FREE_EXPANSION ((size_t)16 << 20)

typedef bool image_test_fn(const uint8_t *p, size_t n);
typedef int image_probe_fn(struct image_header *out, const struct image_bytes *file);
typedef int image_decode_fn(struct image *out, const struct image_bytes *file);

/* One kind of file: exactly one of probe (then stb_image decodes) and decode is set. */
struct image_format {
    const char *name;
    image_test_fn *test;
    image_probe_fn *probe;
    image_decode_fn *decode;
};

uint32_t image_le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

uint32_t image_le32(const uint8_t *p)
{
    return image_le16(p) | image_le16(p + 2) << 16;
}

uint32_t image_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | (uint32_t)p[1];
}

uint32_t image_be32(const uint8_t *p)
{
    return image_be16(p) << 16 | image_be16(p + 2);
}

size_t image_pixel_bytes(enum image_mode mode)
{
    static const size_t bytes[] = {
        [IMAGE_BIT] = 1, [IMAGE_GREY] = 1, [IMAGE_GREY16] = 2,  [IMAGE_GREY_ALPHA] = 2,
        [IMAGE_RGB] = 3, [IMAGE_RGBA] = 4, [IMAGE_PALETTE] = 3,
    };
    BUG_ON((size_t)mode >= sizeof bytes / sizeof *bytes);
    return bytes[mode];
}

size_t image_memory_limit(size_t n)
{
    return FREE_EXPANSION + MAX_EXPANSION * n;
}

int image_check_header(const struct image_header *header, const struct image_bytes *file)
{
    int rc = ERR_OK;
    size_t w = header->width;
    size_t h = header->height;
    if (w == 0 || h == 0)
        FAIL(ERR_FORMAT, "%s: the image has no pixels (%zu x %zu)", file->name, w, h);
    if (w > MAX_PIXELS / h)
        FAIL(ERR_FORMAT, "%s: %zu x %zu is more than the 2^28 pixels that are read", file->name, w,
             h);
    if (w * h * image_pixel_bytes(header->mode) > image_memory_limit(file->n))
        FAIL(ERR_FORMAT, "%s: claims %zu x %zu pixels, more than %zu bytes can hold", file->name, w,
             h, file->n);
out:
    return rc;
}

int image_new(struct image *out, const struct image_header *header, const struct image_bytes *file)
{
    int rc = ERR_OK;
    *out = (struct image){.width = header->width, .height = header->height, .mode = header->mode};
    TRY(image_check_header(header, file));
    TRY(MEM_NEW(out->pixels, out->width * out->height * image_pixel_bytes(out->mode)));
out:
    return rc;
}

void image_free(struct image *image)
{
    MEM_FREE(image->pixels);
    *image = (struct image){0};
}

static bool is_png(const uint8_t *p, size_t n)
{
    return n >= 8 && !memcmp(p, "\x89PNG\r\n\x1a\n", 8);
}

static bool is_jpeg(const uint8_t *p, size_t n)
{
    return n >= 3 && !memcmp(p, "\xff\xd8\xff", 3);
}

static bool is_gif(const uint8_t *p, size_t n)
{
    return n >= 6 && (!memcmp(p, "GIF87a", 6) || !memcmp(p, "GIF89a", 6));
}

static bool is_bmp(const uint8_t *p, size_t n)
{
    return n >= 2 && !memcmp(p, "BM", 2);
}

/* classic TIFF and BigTIFF, both byte orders */
static bool is_tiff(const uint8_t *p, size_t n)
{
    return n >= 4 && (!memcmp(p, "II*\0", 4) || !memcmp(p, "MM\0*", 4) || !memcmp(p, "II+\0", 4) ||
                      !memcmp(p, "MM\0+", 4));
}

static bool is_pnm(const uint8_t *p, size_t n)
{
    return n >= 3 && p[0] == 'P' && p[1] >= '1' && p[1] <= '6' &&
           (p[2] == ' ' || p[2] == '#' || (p[2] >= '\t' && p[2] <= '\r'));
}

/* TGA has no magic: these bytes are what its header allows, so it must be tried last. */
static bool is_tga(const uint8_t *p, size_t n)
{
    uint32_t type;
    if (n < 18)
        return false;
    type = p[2] & ~8U;
    return (p[1] == 1 ? type == 1 : p[1] == 0 && (type == 2 || type == 3)) &&
           (p[16] == 8 || p[16] == 16 || p[16] == 24 || p[16] == 32);
}

static const struct image_format formats[] = {
    {.name = "PNG", .test = is_png, .probe = image_probe_png},
    {.name = "JPEG", .test = is_jpeg, .probe = image_probe_jpeg},
    {.name = "GIF", .test = is_gif, .probe = image_probe_gif},
    {.name = "BMP", .test = is_bmp, .probe = image_probe_bmp},
    {.name = "TIFF", .test = is_tiff, .decode = image_tiff_decode},
    {.name = "PNM", .test = is_pnm, .decode = image_pnm_decode},
    {.name = "TGA", .test = is_tga, .probe = image_probe_tga},
};

static const struct image_format *format_of(const struct image_bytes *file)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].test(file->at, file->n))
            return &formats[i];
    return NULL;
}

static int unknown_kind(const char *name)
{
    return err_set(ERR_FORMAT, __FILE__, __LINE__, __func__,
                   "%s: not a PNG, JPEG, GIF, BMP, TIFF, PNM or TGA image", name);
}

int image_decode(struct image *out, const uint8_t *bytes, size_t n, const char *name)
{
    int rc = ERR_OK;
    const struct image_bytes file = {bytes, n, name};
    const struct image_format *format;
    struct image_header header = {0};
    *out = (struct image){0};
    if (n > MAX_FILE_BYTES)
        FAIL(ERR_FORMAT, "%s: larger than the 1 GiB that is read of an image", name);
    format = format_of(&file);
    if (!format)
        TRY(unknown_kind(name));
    if (format->probe) {
        TRY(format->probe(&header, &file));
        TRY(image_check_header(&header, &file));
        TRY(image_stb_decode(out, &header, &file));
        TRY(image_orient(out, header.orientation));
    } else {
        TRY(format->decode(out, &file));
    }
out:
    if (rc != ERR_OK)
        image_free(out);
    return rc;
}

int image_check_kind(const char *path)
{
    int rc = ERR_OK;
    struct file_map map = {0};
    struct image_bytes file;
    TRY(file_map_open(&map, path));
    file = (struct image_bytes){map.data, map.size, path};
    if (!format_of(&file))
        TRY(unknown_kind(path));
out:
    file_map_close(&map);
    return rc;
}

int image_load(struct image *out, const char *path)
{
    int rc = ERR_OK;
    struct file_map map = {0};
    *out = (struct image){0};
    TRY(file_map_open(&map, path));
    TRY(image_decode(out, map.data, map.size, path));
out:
    file_map_close(&map);
    return rc;
}
