/* image_input.c - an image as the encoder wants it: a square of RGB, then normalised floats. */
#include "images/image_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

static const struct {
    float mean[3], std[3];
} scales[] = {
    [IMAGE_SCALE_CLIP] = {{0.48145466F, 0.4578275F, 0.40821073F},
                          {0.26862954F, 0.26130258F, 0.27577711F}},
    [IMAGE_SCALE_IMAGENET] = {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}},
};

/* A copy of 8-bit pixels ready for a resize: high bytes of 16-bit grey, colours times alpha. */
static int prepare(uint8_t **out, const struct image *image, size_t channels)
{
    int rc = ERR_OK;
    size_t n = image->width * image->height;
    uint8_t *pixels = NULL;
    TRY(MEM_NEW(pixels, n * channels));
    if (image->mode == IMAGE_GREY16) {
        const uint16_t *wide = (const uint16_t *)(const void *)image->pixels;
        for (size_t i = 0; i < n; i++)
            pixels[i] = (uint8_t)(wide[i] >> 8);
    } else {
        memcpy(pixels, image->pixels, n * channels);
        image_premultiply(pixels, n, channels);
    }
    *out = pixels;
out:
    return rc;
}

/* out [side, side, channels] in the image's own mode, 16-bit grey scaled to 8 bits. */
static int resize(uint8_t *out, const struct image *image, const struct resample *job)
{
    int rc = ERR_OK;
    bool has_alpha = image->mode == IMAGE_GREY_ALPHA || image->mode == IMAGE_RGBA;
    bool is_same = image->width == job->side && image->height == job->side;
    uint8_t *prepared = NULL;
    if (image->mode == IMAGE_BIT || image->mode == IMAGE_PALETTE) {
        TRY(image_resample_nearest(out, image->pixels, job));
    } else if (image->mode == IMAGE_GREY16 || (has_alpha && !is_same)) {
        TRY(prepare(&prepared, image, job->channels));
        TRY(image_resample(out, prepared, job));
    } else {
        TRY(image_resample(out, image->pixels, job));
    }
    if (has_alpha && !is_same)
        image_unpremultiply(out, job->side * job->side, job->channels);
out:
    MEM_FREE(prepared);
    return rc;
}

/* Grey is repeated, alpha dropped. */
static void to_rgb(uint8_t *rgb, const uint8_t *in, size_t n, size_t channels)
{
    bool is_grey = channels < 3;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            rgb[3 * i + c] = in[channels * i + (is_grey ? 0 : c)];
}

int image_resize_rgb(uint8_t *rgb, const struct image *image, size_t side)
{
    int rc = ERR_OK;
    size_t channels = image->mode == IMAGE_GREY16 ? 1 : image_pixel_bytes(image->mode);
    const struct resample job = {image->width, image->height, side, channels, RESAMPLE_BICUBIC};
    uint8_t *own = NULL;
    if (channels == 3) {
        TRY(resize(rgb, image, &job));
        goto out;
    }
    TRY(MEM_NEW(own, side * side * channels));
    TRY(resize(own, image, &job));
    to_rgb(rgb, own, side * side, channels);
out:
    MEM_FREE(own);
    return rc;
}

void image_normalise(float *input, const uint8_t *rgb, size_t side, enum image_scale scale)
{
    size_t n = side * side;
    for (size_t c = 0; c < 3; c++) {
        float value[256]; /* of every grey level: the division is done 256 times, not n */
        for (size_t v = 0; v < 256; v++)
            value[v] = ((float)v / 255.0F - scales[scale].mean[c]) / scales[scale].std[c];
        for (size_t i = 0; i < n; i++)
            input[c * n + i] = value[rgb[3 * i + c]];
    }
}
