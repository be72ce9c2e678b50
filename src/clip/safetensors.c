/* safetensors.c - see safetensors_int.h. A header is believed only as far as the file bears it out. */
#include "clip/safetensors_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 64 << 20 };

static const struct {
    const char *name;
    size_t size;
    bool is_float;
    enum dtype dtype;
} kinds[] = {
    {"F32", 4, true, DTYPE_F32},  {"F16", 2, true, DTYPE_F16},  {"BF16", 2, true, DTYPE_BF16},
    {"F64", 8, false, DTYPE_F64}, {"I64", 8, false, DTYPE_I64}, {"U64", 8, false, DTYPE_I64},
    {"I32", 4, false, DTYPE_I32}, {"U32", 4, false, DTYPE_I32}, {"I16", 2, false, DTYPE_I32},
    {"U16", 2, false, DTYPE_I32}, {"I8", 1, false, DTYPE_U8},   {"U8", 1, false, DTYPE_U8},
    {"BOOL", 1, false, DTYPE_U8},
};

/* A JSON number that is a whole number within what a double holds exactly. */
static int whole_number(const cJSON *value, size_t *out)
{
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= 0x1p53))
        return ERR_FORMAT;
    *out = (size_t)value->valuedouble;
    return (double)*out == value->valuedouble ? ERR_OK : ERR_FORMAT;
}

static int read_kind(struct safe_tensor *t, const cJSON *entry, size_t *size)
{
    int rc = ERR_OK;
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "dtype"));
    *size = 0;
    if (!dtype)
        FAIL(ERR_FORMAT, "tensor '%s' has no dtype", t->name);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(dtype, kinds[i].name) == 0) {
            *size = kinds[i].size;
            t->is_float = kinds[i].is_float;
            t->dtype = kinds[i].dtype;
        }
    if (!*size)
        FAIL(ERR_FORMAT, "tensor '%s' has the unknown dtype '%.20s'", t->name, dtype);
out:
    return rc;
}

static int read_shape(struct safe_tensor *t, const cJSON *entry, size_t *bytes)
{
    int rc = ERR_OK;
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
    const cJSON *one;
    if (!cJSON_IsArray(shape))
        FAIL(ERR_FORMAT, "tensor '%s' has no shape", t->name);
    cJSON_ArrayForEach(one, shape)
    {
        size_t dim;
        if (t->rank == SAFE_MAX_RANK)
            FAIL(ERR_FORMAT, "tensor '%s' has more than %d dimensions", t->name, SAFE_MAX_RANK);
        if (whole_number(one, &dim) || __builtin_mul_overflow(*bytes, dim, bytes))
            FAIL(ERR_FORMAT, "tensor '%s' has an impossible shape", t->name);
        t->dim[t->rank++] = dim;
    }
out:
    return rc;
}

static int read_entry(struct safe_tensor *t, const cJSON *entry, size_t data_bytes)
{
    int rc = ERR_OK;
    size_t bytes;
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    TRY(str_dup(&t->name, entry->string));
    if (!cJSON_IsObject(entry))
        FAIL(ERR_FORMAT, "the header's entry '%s' is not an object", t->name);
    TRY(read_kind(t, entry, &bytes));
    TRY(read_shape(t, entry, &bytes));
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        whole_number(cJSON_GetArrayItem(offsets, 0), &t->first) ||
        whole_number(cJSON_GetArrayItem(offsets, 1), &t->last) || t->first > t->last)
        FAIL(ERR_FORMAT, "tensor '%s' has no valid data_offsets", t->name);
    if (t->last > data_bytes)
        FAIL(ERR_FORMAT, "tensor '%s' ends at byte %zu, but the file holds %zu: it is truncated",
             t->name, t->last, data_bytes);
    if (t->last - t->first != bytes)
        FAIL(ERR_FORMAT, "tensor '%s' has %zu bytes, its shape and dtype demand %zu", t->name,
             t->last - t->first, bytes);
out:
    return rc;
}

static int by_place(const void *a, const void *b)
{
    const struct safe_tensor *x = a;
    const struct safe_tensor *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->last < y->last ? -1 : x->last > y->last;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct safe_tensor *)a)->name, ((const struct safe_tensor *)b)->name);
}

static int check_cover(struct safetensors *s, size_t data_bytes)
{
    int rc = ERR_OK;
    size_t at = 0;
    qsort(s->tensor, s->n, sizeof *s->tensor, by_place);
    for (size_t i = 0; i < s->n; i++) {
        if (s->tensor[i].first != at)
            FAIL(ERR_FORMAT, "tensor '%s' begins at byte %zu of the data, wanted %zu",
                 s->tensor[i].name, s->tensor[i].first, at);
        at = s->tensor[i].last;
    }
    if (at != data_bytes)
        FAIL(ERR_FORMAT, "the tensors end at byte %zu of the data, the file at %zu", at,
             data_bytes);
    qsort(s->tensor, s->n, sizeof *s->tensor, by_name);
out:
    return rc;
}

static int read_header(struct safetensors *s, size_t header_bytes)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    const cJSON *entry;
    char *text = NULL;
    size_t data_bytes = s->size - 8 - header_bytes;
    size_t cap;
    TRY(MEM_NEW(text, header_bytes + 1));
    memcpy(text, s->bytes + 8, header_bytes);
    if (strlen(text) != header_bytes)
        FAIL(ERR_FORMAT, "the header holds a zero byte, so it is not JSON");
    TRY(json_parse(&tree, text, "header"));
    if (!cJSON_IsObject(tree))
        FAIL(ERR_FORMAT, "the header is not a JSON object");
    cap = (size_t)cJSON_GetArraySize(tree);
    TRY(MEM_NEW(s->tensor, cap));
    cJSON_ArrayForEach(entry, tree)
    {
        struct safe_tensor *t = &s->tensor[s->n];
        if (strcmp(entry->string, "__metadata__") == 0)
            continue;
        s->n++;
        TRY(read_entry(t, entry, data_bytes));
        t->data = s->bytes + 8 + header_bytes + t->first;
    }
    if (!s->n)
        FAIL(ERR_FORMAT, "holds no tensors");
    TRY(check_cover(s, data_bytes));
out:
    json_free(&tree);
    MEM_FREE(text);
    return rc;
}

int safetensors_open(struct safetensors *out, const char *name, const void *bytes, size_t n)
{
    int rc = ERR_OK;
    uint64_t header = 0;
    *out = (struct safetensors){.bytes = bytes, .size = n};
    if (n < 10)
        FAIL(ERR_FORMAT, "%s: %zu bytes are too few for a safetensors file", name, n);
    for (int i = 7; i >= 0; i--)
        header = header << 8 | out->bytes[i];
    if (header > MAX_HEADER || header > n - 8)
        FAIL(
            ERR_FORMAT,
            "%s: not a safetensors file, or a truncated one: header of %llu bytes in a file of %zu",
            name, (unsigned long long)header, n);
    rc = read_header(out, (size_t)header);
    if (rc)
        err_prefix("%s: ", name);
    TRY(rc);
out:
    if (rc)
        safetensors_close(out);
    return rc == ERR_CONFIG ? ERR_FORMAT : rc; /* bad JSON in weights is a bad file */
}

void safetensors_close(struct safetensors *s)
{
    for (size_t i = 0; i < s->n; i++)
        MEM_FREE(s->tensor[i].name);
    MEM_FREE(s->tensor);
    *s = (struct safetensors){0};
}
