/* bank_whole.c - whole banks: gathered from shards, reduced, put together from those of merged data sets. */
#include "bank/bank.h"

#include "bank/bank_int.h"
#include "bank/bank_reduce_int.h"
#include "base/err.h"
#include "base/mem.h"

#include <string.h>

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

/* ---- reading ---- */

/* Entries of a part behind those that are there; items are numbered on from first. */
static void append(struct bank *to, const struct bank *part, size_t first)
{
    struct array at[N_ARRAYS], from[N_ARRAYS];
    int32_t *item[2] = {to->image_item + to->n_image, to->source_item + to->n_pixel};
    const size_t n[2] = {part->n_image, part->n_pixel};
    list_arrays(at, to);
    list_arrays(from, part);
    for (size_t i = 0; i < N_ARRAYS; i++) {
        size_t before = at[i].is_pixel ? to->n_pixel : to->n_image;
        memcpy((char *)at[i].data + before * at[i].row_bytes, from[i].data,
               n[at[i].is_pixel] * at[i].row_bytes);
    }
    for (size_t level = 0; level < 2; level++)
        for (size_t i = 0; i < n[level]; i++)
            if (item[level][i] >= 0) /* an entry of no item stays one */
                item[level][i] += (int32_t)first;
    to->n_image += part->n_image;
    to->n_pixel += part->n_pixel;
}

/* The parts are read one by one, so that no more than one is in memory twice. */
static int open_merged(struct bank **out, const struct bank_place *place)
{
    int rc = ERR_OK;
    const struct clip_shape *shape = &place->features->model.shape;
    struct bank *part = NULL;
    char *path = NULL;
    size_t n[2] = {0, 0};
    size_t first = 0;
    for (size_t i = 0; i < place->n_parts; i++) {
        TRY(bank_path(&path, place->part[i]));
        TRY(bank_add_counts(path, &n[0], &n[1]));
        MEM_FREE(path);
    }
    TRY(bank_new(out, shape->embed, shape->width, n[0], n[1]));
    (*out)->n_image = (*out)->n_pixel = 0;
    for (size_t i = 0; i < place->n_parts; i++) {
        TRY(bank_open(&part, place->part[i]));
        if ((*out)->n_image + part->n_image > n[0] || (*out)->n_pixel + part->n_pixel > n[1])
            FAIL(ERR_FORMAT, "the bank of %s grew while it was read",
                 place->part[i]->features->manifest->name);
        append(*out, part, first);
        bank_free(&part);
        first += place->part[i]->features->manifest->n_items;
    }
out:
    bank_free(&part);
    MEM_FREE(path);
    if (rc)
        bank_free(out);
    return rc;
}

int bank_open(struct bank **out, const struct bank_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    *out = NULL;
    if (place->n_parts)
        return open_merged(out, place);
    TRY(bank_path(&path, place));
    TRY(bank_read(out, path, place, -1));
out:
    MEM_FREE(path);
    return rc;
}

int bank_content(struct hash *out, const struct bank *bank)
{
    int rc = ERR_OK;
    const size_t size[4] = {bank->n_image, bank->embed, bank->n_pixel, bank->width};
    struct array array[N_ARRAYS];
    struct hasher *h = NULL;
    list_arrays(array, bank);
    TRY(hasher_new(&h));
    hasher_add(h, size, sizeof size);
    for (size_t i = 0; i < N_ARRAYS; i++)
        hasher_add(h, array[i].data, size[array[i].is_pixel ? 2 : 0] * array[i].row_bytes);
    *out = hasher_finish(&h);
out:
    return rc;
}

int bank_save(const struct bank_place *place, const char *path)
{
    int rc = ERR_OK;
    struct bank *bank = NULL;
    TRY(bank_open(&bank, place));
    TRY(bank_write(bank, path, place, -1));
out:
    bank_free(&bank);
    return rc;
}
