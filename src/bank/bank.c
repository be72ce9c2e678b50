/* bank.c - places, building and gathering of banks. See bank.h. */
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
    TRY(bank_read(&bank, path, p, -1));
out:
    bank_free(&bank);
    h5_close(&f);
    MEM_FREE(key);
    MEM_FREE(weights);
    return rc;
}

static int plan_full(struct bank_place **out, const struct config *config,
                     const struct features *features)
{
    int rc = ERR_OK;
    struct bank_place *p = NULL;
    struct hasher *h = NULL;
    const struct dataset_entry *entry = config_dataset(config, features->manifest->name);
    TRY(MEM_NEW(p, 1));
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

int bank_plan(struct bank_place **out, const struct config *config, const struct features *features)
{
    int rc = ERR_OK;
    struct bank_place *full = NULL;
    *out = NULL;
    TRY(plan_full(&full, config, features));
    if (config->reduce != REDUCE_FULL) {
        TRY(plan_reduced(out, config, &full));
    } else {
        *out = full;
        full = NULL;
    }
out:
    bank_place_free(&full);
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
    MEM_FREE(*place);
}

int bank_shard_path(char **out, const struct bank_place *place, size_t shard)
{
    return str_make(out, "%s/shard-%05zu.h5", place->dir, shard);
}

int bank_path(char **out, const struct bank_place *place)
{
    if (place->full)
        return str_make(out, "%s/reduced-%s.h5", place->dir, place->key);
    return place->file ? str_dup(out, place->file) : str_make(out, "%s/bank.h5", place->dir);
}

static bool is_readable(const char *path, const struct bank_place *place, int64_t shard)
{
    struct bank *bank = NULL;
    bool is_good = path_is_file(path) && bank_read(&bank, path, place, shard) == ERR_OK;
    bank_free(&bank);
    err_clear();
    return is_good;
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

bool bank_is_whole(const struct bank_place *place)
{
    char *path = NULL;
    bool has = bank_path(&path, place) == ERR_OK && is_readable(path, place, -1);
    MEM_FREE(path);
    return has;
}

bool bank_needs_shards(const struct bank_place *place)
{
    const struct bank_place *full = full_place(place);
    return !full->file && !bank_is_whole(place) && !bank_is_whole(full);
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

/* ---- gathering ---- */

/* Entries of every shard, known to all ranks. */
struct count {
    int64_t n_image, n_pixel;
};

/* The six arrays of a bank, so that one loop treats them all. */
enum { N_ARRAYS = 6 };

struct array {
    void *data;
    size_t row_bytes;
    bool is_pixel;
};

static void list_arrays(struct array out[N_ARRAYS], const struct bank *b)
{
    out[0] = (struct array){b->image_keys, b->embed * sizeof(float), false};
    out[1] = (struct array){b->image_labels, 1, false};
    out[2] = (struct array){b->image_item, sizeof(int32_t), false};
    out[3] = (struct array){b->pixel_keys, b->width * sizeof(float), true};
    out[4] = (struct array){b->pixel_labels, 1, true};
    out[5] = (struct array){b->source_item, sizeof(int32_t), true};
}

/* Read this rank's shards; part[s] stays NULL for the others. */
static int read_share(struct bank **part, struct count *count, const struct bank_place *place,
                      struct comm *comm)
{
    int rc = ERR_OK;
    char *path = NULL;
    size_t step = (size_t)comm_size(comm);
    for (size_t s = (size_t)comm_rank(comm); s < place->features->n_shards; s += step) {
        TRY(bank_shard_path(&path, place, s));
        TRY(bank_read(&part[s], path, place, (int64_t)s));
        MEM_FREE(path);
        count[s] = (struct count){(int64_t)part[s]->n_image, (int64_t)part[s]->n_pixel};
    }
out:
    MEM_FREE(path);
    return rc;
}

/* Everyone learns the entries of all shards: shards of other ranks are zero here, so take the sum. */
static int share_counts(struct count *count, size_t n, struct comm *comm)
{
    int rc = ERR_OK;
    struct count *all = NULL;
    size_t size = (size_t)comm_size(comm);
    TRY(MEM_NEW(all, n * size));
    TRY(comm_allgather(comm, count, n * sizeof *count, all));
    for (size_t s = 0; s < n; s++)
        count[s] = all[s % size * n + s];
out:
    MEM_FREE(all);
    return rc;
}

static size_t rows_of(const struct count *count, bool is_pixel)
{
    return (size_t)(is_pixel ? count->n_pixel : count->n_image);
}

static size_t rows_before(const struct count *count, size_t shard, bool is_pixel)
{
    size_t sum = 0;
    for (size_t s = 0; s < shard; s++)
        sum += rows_of(&count[s], is_pixel);
    return sum;
}

/* One array: pack own shards, gather in rank order, put every shard at its place in item order. */
static int gather_array(struct bank *whole, struct bank *const *part, const struct count *count,
                        size_t n_shards, int which, struct comm *comm,
                        const struct gather_method *method)
{
    int rc = ERR_OK;
    size_t size = (size_t)comm_size(comm);
    size_t rank = (size_t)comm_rank(comm);
    struct array to[N_ARRAYS], from[N_ARRAYS];
    size_t *n_rows = NULL;
    char *mine = NULL;
    char *all = NULL;
    size_t total = 0;
    size_t at = 0;
    list_arrays(to, whole);
    TRY(MEM_NEW(n_rows, size));
    for (size_t s = 0; s < n_shards; s++) {
        n_rows[s % size] += rows_of(&count[s], to[which].is_pixel);
        total += rows_of(&count[s], to[which].is_pixel);
    }
    TRY(MEM_NEW(mine, n_rows[rank] * to[which].row_bytes));
    TRY(MEM_NEW(all, total * to[which].row_bytes));
    for (size_t s = rank; s < n_shards; s += size) {
        size_t bytes = rows_of(&count[s], to[which].is_pixel) * to[which].row_bytes;
        list_arrays(from, part[s]);
        memcpy(mine + at, from[which].data, bytes);
        at += bytes;
    }
    TRY(method->rows(comm, mine, n_rows, to[which].row_bytes, all));
    at = 0;
    for (size_t r = 0; r < size; r++)
        for (size_t s = r; s < n_shards; s += size) {
            size_t bytes = rows_of(&count[s], to[which].is_pixel) * to[which].row_bytes;
            memcpy((char *)to[which].data +
                       rows_before(count, s, to[which].is_pixel) * to[which].row_bytes,
                   all + at, bytes);
            at += bytes;
        }
out:
    MEM_FREE(n_rows);
    MEM_FREE(mine);
    MEM_FREE(all);
    return rc;
}

static int gather_parts(struct bank **out, const struct bank_place *place, struct bank **part,
                        struct comm *comm, const struct gather_method *method)
{
    int rc = ERR_OK;
    size_t n = place->features->n_shards;
    const struct clip_shape *shape = &place->features->model.shape;
    struct count *count = NULL;
    size_t n_image = 0;
    size_t n_pixel = 0;
    TRY(MEM_NEW(count, n));
    TRY_ALL(comm, read_share(part, count, place, comm));
    TRY(share_counts(count, n, comm));
    for (size_t s = 0; s < n; s++) {
        n_image += (size_t)count[s].n_image;
        n_pixel += (size_t)count[s].n_pixel;
    }
    TRY_ALL(comm, bank_new(out, shape->embed, shape->width, n_image, n_pixel));
    for (int which = 0; which < N_ARRAYS; which++)
        TRY(gather_array(*out, part, count, n, which, comm, method));
out:
    MEM_FREE(count);
    return rc;
}

/* Rank 0 keeps the whole bank as a file of its own. */
static int keep_whole(const struct bank *bank, const struct bank_place *place, struct comm *comm)
{
    int rc = ERR_OK;
    char *path = NULL;
    if (comm_rank(comm) != 0)
        return ERR_OK;
    TRY(bank_path(&path, place));
    TRY(bank_write(bank, path, place, -1));
out:
    MEM_FREE(path);
    return rc;
}

static int gather_full(struct bank **out, const struct bank_place *place, struct comm *comm,
                       const struct gather_method *method)
{
    int rc = ERR_OK;
    size_t n = place->features->n_shards;
    struct bank **part = NULL;
    *out = NULL;
    TRY(MEM_NEW(part, n));
    TRY(gather_parts(out, place, part, comm, method));
    TRY_ALL(comm, keep_whole(*out, place, comm));
out:
    for (size_t s = 0; part && s < n; s++)
        bank_free(&part[s]);
    MEM_FREE(part);
    if (rc)
        bank_free(out);
    return rc;
}

/* On rank 0: the reduction of a full bank, and its file. */
static int keep_reduced(struct bank **out, const struct bank *full, const struct bank_place *place,
                        struct ops *ops, struct comm *comm)
{
    int rc = ERR_OK;
    char *path = NULL;
    if (comm_rank(comm) != 0)
        return ERR_OK;
    TRY(bank_reduce(out, full, &place->reduction, ops));
    TRY(bank_path(&path, place));
    TRY(bank_write(*out, path, place, -1));
out:
    MEM_FREE(path);
    return rc;
}

/* Every rank gets the bank of rank 0. */
static int send_bank(struct bank **bank, const struct bank_place *place, struct comm *comm)
{
    int rc = ERR_OK;
    const struct clip_shape *shape = &place->features->model.shape;
    struct array array[N_ARRAYS];
    size_t n[2] = {0, 0};
    if (*bank) {
        n[0] = (*bank)->n_image;
        n[1] = (*bank)->n_pixel;
    }
    TRY(comm_bcast(comm, n, sizeof n, 0));
    if (comm_rank(comm) != 0)
        rc = bank_new(bank, shape->embed, shape->width, n[0], n[1]);
    TRY_ALL(comm, rc);
    list_arrays(array, *bank);
    for (size_t i = 0; i < N_ARRAYS; i++)
        TRY(comm_bcast(comm, array[i].data, n[array[i].is_pixel] * array[i].row_bytes, 0));
out:
    return rc;
}

static int gather_reduced(struct bank **out, const struct bank_place *place, struct ops *ops,
                          struct comm *comm, const struct gather_method *method)
{
    int rc = ERR_OK;
    struct bank *full = NULL;
    uint8_t is_one_file = comm_rank(comm) == 0 && !bank_needs_shards(place->full);
    TRY(comm_bcast(comm, &is_one_file, 1, 0));
    if (!is_one_file)
        TRY(gather_full(&full, place->full, comm, method));
    if (is_one_file && comm_rank(comm) == 0)
        rc = bank_open(&full, place->full);
    TRY_ALL(comm, rc);
    TRY_ALL(comm, keep_reduced(out, full, place, ops, comm));
    TRY(send_bank(out, place, comm));
out:
    bank_free(&full);
    return rc;
}

int bank_gather(struct bank **out, const struct bank_place *place, struct ops *ops,
                struct comm *comm, const struct gather_method *method)
{
    int rc = ERR_OK;
    *out = NULL;
    if (place->full)
        TRY(gather_reduced(out, place, ops, comm, method));
    else if (place->file) /* nothing to gather, and nothing to write */
        TRY_ALL(comm, bank_open(out, place));
    else
        TRY(gather_full(out, place, comm, method));
out:
    if (rc)
        bank_free(out);
    return rc;
}

int bank_open(struct bank **out, const struct bank_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(bank_path(&path, place));
    TRY(bank_read(out, path, place, -1));
out:
    MEM_FREE(path);
    return rc;
}
