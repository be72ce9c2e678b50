/*
 * image_tiff.c - TIFF through libtiff: first page, strips or tiles, pixels as Pillow reads them.
 *
 * The file lies in memory, libtiff reads it from there and may allocate no more than the file's
 * size justifies. Rows of a chunk (strip or tile) are unpacked to 8-bit samples, 16-bit grey
 * stays.
 */
#include "images/image_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <tiffio.h>

/* libtiff's view of the file, and its last complaint. */
struct tiff_source {
    const struct image_bytes *file;
    size_t at;
    bool is_cut; /* a tag's values lie beyond the end */
    char message[200];
};

struct tiff {
    TIFF *handle;
    const struct image_bytes *file;
    const struct tiff_source *source;
    uint16_t bits;    /* of a sample */
    uint16_t samples; /* of a pixel in the file */
    uint16_t photometric;
    uint16_t alpha; /* what the first extra sample is, EXTRASAMPLE_... */
    bool has_extra;
    bool is_separate;     /* one plane per sample */
    uint16_t *map[3];     /* the palette, [1 << bits] each, borrowed from libtiff */
    uint32_t chunk_width; /* of a strip or tile */
    uint32_t chunk_height;
    size_t chunk_bytes;
    uint8_t *chunk; /* [chunk_bytes], owned */
};

static tmsize_t source_read(thandle_t handle, void *to, tmsize_t n)
{
    struct tiff_source *s = handle;
    size_t left = s->at < s->file->n ? s->file->n - s->at : 0;
    size_t got = (size_t)n < left ? (size_t)n : left;
    if (got)
        memcpy(to, s->file->at + s->at, got);
    s->at += got;
    return (tmsize_t)got;
}

static tmsize_t source_write(thandle_t handle, void *from, tmsize_t n)
{
    (void)handle;
    (void)from;
    (void)n;
    return -1;
}

static toff_t source_seek(thandle_t handle, toff_t to, int whence)
{
    struct tiff_source *s = handle;
    toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->at : s->file->n;
    s->at = (size_t)(base + to);
    return s->at;
}

static int source_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t source_size(thandle_t handle)
{
    const struct tiff_source *s = handle;
    return s->file->n;
}

/* Lends the file itself, so that libtiff allocates nothing for compressed data. */
static int source_map(thandle_t handle, void **base, toff_t *size)
{
    const struct tiff_source *s = handle;
    *base = (void *)(uintptr_t)s->file->at;
    *size = s->file->n;
    return 1;
}

static void source_unmap(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

__attribute__((format(printf, 4, 0))) static int
on_error(TIFF *tiff, void *data, const char *module, const char *fmt, va_list ap)
{
    struct tiff_source *s = data;
    (void)tiff;
    (void)module;
    (void)vsnprintf(s->message, sizeof s->message, fmt, ap);
    return 1; /* handled: do not print */
}

/*
 * Warnings are not shown, but one matters: when the values of a tag cannot be read, libtiff goes on
 * without the tag, and a palette image would turn into grey.
 */
__attribute__((format(printf, 4, 0))) static int
on_warning(TIFF *tiff, void *data, const char *module, const char *fmt, va_list ap)
{
    struct tiff_source *s = data;
    (void)tiff;
    (void)module;
    (void)vsnprintf(s->message, sizeof s->message, fmt, ap);
    s->is_cut = s->is_cut || strncmp(s->message, "IO error", 8) == 0;
    return 1;
}

static int tiff_open(struct tiff *t, struct tiff_source *source)
{
    int rc = ERR_OK;
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        FAIL(ERR_MEMORY, "%s: out of memory", t->file->name);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)image_memory_limit(t->file->n));
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, source);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, source);
    t->source = source;
    t->handle =
        TIFFClientOpenExt(t->file->name, "r", source, source_read, source_write, source_seek,
                          source_close, source_size, source_map, source_unmap, options);
    if (!t->handle)
        FAIL(ERR_FORMAT, "%s: cannot be read as TIFF: %s", t->file->name, source->message);
    if (source->is_cut)
        FAIL(ERR_FORMAT, "%s: truncated TIFF: %s", t->file->name, source->message);
out:
    if (options)
        TIFFOpenOptionsFree(options);
    return rc;
}

/* Colours of a JPEG-compressed page arrive as RGB when libtiff is asked for them. */
static void tiff_ask_rgb(struct tiff *t)
{
    uint16_t compression = COMPRESSION_NONE;
    (void)TIFFGetFieldDefaulted(t->handle, TIFFTAG_COMPRESSION, &compression);
    if (compression != COMPRESSION_JPEG || t->photometric != PHOTOMETRIC_YCBCR || t->is_separate)
        return;
    (void)TIFFSetField(t->handle, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    t->photometric = PHOTOMETRIC_RGB;
}

static int tiff_read_tags(struct tiff *t)
{
    int rc = ERR_OK;
    uint16_t format = SAMPLEFORMAT_UINT;
    uint16_t planar = PLANARCONFIG_CONTIG;
    uint16_t n_extra = 0;
    uint16_t *extra = NULL;
    (void)TIFFGetFieldDefaulted(t->handle, TIFFTAG_BITSPERSAMPLE, &t->bits);
    (void)TIFFGetFieldDefaulted(t->handle, TIFFTAG_SAMPLESPERPIXEL, &t->samples);
    (void)TIFFGetFieldDefaulted(t->handle, TIFFTAG_SAMPLEFORMAT, &format);
    (void)TIFFGetFieldDefaulted(t->handle, TIFFTAG_PLANARCONFIG, &planar);
    (void)TIFFGetFieldDefaulted(t->handle, TIFFTAG_EXTRASAMPLES, &n_extra, &extra);
    if (!TIFFGetField(t->handle, TIFFTAG_PHOTOMETRIC, &t->photometric))
        t->photometric = PHOTOMETRIC_MINISWHITE; /* as Pillow takes it when the tag is missing */
    t->is_separate = planar == PLANARCONFIG_SEPARATE && t->samples > 1;
    t->has_extra = n_extra > 0 && extra;
    t->alpha = t->has_extra ? extra[0] : EXTRASAMPLE_UNASSALPHA;
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
        FAIL(ERR_FORMAT, "%s: TIFF samples that are not unsigned integers", t->file->name);
    tiff_ask_rgb(t);
out:
    return rc;
}

static enum image_mode grey_mode(const struct tiff *t)
{
    if (t->bits == 1)
        return IMAGE_BIT;
    if (t->bits == 16 && t->samples == 1)
        return IMAGE_GREY16;
    return t->samples == 1 || t->alpha == EXTRASAMPLE_UNSPECIFIED ? IMAGE_GREY : IMAGE_GREY_ALPHA;
}

/* The page's mode, or ERR_FORMAT for what is not read. */
static int tiff_mode(enum image_mode *mode, struct tiff *t)
{
    int rc = ERR_OK;
    bool is_small = t->bits == 1 || t->bits == 2 || t->bits == 4;
    bool is_known = t->bits == 8 || t->bits == 16 || (is_small && t->samples == 1);
    if (t->photometric == PHOTOMETRIC_MINISWHITE || t->photometric == PHOTOMETRIC_MINISBLACK) {
        *mode = grey_mode(t);
        is_known = is_known && t->samples >= 1;
    } else if (t->photometric == PHOTOMETRIC_RGB) {
        bool has_alpha = t->samples > 3 && t->alpha != EXTRASAMPLE_UNSPECIFIED;
        *mode = has_alpha ? IMAGE_RGBA : IMAGE_RGB;
        is_known = is_known && t->samples >= 3;
    } else if (t->photometric == PHOTOMETRIC_PALETTE) {
        *mode = IMAGE_PALETTE;
        is_known = is_known && t->bits <= 8 && t->samples == 1 &&
                   TIFFGetField(t->handle, TIFFTAG_COLORMAP, &t->map[0], &t->map[1], &t->map[2]);
    } else {
        is_known = false;
    }
    if (!is_known)
        FAIL(ERR_FORMAT, "%s: TIFF with photometric %u, %u samples of %u bits is not read",
             t->file->name, t->photometric, t->samples, t->bits);
out:
    return rc;
}

static int tiff_read_header(struct image_header *header, struct tiff *t)
{
    int rc = ERR_OK;
    uint32_t width = 0;
    uint32_t height = 0;
    (void)TIFFGetField(t->handle, TIFFTAG_IMAGEWIDTH, &width);
    (void)TIFFGetField(t->handle, TIFFTAG_IMAGELENGTH, &height);
    header->width = width;
    header->height = height;
    TRY(tiff_read_tags(t));
    TRY(tiff_mode(&header->mode, t));
out:
    return rc;
}

/* Size of a strip or tile and memory for one; its claims are bounded as the image's are. */
static int tiff_chunk_new(struct tiff *t, const struct image_header *header)
{
    int rc = ERR_OK;
    tmsize_t bytes;
    if (TIFFIsTiled(t->handle)) {
        (void)TIFFGetField(t->handle, TIFFTAG_TILEWIDTH, &t->chunk_width);
        (void)TIFFGetField(t->handle, TIFFTAG_TILELENGTH, &t->chunk_height);
        bytes = TIFFTileSize(t->handle);
    } else {
        t->chunk_width = (uint32_t)header->width;
        (void)TIFFGetFieldDefaulted(t->handle, TIFFTAG_ROWSPERSTRIP, &t->chunk_height);
        if (t->chunk_height > header->height)
            t->chunk_height = (uint32_t)header->height;
        bytes = TIFFStripSize(t->handle);
    }
    if (t->chunk_width == 0 || t->chunk_height == 0 || bytes <= 0 ||
        (size_t)bytes > image_memory_limit(t->file->n))
        FAIL(ERR_FORMAT, "%s: TIFF strips or tiles of %u x %u pixels cannot be read", t->file->name,
             t->chunk_width, t->chunk_height);
    t->chunk_bytes = (size_t)bytes;
    TRY(MEM_NEW(t->chunk, t->chunk_bytes));
out:
    return rc;
}

/* Sample i of a row as 8 bits; small depths are spread over 0..255. */
static inline uint8_t sample8(const uint8_t *row, size_t i, unsigned bits)
{
    static const uint8_t spread[] = {[1] = 255, [2] = 85, [4] = 17};
    uint16_t wide;
    size_t shift;
    if (bits == 8)
        return row[i];
    if (bits == 16) {
        memcpy(&wide, row + 2 * i, 2);
        return (uint8_t)(wide >> 8);
    }
    shift = 8 - bits - (i * bits) % 8;
    return (uint8_t)((((unsigned)row[i * bits / 8] >> shift) & ((1U << bits) - 1)) * spread[bits]);
}

static void unpack_palette(uint8_t *out, const uint8_t *row, size_t n, const struct tiff *t)
{
    static const uint8_t spread[] = {[1] = 255, [2] = 85, [4] = 17, [8] = 1};
    for (size_t i = 0; i < n; i++) {
        size_t index = sample8(row, i, t->bits) / spread[t->bits];
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] = (uint8_t)(t->map[c][index] >> 8);
    }
}

static void unpack_grey16(uint8_t *out, const uint8_t *row, size_t n, const struct tiff *t)
{
    memcpy(out, row, 2 * n);
    if (t->photometric == PHOTOMETRIC_MINISWHITE)
        for (size_t i = 0; i < 2 * n; i++)
            out[i] = (uint8_t)~out[i];
}

/* n pixels of a chunk's row; plane is 0 for interleaved samples. */
static void unpack_row(uint8_t *out, const uint8_t *row, size_t n, const struct image *image,
                       const struct tiff *t, size_t plane)
{
    size_t channels = image_pixel_bytes(image->mode);
    size_t first = t->is_separate ? plane : 0;
    size_t last = t->is_separate ? plane + 1 : channels;
    size_t stride = t->is_separate ? 1 : t->samples;
    uint8_t flip = t->photometric == PHOTOMETRIC_MINISWHITE ? 255 : 0;
    if (image->mode == IMAGE_PALETTE) {
        unpack_palette(out, row, n, t);
    } else if (image->mode == IMAGE_GREY16) {
        unpack_grey16(out, row, n, t);
    } else if (t->bits == 8 && stride == channels && !flip) {
        memcpy(out, row, n * channels);
    } else {
        for (size_t c = first; c < last; c++)
            for (size_t i = 0; i < n; i++)
                out[i * channels + c] = sample8(row, i * stride + c - first, t->bits) ^
                                        (c == 0 || channels > 2 ? flip : 0);
    }
}

/* Decode the chunk that holds pixel (x, y); ERR_FORMAT when it is damaged or short. */
static int chunk_read(struct tiff *t, size_t x, size_t y, size_t plane, size_t n_rows)
{
    int rc = ERR_OK;
    uint32_t px = (uint32_t)x;
    uint32_t py = (uint32_t)y;
    size_t wanted = t->chunk_bytes / t->chunk_height * n_rows;
    tmsize_t got;
    if (TIFFIsTiled(t->handle))
        got = TIFFReadEncodedTile(t->handle, TIFFComputeTile(t->handle, px, py, 0, (uint16_t)plane),
                                  t->chunk, (tmsize_t)t->chunk_bytes);
    else
        got = TIFFReadEncodedStrip(t->handle, TIFFComputeStrip(t->handle, py, (uint16_t)plane),
                                   t->chunk, (tmsize_t)t->chunk_bytes);
    if (got < 0 || (size_t)got < wanted)
        FAIL(ERR_FORMAT, "%s: truncated or damaged TIFF: %s", t->file->name, t->source->message);
out:
    return rc;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int tiff_read_chunk(struct image *image, struct tiff *t, size_t x, size_t y, size_t plane)
{
    int rc = ERR_OK;
    size_t n = smaller(t->chunk_width, image->width - x);
    size_t n_rows = smaller(t->chunk_height, image->height - y);
    size_t row_bytes = t->chunk_bytes / t->chunk_height;
    size_t pixel = image_pixel_bytes(image->mode);
    TRY(chunk_read(t, x, y, plane, n_rows));
    for (size_t r = 0; r < n_rows; r++)
        unpack_row(image->pixels + ((y + r) * image->width + x) * pixel, t->chunk + r * row_bytes,
                   n, image, t, plane);
out:
    return rc;
}

static int tiff_read_pixels(struct image *image, struct tiff *t)
{
    int rc = ERR_OK;
    size_t n_planes = t->is_separate ? smaller(t->samples, image_pixel_bytes(image->mode)) : 1;
    for (size_t plane = 0; plane < n_planes; plane++)
        for (size_t y = 0; y < image->height; y += t->chunk_height)
            for (size_t x = 0; x < image->width; x += t->chunk_width)
                TRY(tiff_read_chunk(image, t, x, y, plane));
out:
    return rc;
}

int image_tiff_decode(struct image *out, const struct image_bytes *file)
{
    int rc = ERR_OK;
    struct tiff_source source = {.file = file, .message = "not enough data"};
    struct tiff t = {.file = file};
    struct image_header header = {0};
    uint16_t orientation = ORIENTATION_TOPLEFT;
    TRY(tiff_open(&t, &source));
    TRY(tiff_read_header(&header, &t));
    TRY(image_check_header(&header, file));
    TRY(tiff_chunk_new(&t, &header));
    TRY(image_new(out, &header, file));
    TRY(tiff_read_pixels(out, &t));
    if (t.has_extra && t.alpha == EXTRASAMPLE_ASSOCALPHA)
        image_unpremultiply(out->pixels, out->width * out->height, image_pixel_bytes(out->mode));
    (void)TIFFGetFieldDefaulted(t.handle, TIFFTAG_ORIENTATION, &orientation);
    TRY(image_orient(out, orientation));
out:
    if (t.handle)
        TIFFClose(t.handle);
    MEM_FREE(t.chunk);
    return rc;
}

const char *image_libraries(void)
{
    static char text[96];
    int n = (int)strcspn(TIFFGetVersion(), "\n"); /* a copyright follows */
    (void)snprintf(text, sizeof text, "stb_image (it tells no version); %.*s", n, TIFFGetVersion());
    return text;
}
