/*
 * image_pnm.c - binary PNM: P4 (1 bit), P5 (grey) and P6 (RGB) with any maximum, scaled as Pillow.
 */
#include "images/image_int.h"

#include "base/err.h"

#include <math.h>
#include <string.h>

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The next number of the header; the one space after it is taken too. Comments run to a line's
 * end.
 */
static int read_number(size_t *value, size_t *at, const struct image_bytes *file)
{
    int rc = ERR_OK;
    size_t n_digits = 0;
    *value = 0;
    while (*at < file->n && (is_space(file->at[*at]) || file->at[*at] == '#')) {
        if (file->at[*at] == '#')
            while (*at + 1 < file->n && file->at[*at + 1] != '\n' && file->at[*at + 1] != '\r')
                ++*at;
        ++*at;
    }
    for (; *at < file->n && file->at[*at] >= '0' && file->at[*at] <= '9'; ++*at, n_digits++)
        if (n_digits < 10)
            *value = *value * 10 + (size_t)(file->at[*at] - '0');
    if (n_digits == 0 || n_digits > 9 || *at >= file->n || !is_space(file->at[*at]))
        FAIL(ERR_FORMAT, "%s: PNM header is damaged at byte %zu", file->name, *at);
    ++*at;
out:
    return rc;
}

/* A row of bits, 1 is black. */
static void read_bits(uint8_t *out, const uint8_t *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = row[i / 8] >> (7 - i % 8) & 1 ? 0 : 255;
}

/* Samples of 1 or 2 bytes, scaled so that max becomes 255 (65535 in 16-bit grey). */
static void read_samples(struct image *out, const uint8_t *in, size_t n, size_t max)
{
    bool is_wide = max > 255;
    bool is_grey16 = out->mode == IMAGE_GREY16;
    double top = is_grey16 ? 65535.0 : 255.0;
    for (size_t i = 0; i < n; i++) {
        unsigned value = is_wide ? image_be16(in + 2 * i) : in[i];
        uint16_t scaled = (uint16_t)fmin(top, nearbyint(value / (double)max * top));
        if (is_grey16)
            memcpy(out->pixels + 2 * i, &scaled, 2);
        else
            out->pixels[i] = (uint8_t)scaled;
    }
}

static int read_header(struct image_header *header, size_t *max, size_t *at,
                       const struct image_bytes *file)
{
    int rc = ERR_OK;
    uint8_t kind = file->at[1];
    if (kind < '4')
        FAIL(ERR_FORMAT, "%s: PNM in text form (P%c) is not read", file->name, kind);
    TRY(read_number(&header->width, at, file));
    TRY(read_number(&header->height, at, file));
    *max = 1;
    if (kind != '4')
        TRY(read_number(max, at, file));
    if (*max == 0 || *max > 65535)
        FAIL(ERR_FORMAT, "%s: PNM maximum %zu is not in 1..65535", file->name, *max);
    if (kind == '4')
        header->mode = IMAGE_BIT;
    else if (kind == '5')
        header->mode = *max > 255 ? IMAGE_GREY16 : IMAGE_GREY;
    else
        header->mode = IMAGE_RGB;
    TRY(image_check_header(header, file));
out:
    return rc;
}

int image_pnm_decode(struct image *out, const struct image_bytes *file)
{
    int rc = ERR_OK;
    struct image_header header = {0};
    size_t max = 0;
    size_t at = 2;
    size_t row;
    size_t n;
    TRY(read_header(&header, &max, &at, file));
    n = header.width * (header.mode == IMAGE_RGB ? 3 : 1);
    row = header.mode == IMAGE_BIT ? (n + 7) / 8 : max > 255 ? 2 * n : n;
    if (header.height > (file->n - at) / row)
        FAIL(ERR_FORMAT, "%s: truncated PNM: %zu bytes", file->name, file->n);
    TRY(image_new(out, &header, file));
    if (header.mode == IMAGE_BIT)
        for (size_t y = 0; y < header.height; y++)
            read_bits(out->pixels + y * n, file->at + at + y * row, n);
    else
        read_samples(out, file->at + at, n * header.height, max);
out:
    return rc;
}
