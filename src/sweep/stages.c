/*
 * stages.c - the stages of a sweep as one table: which pieces there are, which of them exist, how one is
 * made and what it costs. A rank keeps one extractor or one retriever, and one bank.
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
    return s->memory[i].wants_bank && bank_has_file(s->memory[i].place) ? 1 : 0;
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

bool is_same_shard(const struct bank_place *a, const struct bank_place *b, size_t shard)
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

static int extract(struct sweep *s, const struct piece *p, struct comm *gang)
{
    int rc = ERR_OK;
    const struct member *m = &s->member[p->owner];
    (void)gang;
    TRY(sweep_ops(s));
    retriever_free(&s->retriever);
    if (s->extractor_of != m->setting)
        extractor_free(&s->extractor);
    if (!s->extractor)
        TRY(extractor_new(&s->extractor, s->ops, s->setting[m->setting].config));
    s->extractor_of = m->setting;
    TRY(extractor_run(s->extractor, s->member[p->owner].features, p->part));
out:
    return rc;
}

static int build_bank(struct sweep *s, const struct piece *p, struct comm *gang)
{
    int rc = ERR_OK;
    (void)gang;
    TRY(sweep_ops(s));
    TRY(bank_build_shard(s->memory[p->owner].place, p->part, s->ops));
out:
    return rc;
}

static int gather(struct sweep *s, const struct piece *p, struct comm *gang)
{
    int rc = ERR_OK;
    const struct gather_method *method;
    const struct memory *m = &s->memory[p->owner];
    TRY(gather_find(&method, config_gathers[s->config->gather]));
    TRY_ALL(gang, sweep_ops(s));
    bank_free(&s->bank);
    TRY(bank_gather(&s->bank, m->place, s->ops, gang, method));
    s->bank_of = p->owner;
    if (comm_rank(gang) == 0)
        log_rank("gather", "%s: %zu image keys (%zu anomalous), %zu pixel keys (%zu anomalous)",
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

static int train(struct sweep *s, const struct piece *p, struct comm *gang)
{
    int rc = ERR_OK;
    struct trainee *t = &s->trainee[p->owner];
    const struct member *m = &s->member[s->memory[t->memory].member];
    extractor_free(&s->extractor);
    TRY_ALL(gang, sweep_ops(s));
    TRY_ALL(gang, need_bank(s, t->memory));
    if (comm_rank(gang) == 0)
        log_rank("train", "%s on %s, seed %zu: %zu steps on %d rank%s", t->place->variant,
                 m->entry->name, t->seed, t->place->n_steps, comm_size(gang),
                 comm_size(gang) == 1 ? "" : "s");
    TRY(head_train(t->place, s->bank, s->ops, gang));
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
    extractor_free(&s->extractor);
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

static int score(struct sweep *s, const struct piece *p, struct comm *gang)
{
    int rc = ERR_OK;
    (void)gang;
    TRY(sweep_ops(s));
    TRY(load_retriever(s, s->cell[p->owner].memory, s->cell[p->owner].trainee));
    TRY(scores_build_shard(s->cell[p->owner].place, p->part, s->retriever));
out:
    return rc;
}

static int join(struct sweep *s, const struct piece *p, struct comm *gang)
{
    (void)gang;
    return scores_join(s->cell[p->owner].place);
}

static int measure(struct sweep *s, const struct piece *p, struct comm *gang)
{
    int rc = ERR_OK;
    (void)gang;
    TRY(sweep_ops(s));
    TRY(row_build(s, &s->cell[p->owner], p->part));
out:
    return rc;
}

/* ---- costs ---- */

/*
 * Seconds an image on two cores, as docs/PERFORMANCE.md has them at ViT-L/14 and 518 px. Other sizes
 * and machines change all of them by similar factors, and only their relation matters here; once a
 * stage has run for a while its own speed is known.
 */
static const double extract_s = 6.4;
static const double bank_s = 0.02;
static const double score_s = 0.1;
static const double join_s = 1e-3;
static const double measure_s = 0.02;

/* A step of training on a whole batch of the published size (8), for an image of it; five epochs. */
static const double ft_s = 1.84 / 8;
static const double clip_s = (1.89 + 4 * 0.65) / 5 / 8;

static size_t shard_images(const struct sweep *s, size_t member, size_t part)
{
    size_t first;
    size_t n;
    features_range(s->member[member].features, part, &first, &n);
    return n;
}

static double extract_cost(const struct sweep *s, const struct piece *p)
{
    return extract_s * (double)shard_images(s, p->owner, p->part);
}

static double bank_cost(const struct sweep *s, const struct piece *p)
{
    return bank_s * (double)shard_images(s, s->memory[p->owner].member, p->part);
}

static double gather_cost(const struct sweep *s, const struct piece *p)
{
    return join_s * (double)s->member[s->memory[p->owner].member].manifest->n_items;
}

static double train_cost(const struct sweep *s, const struct piece *p)
{
    const struct trainee *t = &s->trainee[p->owner];
    return (double)(t->place->n_steps * t->place->options.batch) *
           (t->metric == NONE ? ft_s : clip_s);
}

static double score_cost(const struct sweep *s, const struct piece *p)
{
    return score_s * (double)shard_images(s, s->cell[p->owner].test, p->part);
}

static double join_cost(const struct sweep *s, const struct piece *p)
{
    return join_s * (double)s->member[s->cell[p->owner].test].manifest->n_items;
}

static double row_cost(const struct sweep *s, const struct piece *p)
{
    const struct manifest *m = s->member[s->cell[p->owner].test].manifest;
    size_t n = 0;
    for (size_t i = 0; i < m->n_items; i++)
        n += m->item[i].class_id == p->part;
    return measure_s * (double)n;
}

/* ---- tools: none, the extractor of a setting, or the retriever of a bank with a head ---- */

enum { NO_TOOL, FIRST_EXTRACTOR };

static size_t first_retriever(const struct sweep *s)
{
    return FIRST_EXTRACTOR + s->n_settings;
}

static size_t no_tool(const struct sweep *s, const struct piece *p)
{
    (void)s;
    (void)p;
    return NO_TOOL;
}

static size_t extractor_tool(const struct sweep *s, const struct piece *p)
{
    return FIRST_EXTRACTOR + s->member[p->owner].setting;
}

static size_t retriever_tool(const struct sweep *s, const struct piece *p)
{
    const struct cell *cell = &s->cell[p->owner];
    return first_retriever(s) +
           (cell->trainee == NONE ? cell->memory : s->n_memories + cell->trainee);
}

size_t stage_tools(const struct sweep *s)
{
    return first_retriever(s) + s->n_memories + s->n_trainees;
}

double stage_load_s(const struct sweep *s, size_t tool)
{
    return tool == NO_TOOL ? 0 : tool < first_retriever(s) ? 10 : 0.5;
}

/* ---- ranks that can share a piece ---- */

static size_t alone(const struct sweep *s, const struct piece *p)
{
    (void)s;
    (void)p;
    return 1;
}

/* Each rank reads some shards; more than a few readers gain nothing. */
static size_t by_shards(const struct sweep *s, const struct piece *p)
{
    enum { MOST_READERS = 8 };
    size_t n = s->memory[p->owner].place->features->n_shards;
    return n < 1 ? 1 : n < MOST_READERS ? n : MOST_READERS;
}

/* Each step's batch is divided; a head that was given has no steps. */
static size_t by_batch(const struct sweep *s, const struct piece *p)
{
    const struct head_place *place = s->trainee[p->owner].place;
    return place->is_given ? 1 : place->options.batch;
}

/* ---- where pieces lie ---- */

static int feature_path(char **out, const struct sweep *s, const struct piece *p)
{
    return features_shard_path(out, s->member[p->owner].features, p->part);
}

static int bank_part_path(char **out, const struct sweep *s, const struct piece *p)
{
    return bank_shard_path(out, s->memory[p->owner].place, p->part);
}

static int whole_bank_path(char **out, const struct sweep *s, const struct piece *p)
{
    return bank_path(out, s->memory[p->owner].place);
}

static int trained_path(char **out, const struct sweep *s, const struct piece *p)
{
    return head_path(out, s->trainee[p->owner].place);
}

static int score_part_path(char **out, const struct sweep *s, const struct piece *p)
{
    return scores_shard_path(out, s->cell[p->owner].place, p->part);
}

static int joined_path(char **out, const struct sweep *s, const struct piece *p)
{
    return scores_path(out, s->cell[p->owner].place);
}

static int measured_path(char **out, const struct sweep *s, const struct piece *p)
{
    return row_path(out, &s->cell[p->owner], p->part);
}

enum owner { MEMBER, MEMORY, TRAINEE, CELL };

static const struct stage {
    const char *name;
    const char *unit;
    enum owner owner;
    size_t (*parts)(const struct sweep *s, size_t owner);
    bool (*exists)(const struct sweep *s, const struct piece *p);
    double (*cost)(const struct sweep *s, const struct piece *p);
    size_t (*tool)(const struct sweep *s, const struct piece *p);
    size_t (*most)(const struct sweep *s, const struct piece *p);
    int (*work)(struct sweep *s, const struct piece *p, struct comm *gang);
    int (*path)(char **out, const struct sweep *s, const struct piece *p);
} stages[N_STAGES] = {
    {"extract", "feature shards", MEMBER, feature_parts, has_features, extract_cost, extractor_tool,
     alone, extract, feature_path},
    {"bank", "bank shards", MEMORY, bank_parts, has_bank, bank_cost, no_tool, alone, build_bank,
     bank_part_path},
    {"gather", "banks", MEMORY, gather_parts, is_gathered, gather_cost, no_tool, by_shards, gather,
     whole_bank_path},
    {"train", "heads", TRAINEE, train_parts, is_trained, train_cost, no_tool, by_batch, train,
     trained_path},
    {"score", "score shards", CELL, score_parts, has_scores, score_cost, retriever_tool, alone,
     score, score_part_path},
    {"join", "cells", CELL, join_parts, is_joined, join_cost, no_tool, alone, join, joined_path},
    {"measure", "rows", CELL, row_parts, has_row, row_cost, no_tool, alone, measure, measured_path},
};

const char *stage_name(size_t stage)
{
    return stages[stage].name;
}

const char *stage_unit(size_t stage)
{
    return stages[stage].unit;
}

size_t stage_owners(const struct sweep *s, size_t stage)
{
    const size_t owners_of[] = {s->n_members, s->n_memories, s->n_trainees, s->n_cells};
    return owners_of[stages[stage].owner];
}

size_t stage_owner(const struct sweep *s, size_t stage, size_t i)
{
    return stages[stage].owner == CELL ? s->by_retriever[i] : i;
}

size_t stage_parts(const struct sweep *s, size_t stage, size_t owner)
{
    return stages[stage].parts(s, owner);
}

bool stage_exists(const struct sweep *s, const struct piece *p)
{
    return stages[p->stage].exists(s, p);
}

bool stage_is_made(const struct sweep *s, const struct piece *p)
{
    const struct stage *stage = &stages[p->stage];
    if (stage->work == measure)
        return row_exists(&s->cell[p->owner], p->part);
    return stage->exists(s, p) || (stage->work == score && is_joined(s, p));
}

int stage_path(char **out, const struct sweep *s, const struct piece *p)
{
    return stages[p->stage].path(out, s, p);
}

struct sched_item stage_item(const struct sweep *s, const struct piece *p)
{
    const struct stage *stage = &stages[p->stage];
    size_t most = stage->most(s, p);
    return (struct sched_item){
        .cost = (float)stage->cost(s, p),
        .tool = (uint32_t)stage->tool(s, p),
        .stage = (uint16_t)p->stage,
        .most = (uint16_t)(most < UINT16_MAX ? most : UINT16_MAX),
    };
}

int stage_work(struct sweep *s, const struct piece *p, struct comm *gang)
{
    int rc;
    const char *former = fault_stage(stages[p->stage].name); /* files written now are its files */
    rc = stages[p->stage].work(s, p, gang);
    (void)fault_stage(former);
    return rc;
}

int stage_tidy(const struct sweep *s, const struct piece *p)
{
    return stages[p->stage].work == score ? scores_tidy(s->cell[p->owner].place) : ERR_OK;
}
