/* image_int.h - what the files of images/ share: a file in memory, limits, decoders, resampling. */
#ifndef IMAGES_IMAGE_INT_H
#define IMAGES_IMAGE_INT_H

#include "images/images.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole file in memory; everything borrowed. */
struct image_bytes {
    const uint8_t *at; /* [n] */
    size_t n;
    const char *name; /* for messages */
};

/* What a file's header promises: the structure is checked, the pixels are not decoded yet. */
struct image_header {
    size_t width;
    size_t height;
    enum image_mode mode;
    unsigned orientation; /* of the pixels as the decoder gives them, as for image_orient */
};

uint32_t image_le16(const uint8_t *p);
uint32_t image_le32(const uint8_t *p);
uint32_t image_be16(const uint8_t *p);
uint32_t image_be32(const uint8_t *p);

/* The most memory that a file of n bytes may ask for. */
size_t image_memory_limit(size_t n);

/* ERR_FORMAT when the header claims no pixels, too many, or more than the file can hold. */
int image_check_header(const struct image_header *header, const struct image_bytes *file);

/* Check the header and allocate zeroed pixels for it. */
int image_new(struct image *out, const struct image_header *header, const struct image_bytes *file);

/*
 * Read a header and check that the file is whole (for PNG also its checksums), because the decoder
 * would make up what is missing. ERR_FORMAT names the file and what is wrong.
 */
int image_probe_png(struct image_header *out, const struct image_bytes *file);
int image_probe_jpeg(struct image_header *out, const struct image_bytes *file);
int image_probe_gif(struct image_header *out, const struct image_bytes *file);
int image_probe_bmp(struct image_header *out, const struct image_bytes *file);
int image_probe_tga(struct image_header *out, const struct image_bytes *file);

/* Decode a probed file with stb_image. ERR_FORMAT with stb_image's reason. */
int image_stb_decode(struct image *out, const struct image_header *header,
                     const struct image_bytes *file);

int image_tiff_decode(struct image *out, const struct image_bytes *file);
int image_pnm_decode(struct image *out, const struct image_bytes *file);

/* Turn and mirror by a TIFF orientation, 1 to 8; other values do nothing. ERR_MEMORY. */
int image_orient(struct image *image, unsigned orientation);

/* Colours by alpha, and back as Pillow does it; `channels` counts the alpha, which comes last. */
void image_premultiply(uint8_t *pixels, size_t n_pixels, size_t channels);
void image_unpremultiply(uint8_t *pixels, size_t n_pixels, size_t channels);

enum resample_filter { RESAMPLE_BILINEAR, RESAMPLE_BICUBIC };

/* A resize of 8-bit pixels to a square. */
struct resample {
    size_t width;
    size_t height;
    size_t side;
    size_t channels; /* 1 to 4, each resized on its own */
    enum resample_filter filter;
};

/* out [side, side, channels] from in [height, width, channels]. ERR_SHAPE, ERR_MEMORY. */
int image_resample(uint8_t *out, const uint8_t *in, const struct resample *job);

/* The same by nearest neighbour; the filter is ignored. */
int image_resample_nearest(uint8_t *out, const uint8_t *in, const struct resample *job);

#endif /* IMAGES_IMAGE_INT_H */
