/*
 * bank_torch.c - banks in the form of the published program: one file a level, a dict of keys [n, dim]
 * and one-hot values [n, 2], normal and anomalous. See bank.h.
 */
#include "bank/bank_int.h"
#include "base/err.h"
#include "base/mem.h"
#include "tensor/torch.h"

#include <string.h>

/* One level of a bank, as a file has it. */
struct level {
    const char *path;
    struct tensor keys;   /* [n, dim] */
    struct tensor values; /* [n, 2] */
};

static int read_entry(struct tensor *out, struct torch_file *f, const char *path, const char *name)
{
    int rc = ERR_OK;
    const struct torch_value *v = torch_get(torch_root(f), name);
    if (!v)
        FAIL(ERR_FORMAT, "%s: has no entry \"%s\", wanted a bank with keys and values", path, name);
    if (v->kind != TORCH_TENSOR || v->rank != 2 || !v->is_float)
        FAIL(ERR_FORMAT, "%s: \"%s\" is no float tensor of two dimensions", path, name);
    TRY(torch_tensor_read(f, v, DTYPE_F32, out));
out:
    return rc;
}

static int read_level(struct level *out)
{
    int rc = ERR_OK;
    struct torch_file *f = NULL;
    TRY(torch_open(&f, out->path));
    TRY(read_entry(&out->keys, f, out->path, "keys"));
    TRY(read_entry(&out->values, f, out->path, "values"));
    if (out->values.dim[0] != out->keys.dim[0] || out->values.dim[1] != 2)
        FAIL(ERR_FORMAT, "%s: values of %zu x %zu, wanted %zu x 2 as there are %zu keys", out->path,
             out->values.dim[0], out->values.dim[1], out->keys.dim[0], out->keys.dim[0]);
out:
    torch_close(&f);
    return rc;
}

/* Copy into a bank: keys as they are, values as labels. */
static int keep_level(const struct level *l, float *keys, uint8_t *labels, int32_t *item)
{
    int rc = ERR_OK;
    const float *one = l->values.data;
    for (size_t i = 0; i < l->values.dim[0]; i++, one += 2) {
        if (!(one[0] == 0 && one[1] == 1) && !(one[0] == 1 && one[1] == 0))
            FAIL(ERR_FORMAT, "%s: values[%zu] is (%g, %g), wanted (1, 0) or (0, 1)", l->path, i,
                 (double)one[0], (double)one[1]);
        labels[i] = one[1] == 1;
        item[i] = -1;
    }
    memcpy(keys, l->keys.data, tensor_count(&l->keys) * sizeof *keys);
out:
    return rc;
}

/* A hash of the two files. */
static int make_key(char key[HASH_HEX], const char *image, const char *patch)
{
    int rc = ERR_OK;
    const char *const path[] = {image, patch};
    struct hasher *h = NULL;
    struct hash hash;
    char text[HASH_HEX];
    TRY(hasher_new(&h));
    hasher_add_text(h, "imported");
    for (size_t i = 0; i < 2; i++) {
        TRY(hash_file(&hash, path[i]));
        hash_hex(text, hash);
        hasher_add_text(h, text);
    }
    hash_hex(key, hasher_finish(&h));
out:
    hasher_free(&h);
    return rc;
}

int bank_import(const char *image, const char *patch, const char *out)
{
    int rc = ERR_OK;
    struct level level[2] = {{.path = image}, {.path = patch}};
    struct bank *b = NULL;
    char key[HASH_HEX];
    const struct bank_origin origin = {.key = key,
                                       .features = "imported",
                                       .weights = BANK_UNKNOWN,
                                       .options = "{}",
                                       .dataset = "imported"};
    TRY(read_level(&level[0]));
    TRY(read_level(&level[1]));
    TRY(bank_new(&b, level[0].keys.dim[1], level[1].keys.dim[1], level[0].keys.dim[0],
                 level[1].keys.dim[0]));
    TRY(keep_level(&level[0], b->image_keys, b->image_labels, b->image_item));
    TRY(keep_level(&level[1], b->pixel_keys, b->pixel_labels, b->source_item));
    TRY(bank_check(b, out));
    TRY(make_key(key, image, patch));
    TRY(bank_write_of(b, out, &origin, -1));
out:
    for (size_t i = 0; i < 2; i++) {
        tensor_free(&level[i].keys);
        tensor_free(&level[i].values);
    }
    bank_free(&b);
    return rc;
}

static int write_level(const char *path, const float *keys, const uint8_t *labels, size_t n,
                       size_t dim)
{
    int rc = ERR_OK;
    struct torch_writer *w = NULL;
    float *values = NULL;
    struct tensor t;
    TRY(MEM_NEW(values, 2 * n));
    for (size_t i = 0; i < n; i++)
        values[2 * i + labels[i]] = 1;
    TRY(torch_write_begin(&w, path));
    t = tensor_view(DTYPE_F32, 2, (size_t[]){n, dim}, keys);
    TRY(torch_write_tensor(w, "keys", &t));
    t = tensor_view(DTYPE_F32, 2, (size_t[]){n, 2}, values);
    TRY(torch_write_tensor(w, "values", &t));
    TRY(torch_write_commit(&w));
out:
    torch_write_abort(&w);
    MEM_FREE(values);
    return rc;
}

int bank_export(const struct bank *b, const char *image, const char *patch)
{
    int rc = ERR_OK;
    TRY(write_level(image, b->image_keys, b->image_labels, b->n_image, b->embed));
    TRY(write_level(patch, b->pixel_keys, b->pixel_labels, b->n_pixel, b->width));
out:
    return rc;
}
