/* sweep_plan.c - opening and closing a sweep, and which of its products are wanted. */
#include "base/err.h"
#include "base/lock.h"
#include "base/mem.h"
#include "sweep/journal.h"
#include "sweep/sweep_int.h"

#include <string.h>

/*
 * Cells that differ in options of the metrics alone share their scores, and so do those that differ in
 * their seed where the method draws no random numbers. All cells of a variant and pair stand together.
 */
static bool is_scored_earlier(const struct sweep *s, const struct cell *cell)
{
    for (const struct cell *c = cell; c-- > s->cell;) {
        if (!is_same_pair(s, c, cell))
            return false;
        if (c->wants_scores && strcmp(c->place->dir, cell->place->dir) == 0)
            return true;
    }
    return false;
}

/* A bank, and the parts that it is put together from unless it has been. */
static void want_bank(struct sweep *s, size_t memory)
{
    struct memory *m = &s->memory[memory];
    m->wants_bank = 1;
    if (m->n_parts && bank_is_whole(m->place))
        return;
    for (size_t i = 0; i < m->n_parts; i++)
        want_bank(s, m->part[i]);
}

/* A head that is missing, and the metric below it that is; training reads the features. */
static void want_head(struct sweep *s, size_t trainee)
{
    struct trainee *t = &s->trainee[trainee];
    if (head_exists(t->place))
        return;
    t->wants_head = 1;
    want_bank(s, t->memory);
    if (!t->place->is_given)
        member_want_features(s, s->memory[t->memory].member);
    if (t->metric != NONE)
        want_head(s, t->metric);
}

static void want_for_cell(struct sweep *s, struct cell *cell)
{
    bool misses_row = false;
    for (size_t c = 0; c < s->member[cell->test].manifest->n_classes; c++) {
        s->wants_row[cell->first_row + c] = !row_exists(cell, c);
        misses_row = misses_row || s->wants_row[cell->first_row + c];
    }
    if (!misses_row)
        return;
    member_want_features(s, cell->test); /* the masks lie there */
    if (s->config->on_bad_item == BAD_ITEM_SKIP)
        member_want_features(s, cell->train); /* and what the bank lacks */
    cell->wants_scores = !scores_is_whole(cell->place) && !is_scored_earlier(s, cell);
    if (!cell->wants_scores)
        return;
    want_bank(s, cell->memory);
    if (cell->trainee != NONE)
        want_head(s, cell->trainee);
}

/* On rank 0; the others learn it in share_wants. A bank that needs no shards needs no features. */
static void find_wants(struct sweep *s)
{
    for (size_t i = 0; i < s->n_cells; i++)
        want_for_cell(s, &s->cell[i]);
    for (size_t i = 0; wants_heads(s) && i < s->n_trainees; i++)
        want_head(s, i);
    for (size_t i = 0; wants_banks(s) && i < s->n_memories; i++)
        if (s->member[s->memory[i].member].is_goal)
            want_bank(s, i);
    for (size_t i = 0; i < s->n_memories; i++)
        if (s->memory[i].wants_bank && bank_needs_shards(s->memory[i].place))
            member_want_features(s, s->memory[i].member);
    for (size_t i = 0; s->goal == SWEEP_FEATURES && i < s->n_members; i++)
        if (s->member[i].is_goal)
            member_want_features(s, i);
}

static int share_wants(struct sweep *s)
{
    int rc = ERR_OK;
    TRY(comm_bcast(s->comm, s->wants_row, s->n_rows, 0));
    for (size_t i = 0; i < s->n_cells; i++)
        TRY(comm_bcast(s->comm, &s->cell[i].wants_scores, 1, 0));
    for (size_t i = 0; i < s->n_trainees; i++)
        TRY(comm_bcast(s->comm, &s->trainee[i].wants_head, 1, 0));
    for (size_t i = 0; i < s->n_memories; i++)
        TRY(comm_bcast(s->comm, &s->memory[i].wants_bank, 1, 0));
    for (size_t i = 0; i < s->n_members; i++)
        TRY(comm_bcast(s->comm, &s->member[i].wants_features, 1, 0));
out:
    return rc;
}

static int check_config(const struct config *c)
{
    int rc = ERR_OK;
    TRY(config_need_weights(c));
    if (!c->n_datasets)
        FAIL(ERR_CONFIG, "datasets: none given; set them in the job file, or with --dataset "
                         "NAME=ROOT");
out:
    return rc;
}

/* What the configuration alone says. */
static int choose(struct sweep *s)
{
    int rc = ERR_OK;
    if (s->config->part && s->goal != SWEEP_ALL)
        FAIL(ERR_CONFIG, "run.part: only a sweep has parts");
    TRY(check_config(s->config));
    if (s->goal == SWEEP_ALL)
        TRY(pairs_open(s));
    TRY(settings_open(s));
    TRY(members_open(s));
out:
    return rc;
}

int sweep_open(struct sweep **out, struct comm *comm, const struct config *config,
               enum sweep_goal goal)
{
    int rc = ERR_OK;
    struct sweep *s = NULL;
    TRY(MEM_NEW(s, 1));
    *s = (struct sweep){.comm = comm, .config = config, .goal = goal};
    TRY_ALL(comm, choose(s));
    TRY(members_load(s));
    TRY_ALL(comm, cells_open(s));
    TRY(MEM_NEW(s->wants_row, s->n_rows));
    if (comm_rank(comm) == 0)
        find_wants(s);
    TRY(share_wants(s));
out:
    if (rc)
        sweep_close(&s);
    *out = s;
    return rc;
}

void sweep_close(struct sweep **sweep)
{
    struct sweep *s = *sweep;
    if (!s)
        return;
    retriever_free(&s->retriever);
    bank_free(&s->bank);
    extractor_free(&s->extractor);
    ops_close(&s->ops);
    cells_close(s);
    members_close(s);
    merges_close(s);
    settings_close(s); /* last: places borrow from its configurations */
    status_free(&s->status);
    journal_close(&s->journal, NULL, NULL);
    locks_close(&s->locks);
    MEM_FREE(s->wants_row);
    MEM_FREE(*sweep);
}
