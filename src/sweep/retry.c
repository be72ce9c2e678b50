/* retry.c - forgetting items that could not be read, and what was made without them: sweep_retry_skipped. */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "sweep/sweep_int.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct retry {
    const struct sweep *sweep;
    uint8_t *is_dirty; /* [n_members] some items were skipped */
    size_t n_items, n_removed;
};

/* Remove a product; one that is not there is fine. */
static int forget(struct retry *r, int found, char **path)
{
    int rc = ERR_OK;
    TRY(found);
    if (unlink(*path) == 0)
        r->n_removed++;
    else if (errno != ENOENT)
        FAIL(ERR_IO, "cannot remove %s: %s", *path, strerror(errno));
out:
    MEM_FREE(*path);
    return rc;
}

/* Remove the shards of a data set that have skipped items. */
static int forget_shards(struct retry *r, size_t member)
{
    int rc = ERR_OK;
    const struct member *m = &r->sweep->member[member];
    const struct features *f = m->features;
    struct feature_shard shard = {0};
    char *path = NULL;
    const char *why;
    for (size_t i = 0; i < m->n_parts; i++) /* these stand before it */
        r->is_dirty[member] |= r->is_dirty[m->part[i]];
    for (size_t i = 0; i < f->n_shards; i++) {
        size_t n = 0;
        if (!features_has_shard(f, i, &why))
            continue;
        TRY(feature_shard_open(&shard, f, i));
        for (size_t row = 0; row < shard.n; row++)
            n += shard.skipped[row] == 1;
        feature_shard_close(&shard);
        if (n == 0)
            continue;
        r->is_dirty[member] = 1;
        r->n_items += n;
        TRY(forget(r, features_shard_path(&path, f, i), &path));
    }
out:
    feature_shard_close(&shard);
    return rc;
}

static int forget_bank(struct retry *r, const struct memory *m)
{
    int rc = ERR_OK;
    char *path = NULL;
    for (size_t i = 0; i < m->place->features->n_shards; i++)
        TRY(forget(r, bank_shard_path(&path, m->place, i), &path));
    for (const struct bank_place *place = m->place; place; place = place->full)
        if (bank_has_file(place))
            TRY(forget(r, bank_path(&path, place), &path));
out:
    return rc;
}

static int forget_cell(struct retry *r, const struct cell *cell)
{
    int rc = ERR_OK;
    char *path = NULL;
    for (size_t i = 0; i < cell->place->test->n_shards; i++)
        TRY(forget(r, scores_shard_path(&path, cell->place, i), &path));
    TRY(forget(r, scores_path(&path, cell->place), &path));
    for (size_t c = 0; c < r->sweep->member[cell->test].manifest->n_classes; c++)
        TRY(forget(r, row_path(&path, cell, c), &path));
out:
    return rc;
}

static int forget_all(struct retry *r)
{
    int rc = ERR_OK;
    const struct sweep *s = r->sweep;
    TRY(MEM_NEW(r->is_dirty, s->n_members));
    for (size_t i = 0; i < s->n_members; i++)
        TRY(forget_shards(r, i));
    for (size_t i = 0; i < s->n_memories; i++)
        if (r->is_dirty[s->memory[i].member] && !s->memory[i].place->file)
            TRY(forget_bank(r, &s->memory[i]));
    for (size_t i = 0; i < s->n_trainees; i++)
        if (r->is_dirty[s->memory[s->trainee[i].memory].member])
            TRY(head_forget(s->trainee[i].place));
    for (size_t i = 0; i < s->n_cells; i++)
        if (r->is_dirty[s->cell[i].train] || r->is_dirty[s->cell[i].test])
            TRY(forget_cell(r, &s->cell[i]));
    log_root("retry",
             "%zu skipped items are tried again; %zu products made without them were removed",
             r->n_items, r->n_removed);
out:
    MEM_FREE(r->is_dirty);
    return rc;
}

int sweep_retry_skipped(struct sweep *s)
{
    int rc = ERR_OK;
    struct retry r = {.sweep = s};
    TRY_ALL(s->comm, comm_rank(s->comm) == 0 ? forget_all(&r) : ERR_OK);
out:
    return rc;
}
