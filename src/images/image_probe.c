/*
 * image_probe.c - headers of compressed formats, and whether the file is whole.
 *
 * stb_image fills what is missing from a cut file with whatever it has, so the structure of each
 * format is walked to its end first. Modes are those that Pillow gives the file.
 */
#include "images/image_int.h"

#include "base/err.h"

#include <string.h>
#include <zlib.h>

static const enum image_mode NO_MODE = (enum image_mode) - 1;

static enum image_mode png_mode(uint32_t depth, uint32_t colour)
{
    if (colour == 0)
        return depth == 1 ? IMAGE_BIT : depth == 16 ? IMAGE_GREY16 : IMAGE_GREY;
    if (colour == 2)
        return IMAGE_RGB;
    if (colour == 3)
        return IMAGE_PALETTE;
    if (colour == 4)
        return IMAGE_GREY_ALPHA;
    return colour == 6 ? IMAGE_RGBA : NO_MODE;
}

static int png_header(struct image_header *out, const uint8_t *body, uint32_t length,
                      const struct image_bytes *file)
{
    int rc = ERR_OK;
    if (length != 13)
        FAIL(ERR_FORMAT, "%s: PNG header of %u bytes, not 13", file->name, length);
    out->width = image_be32(body);
    out->height = image_be32(body + 4);
    out->mode = png_mode(body[8], body[9]);
    if (out->mode == NO_MODE)
        FAIL(ERR_FORMAT, "%s: PNG colour type %d is unknown", file->name, body[9]);
out:
    return rc;
}

/* Critical chunks (capital first letter) must match their checksum. */
static bool png_chunk_is_sound(const uint8_t *type, uint32_t length)
{
    uint32_t want = image_be32(type + 4 + length);
    return (type[0] & 0x20) || crc32(0, type, 4 + length) == want;
}

int image_probe_png(struct image_header *out, const struct image_bytes *file)
{
    int rc = ERR_OK;
    size_t at = 8;
    const uint8_t *type = NULL;
    do {
        uint32_t length;
        if (file->n - at < 12)
            FAIL(ERR_FORMAT, "%s: truncated PNG: no end chunk in %zu bytes", file->name, file->n);
        length = image_be32(file->at + at);
        type = file->at + at + 4;
        if (length > file->n - at - 12)
            FAIL(ERR_FORMAT, "%s: truncated PNG: chunk %.4s at byte %zu wants %u bytes", file->name,
                 (const char *)type, at, length);
        if (!png_chunk_is_sound(type, length))
            FAIL(ERR_FORMAT, "%s: damaged PNG: checksum of chunk %.4s at byte %zu", file->name,
                 (const char *)type, at);
        if ((at == 8) != !memcmp(type, "IHDR", 4))
            FAIL(ERR_FORMAT, "%s: PNG header chunk missing or repeated", file->name);
        if (at == 8)
            TRY(png_header(out, type + 4, length, file));
        at += 12 + (size_t)length;
    } while (memcmp(type, "IEND", 4) != 0);
out:
    return rc;
}

/* Position of the next marker's second byte at or after `at`, or n when there is none. */
static size_t jpeg_next_marker(const struct image_bytes *file, size_t at)
{
    for (; at + 1 < file->n; at++)
        if (file->at[at] == 0xFF && file->at[at + 1] != 0xFF && file->at[at + 1] != 0x00)
            return at + 1;
    return file->n;
}

/* Start-of-frame markers are C0 to CF without the tables C4 and CC and the reserved C8. */
static bool jpeg_is_frame(uint8_t marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

static bool jpeg_has_segment(uint8_t marker)
{
    return marker != 0x01 && !(marker >= 0xD0 && marker <= 0xD8);
}

static int jpeg_frame(struct image_header *out, const uint8_t *segment, uint32_t length,
                      const struct image_bytes *file)
{
    int rc = ERR_OK;
    if (length < 8)
        FAIL(ERR_FORMAT, "%s: JPEG frame header of %u bytes", file->name, length);
    out->height = image_be16(segment + 3);
    out->width = image_be16(segment + 5);
    out->mode = segment[7] == 1 ? IMAGE_GREY : IMAGE_RGB;
out:
    return rc;
}

/*
 * Huffman tables: each is a byte, 16 counts and as many symbols as the counts sum up to. stb_image
 * writes past its 256 entries when they claim more.
 */
static bool jpeg_tables_are_sound(const uint8_t *segment, uint32_t length)
{
    uint32_t at = 2;
    while (at < length) {
        uint32_t n_symbols = 0;
        if (length - at < 17)
            return false;
        for (size_t i = 1; i <= 16; i++)
            n_symbols += segment[at + i];
        if (n_symbols > 256 || n_symbols > length - at - 17)
            return false;
        at += 17 + n_symbols;
    }
    return true;
}

/* Entropy-coded data needs no special care: in it FF is followed by 00 or a restart marker. */
int image_probe_jpeg(struct image_header *out, const struct image_bytes *file)
{
    int rc = ERR_OK;
    size_t at = 2;
    for (;;) {
        uint32_t length;
        uint8_t marker;
        at = jpeg_next_marker(file, at);
        if (at == file->n)
            FAIL(ERR_FORMAT, "%s: truncated JPEG: no end marker in %zu bytes", file->name, file->n);
        marker = file->at[at++];
        if (marker == 0xD9)
            break;
        if (!jpeg_has_segment(marker))
            continue;
        length = file->n - at < 2 ? 0 : image_be16(file->at + at);
        if (length < 2 || length > file->n - at)
            FAIL(ERR_FORMAT, "%s: truncated JPEG: segment %02X at byte %zu", file->name, marker,
                 at);
        if (jpeg_is_frame(marker))
            TRY(jpeg_frame(out, file->at + at, length, file));
        if (marker == 0xC4 && !jpeg_tables_are_sound(file->at + at, length))
            FAIL(ERR_FORMAT, "%s: damaged JPEG: Huffman tables at byte %zu", file->name, at);
        at += length;
    }
out:
    return rc;
}

static int gif_truncated(const struct image_bytes *file)
{
    int rc = ERR_OK;
    FAIL(ERR_FORMAT, "%s: truncated GIF: no complete frame in %zu bytes", file->name, file->n);
out:
    return rc;
}

/* Byte after the chain of sub-blocks that starts at `at`, or n + 1 when it is cut. */
static size_t gif_skip_blocks(const struct image_bytes *file, size_t at)
{
    while (at < file->n && file->at[at] != 0)
        at += 1 + (size_t)file->at[at];
    return at < file->n ? at + 1 : file->n + 1;
}

/* Pillow reads a file whose palette is the grey ramp 0, 1, 2, ... as grey. */
static bool gif_is_ramp(const uint8_t *palette, size_t colours)
{
    for (size_t i = 0; i < colours; i++)
        for (size_t c = 0; c < 3; c++)
            if (palette[3 * i + c] != i)
                return false;
    return true;
}

/* Entries of the palette that these flags announce; 0 when there is none. */
static size_t gif_colours(uint8_t flags)
{
    return flags & 0x80 ? (size_t)2 << (flags & 7) : 0;
}

static int gif_frame(struct image_header *out, const struct image_bytes *file, size_t at)
{
    size_t colours;
    if (file->n - at < 10)
        return gif_truncated(file);
    colours = gif_colours(file->at[at + 9]);
    at += 10;
    if (3 * colours + 1 > file->n - at)
        return gif_truncated(file);
    if (colours)
        out->mode = gif_is_ramp(file->at + at, colours) ? IMAGE_GREY : IMAGE_PALETTE;
    return gif_skip_blocks(file, at + 3 * colours + 1) > file->n ? gif_truncated(file) : ERR_OK;
}

int image_probe_gif(struct image_header *out, const struct image_bytes *file)
{
    int rc = ERR_OK;
    size_t at = 13;
    size_t colours;
    if (file->n < 13)
        TRY(gif_truncated(file));
    out->width = image_le16(file->at + 6);
    out->height = image_le16(file->at + 8);
    colours = gif_colours(file->at[10]);
    if (3 * colours > file->n - at)
        TRY(gif_truncated(file));
    out->mode = gif_is_ramp(file->at + at, colours) ? IMAGE_GREY : IMAGE_PALETTE;
    at += 3 * colours;
    while (at < file->n && file->at[at] == '!')
        at = gif_skip_blocks(file, at + 2);
    if (at >= file->n || file->at[at] != ',')
        TRY(gif_truncated(file));
    TRY(gif_frame(out, file, at));
out:
    return rc;
}
