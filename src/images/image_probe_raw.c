/* image_probe_raw.c - headers of BMP and TGA, and whether the file holds all its pixels. */
#include "images/image_int.h"

#include "base/err.h"

#include <stdlib.h>

/* The fields of a BMP header that matter here. */
struct bmp {
    uint32_t offset; /* of the pixels */
    uint32_t header_bytes;
    uint32_t bits;
    uint32_t compression;
    uint32_t colours;
    uint32_t alpha_mask;
    size_t entry; /* bytes of a palette entry */
};

static bool bmp_depth_is_known(uint32_t bits)
{
    return bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32;
}

static int bmp_read(struct bmp *bmp, struct image_header *out, const struct image_bytes *file)
{
    int rc = ERR_OK;
    const uint8_t *p = file->at;
    bool is_short;
    int64_t height;
    if (file->n < 26 || image_le32(p + 14) > file->n - 14 ||
        (image_le32(p + 14) != 12 && image_le32(p + 14) < 40))
        FAIL(ERR_FORMAT, "%s: truncated BMP: no complete header in %zu bytes", file->name, file->n);
    bmp->offset = image_le32(p + 10);
    bmp->header_bytes = image_le32(p + 14);
    is_short = bmp->header_bytes == 12;
    out->width = is_short ? image_le16(p + 18) : image_le32(p + 18);
    height = is_short ? (int64_t)image_le16(p + 20) : (int64_t)(int32_t)image_le32(p + 22);
    out->height = (size_t)llabs(height);
    bmp->bits = image_le16(p + (is_short ? 24 : 28));
    bmp->compression = is_short ? 0 : image_le32(p + 30);
    bmp->colours = is_short ? 0 : image_le32(p + 46);
    bmp->alpha_mask = bmp->header_bytes >= 108 ? image_le32(p + 66) : 0;
    bmp->entry = is_short ? 3 : 4;
    if (!bmp_depth_is_known(bmp->bits))
        FAIL(ERR_FORMAT, "%s: BMP with %u bits a pixel is not read", file->name, bmp->bits);
out:
    return rc;
}

/* Pillow reads a palette that is the ramp 0, 1, 2, ... as grey; with two colours it is 1-bit. */
static bool bmp_is_ramp(const struct bmp *bmp, const struct image_bytes *file)
{
    size_t n = bmp->colours ? bmp->colours : (size_t)1 << bmp->bits;
    size_t at = 14 + (size_t)bmp->header_bytes;
    if (n == 2 || n > 256 || n * bmp->entry > file->n - at)
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            if (file->at[at + i * bmp->entry + c] != i)
                return false;
    return true;
}

int image_probe_bmp(struct image_header *out, const struct image_bytes *file)
{
    int rc = ERR_OK;
    struct bmp bmp = {0};
    size_t row;
    TRY(bmp_read(&bmp, out, file));
    if (bmp.bits <= 8)
        out->mode = bmp_is_ramp(&bmp, file) ? IMAGE_GREY : IMAGE_PALETTE;
    else
        out->mode =
            bmp.compression == 3 && bmp.bits == 32 && bmp.alpha_mask ? IMAGE_RGBA : IMAGE_RGB;
    TRY(image_check_header(out, file));
    row = (out->width * bmp.bits + 31) / 32 * 4;
    if (bmp.offset > file->n || out->height > (file->n - bmp.offset) / row)
        FAIL(ERR_FORMAT, "%s: truncated BMP (or a compressed one, which is not read): %zu bytes",
             file->name, file->n);
out:
    return rc;
}

static enum image_mode tga_mode(uint32_t type, uint32_t depth)
{
    if (type == 1)
        return IMAGE_PALETTE;
    if (type == 3)
        return depth == 16 ? IMAGE_GREY_ALPHA : IMAGE_GREY;
    return depth == 32 ? IMAGE_RGBA : IMAGE_RGB;
}

/* Do the run-length packets from `at` on hold n_pixels? */
static bool tga_runs_suffice(const struct image_bytes *file, size_t at, size_t n_pixels,
                             size_t pixel)
{
    while (n_pixels > 0) {
        size_t count;
        size_t need;
        if (at >= file->n)
            return false;
        count = (size_t)(file->at[at] & 127) + 1;
        need = file->at[at] & 128 ? pixel : count * pixel;
        at++;
        if (need > file->n - at)
            return false;
        at += need;
        n_pixels = count < n_pixels ? n_pixels - count : 0;
    }
    return true;
}

int image_probe_tga(struct image_header *out, const struct image_bytes *file)
{
    int rc = ERR_OK;
    const uint8_t *p = file->at;
    size_t pixel = p[16] / 8U;
    size_t at = 18 + (size_t)p[0];
    size_t n_pixels;
    bool is_whole;
    out->width = image_le16(p + 12);
    out->height = image_le16(p + 14);
    out->mode = tga_mode(p[2] & ~8U, p[16]);
    out->orientation = p[17] & 0x10 ? 2 : 1; /* stb_image sees only the vertical flag */
    TRY(image_check_header(out, file));
    if (p[1])
        at += (size_t)image_le16(p + 5) * ((p[7] + 7U) / 8);
    n_pixels = out->width * out->height;
    if (p[2] & 8)
        is_whole = tga_runs_suffice(file, at, n_pixels, pixel);
    else
        is_whole = at <= file->n && n_pixels * pixel <= file->n - at;
    if (!is_whole)
        FAIL(ERR_FORMAT, "%s: truncated TGA (or a file of another kind): %zu bytes", file->name,
             file->n);
out:
    return rc;
}
