/* image_mask.c - a mask file as 0 and 1 at the encoder's size. */
#include "images/image_int.h"

#include "base/err.h"
#include "base/mem.h"

/*
 * Is the pixel's grey value above zero? The weights are ITU-R 601 in 16-bit fixed point, rounded.
 */
static bool is_defect(const uint8_t *p, enum image_mode mode)
{
    switch (mode) {
    case IMAGE_RGB:
    case IMAGE_RGBA:
    case IMAGE_PALETTE:
        return (p[0] * 19595U + p[1] * 38470U + p[2] * 7471U + 0x8000U) >> 16 > 0;
    case IMAGE_GREY16:
        return p[0] || p[1];
    default:
        return p[0] != 0;
    }
}

int image_mask(uint8_t *mask, const struct image *image, size_t side)
{
    int rc = ERR_OK;
    const struct resample job = {image->width, image->height, side, 1, RESAMPLE_BILINEAR};
    size_t n = image->width * image->height;
    size_t pixel = image_pixel_bytes(image->mode);
    uint8_t *defect = NULL;
    TRY(MEM_NEW(defect, n));
    for (size_t i = 0; i < n; i++)
        defect[i] = is_defect(image->pixels + i * pixel, image->mode) ? 255 : 0;
    TRY(image_resample(mask, defect, &job));
    for (size_t i = 0; i < side * side; i++)
        mask[i] = mask[i] > 127; /* v / 255 > 0.5 in float32: 127 gives 0.498, 128 gives 0.502 */
out:
    MEM_FREE(defect);
    return rc;
}
