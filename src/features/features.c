/* features.c - keys, places and reading of feature shards. See features.h. */
#include "features/features.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "features/features_int.h"
#include "tensor/h5.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const enum dtype stored_as[] = {
    [FEATURES_F32] = DTYPE_F32, [FEATURES_F16] = DTYPE_F16, [FEATURES_BF16] = DTYPE_BF16};

int model_info(struct model_info *out, struct comm *comm, const struct config *config)
{
    int rc = ERR_OK;
    struct weights *weights = NULL;
    char *about = NULL;
    *out = (struct model_info){0};
    TRY(config_need_weights(config));
    if (comm_rank(comm) == 0) {
        rc = weights_open_chosen(&weights, config);
        if (!rc) {
            out->shape = *weights_shape(weights);
            hash_hex(out->hash, weights_hash(weights));
            rc = weights_about(&about, weights);
        }
    }
    TRY_ALL(comm, rc);
    if (about)
        (void)snprintf(out->about, sizeof out->about, "%s", about);
    TRY(comm_bcast(comm, out, sizeof *out, 0));
out:
    MEM_FREE(about);
    weights_free(&weights);
    return rc;
}

/* Everything a manifest says about its items, and what their files hold. */
static int hash_manifest(struct features *f)
{
    int rc = ERR_OK;
    struct hasher *h = NULL;
    const struct manifest *m = f->manifest;
    TRY(hasher_new(&h));
    for (size_t i = 0; i < m->n_items; i++) {
        const struct item *item = &m->item[i];
        const char flags[3] = {item->is_anomalous ? '1' : '0', item->mask[0] ? '1' : '0', '\0'};
        hasher_add_text(h, m->class_name[item->class_id]);
        hasher_add_text(h, item->image);
        hasher_add_text(h, flags);
        hasher_add(h, &f->item_hash[i], sizeof f->item_hash[i]);
    }
    hash_hex(f->manifest_hash, hasher_finish(&h));
out:
    return rc;
}

static int hash_key(struct features *f)
{
    int rc = ERR_OK;
    struct hasher *h = NULL;
    TRY(hasher_new(&h));
    hasher_add_text(h, FEATURES_SCHEMA);
    hasher_add(h, &(int){FEATURES_VERSION}, sizeof(int));
    hasher_add_text(h, f->model.hash);
    hasher_add_text(h, f->manifest_hash);
    hasher_add_text(h, f->options);
    hash_hex(f->key, hasher_finish(&h));
out:
    return rc;
}

/*
 * The configuration's options, and what the model has otherwise than the published one and nothing else
 * tells: so keys of the published model stay what they were.
 */
static int add_options(struct features *f, const struct config *config)
{
    int rc = ERR_OK;
    const struct clip_shape *s = &f->model.shape;
    struct str all = {0};
    char *own = NULL;
    TRY(config_stage_text(&own, config, IN_FEATURES));
    TRY(str_addf(&all, "%.*s", (int)(strlen(own) - 1), own)); /* without the closing brace */
    if (s->activation == ACT_GELU)
        TRY(str_add(&all, ",\"model.activation\":\"gelu\""));
    if (s->width / s->heads != 64)
        TRY(str_addf(&all, ",\"model.head_size\":%zu", s->width / s->heads));
    if (s->scale == IMAGE_SCALE_IMAGENET)
        TRY(str_add(&all, ",\"model.normalise\":\"imagenet\""));
    TRY(str_add(&all, "}"));
    f->options = all.text;
    all.text = NULL;
out:
    MEM_FREE(own);
    str_free(&all);
    return rc;
}

int features_plan(struct features **out, struct comm *comm, const struct config *config,
                  const struct model_info *model, const struct manifest *manifest)
{
    int rc = ERR_OK;
    struct features *f = NULL;
    TRY(MEM_NEW(f, 1));
    f->manifest = manifest;
    f->model = *model;
    f->shard_items = config->shard_items;
    f->n_shards = (manifest->n_items + f->shard_items - 1) / f->shard_items;
    f->image_size = config->image_size;
    f->dtype = stored_as[config->dtype];
    f->skips = config->on_bad_item == BAD_ITEM_SKIP;
    if (f->image_size % model->shape.patch)
        FAIL(ERR_CONFIG, "model.image_size: %zu is no multiple of the model's patch of %zu pixels",
             f->image_size, model->shape.patch);
    f->grid = f->image_size / model->shape.patch;
    TRY(add_options(f, config));
    TRY(MEM_NEW(f->item_hash, manifest->n_items));
    TRY(content_hashes(f->item_hash, comm, config->store, manifest, f->skips));
    TRY(hash_manifest(f));
    TRY(hash_key(f));
    TRY(str_make(&f->dir, "%s/features/%s/%s", config->store, manifest->name, f->key));
out:
    if (rc)
        features_free(&f);
    *out = f;
    return rc;
}

/* Keys, or manifests, of all parts as one. */
static int hash_parts(char out[HASH_HEX], const struct features *f, bool is_key)
{
    int rc = ERR_OK;
    struct hasher *h = NULL;
    TRY(hasher_new(&h));
    hasher_add_text(h, "merged");
    for (size_t i = 0; i < f->n_parts; i++)
        hasher_add_text(h, is_key ? f->part[i]->key : f->part[i]->manifest_hash);
    hash_hex(out, hasher_finish(&h));
out:
    return rc;
}

int features_merge(struct features **out, const struct features *const *part, size_t n_parts,
                   const struct manifest *manifest)
{
    int rc = ERR_OK;
    struct features *f = NULL;
    TRY(MEM_NEW(f, 1));
    *f = (struct features){.manifest = manifest,
                           .model = part[0]->model,
                           .shard_items = part[0]->shard_items,
                           .image_size = part[0]->image_size,
                           .grid = part[0]->grid,
                           .dtype = part[0]->dtype,
                           .skips = part[0]->skips};
    TRY(str_dup(&f->options, part[0]->options));
    TRY(MEM_NEW(f->part, n_parts));
    for (size_t i = 0; i < n_parts; i++) {
        BUG_ON(strcmp(part[i]->model.hash, f->model.hash) != 0);
        BUG_ON(strcmp(part[i]->options, f->options) != 0);
        f->part[f->n_parts++] = part[i];
    }
    TRY(hash_parts(f->key, f, true));
    TRY(hash_parts(f->manifest_hash, f, false));
out:
    if (rc)
        features_free(&f);
    *out = f;
    return rc;
}

void features_free(struct features **features)
{
    if (!*features)
        return;
    MEM_FREE((*features)->dir);
    MEM_FREE((*features)->options);
    MEM_FREE((*features)->item_hash);
    mem_release((void *)(*features)->part);
    MEM_FREE(*features);
}

void features_range(const struct features *f, size_t shard, size_t *first, size_t *n)
{
    size_t left;
    BUG_ON(shard >= f->n_shards);
    *first = shard * f->shard_items;
    left = f->manifest->n_items - *first;
    *n = left < f->shard_items ? left : f->shard_items;
}

int features_shard_path(char **out, const struct features *f, size_t shard)
{
    return str_make(out, "%s/shard-%05zu.h5", f->dir, shard);
}

size_t features_mask_bytes(const struct features *f)
{
    return (f->image_size * f->image_size + 7) / 8;
}

/* Open a shard's file and see that it is what its place says. */
static int open_checked(struct h5 **out, const struct features *f, size_t shard)
{
    int rc = ERR_OK;
    char *path = NULL;
    size_t first;
    size_t n;
    size_t tokens = f->grid * f->grid;
    int64_t stored = 0;
    features_range(f, shard, &first, &n);
    TRY(features_shard_path(&path, f, shard));
    TRY(h5_open_schema(out, path, FEATURES_SCHEMA, FEATURES_VERSION));
    TRY(h5_expect_text(*out, "key", f->key, "features"));
    TRY(h5_get_i64(*out, "/", "first_item", &stored));
    if ((size_t)stored != first)
        FAIL(ERR_FORMAT, "%s: begins with item %lld, wanted %zu", path, (long long)stored, first);
    TRY(h5_expect_shape(*out, "cls", 2, (size_t[]){n, f->model.shape.embed}));
    TRY(h5_expect_shape(*out, "patch", 3, (size_t[]){n, tokens, f->model.shape.width}));
    TRY(h5_expect_shape(*out, "mask_patch", 2, (size_t[]){n, tokens}));
    TRY(h5_expect_shape(*out, "mask", 2, (size_t[]){n, features_mask_bytes(f)}));
out:
    MEM_FREE(path);
    if (rc)
        h5_close(out);
    return rc;
}

static int read_flags(struct h5 *file, const char *name, size_t n, uint8_t **out)
{
    int rc = ERR_OK;
    TRY(h5_expect_shape(file, name, 1, &n));
    TRY(MEM_NEW(*out, n));
    TRY(h5_read_rows(file, name, 0, n, DTYPE_U8, *out));
out:
    return rc;
}

int feature_shard_open(struct feature_shard *out, const struct features *f, size_t shard)
{
    int rc = ERR_OK;
    *out = (struct feature_shard){.features = f};
    features_range(f, shard, &out->first, &out->n);
    TRY(open_checked(&out->file, f, shard));
    TRY(read_flags(out->file, "label", out->n, &out->label));
    TRY(read_flags(out->file, "has_mask", out->n, &out->has_mask));
    TRY(read_flags(out->file, "skipped", out->n, &out->skipped));
    TRY(MEM_NEW(out->bits, features_mask_bytes(f)));
out:
    if (rc)
        feature_shard_close(out);
    return rc;
}

int feature_shard_open_at(struct feature_shard *out, size_t *row, const struct features *f,
                          size_t item)
{
    for (size_t i = 0; i < f->n_parts; i++) {
        size_t n = f->part[i]->manifest->n_items;
        if (item < n)
            return feature_shard_open_at(out, row, f->part[i], item);
        item -= n;
    }
    *row = item % f->shard_items;
    return feature_shard_open(out, f, item / f->shard_items);
}

void feature_shard_close(struct feature_shard *s)
{
    h5_close(&s->file);
    MEM_FREE(s->label);
    MEM_FREE(s->has_mask);
    MEM_FREE(s->skipped);
    MEM_FREE(s->bits);
    *s = (struct feature_shard){0};
}

bool features_has_shard(const struct features *f, size_t shard, const char **why)
{
    struct feature_shard s;
    char *path = NULL;
    bool has = false;
    *why = "missing";
    if (features_shard_path(&path, f, shard) || !path_is_file(path)) {
        err_clear();
    } else if (feature_shard_open(&s, f, shard)) {
        *why = "damaged";
        err_clear();
    } else {
        has = f->skips || !memchr(s.skipped, 1, s.n);
        *why = has ? "" : "has skipped items";
        feature_shard_close(&s);
    }
    MEM_FREE(path);
    return has;
}

/*
 * A shard that opens but whose numbers fail their checksum is worth nothing: it is removed, so that the
 * same command run again makes it anew.
 */
static int drop_damaged(struct feature_shard *s, int rc)
{
    if (rc == ERR_FORMAT && unlink(h5_path(s->file)) == 0)
        err_prefix("removed a damaged shard, run the same command again to make it anew: ");
    return rc;
}

static int read_arrays(struct feature_shard *s, size_t row, float *cls, float *patch)
{
    int rc = ERR_OK;
    if (cls)
        TRY(h5_read_rows(s->file, "cls", row, 1, DTYPE_F32, cls));
    if (patch)
        TRY(h5_read_rows(s->file, "patch", row, 1, DTYPE_F32, patch));
out:
    return rc;
}

int feature_shard_read(struct feature_shard *s, size_t row, float *cls, float *patch)
{
    return drop_damaged(s, read_arrays(s, row, cls, patch));
}

static int read_masks(struct feature_shard *s, size_t row, float *mask_patch, uint8_t *mask)
{
    int rc = ERR_OK;
    size_t n = s->features->image_size * s->features->image_size;
    if (mask_patch)
        TRY(h5_read_rows(s->file, "mask_patch", row, 1, DTYPE_F32, mask_patch));
    if (mask) {
        TRY(h5_read_rows(s->file, "mask", row, 1, DTYPE_U8, s->bits));
        for (size_t i = 0; i < n; i++)
            mask[i] = s->bits[i / 8] >> (7 - i % 8) & 1;
    }
out:
    return rc;
}

int feature_shard_mask(struct feature_shard *s, size_t row, float *mask_patch, uint8_t *mask)
{
    return drop_damaged(s, read_masks(s, row, mask_patch, mask));
}

int feature_shard_reason(struct feature_shard *s, size_t row, char **out)
{
    char key[48];
    (void)snprintf(key, sizeof key, "skipped.%zu", row);
    return h5_get_text(s->file, "/", key, out);
}
