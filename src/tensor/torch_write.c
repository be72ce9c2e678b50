/*
 * torch_write.c - files for torch.load: nested dicts of contiguous tensors, each with its own storage.
 *
 * The pickle uses no memo and no opcode beyond those that torch.load(weights_only=True) allows. The
 * archive is stored, as torch.save leaves it, and dated 1980, so that equal content gives equal bytes.
 */
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/torch.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zip.h>

enum { MAX_PARTS = 8, DOS_1980 = 1 << 5 | 1 };

struct entry {
    char *name;
    struct tensor data;
};

struct torch_writer {
    struct atomic_file file;
    struct entry *entry;
    size_t n;
    size_t cap;
};

int torch_write_begin(struct torch_writer **out, const char *path)
{
    int rc = ERR_OK;
    struct torch_writer *w = NULL;
    TRY(MEM_NEW(w, 1));
    TRY(atomic_begin(&w->file, path));
out:
    if (rc)
        torch_write_abort(&w);
    *out = w;
    return rc;
}

void torch_write_abort(struct torch_writer **writer)
{
    struct torch_writer *w = *writer;
    *writer = NULL;
    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++) {
        MEM_FREE(w->entry[i].name);
        tensor_free(&w->entry[i].data);
    }
    MEM_FREE(w->entry);
    atomic_abort(&w->file);
    MEM_FREE(w);
}

static int check_name(const char *name)
{
    int rc = ERR_OK;
    size_t parts = 1;
    size_t n = strlen(name);
    for (const char *p = name; *p; p++)
        parts += *p == '/';
    if (n == 0 || name[0] == '/' || name[n - 1] == '/' || strstr(name, "//") || parts > MAX_PARTS)
        FAIL(ERR_FORMAT, "'%s' cannot name a tensor: 1 to %d keys with '/' between them wanted",
             name, MAX_PARTS);
out:
    return rc;
}

int torch_write_tensor(struct torch_writer *w, const char *name, const struct tensor *t)
{
    int rc = ERR_OK;
    struct entry *e;
    if (t->dtype != DTYPE_F32 && t->dtype != DTYPE_I64)
        FAIL(ERR_FORMAT, "tensor '%s' is %s: f32 or i64 wanted", name, dtype_name(t->dtype));
    TRY(check_name(name));
    TRY(MEM_GROW(w->entry, &w->cap, w->n + 1));
    e = &w->entry[w->n++];
    TRY(str_dup(&e->name, name));
    TRY(tensor_new(&e->data, t->dtype, t->rank, t->dim));
    if (tensor_count(t))
        memcpy(e->data.data, t->data, tensor_count(t) * dtype_size(t->dtype));
out:
    return rc;
}

/* An opcode and a little-endian number of n bytes. */
static int put_number(struct str *out, char code, uint64_t value, size_t n)
{
    char bytes[9] = {code};
    for (size_t i = 0; i < n; i++)
        bytes[i + 1] = (char)(uint8_t)(value >> (8 * i));
    return str_add_bytes(out, bytes, n + 1);
}

static int put_int(struct str *out, uint64_t value)
{
    int rc = ERR_OK;
    if (value < 256)
        return put_number(out, 'K', value, 1);
    if (value < 65536)
        return put_number(out, 'M', value, 2);
    if (value <= INT32_MAX)
        return put_number(out, 'J', value, 4);
    TRY(str_add_bytes(out, "\x8a\x08", 2)); /* LONG1 of 8 bytes */
    for (size_t i = 0; i < 8; i++) {
        char byte = (char)(uint8_t)(value >> (8 * i));
        TRY(str_add_bytes(out, &byte, 1));
    }
out:
    return rc;
}

static int put_text(struct str *out, const char *text, size_t n)
{
    int rc = ERR_OK;
    TRY(put_number(out, 'X', n, 4));
    TRY(str_add_bytes(out, text, n));
out:
    return rc;
}

static int put_sizes(struct str *out, const size_t *size, int n)
{
    int rc = ERR_OK;
    TRY(str_add_bytes(out, "(", 1));
    for (int i = 0; i < n; i++)
        TRY(put_int(out, size[i]));
    TRY(str_add_bytes(out, "t", 1));
out:
    return rc;
}

/* _rebuild_tensor_v2((storage, type, key, "cpu", count) as id, 0, sizes, strides, False, OrderedDict()) */
static int put_tensor(struct str *out, const struct tensor *t, size_t key)
{
    int rc = ERR_OK;
    char text[24];
    size_t stride[TENSOR_MAX_RANK];
    size_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= t->dim[i] ? t->dim[i] : 1; /* as PyTorch counts */
    }
    TRY(str_add(out, "ctorch._utils\n_rebuild_tensor_v2\n(("));
    TRY(put_text(out, "storage", 7));
    TRY(str_addf(out, "ctorch\n%s\n", t->dtype == DTYPE_F32 ? "FloatStorage" : "LongStorage"));
    TRY(put_text(out, text, (size_t)snprintf(text, sizeof text, "%zu", key)));
    TRY(put_text(out, "cpu", 3));
    TRY(put_int(out, tensor_count(t)));
    TRY(str_add(out, "tQK"));
    TRY(str_add_bytes(out, "\0", 1));
    TRY(put_sizes(out, t->dim, t->rank));
    TRY(put_sizes(out, stride, t->rank));
    TRY(str_add(out, "\x89" /* False */ "ccollections\nOrderedDict\n)RtR"));
out:
    return rc;
}

/* Length of the key at this level: up to '/' or the end. */
static size_t key_length(const char *name)
{
    return strcspn(name, "/");
}

static bool same_key(const char *a, const char *b)
{
    return key_length(a) == key_length(b) && strncmp(a, b, key_length(a)) == 0;
}

/* A key may not come again after another one: its dict is closed by then. */
static int check_new(const struct entry *e, size_t first, size_t at, size_t skip)
{
    int rc = ERR_OK;
    for (size_t i = first; i < at; i++)
        if (same_key(e[i].name + skip, e[at].name + skip))
            FAIL(ERR_FORMAT,
                 "tensor '%s': the key is taken; tensors of one dict must follow each other",
                 e[at].name);
out:
    return rc;
}

/* The dict of entries first to last, whose names agree in their first skip characters. */
static int put_dict(struct str *out, const struct entry *e, size_t first, size_t last, size_t skip)
{
    int rc = ERR_OK;
    TRY(str_add_bytes(out, "}(", 2));
    for (size_t i = first, next; i < last; i = next) {
        const char *key = e[i].name + skip;
        size_t n = key_length(key);
        next = i + 1;
        TRY(check_new(e, first, i, skip));
        TRY(put_text(out, key, n));
        if (key[n] == '\0') {
            TRY(put_tensor(out, &e[i].data, i));
            continue;
        }
        while (next < last && same_key(key, e[next].name + skip) && e[next].name[skip + n] == '/')
            next++;
        TRY(put_dict(out, e, i, next, skip + n + 1));
    }
    TRY(str_add_bytes(out, "u", 1));
out:
    return rc;
}

/* Bytes that stay where they are until the archive is closed. */
static int put_entry(zip_t *zip, const char *name, const void *bytes, size_t n)
{
    int rc = ERR_OK;
    zip_int64_t at = -1;
    zip_source_t *source = zip_source_buffer(zip, bytes, n, 0);
    if (source)
        at = zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8);
    if (at < 0) {
        zip_source_free(source);
        FAIL(ERR_IO, "cannot add %s: %s", name, zip_strerror(zip));
    }
    if (zip_set_file_compression(zip, (zip_uint64_t)at, ZIP_CM_STORE, 0) ||
        zip_file_set_dostime(zip, (zip_uint64_t)at, 0, DOS_1980, 0))
        FAIL(ERR_IO, "cannot add %s: %s", name, zip_strerror(zip));
out:
    return rc;
}

static int put_entries(zip_t *zip, const struct torch_writer *w, const struct str *pickle)
{
    int rc = ERR_OK;
    char name[48];
    TRY(put_entry(zip, "archive/data.pkl", pickle->text, pickle->len));
    TRY(put_entry(zip, "archive/byteorder", "little", 6));
    for (size_t i = 0; i < w->n; i++) {
        const struct tensor *t = &w->entry[i].data;
        (void)snprintf(name, sizeof name, "archive/data/%zu", i);
        TRY(put_entry(zip, name, t->data, tensor_count(t) * dtype_size(t->dtype)));
    }
    TRY(put_entry(zip, "archive/version", "3\n", 2));
out:
    return rc;
}

static int write_archive(const struct torch_writer *w, const struct str *pickle)
{
    int rc = ERR_OK;
    int code = 0;
    zip_error_t why;
    zip_t *zip = zip_open(w->file.temp, ZIP_CREATE | ZIP_TRUNCATE, &code);
    zip_error_init_with_code(&why, code);
    if (!zip)
        FAIL(ERR_IO, "cannot write %s: %s", w->file.temp, zip_error_strerror(&why));
    TRY(put_entries(zip, w, pickle));
    if (zip_close(zip))
        FAIL(ERR_IO, "cannot write %s: %s", w->file.temp, zip_strerror(zip));
    zip = NULL;
out:
    zip_error_fini(&why);
    if (zip)
        zip_discard(zip);
    return rc;
}

int torch_write_commit(struct torch_writer **writer)
{
    int rc = ERR_OK;
    struct torch_writer *w = *writer;
    struct str pickle = {0};
    if (!w->n)
        FAIL(ERR_FORMAT, "no tensor to write");
    TRY(str_add_bytes(&pickle, "\x80\x02", 2));
    TRY(put_dict(&pickle, w->entry, 0, w->n, 0));
    TRY(str_add_bytes(&pickle, ".", 1));
    TRY(write_archive(w, &pickle));
    TRY(atomic_commit(&w->file));
out:
    if (rc)
        err_prefix("%s: ", w->file.path);
    str_free(&pickle);
    torch_write_abort(writer);
    return rc;
}
