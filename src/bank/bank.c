/* bank.c - places of banks and building of their shards. See bank.h. */
#include "bank/bank.h"

#include "bank/bank_int.h"
#include "bank/bank_reduce_int.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "par/cores.h"
#include "tensor/h5.h"

#include <string.h>

/* The place is a file: its key is what everything made from it depends on. */
static int plan_file(struct bank_place *p, const char *path)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    struct bank *bank = NULL;
    char *key = NULL;
    char *weights = NULL;
    struct hash hash;
    TRY(str_dup(&p->file, path));
    TRY(h5_open_schema(&f, path, BANK_SCHEMA, BANK_VERSION));
    TRY(h5_get_text(f, "/", "key", &key));
    TRY(hash_parse(&hash, key));
    hash_hex(p->key, hash);
    TRY(h5_get_text(f, "/", "weights", &weights));
    if (strcmp(weights, BANK_UNKNOWN) != 0)
        TRY(h5_expect_text(f, "weights", p->features->model.hash, "weights"));
    TRY(path_stat(path, &p->seen->size, &p->seen->mtime_ns));
    TRY(bank_read(&bank, path, p, -1));
out:
    bank_free(&bank);
    h5_close(&f);
    MEM_FREE(key);
    MEM_FREE(weights);
    return rc;
}

int bank_plan_whole(struct bank_place **out, const struct config *config,
                    const struct features *features)
{
    int rc = ERR_OK;
    struct bank_place *p = NULL;
    struct hasher *h = NULL;
    const struct dataset_entry *entry = config_dataset(config, features->manifest->name);
    TRY(MEM_NEW(p, 1));
    TRY(MEM_NEW(p->seen, 1));
    p->features = features;
    p->pools = config->neighbour_pool;
    TRY(config_stage_text(&p->options, config, IN_BANK));
    TRY(hasher_new(&h));
    hasher_add_text(h, BANK_SCHEMA);
    hasher_add(h, &(int){BANK_VERSION}, sizeof(int));
    hasher_add_text(h, features->key);
    hasher_add_text(h, p->options);
    /* Such a bank may lack items: what is made from it must not pass for the whole. */
    if (features->skips)
        hasher_add_text(h, "skips");
    hash_hex(p->key, hasher_finish(&h));
    if (entry && entry->bank)
        TRY(plan_file(p, entry->bank));
    TRY(str_make(&p->dir, "%s/bank/%s/%s", config->store, features->manifest->name, p->key));
out:
    if (rc)
        bank_place_free(&p);
    *out = p;
    return rc;
}

/* The place of a reduction of a full bank, which it then owns. */
static int plan_reduced(struct bank_place **out, const struct config *config,
                        struct bank_place **full)
{
    int rc = ERR_OK;
    struct bank_place *p = NULL;
    struct hasher *h = NULL;
    TRY(MEM_NEW(p, 1));
    TRY(MEM_NEW(p->seen, 1));
    p->features = (*full)->features;
    p->pools = (*full)->pools;
    p->reduction = (struct bank_reduction){.method = config->reduce,
                                           .entries = config->reduce_entries,
                                           .image_entries = config->reduce_image_entries,
                                           .seed = config->reduce_seed};
    TRY(str_dup(&p->dir, (*full)->dir));
    TRY(str_dup(&p->options, (*full)->options));
    TRY(config_stage_text(&p->reduction_text, config, IN_REDUCTION));
    TRY(hasher_new(&h));
    hasher_add_text(h, "reduced");
    hasher_add_text(h, (*full)->key);
    hasher_add_text(h, p->reduction_text);
    hash_hex(p->key, hasher_finish(&h));
    p->full = *full;
    *full = NULL;
out:
    if (rc)
        bank_place_free(&p);
    *out = p;
    return rc;
}

/* What the configuration keeps of a whole bank. Takes *whole over, also when it fails. */
static int reduce_place(struct bank_place **out, const struct config *config,
                        struct bank_place **whole)
{
    int rc = ERR_OK;
    if (config->reduce != REDUCE_FULL) {
        TRY(plan_reduced(out, config, whole));
    } else {
        *out = *whole;
        *whole = NULL;
    }
out:
    bank_place_free(whole);
    return rc;
}

int bank_plan(struct bank_place **out, const struct config *config, const struct features *features)
{
    int rc = ERR_OK;
    struct bank_place *whole = NULL;
    *out = NULL;
    TRY(bank_plan_whole(&whole, config, features));
    TRY(reduce_place(out, config, &whole));
out:
    return rc;
}

int bank_plan_merged(struct bank_place **out, const struct config *config,
                     const struct features *features, const struct bank_place *const *part)
{
    int rc = ERR_OK;
    struct bank_place *p = NULL;
    struct hasher *h = NULL;
    *out = NULL;
    TRY(MEM_NEW(p, 1));
    p->features = features;
    p->pools = config->neighbour_pool;
    TRY(config_stage_text(&p->options, config, IN_BANK));
    TRY(MEM_NEW(p->part, features->n_parts));
    TRY(hasher_new(&h));
    hasher_add_text(h, "merged");
    for (size_t i = 0; i < features->n_parts; i++) {
        BUG_ON(part[i]->features != features->part[i] || part[i]->full);
        p->part[p->n_parts++] = part[i];
        hasher_add_text(h, part[i]->key);
    }
    hash_hex(p->key, hasher_finish(&h));
    TRY(str_make(&p->dir, "%s/bank/%s/%s", config->store, features->manifest->name, p->key));
    TRY(reduce_place(out, config, &p));
out:
    bank_place_free(&p);
    return rc;
}

void bank_place_free(struct bank_place **place)
{
    if (!*place)
        return;
    bank_place_free(&(*place)->full);
    MEM_FREE((*place)->reduction_text);
    MEM_FREE((*place)->dir);
    MEM_FREE((*place)->options);
    MEM_FREE((*place)->file);
    MEM_FREE((*place)->seen);
    mem_release((void *)(*place)->part);
    MEM_FREE(*place);
}

int bank_shard_path(char **out, const struct bank_place *place, size_t shard)
{
    return str_make(out, "%s/shard-%05zu.h5", place->dir, shard);
}

bool bank_has_file(const struct bank_place *place)
{
    return place->n_parts == 0;
}

int bank_path(char **out, const struct bank_place *place)
{
    BUG_ON(!bank_has_file(place));
    if (place->full)
        return str_make(out, "%s/reduced-%s.h5", place->dir, place->key);
    return place->file ? str_dup(out, place->file) : str_make(out, "%s/bank.h5", place->dir);
}

static bool is_readable(const char *path, const struct bank_place *place, int64_t shard)
{
    struct bank *bank = NULL;
    bool can_be_read = path_is_file(path) && bank_read(&bank, path, place, shard) == ERR_OK;
    bank_free(&bank);
    err_clear();
    return can_be_read;
}

/* The place whose shards are gathered. */
static const struct bank_place *full_place(const struct bank_place *place)
{
    return place->full ? place->full : place;
}

bool bank_has_shard(const struct bank_place *place, size_t shard)
{
    char *path = NULL;
    place = full_place(place);
    bool has =
        bank_shard_path(&path, place, shard) == ERR_OK && is_readable(path, place, (int64_t)shard);
    MEM_FREE(path);
    return has;
}

/* Read all of a file, unless it is the one that was read before. */
static bool is_good(const char *path, const struct bank_place *place)
{
    struct bank_seen found = {0};
    bool is_same;
    if (path_stat(path, &found.size, &found.mtime_ns)) {
        err_clear();
        return false;
    }
    is_same = found.size == place->seen->size && found.mtime_ns == place->seen->mtime_ns;
    if (!is_same && !is_readable(path, place, -1))
        return false;
    *place->seen = found;
    return true;
}

bool bank_is_whole(const struct bank_place *place)
{
    char *path = NULL;
    bool is_whole;
    for (size_t i = 0; i < place->n_parts; i++)
        if (!bank_is_whole(place->part[i]))
            return false;
    if (place->n_parts)
        return true;
    is_whole = bank_path(&path, place) == ERR_OK && is_good(path, place);
    MEM_FREE(path);
    return is_whole;
}

bool bank_needs_shards(const struct bank_place *place)
{
    const struct bank_place *full = full_place(place);
    return !full->file && !full->n_parts && !bank_is_whole(place) && !bank_is_whole(full);
}

/* Copies entries that fit; the room was sized for the worst case. */
static void keep_image(struct bank *b, const float *cls, uint8_t label, size_t item)
{
    memcpy(b->image_keys + b->n_image * b->embed, cls, b->embed * sizeof *cls);
    b->image_labels[b->n_image] = label;
    b->image_item[b->n_image++] = (int32_t)item;
}

/* Unit mean of the patches whose mask is exactly `value`; no entry when there is none. */
static int keep_region(struct bank *b, struct ops *ops, const float *patch, const float *mask,
                       size_t n, uint8_t label, size_t item)
{
    int rc = ERR_OK;
    size_t count = 0;
    double *sum = NULL;
    float *key = b->pixel_keys + b->n_pixel * b->width;
    TRY(MEM_NEW(sum, b->width));
    for (size_t i = 0; i < n; i++) {
        if (mask[i] != (float)label)
            continue;
        count++;
        for (size_t d = 0; d < b->width; d++)
            sum[d] += (double)patch[i * b->width + d];
    }
    if (!count)
        goto out;
    for (size_t d = 0; d < b->width; d++)
        key[d] = (float)(sum[d] / (double)count);
    TRY(ops_unit(ops, key, 1, b->width));
    b->pixel_labels[b->n_pixel] = label;
    b->source_item[b->n_pixel++] = (int32_t)item;
out:
    MEM_FREE(sum);
    return rc;
}

struct bench {
    float *cls, *patch, *pooled, *mask;
};

static int add_item(struct bank *b, struct feature_shard *s, size_t row, bool pools,
                    struct ops *ops, struct bench *w)
{
    int rc = ERR_OK;
    const float *patch = w->patch;
    size_t grid = s->features->grid;
    size_t n = grid * grid;
    if (s->skipped[row])
        return ERR_OK;
    TRY(feature_shard_read(s, row, w->cls, w->patch));
    TRY(feature_shard_mask(s, row, w->mask, NULL));
    TRY(ops_unit(ops, w->cls, 1, b->embed));
    keep_image(b, w->cls, s->label[row], s->first + row);
    if (pools) {
        TRY(ops_pool(ops, w->patch, grid, b->width, w->pooled));
        patch = w->pooled;
    }
    TRY(keep_region(b, ops, patch, w->mask, n, 1, s->first + row));
    TRY(keep_region(b, ops, patch, w->mask, n, 0, s->first + row));
out:
    return rc;
}

int bank_build_shard(const struct bank_place *place, size_t shard, struct ops *ops)
{
    int rc = ERR_OK;
    const struct features *f = place->features;
    size_t n = f->grid * f->grid;
    size_t width = f->model.shape.width;
    struct feature_shard s = {0};
    struct bank *b = NULL;
    struct bench w = {0};
    char *path = NULL;
    place = full_place(place);
    TRY(feature_shard_open(&s, f, shard));
    TRY(bank_new(&b, f->model.shape.embed, width, s.n, 2 * s.n));
    b->n_image = b->n_pixel = 0;
    TRY(MEM_NEW(w.cls, f->model.shape.embed));
    TRY(MEM_NEW(w.patch, n * width));
    TRY(MEM_NEW(w.pooled, n * width));
    TRY(MEM_NEW(w.mask, n));
    for (size_t i = 0; i < s.n; i++) {
        if (stop_requested())
            FAIL(ERR_STOPPED, "stopped while building a bank");
        TRY(add_item(b, &s, i, place->pools, ops, &w));
    }
    TRY(bank_shard_path(&path, place, shard));
    TRY(bank_write(b, path, place, (int64_t)shard));
out:
    feature_shard_close(&s);
    bank_free(&b);
    MEM_FREE(w.cls);
    MEM_FREE(w.patch);
    MEM_FREE(w.pooled);
    MEM_FREE(w.mask);
    MEM_FREE(path);
    return rc;
}
