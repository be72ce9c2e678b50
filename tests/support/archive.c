/* archive.c - see archive.h. */
#include "archive.h"

#include <stdlib.h>
#include <zip.h>

static void demand(bool ok)
{
    if (!ok)
        abort();
}

static void add_part(zip_t *zip, const struct archive_part *part)
{
    zip_source_t *source = zip_source_buffer(zip, part->bytes, part->n, 0);
    zip_int64_t at = zip_file_add(zip, part->name, source, 0);
    demand(at >= 0);
    demand(zip_set_file_compression(zip, (zip_uint64_t)at,
                                    part->deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) == 0);
    demand(zip_file_set_dostime(zip, (zip_uint64_t)at, 0, 1 << 5 | 1, 0) == 0);
}

uint8_t *archive_build(const struct archive_part *part, size_t n_parts, size_t *n)
{
    zip_stat_t st;
    uint8_t *out;
    zip_t *zip;
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, NULL);
    demand(source != NULL);
    zip_source_keep(source); /* zip_close would free it */
    zip = zip_open_from_source(source, ZIP_TRUNCATE, NULL);
    demand(zip != NULL);
    for (size_t i = 0; i < n_parts; i++)
        add_part(zip, &part[i]);
    demand(zip_close(zip) == 0);
    zip_stat_init(&st);
    demand(zip_source_stat(source, &st) == 0 && zip_source_open(source) == 0);
    *n = (size_t)st.size;
    out = malloc(*n);
    demand(out && zip_source_read(source, out, *n) == (zip_int64_t)*n);
    (void)zip_source_close(source);
    zip_source_free(source);
    return out;
}
