/* image_orient.c - turn and mirror an image by a TIFF orientation. */
#include "images/image_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

/*
 * Orientations: 2 mirrored, 3 turned by 180 degrees, 4 upside down, 5 to 8 the same four of the
 * transposed image. Each is "transpose or not, then reverse x or not, y or not" on the way back
 * from a target pixel to its source.
 */
static void source_of(size_t *sx, size_t *sy, const struct image *in, unsigned orientation)
{
    bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    if (orientation >= 5) {
        size_t swap = *sx;
        *sx = *sy;
        *sy = swap;
    }
    if (flip_x)
        *sx = in->width - 1 - *sx;
    if (flip_y)
        *sy = in->height - 1 - *sy;
}

int image_orient(struct image *image, unsigned orientation)
{
    int rc = ERR_OK;
    struct image turned = *image;
    size_t pixel = image_pixel_bytes(image->mode);
    if (orientation < 2 || orientation > 8)
        return ERR_OK;
    if (orientation >= 5) {
        turned.width = image->height;
        turned.height = image->width;
    }
    TRY(MEM_NEW(turned.pixels, image->width * image->height * pixel));
    for (size_t y = 0; y < turned.height; y++)
        for (size_t x = 0; x < turned.width; x++) {
            size_t sx = x;
            size_t sy = y;
            source_of(&sx, &sy, image, orientation);
            memcpy(turned.pixels + (y * turned.width + x) * pixel,
                   image->pixels + (sy * image->width + sx) * pixel, pixel);
        }
    MEM_FREE(image->pixels);
    *image = turned;
out:
    return rc;
}
