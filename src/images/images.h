/*
 * images.h - from image and mask files to what the encoder and the metrics read.
 *
 * In:  PNG, JPEG, BMP, TGA, GIF (first frame), PNM (binary) and TIFF (first page) files.
 * Out: struct image, pixels in the file's own mode; from it an RGB square of the encoder's size,
 *      its normalised float input, or a 0/1 mask.
 * Pixels equal those of Pillow 9.4 except where docs/IMAGES.md says otherwise: the JPEG decoder
 * rounds differently, and 16-bit grey is scaled to 8 bits by its high byte where Pillow clips it.
 *
 *     struct image image = {0};
 *     TRY(image_load(&image, "part.png"));
 *     TRY(image_resize_rgb(rgb, &image, 518));
 *     image_normalise(input, rgb, 518, IMAGE_SCALE_CLIP);
 *   out:
 *     image_free(&image);
 *
 * Local; every function may be called from several threads at once.
 */
#ifndef IMAGES_IMAGES_H
#define IMAGES_IMAGES_H

#include <stddef.h>
#include <stdint.h>

/* How pixels are stored, and with that how they are resized. */
enum image_mode {
    IMAGE_BIT,        /* 1 byte, 0 or 255; resized by nearest neighbour */
    IMAGE_GREY,       /* 1 byte */
    IMAGE_GREY16,     /* uint16_t in host order; scaled to 8 bits before a resize */
    IMAGE_GREY_ALPHA, /* 2 bytes; resized premultiplied, alpha then dropped */
    IMAGE_RGB,        /* 3 bytes */
    IMAGE_RGBA,       /* 4 bytes; resized premultiplied, alpha then dropped */
    IMAGE_PALETTE,    /* 3 bytes, the palette already applied; resized by nearest neighbour */
};

struct image {
    size_t width;
    size_t height;
    enum image_mode mode;
    uint8_t *pixels; /* [height, width, image_pixel_bytes(mode)], owned */
};

/* Bytes of one pixel. */
size_t image_pixel_bytes(enum image_mode mode);

/*
 * Decode a file in its own mode. The content decides the format, not the name. Free with
 * image_free; on failure *out is empty. ERR_IO when the file cannot be read, ERR_FORMAT when it is
 * larger than 1 GiB, has no pixels, more than 2^28 pixels or more than its size can hold, is
 * truncated, damaged or of an unknown kind; the message names the path and the reason. ERR_MEMORY.
 */
int image_load(struct image *out, const char *path);

/* The same from n bytes in memory; name stands for the path in messages. */
int image_decode(struct image *out, const uint8_t *bytes, size_t n, const char *name);

/*
 * Whether the first bytes are of a kind that image_load reads; nothing else is looked at. ERR_IO, ERR_FORMAT
 * with the message of image_load.
 */
int image_check_kind(const char *path);

/* Release the pixels and make it empty. */
void image_free(struct image *image);

/*
 * rgb [side, side, 3]: the image resized as Pillow does it in the image's own mode (bicubic with
 * antialiasing; nearest neighbour for IMAGE_BIT and IMAGE_PALETTE; nothing when the size is already
 * right), then converted to RGB. ERR_SHAPE when side is 0 or above 2^14. ERR_MEMORY.
 */
int image_resize_rgb(uint8_t *rgb, const struct image *image, size_t side);

/* Mean and deviation of the pixels that a model was trained on. */
enum image_scale { IMAGE_SCALE_CLIP, IMAGE_SCALE_IMAGENET };

/*
 * input [3, side, side] from rgb [side, side, 3]: (x / 255 - mean) / std, every step in float32, so that
 * the bits equal those of numpy and torch.
 */
void image_normalise(float *input, const uint8_t *rgb, size_t side, enum image_scale scale);

/*
 * mask [side, side] of 0 and 1. A pixel is defect when its grey value (Pillow's convert("L")) is
 * not zero; 0/255 is resized by Pillow's bilinear filter and cut above one half. In IMAGE_GREY16
 * every value but 0 is defect. ERR_SHAPE when side is 0 or above 2^14. ERR_MEMORY.
 */
int image_mask(uint8_t *mask, const struct image *image, size_t side);

/*
 * Write 8-bit pixels [height, width, channels] as PNG (1 grey, 2 grey+alpha, 3 RGB, 4 RGBA). The
 * file appears whole or not at all. ERR_SHAPE for sizes that a PNG writer cannot take, ERR_IO,
 * ERR_MEMORY.
 */
int image_write_png(const char *path, const uint8_t *pixels, size_t width, size_t height,
                    size_t channels);

/* Names and versions of the libraries that decode; static storage. */
const char *image_libraries(void);

#endif /* IMAGES_IMAGES_H */
