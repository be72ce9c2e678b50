/*
 * torch_zip.c - the archive around a PyTorch file. Every libzip call of the reader is here.
 *
 * Sizes in the directory are claims: memory is taken only for what the packed bytes can unpack to.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/torch_int.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum {
    /* deflate reaches 1032 at most; weights that are all zero come near it and are small */
    MAX_RATIO = 1040,
    LIKELY_RATIO = 64,
    MAX_UNLIKELY = 64 << 20
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Which of two entries of one name is meant would depend on the reader. */
static int refuse_twins(const struct archive *a, size_t n)
{
    int rc = ERR_OK;
    char shown[64];
    const char **name = NULL;
    TRY(MEM_NEW(name, n));
    for (size_t i = 0; i < n; i++) {
        name[i] = zip_get_name(a->zip, i, ZIP_FL_ENC_RAW);
        if (!name[i])
            FAIL(ERR_FORMAT, "entry %zu of the archive has no name", i);
    }
    qsort(name, n, sizeof *name, by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(name[i - 1], name[i]) == 0)
            FAIL(ERR_FORMAT, "the archive has two entries '%s'",
                 torch_shown(shown, name[i], strlen(name[i])));
out:
    MEM_FREE(name);
    return rc;
}

/* torch.save puts everything into one folder, named as the file was. */
static int find_prefix(struct archive *a, size_t n)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < n; i++) {
        const char *name = zip_get_name(a->zip, i, ZIP_FL_ENC_RAW);
        const char *slash = name ? strchr(name, '/') : NULL;
        if (slash && slash > name && strcmp(slash, "/data.pkl") == 0)
            return str_make(&a->prefix, "%.*s/", (int)(slash - name), name);
    }
    FAIL(ERR_FORMAT, "a zip archive, but not of torch.save or torch.jit.save since 1.6: it has no "
                     "entry NAME/data.pkl");
out:
    return rc;
}

int archive_open(struct archive *a, const void *bytes, size_t n)
{
    int rc = ERR_OK;
    zip_error_t why;
    zip_source_t *source = NULL;
    zip_int64_t count;
    *a = (struct archive){.n_bytes = n};
    zip_error_init(&why);
    source = zip_source_buffer_create(bytes, n, 0, &why);
    if (source)
        a->zip = zip_open_from_source(source, ZIP_RDONLY, &why);
    if (!a->zip)
        FAIL(ERR_FORMAT, "the zip archive cannot be opened: %s", zip_error_strerror(&why));
    source = NULL;
    count = zip_get_num_entries(a->zip, 0);
    if (count <= 0)
        FAIL(ERR_FORMAT, "the zip archive is empty");
    TRY(refuse_twins(a, (size_t)count));
    TRY(find_prefix(a, (size_t)count));
out:
    zip_error_fini(&why);
    zip_source_free(source);
    if (rc)
        archive_close(a);
    return rc;
}

void archive_close(struct archive *a)
{
    if (a->zip)
        zip_discard(a->zip);
    MEM_FREE(a->prefix);
    *a = (struct archive){0};
}

/* ERR_OK and *entry negative when there is none. */
static int locate(const struct archive *a, const char *name, zip_int64_t *entry)
{
    int rc = ERR_OK;
    char *full = NULL;
    TRY(str_make(&full, "%s%s", a->prefix, name));
    *entry = zip_name_locate(a->zip, full, ZIP_FL_ENC_RAW);
out:
    MEM_FREE(full);
    return rc;
}

bool archive_has(const struct archive *a, const char *name)
{
    zip_int64_t entry = -1;
    if (locate(a, name, &entry))
        err_clear();
    return entry >= 0;
}

static int check_stat(const struct archive *a, const zip_stat_t *st)
{
    int rc = ERR_OK;
    const zip_uint64_t wanted = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    zip_uint64_t size = st->size;
    zip_uint64_t packed = st->comp_size;
    if ((st->valid & wanted) != wanted)
        FAIL(ERR_FORMAT, "the archive does not tell its size");
    if ((st->valid & ZIP_STAT_ENCRYPTION_METHOD) && st->encryption_method != ZIP_EM_NONE)
        FAIL(ERR_FORMAT, "it is encrypted");
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
        FAIL(ERR_FORMAT, "compression method %d is not read: stored or deflated wanted",
             (int)st->comp_method);
    if (packed > a->n_bytes) /* libzip does not look */
        FAIL(ERR_FORMAT, "%llu bytes are said to be in an archive of %zu",
             (unsigned long long)packed, a->n_bytes);
    if (st->comp_method == ZIP_CM_STORE && size != packed)
        FAIL(ERR_FORMAT, "it is stored, but %llu bytes are said to be %llu",
             (unsigned long long)packed, (unsigned long long)size);
    if (size / MAX_RATIO > packed || (size > MAX_UNLIKELY && size / LIKELY_RATIO > packed))
        FAIL(ERR_FORMAT, "%llu bytes are said to unpack to %llu: refused",
             (unsigned long long)packed, (unsigned long long)size);
out:
    return rc;
}

int archive_find(const struct archive *a, const char *name, uint64_t *entry, size_t *size)
{
    int rc = ERR_OK;
    char shown[64];
    zip_int64_t at;
    zip_stat_t st;
    TRY(locate(a, name, &at));
    if (at < 0)
        FAIL(ERR_FORMAT, "the archive has no entry NAME/%s",
             torch_shown(shown, name, strlen(name)));
    zip_stat_init(&st);
    if (zip_stat_index(a->zip, (zip_uint64_t)at, 0, &st))
        FAIL(ERR_FORMAT, "entry %s: %s", torch_shown(shown, name, strlen(name)),
             zip_strerror(a->zip));
    rc = check_stat(a, &st);
    if (rc)
        err_prefix("entry %s: ", torch_shown(shown, name, strlen(name)));
    TRY(rc);
    *entry = (uint64_t)at;
    *size = (size_t)st.size;
out:
    return rc;
}

/* Packed data may turn out longer or shorter than the directory says. */
static int unpack(zip_file_t *in, uint8_t *to, size_t n)
{
    int rc = ERR_OK;
    size_t have = 0;
    uint8_t extra;
    zip_int64_t got;
    while (have < n) {
        got = zip_fread(in, to + have, n - have);
        if (got < 0)
            FAIL(ERR_FORMAT, "%s", zip_error_strerror(zip_file_get_error(in)));
        if (got == 0)
            FAIL(ERR_FORMAT, "it ends after %zu of %zu bytes", have, n);
        have += (size_t)got;
    }
    got = zip_fread(in, &extra, 1); /* the CRC is compared at the end */
    if (got != 0)
        FAIL(ERR_FORMAT, "%s",
             got > 0 ? "it holds more than it says" : zip_error_strerror(zip_file_get_error(in)));
out:
    return rc;
}

int archive_read(const struct archive *a, uint64_t entry, uint8_t **out, size_t *n)
{
    int rc = ERR_OK;
    zip_file_t *in = NULL;
    zip_stat_t st;
    char shown[64];
    const char *name = zip_get_name(a->zip, entry, ZIP_FL_ENC_RAW);
    *out = NULL;
    zip_stat_init(&st);
    if (!name || zip_stat_index(a->zip, entry, 0, &st))
        FAIL(ERR_FORMAT, "entry %llu: %s", (unsigned long long)entry, zip_strerror(a->zip));
    TRY(check_stat(a, &st));
    TRY(MEM_NEW(*out, (size_t)st.size));
    in = zip_fopen_index(a->zip, entry, 0);
    if (!in)
        FAIL(ERR_FORMAT, "%s", zip_strerror(a->zip));
    TRY(unpack(in, *out, (size_t)st.size));
    *n = (size_t)st.size;
out:
    if (rc && name)
        err_prefix("entry %s: ", torch_shown(shown, name, strlen(name)));
    if (in)
        (void)zip_fclose(in);
    if (rc)
        MEM_FREE(*out);
    return rc;
}

const char *torch_library(void)
{
    return "libzip " LIBZIP_VERSION;
}
