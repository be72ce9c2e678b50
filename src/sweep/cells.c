/* cells.c - banks, heads and cells of all settings, and where each of them lies. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/sweep_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- banks and heads ---- */

/* What was placed already, so that settings which agree up to a level are planned once. */
struct plan {
    struct sweep *sweep;
    size_t *placed; /* [N_LEVELS, n_settings, n_members, n_seeds] memory or trainee, or NONE */
};

static int plan_new(struct plan *p, struct sweep *s)
{
    int rc = ERR_OK;
    size_t n = N_LEVELS * s->n_settings * s->n_members * s->config->n_seeds;
    p->sweep = s;
    TRY(MEM_NEW(p->placed, n));
    for (size_t i = 0; i < n; i++)
        p->placed[i] = NONE;
out:
    return rc;
}

static size_t *placed_at(const struct plan *p, enum level level, size_t setting, size_t member,
                         size_t seed)
{
    const struct sweep *s = p->sweep;
    size_t row = (size_t)level * s->n_settings + s->setting[setting].like[level];
    return &p->placed[(row * s->n_members + member) * s->config->n_seeds + seed];
}

/*
 * Add a bank, or find the one of the same key: a reduction lies in the folder of what it reduces. Takes
 * over what it owns.
 */
static int keep_memory(struct sweep *s, struct memory *memory, size_t *out)
{
    int rc = ERR_OK;
    size_t i = 0;
    while (i < s->n_memories && (s->memory[i].member != memory->member ||
                                 strcmp(s->memory[i].place->key, memory->place->key) != 0))
        i++;
    if (i == s->n_memories) {
        TRY(MEM_GROW(s->memory, &s->memory_cap, i + 1));
        s->memory[s->n_memories++] = *memory;
        *memory = (struct memory){0}; /* the list's */
    }
    *out = i;
out:
    bank_place_free(&memory->place);
    MEM_FREE(memory->part);
    return rc;
}

/* The whole banks of merged data sets, and what they are together. */
static int plan_merged(struct sweep *s, const struct config *c, struct memory *memory)
{
    int rc = ERR_OK;
    const struct member *m = &s->member[memory->member];
    const struct bank_place **place = NULL;
    TRY(MEM_NEW(memory->part, m->n_parts));
    TRY(MEM_NEW(place, m->n_parts));
    for (; memory->n_parts < m->n_parts; memory->n_parts++) {
        struct memory part = {.member = m->part[memory->n_parts]};
        TRY(bank_plan_whole(&part.place, c, s->member[part.member].features));
        TRY(keep_memory(s, &part, &memory->part[memory->n_parts]));
        place[memory->n_parts] = s->memory[memory->part[memory->n_parts]].place;
    }
    TRY(bank_plan_merged(&memory->place, c, m->features, place));
out:
    mem_release((void *)place);
    return rc;
}

static int add_memory(struct sweep *s, const struct setting *setting, size_t member, size_t *out)
{
    int rc = ERR_OK;
    struct memory memory = {.member = member};
    if (s->member[member].n_parts)
        TRY(plan_merged(s, setting->config, &memory));
    else
        TRY(bank_plan(&memory.place, setting->config, s->member[member].features));
    TRY(keep_memory(s, &memory, out));
out:
    bank_place_free(&memory.place);
    MEM_FREE(memory.part);
    return rc;
}

static int place_bank(const struct plan *p, size_t setting, size_t member, size_t *out)
{
    int rc = ERR_OK;
    size_t *placed = placed_at(p, LEVEL_BANK, setting, member, 0);
    if (*placed == NONE)
        TRY(add_memory(p->sweep, &p->sweep->setting[setting], member, placed));
    *out = *placed;
out:
    return rc;
}

/* Add a trainee, or find the one whose head lies at the same place. Takes new->place over. */
static int add_trainee(struct sweep *s, const struct trainee *trainee, size_t *out)
{
    int rc = ERR_OK;
    struct head_place *place = trainee->place;
    size_t i = 0;
    while (i < s->n_trainees && strcmp(s->trainee[i].place->dir, place->dir) != 0)
        i++;
    if (i == s->n_trainees) {
        TRY(MEM_GROW(s->trainee, &s->trainee_cap, i + 1));
        s->trainee[s->n_trainees++] = *trainee;
        place = NULL; /* the list's */
    }
    *out = i;
out:
    head_place_free(&place);
    return rc;
}

static int place_metric(const struct plan *p, size_t setting, size_t member, size_t seed,
                        size_t *out)
{
    int rc = ERR_OK;
    struct sweep *s = p->sweep;
    size_t *placed = placed_at(p, LEVEL_METRIC, setting, member, seed);
    struct trainee t = {.seed = s->config->seed[seed], .metric = NONE};
    if (*placed == NONE) {
        TRY(place_bank(p, setting, member, &t.memory));
        TRY(head_plan_ft(&t.place, s->setting[setting].config, s->memory[t.memory].place, t.seed));
        TRY(add_trainee(s, &t, placed));
    }
    *out = *placed;
out:
    return rc;
}

static int place_prompts(const struct plan *p, size_t setting, size_t member, size_t seed,
                         size_t *out)
{
    int rc = ERR_OK;
    struct sweep *s = p->sweep;
    size_t *placed = placed_at(p, LEVEL_PROMPTS, setting, member, seed);
    struct trainee t = {.seed = s->config->seed[seed]};
    if (*placed == NONE) {
        TRY(place_metric(p, setting, member, seed, &t.metric));
        t.memory = s->trainee[t.metric].memory;
        TRY(head_plan_clip(&t.place, s->setting[setting].config, s->trainee[t.metric].place));
        TRY(add_trainee(s, &t, placed));
    }
    *out = *placed;
out:
    return rc;
}

/* ---- cells ---- */

static int place_scores(const struct sweep *s, struct cell *cell)
{
    int rc = ERR_OK;
    const struct setting *setting = &s->setting[cell->setting];
    const struct head_place *head = cell->trainee == NONE ? NULL : s->trainee[cell->trainee].place;
    struct hasher *h = NULL;
    TRY(scores_plan(&cell->place, setting->config, s->memory[cell->memory].place, head,
                    s->member[cell->test].features));
    TRY(hasher_new(&h));
    hasher_add_text(h, ROW_SCHEMA);
    hasher_add_text(h, cell->place->key);
    hasher_add_text(h, setting->metrics);
    hasher_add(h, &cell->seed, sizeof cell->seed);
    hash_hex(cell->row_key, hasher_finish(&h));
    TRY(str_make(&cell->row_dir, "%s/metrics/%s/%s/%s/%s", s->config->store, cell->variant,
                 s->member[cell->train].entry->name, s->member[cell->test].entry->name,
                 cell->row_key));
out:
    return rc;
}

/* Bank, head, scores and rows of a cell whose names are set. seed: index into the list. */
static int place_cell(const struct plan *p, struct cell *cell, size_t seed)
{
    int rc = ERR_OK;
    TRY(place_bank(p, cell->setting, cell->train, &cell->memory));
    cell->trainee = NONE;
    if (strcmp(cell->variant, "mrad-ft") == 0)
        TRY(place_metric(p, cell->setting, cell->train, seed, &cell->trainee));
    if (strcmp(cell->variant, "mrad-clip") == 0)
        TRY(place_prompts(p, cell->setting, cell->train, seed, &cell->trainee));
    TRY(place_scores(p->sweep, cell));
out:
    if (rc && p->sweep->setting[cell->setting].label)
        err_prefix("ablation %s: ", p->sweep->setting[cell->setting].label);
    return rc;
}

static void free_cell(struct cell *cell)
{
    score_place_free(&cell->place);
    MEM_FREE(cell->row_dir);
}

bool is_same_pair(const struct sweep *s, const struct cell *a, const struct cell *b)
{
    return a->variant == b->variant && s->member[a->train].entry == s->member[b->train].entry &&
           s->member[a->test].entry == s->member[b->test].entry;
}

/* Has an earlier cell of this variant and pair, one of [first, n_cells), the same rows? */
static bool is_copy(const struct sweep *s, size_t first, const struct cell *cell)
{
    for (size_t i = first; i < s->n_cells; i++)
        if (strcmp(s->cell[i].row_key, cell->row_key) == 0)
            return true;
    return false;
}

/* first: index of the first cell of this variant and pair. */
static int add_cell(const struct plan *p, struct cell cell, size_t seed, size_t first)
{
    int rc = ERR_OK;
    struct sweep *s = p->sweep;
    cell.seed = s->config->seed[seed];
    TRY(place_cell(p, &cell, seed));
    if (is_copy(s, first, &cell)) {
        s->setting[cell.setting].n_omitted++;
        goto out;
    }
    TRY(MEM_GROW(s->cell, &s->cell_cap, s->n_cells + 1));
    cell.first_row = s->n_rows;
    s->n_rows += s->member[cell.test].manifest->n_classes;
    s->cell[s->n_cells++] = cell;
    cell = (struct cell){0}; /* the list's */
out:
    free_cell(&cell);
    return rc;
}

static int add_cells(const struct plan *p, const char *variant, const struct ends *ends)
{
    int rc = ERR_OK;
    struct sweep *s = p->sweep;
    size_t first = s->n_cells;
    struct cell cell = {.variant = variant};
    for (; cell.setting < s->n_settings; cell.setting++) {
        cell.train = member_find(s, ends->train, cell.setting);
        cell.test = member_find(s, ends->test, cell.setting);
        for (size_t seed = 0; seed < s->config->n_seeds; seed++)
            TRY(add_cell(p, cell, seed, first));
    }
out:
    return rc;
}

/* What a cell is scored with. */
struct scored_with {
    size_t memory, trainee, cell;
};

static int compare_retrievers(const void *a, const void *b)
{
    const struct scored_with *x = a;
    const struct scored_with *y = b;
    if (x->memory != y->memory)
        return x->memory < y->memory ? -1 : 1;
    if (x->trainee != y->trainee)
        return x->trainee < y->trainee ? -1 : 1;
    return x->cell < y->cell ? -1 : x->cell > y->cell;
}

static int sort_by_retriever(struct sweep *s)
{
    int rc = ERR_OK;
    struct scored_with *list = NULL;
    TRY(MEM_NEW(list, s->n_cells));
    TRY(MEM_NEW(s->by_retriever, s->n_cells));
    for (size_t i = 0; i < s->n_cells; i++)
        list[i] = (struct scored_with){s->cell[i].memory, s->cell[i].trainee, i};
    qsort(list, s->n_cells, sizeof *list, compare_retrievers);
    for (size_t i = 0; i < s->n_cells; i++)
        s->by_retriever[i] = list[i].cell;
out:
    MEM_FREE(list);
    return rc;
}

/* ---- without cells ---- */

bool wants_heads(const struct sweep *s)
{
    return s->goal == SWEEP_HEADS || s->goal == SWEEP_PROMPTS;
}

bool wants_banks(const struct sweep *s)
{
    return s->goal == SWEEP_BANKS || wants_heads(s);
}

static int place_goal(const struct plan *p, size_t setting, size_t member)
{
    int rc = ERR_OK;
    struct sweep *s = p->sweep;
    size_t made;
    TRY(place_bank(p, setting, member, &made));
    for (size_t seed = 0; wants_heads(s) && seed < s->config->n_seeds; seed++)
        if (s->goal == SWEEP_PROMPTS)
            TRY(place_prompts(p, setting, member, seed, &made));
        else
            TRY(place_metric(p, setting, member, seed, &made));
out:
    if (rc && s->setting[setting].label)
        err_prefix("ablation %s: ", s->setting[setting].label);
    return rc;
}

int cells_open(struct sweep *s)
{
    int rc = ERR_OK;
    struct plan p = {0};
    TRY(plan_new(&p, s));
    for (size_t v = 0; v < s->config->n_variants; v++)
        for (size_t i = 0; i < s->n_pairs; i++)
            TRY(add_cells(&p, s->config->variant[v], &s->pair[i]));
    TRY(sort_by_retriever(s));
    for (size_t i = 0; wants_banks(s) && i < s->n_settings; i++)
        for (size_t m = 0; m < s->n_members; m++)
            if (s->member[m].is_goal && s->member[m].setting == s->setting[i].like[LEVEL_FEATURES])
                TRY(place_goal(&p, i, m));
out:
    MEM_FREE(p.placed);
    return rc;
}

void cells_close(struct sweep *s)
{
    for (size_t i = 0; i < s->n_cells; i++)
        free_cell(&s->cell[i]);
    for (size_t i = 0; i < s->n_trainees; i++)
        head_place_free(&s->trainee[i].place);
    for (size_t i = 0; i < s->n_memories; i++) {
        bank_place_free(&s->memory[i].place);
        MEM_FREE(s->memory[i].part);
    }
    MEM_FREE(s->by_retriever);
    MEM_FREE(s->cell);
    MEM_FREE(s->trainee);
    MEM_FREE(s->memory);
    MEM_FREE(s->pair);
}
