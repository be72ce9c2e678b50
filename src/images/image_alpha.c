/* image_alpha.c - colours times alpha and back, with the integer roundings that Pillow uses. */
#include "images/image_int.h"

void image_premultiply(uint8_t *pixels, size_t n_pixels, size_t channels)
{
    for (size_t i = 0; i < n_pixels; i++) {
        uint8_t *p = pixels + i * channels;
        unsigned alpha = p[channels - 1];
        for (size_t c = 0; c + 1 < channels; c++) {
            unsigned product = p[c] * alpha + 128; /* exact rounding of product / 255 */
            p[c] = (uint8_t)((product + (product >> 8)) >> 8);
        }
    }
}

void image_unpremultiply(uint8_t *pixels, size_t n_pixels, size_t channels)
{
    for (size_t i = 0; i < n_pixels; i++) {
        uint8_t *p = pixels + i * channels;
        unsigned alpha = p[channels - 1];
        if (alpha == 0 || alpha == 255)
            continue;
        for (size_t c = 0; c + 1 < channels; c++) {
            unsigned value = 255U * p[c] / alpha;
            p[c] = (uint8_t)(value < 255 ? value : 255);
        }
    }
}
