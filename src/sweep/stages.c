/*
 * stages.c - the stages of a sweep as one table: which pieces there are, which of them exist, and how
 * one is made. "gather" is the only stage that all ranks do together; it is run by sweep.c.
 */
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "par/gather.h"
#include "sweep/sweep_int.h"

#include <string.h>

/* Parts of an owner (member, memory, trainee or cell), 0 when it is not wanted. */
static size_t feature_parts(const struct sweep *s, size_t i)
{
    return s->member[i].wants_features ? s->member[i].features->n_shards : 0;
}

static size_t bank_parts(const struct sweep *s, size_t i)
{
    return s->memory[i].wants_bank ? s->memory[i].place->features->n_shards : 0;
}

static size_t gather_parts(const struct sweep *s, size_t i)
{
    return s->memory[i].wants_bank ? 1 : 0;
}

static size_t train_parts(const struct sweep *s, size_t i)
{
    return s->trainee[i].wants_head ? 1 : 0;
}

static size_t score_parts(const struct sweep *s, size_t i)
{
    return s->cell[i].wants_scores ? s->member[s->cell[i].test].features->n_shards : 0;
}

static size_t join_parts(const struct sweep *s, size_t i)
{
    return s->cell[i].wants_scores ? 1 : 0;
}

static size_t row_parts(const struct sweep *s, size_t i)
{
    return s->member[s->cell[i].test].manifest->n_classes;
}

static bool has_features(const struct sweep *s, const struct piece *p)
{
    const char *why;
    return features_has_shard(s->member[p->owner].features, p->part, &why);
}

static bool is_same_shard(const struct bank_place *a, const struct bank_place *b, size_t shard)
{
    char *path[2] = {NULL, NULL};
    bool is_same = bank_shard_path(&path[0], a, shard) == ERR_OK &&
                   bank_shard_path(&path[1], b, shard) == ERR_OK && strcmp(path[0], path[1]) == 0;
    MEM_FREE(path[0]);
    MEM_FREE(path[1]);
    return is_same;
}

/* Banks that differ only in what becomes of their shards share them: the first one builds. */
static bool is_built_for_other(const struct sweep *s, const struct piece *p)
{
    const struct memory *m = &s->memory[p->owner];
    for (const struct memory *other = s->memory; other < m; other++)
        if (other->wants_bank && other->member == m->member &&
            is_same_shard(other->place, m->place, p->part) && bank_needs_shards(other->place))
            return true;
    return false;
}

static bool has_bank(const struct sweep *s, const struct piece *p)
{
    return !bank_needs_shards(s->memory[p->owner].place) ||
           bank_has_shard(s->memory[p->owner].place, p->part) || is_built_for_other(s, p);
}

static bool is_gathered(const struct sweep *s, const struct piece *p)
{
    return bank_is_whole(s->memory[p->owner].place);
}

static bool is_trained(const struct sweep *s, const struct piece *p)
{
    return head_exists(s->trainee[p->owner].place);
}

static bool has_scores(const struct sweep *s, const struct piece *p)
{
    return scores_has_shard(s->cell[p->owner].place, p->part);
}

static bool is_joined(const struct sweep *s, const struct piece *p)
{
    return scores_is_whole(s->cell[p->owner].place);
}

static bool has_row(const struct sweep *s, const struct piece *p)
{
    return !s->wants_row[s->cell[p->owner].first_row + p->part];
}

static int extract(struct sweep *s, const struct piece *p)
{
    int rc = ERR_OK;
    TRY(sweep_ops(s));
    if (!s->extractor)
        TRY(extractor_new(&s->extractor, s->ops, s->config));
    TRY(extractor_run(s->extractor, s->member[p->owner].features, p->part));
out:
    return rc;
}

static int build_bank(struct sweep *s, const struct piece *p)
{
    int rc = ERR_OK;
    TRY(sweep_ops(s));
    TRY(bank_build_shard(s->memory[p->owner].place, p->part, s->ops));
out:
    return rc;
}

static int gather(struct sweep *s, const struct piece *p)
{
    int rc = ERR_OK;
    const struct gather_method *method;
    const struct memory *m = &s->memory[p->owner];
    TRY(gather_find(&method, config_gathers[s->config->gather]));
    TRY_ALL(s->comm, sweep_ops(s));
    bank_free(&s->bank);
    TRY(bank_gather(&s->bank, m->place, s->ops, s->comm, method));
    s->bank_of = p->owner;
    log_root("gather", "%s: %zu image keys (%zu anomalous), %zu pixel keys (%zu anomalous)",
             s->member[m->member].entry->name, s->bank->n_image,
             bank_anomalous(s->bank->image_labels, s->bank->n_image), s->bank->n_pixel,
             bank_anomalous(s->bank->pixel_labels, s->bank->n_pixel));
out:
    return rc;
}

/* Have a bank in memory. One at a time is kept: a job may have very many. */
static int need_bank(struct sweep *s, size_t memory)
{
    int rc = ERR_OK;
    if (s->bank && s->bank_of == memory)
        return ERR_OK;
    bank_free(&s->bank);
    TRY(bank_open(&s->bank, s->memory[memory].place));
    s->bank_of = memory;
out:
    return rc;
}

static int train(struct sweep *s, const struct piece *p)
{
    int rc = ERR_OK;
    struct trainee *t = &s->trainee[p->owner];
    const struct member *m = &s->member[s->memory[t->memory].member];
    TRY_ALL(s->comm, sweep_ops(s));
    TRY_ALL(s->comm, need_bank(s, t->memory));
    log_root("train", "%s on %s, seed %zu: %zu steps", t->place->variant, m->entry->name, t->seed,
             t->place->n_steps);
    TRY(head_train(t->place, s->bank, s->ops, s->comm));
out:
    return rc;
}

/*
 * A bank, through a trainee's head, in the kernels' layout; one at a time is kept. It knows no options
 * of the scores, so that settings which differ in these use the same.
 */
static int load_retriever(struct sweep *s, size_t memory, size_t trainee)
{
    int rc = ERR_OK;
    const struct head_place *head = trainee == NONE ? NULL : s->trainee[trainee].place;
    if (s->retriever && s->retriever_of[0] == memory && s->retriever_of[1] == trainee)
        return ERR_OK;
    retriever_free(&s->retriever);
    TRY(need_bank(s, memory));
    rc = retriever_new(&s->retriever, s->ops, s->bank, head);
    if (rc)
        err_prefix("data set %s: ", s->member[s->memory[memory].member].entry->name);
    TRY(rc);
    s->retriever_of[0] = memory;
    s->retriever_of[1] = trainee;
out:
    return rc;
}

static int score(struct sweep *s, const struct piece *p)
{
    int rc = ERR_OK;
    TRY(sweep_ops(s));
    TRY(load_retriever(s, s->cell[p->owner].memory, s->cell[p->owner].trainee));
    TRY(scores_build_shard(s->cell[p->owner].place, p->part, s->retriever));
out:
    return rc;
}

static int join(struct sweep *s, const struct piece *p)
{
    return scores_join(s->cell[p->owner].place);
}

static int measure(struct sweep *s, const struct piece *p)
{
    int rc = ERR_OK;
    TRY(sweep_ops(s));
    TRY(row_build(s, &s->cell[p->owner], p->part));
out:
    return rc;
}

/* Images in a part: the unit of cost. */
static double shard_cost(const struct sweep *s, size_t member, size_t part)
{
    size_t first;
    size_t n;
    features_range(s->member[member].features, part, &first, &n);
    return (double)n;
}

static double member_cost(const struct sweep *s, const struct piece *p)
{
    return shard_cost(s, p->owner, p->part);
}

static double memory_cost(const struct sweep *s, const struct piece *p)
{
    return shard_cost(s, s->memory[p->owner].member, p->part);
}

static double cell_cost(const struct sweep *s, const struct piece *p)
{
    return shard_cost(s, s->cell[p->owner].test, p->part);
}

static double unit_cost(const struct sweep *s, const struct piece *p)
{
    (void)s;
    (void)p;
    return 1;
}

static double row_cost(const struct sweep *s, const struct piece *p)
{
    const struct manifest *m = s->member[s->cell[p->owner].test].manifest;
    size_t n = 0;
    for (size_t i = 0; i < m->n_items; i++)
        n += m->item[i].class_id == p->part;
    return (double)n;
}

enum owner { MEMBER, MEMORY, TRAINEE, CELL };

static const struct stage {
    const char *name;
    const char *unit;
    enum owner owner;
    size_t (*parts)(const struct sweep *s, size_t owner);
    bool (*exists)(const struct sweep *s, const struct piece *p);
    double (*cost)(const struct sweep *s, const struct piece *p);
    int (*work)(struct sweep *s, const struct piece *p);
    bool is_collective;
} stages[N_STAGES] = {
    {"extract", "feature shards", MEMBER, feature_parts, has_features, member_cost, extract, false},
    {"bank", "bank shards", MEMORY, bank_parts, has_bank, memory_cost, build_bank, false},
    {"gather", "banks", MEMORY, gather_parts, is_gathered, unit_cost, gather, true},
    {"train", "heads", TRAINEE, train_parts, is_trained, unit_cost, train, true},
    {"score", "score shards", CELL, score_parts, has_scores, cell_cost, score, false},
    {"join", "cells", CELL, join_parts, is_joined, unit_cost, join, false},
    {"measure", "rows", CELL, row_parts, has_row, row_cost, measure, false},
};

const char *stage_name(size_t stage)
{
    return stages[stage].name;
}

const char *stage_unit(size_t stage)
{
    return stages[stage].unit;
}

static int list_all(const struct sweep *s, const struct stage *stage, struct piece **out, size_t *n)
{
    int rc = ERR_OK;
    const size_t owners_of[] = {s->n_members, s->n_memories, s->n_trainees, s->n_cells};
    size_t owners = owners_of[stage->owner];
    size_t total = 0;
    *n = 0;
    *out = NULL;
    for (size_t i = 0; i < owners; i++)
        total += stage->parts(s, i);
    TRY(MEM_NEW(*out, total));
    for (size_t i = 0; i < owners; i++) {
        /* cells with the same retriever one after another: a rank rarely needs a new one */
        size_t owner = stage->owner == CELL ? s->by_retriever[i] : i;
        for (size_t part = 0; part < stage->parts(s, owner); part++) {
            struct piece *p = &(*out)[(*n)++];
            *p = (struct piece){.owner = owner, .part = part};
            p->cost = stage->cost(s, p);
        }
    }
out:
    return rc;
}

int stage_pieces(struct sweep *s, size_t stage, struct piece **out, size_t *n)
{
    int rc = ERR_OK;
    uint8_t *exists = NULL;
    size_t all = 0;
    TRY(list_all(s, &stages[stage], out, &all));
    TRY(MEM_NEW(exists, all));
    for (size_t i = 0; comm_rank(s->comm) == 0 && i < all; i++)
        exists[i] = stages[stage].exists(s, &(*out)[i]);
    TRY(comm_bcast(s->comm, exists, all, 0));
    *n = 0;
    for (size_t i = 0; i < all; i++)
        if (!exists[i])
            (*out)[(*n)++] = (*out)[i];
out:
    MEM_FREE(exists);
    return rc;
}

bool stage_is_collective(size_t stage)
{
    return stages[stage].is_collective;
}

/* Files that are written now are this stage's. */
static int run_piece(struct sweep *s, size_t stage, const struct piece *piece)
{
    int rc;
    const char *former = fault_stage(stages[stage].name);
    rc = stages[stage].work(s, piece);
    (void)fault_stage(former);
    return rc;
}

int stage_together(struct sweep *s, size_t stage, const struct piece *piece)
{
    BUG_ON(!stages[stage].is_collective);
    return run_piece(s, stage, piece);
}

int stage_work(struct sweep *s, size_t stage, const struct piece *piece)
{
    BUG_ON(stages[stage].is_collective);
    return run_piece(s, stage, piece);
}
