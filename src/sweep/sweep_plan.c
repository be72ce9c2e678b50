/* sweep_plan.c - from a configuration to members and cells, and which of them are wanted. */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/sweep_int.h"

#include <string.h>
#include <strings.h>

/* ---- which data sets and pairs ---- */

static const struct dataset_entry *entry_like(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_datasets; i++)
        if (strcasecmp(c->dataset[i].name, name) == 0)
            return &c->dataset[i];
    return NULL;
}

static int find_entry(const struct dataset_entry **out, const struct config *c, const char *name)
{
    int rc = ERR_OK;
    const char **names = NULL;
    const char *near;
    *out = config_dataset(c, name);
    if (*out)
        return ERR_OK;
    TRY(MEM_NEW(names, c->n_datasets + 1));
    for (size_t i = 0; i < c->n_datasets; i++)
        names[i] = c->dataset[i].name;
    near = str_nearest(name, names, c->n_datasets);
    if (near)
        FAIL(ERR_CONFIG, "pairs: no data set \"%s\", did you mean \"%s\"?", name, near);
    FAIL(ERR_CONFIG, "pairs: no data set \"%s\" among the %zu of \"datasets\"", name,
         c->n_datasets);
out:
    mem_release((void *)names);
    return rc;
}

/* The member for an entry; it is added when it is not there yet. */
static size_t member_of(struct sweep *s, const struct dataset_entry *entry)
{
    for (size_t i = 0; i < s->n_members; i++)
        if (s->member[i].entry == entry)
            return i;
    s->member[s->n_members].entry = entry;
    return s->n_members++;
}

struct ends {
    const struct dataset_entry *train, *test;
};

static int protocol_pairs(struct ends *out, size_t *n, const struct config *c)
{
    int rc = ERR_OK;
    const struct dataset_entry *visa = entry_like(c, "visa");
    const struct dataset_entry *mvtec = entry_like(c, "mvtec");
    if (!visa || !mvtec)
        FAIL(ERR_CONFIG,
             "pairs: \"protocol\" trains on visa and, to test visa, on mvtec; "
             "\"datasets\" has no %s",
             visa ? "mvtec" : "visa");
    for (size_t i = 0; i < c->n_datasets; i++) {
        const struct dataset_entry *test = &c->dataset[i];
        out[(*n)++] = (struct ends){test == visa ? mvtec : visa, test};
    }
out:
    return rc;
}

static int list_pairs(struct ends *out, size_t *n, const struct config *c)
{
    int rc = ERR_OK;
    *n = 0;
    if (c->pairing == PAIRS_PROTOCOL)
        return protocol_pairs(out, n, c);
    if (c->pairing == PAIRS_ALL)
        for (size_t a = 0; a < c->n_datasets; a++)
            for (size_t b = 0; b < c->n_datasets; b++)
                if (a != b)
                    out[(*n)++] = (struct ends){&c->dataset[a], &c->dataset[b]};
    for (size_t i = 0; c->pairing == PAIRS_LISTED && i < c->n_pairs; i++) {
        TRY(find_entry(&out[*n].train, c, c->pair[i].train));
        TRY(find_entry(&out[*n].test, c, c->pair[i].test));
        (*n)++;
    }
out:
    return rc;
}

enum { N_VARIANTS = 3 };
static const char *const variants[N_VARIANTS] = {"mrad-tf", "mrad-ft", "mrad-clip"};

static int check_variants(const struct config *c)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < c->n_variants; i++) {
        bool is_known = false;
        for (size_t k = 0; k < N_VARIANTS; k++)
            is_known = is_known || strcmp(c->variant[i], variants[k]) == 0;
        if (!is_known)
            FAIL(ERR_CONFIG, "variants: no variant \"%s\"; known: mrad-tf, mrad-ft, mrad-clip",
                 c->variant[i]);
    }
out:
    return rc;
}

/* The trainee for a data set, seed and metric; it is added when it is not there yet. */
static size_t trainee_of(struct sweep *s, size_t member, size_t seed, size_t metric)
{
    for (size_t i = 0; i < s->n_trainees; i++)
        if (s->trainee[i].member == member && s->trainee[i].seed == seed &&
            s->trainee[i].metric == metric)
            return i;
    s->trainee[s->n_trainees] = (struct trainee){.member = member, .seed = seed, .metric = metric};
    return s->n_trainees++;
}

static void add_cell(struct sweep *s, const char *variant, const struct ends *ends, size_t seed)
{
    struct cell *cell = &s->cell[s->n_cells++];
    *cell = (struct cell){.variant = variant, .seed = seed, .trainee = NO_HEAD};
    cell->train = member_of(s, ends->train);
    cell->test = member_of(s, ends->test);
    if (strcmp(variant, "mrad-tf") != 0)
        cell->trainee = trainee_of(s, cell->train, seed, NO_HEAD);
    if (strcmp(variant, "mrad-clip") == 0)
        cell->trainee = trainee_of(s, cell->train, seed, cell->trainee);
}

static int make_cells(struct sweep *s)
{
    int rc = ERR_OK;
    const struct config *c = s->config;
    size_t most = c->n_datasets * c->n_datasets + c->n_pairs;
    size_t n = 0;
    struct ends *ends = NULL;
    TRY(check_variants(c));
    TRY(MEM_NEW(ends, most + 1));
    TRY(list_pairs(ends, &n, c));
    if (n == 0)
        FAIL(ERR_CONFIG, "pairs: nothing to do: %zu data sets give no pair", c->n_datasets);
    TRY(MEM_NEW(s->cell, n * c->n_variants * c->n_seeds));
    TRY(MEM_NEW(s->trainee, 2 * c->n_datasets * c->n_seeds));
    for (size_t v = 0; v < c->n_variants; v++)
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < c->n_seeds; k++)
                add_cell(s, c->variant[v], &ends[i], c->seed[k]);
out:
    MEM_FREE(ends);
    return rc;
}

/* Are heads of all members a goal of their own? */
static bool wants_heads(const struct sweep *s)
{
    return s->goal == SWEEP_HEADS || s->goal == SWEEP_PROMPTS;
}

static void want_heads(struct sweep *s, size_t member, size_t seed)
{
    size_t metric = trainee_of(s, member, seed, NO_HEAD);
    if (s->goal == SWEEP_PROMPTS)
        (void)trainee_of(s, member, seed, metric);
}

/* Without cells: every data set, and a trainee for each seed where heads are the goal. */
static int make_members(struct sweep *s)
{
    int rc = ERR_OK;
    const struct config *c = s->config;
    TRY(MEM_NEW(s->trainee, 2 * c->n_datasets * c->n_seeds));
    for (size_t i = 0; i < c->n_datasets; i++) {
        size_t member = member_of(s, &c->dataset[i]);
        for (size_t k = 0; wants_heads(s) && k < c->n_seeds; k++)
            want_heads(s, member, c->seed[k]);
    }
out:
    return rc;
}

/* The same cell twice would be two rows that say the same. */
static int check_cells(const struct sweep *s)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < s->n_cells; i++)
        for (size_t j = 0; j < i; j++) {
            const struct cell *a = &s->cell[i];
            const struct cell *b = &s->cell[j];
            if (a->train == b->train && a->test == b->test && a->seed == b->seed &&
                strcmp(a->variant, b->variant) == 0)
                FAIL(ERR_CONFIG, "%s, seed %zu, %s -> %s is listed twice in the job", a->variant,
                     a->seed, s->member[a->train].entry->name, s->member[a->test].entry->name);
        }
out:
    return rc;
}

/* ---- where everything lies ---- */

/* Are banks of all members a goal of their own? */
static bool wants_banks(const struct sweep *s)
{
    return s->goal == SWEEP_BANKS || wants_heads(s);
}

static int plan_head(struct sweep *s, struct trainee *t)
{
    if (t->metric != NO_HEAD)
        return head_plan_clip(&t->place, s->config, s->trainee[t->metric].place);
    return head_plan_ft(&t->place, s->config, s->member[t->member].bank_place, t->seed);
}

static int load_members(struct sweep *s)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < s->n_members; i++) {
        struct member *m = &s->member[i];
        TRY_ALL(s->comm,
                manifest_load(&m->manifest, m->entry->name, m->entry->root, m->entry->meta));
        TRY_ALL(s->comm, features_plan(&m->features, s->comm, s->config, &s->model, m->manifest));
    }
    for (size_t i = 0; i < s->n_cells; i++) {
        struct member *m = &s->member[s->cell[i].train];
        if (!m->bank_place)
            TRY_ALL(s->comm, bank_plan(&m->bank_place, s->config, m->features));
    }
    for (size_t i = 0; wants_banks(s) && i < s->n_members; i++)
        TRY_ALL(s->comm, bank_plan(&s->member[i].bank_place, s->config, s->member[i].features));
    for (size_t i = 0; i < s->n_trainees; i++)
        TRY_ALL(s->comm, plan_head(s, &s->trainee[i]));
out:
    return rc;
}

static int place_cell(struct sweep *s, struct cell *cell)
{
    int rc = ERR_OK;
    const struct member *train = &s->member[cell->train];
    const struct member *test = &s->member[cell->test];
    char *options = NULL;
    struct hasher *h = NULL;
    const struct head_place *head =
        cell->trainee == NO_HEAD ? NULL : s->trainee[cell->trainee].place;
    TRY(scores_plan(&cell->place, s->config, train->bank_place, head, test->features));
    TRY(config_stage_text(&options, s->config, IN_METRICS));
    TRY(hasher_new(&h));
    hasher_add_text(h, "mrad.row 1");
    hasher_add_text(h, cell->place->key);
    hasher_add_text(h, options);
    hasher_add(h, &cell->seed, sizeof cell->seed);
    hash_hex(cell->row_key, hasher_finish(&h));
    TRY(str_make(&cell->row_dir, "%s/metrics/%s/%s/%s/%s", s->config->store, cell->variant,
                 train->entry->name, test->entry->name, cell->row_key));
    cell->first_row = s->n_rows;
    s->n_rows += test->manifest->n_classes;
out:
    MEM_FREE(options);
    return rc;
}

/* ---- what is wanted, from the rows backwards ---- */

/* Cells that differ in their seed alone share the scores of a method that draws no random numbers. */
static bool is_scored_earlier(const struct sweep *s, const struct cell *cell)
{
    for (const struct cell *c = s->cell; c < cell; c++)
        if (c->wants_scores && strcmp(c->place->dir, cell->place->dir) == 0)
            return true;
    return false;
}

/* A head that is missing, and the metric below it that is; training reads the features. */
static void want_head(struct sweep *s, size_t trainee)
{
    struct trainee *t = &s->trainee[trainee];
    if (head_exists(t->place))
        return;
    t->wants_head = 1;
    s->member[t->member].wants_bank = 1;
    if (!t->place->is_given)
        s->member[t->member].wants_features = 1;
    if (t->metric != NO_HEAD)
        want_head(s, t->metric);
}

static void want_for_cell(struct sweep *s, struct cell *cell)
{
    struct member *train = &s->member[cell->train];
    struct member *test = &s->member[cell->test];
    bool misses_row = false;
    for (size_t c = 0; c < test->manifest->n_classes; c++) {
        s->wants_row[cell->first_row + c] = !row_exists(cell, c);
        misses_row = misses_row || s->wants_row[cell->first_row + c];
    }
    if (!misses_row)
        return;
    test->wants_features = 1; /* the masks lie there */
    if (s->config->on_bad_item == BAD_ITEM_SKIP)
        train->wants_features = 1; /* and what the bank lacks */
    cell->wants_scores = !scores_is_whole(cell->place) && !is_scored_earlier(s, cell);
    if (!cell->wants_scores)
        return;
    train->wants_bank = 1;
    if (cell->trainee != NO_HEAD)
        want_head(s, cell->trainee);
}

/* On rank 0; the others learn it in share_wants. A bank that needs no shards needs no features. */
static void find_wants(struct sweep *s)
{
    for (size_t i = 0; i < s->n_cells; i++)
        want_for_cell(s, &s->cell[i]);
    for (size_t i = 0; wants_heads(s) && i < s->n_trainees; i++)
        want_head(s, i);
    for (size_t i = 0; i < s->n_members; i++) {
        struct member *m = &s->member[i];
        if (wants_banks(s))
            m->wants_bank = 1;
        if (s->goal == SWEEP_FEATURES || (m->wants_bank && bank_needs_shards(m->bank_place)))
            m->wants_features = 1;
    }
}

static int share_wants(struct sweep *s)
{
    int rc = ERR_OK;
    TRY(comm_bcast(s->comm, s->wants_row, s->n_rows, 0));
    for (size_t i = 0; i < s->n_cells; i++)
        TRY(comm_bcast(s->comm, &s->cell[i].wants_scores, 1, 0));
    for (size_t i = 0; i < s->n_trainees; i++)
        TRY(comm_bcast(s->comm, &s->trainee[i].wants_head, 1, 0));
    for (size_t i = 0; i < s->n_members; i++) {
        TRY(comm_bcast(s->comm, &s->member[i].wants_features, 1, 0));
        TRY(comm_bcast(s->comm, &s->member[i].wants_bank, 1, 0));
    }
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

int sweep_open(struct sweep **out, struct comm *comm, const struct config *config,
               enum sweep_goal goal)
{
    int rc = ERR_OK;
    struct sweep *s = NULL;
    TRY(check_config(config));
    TRY(MEM_NEW(s, 1));
    *s = (struct sweep){.comm = comm, .config = config, .goal = goal};
    TRY(MEM_NEW(s->member, config->n_datasets + 1));
    if (goal == SWEEP_ALL) {
        TRY(make_cells(s));
        TRY(check_cells(s));
    }
    if (goal != SWEEP_ALL)
        TRY(make_members(s));
    TRY(model_info(&s->model, comm, config));
    TRY(load_members(s));
    for (size_t i = 0; i < s->n_cells; i++)
        TRY(place_cell(s, &s->cell[i]));
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
    extractor_free(&s->extractor);
    bank_free(&s->bank);
    ops_close(&s->ops);
    for (size_t i = 0; i < s->n_cells; i++) {
        score_place_free(&s->cell[i].place);
        MEM_FREE(s->cell[i].row_dir);
    }
    for (size_t i = 0; i < s->n_trainees; i++)
        head_place_free(&s->trainee[i].place);
    for (size_t i = 0; i < s->n_members; i++) {
        bank_place_free(&s->member[i].bank_place);
        features_free(&s->member[i].features);
        manifest_free(&s->member[i].manifest);
    }
    status_free(&s->status);
    MEM_FREE(s->cell);
    MEM_FREE(s->trainee);
    MEM_FREE(s->member);
    MEM_FREE(s->wants_row);
    MEM_FREE(*sweep);
}

/* ---- telling what would run ---- */

static int describe_member(struct str *s, const struct member *m)
{
    int rc = ERR_OK;
    size_t there = 0;
    const char *why = "";
    for (size_t i = 0; i < m->features->n_shards; i++) {
        const char *reason;
        if (features_has_shard(m->features, i, &reason))
            there++;
        else
            why = reason;
    }
    TRY(str_addf(s, "features  %s  %zu of %zu shards (%zu images)%s%s%s\n", m->entry->name, there,
                 m->features->n_shards, m->manifest->n_items,
                 m->wants_features && there < m->features->n_shards ? ": to make" : "",
                 why[0] ? ", " : "", why));
    TRY(str_addf(s, "          %s\n", m->features->dir));
    if (!m->bank_place)
        return ERR_OK;
    TRY(str_addf(s, "bank      %s  %s\n          %s\n", m->entry->name,
                 bank_is_whole(m->bank_place) ? "there"
                 : m->wants_bank              ? "to make"
                                              : "missing, not needed",
                 m->bank_place->dir));
out:
    return rc;
}

static int describe_trainee(struct str *s, const struct sweep *sweep, const struct trainee *t)
{
    return str_addf(s, "head      %s  %s, seed %zu, %zu steps  %s\n          %s\n",
                    t->place->variant, sweep->member[t->member].entry->name, t->seed,
                    t->place->n_steps,
                    head_exists(t->place) ? "there"
                    : t->wants_head       ? "to train"
                                          : "missing, not needed",
                    t->place->dir);
}

static int describe_cell(struct str *s, const struct sweep *sweep, const struct cell *cell)
{
    int rc = ERR_OK;
    size_t n = sweep->member[cell->test].manifest->n_classes;
    size_t missing = 0;
    for (size_t c = 0; c < n; c++)
        missing += sweep->wants_row[cell->first_row + c];
    TRY(str_addf(s, "cell      %s  %s -> %s  scores %s, %zu of %zu rows there%s\n          %s\n",
                 cell->variant, sweep->member[cell->train].entry->name,
                 sweep->member[cell->test].entry->name,
                 cell->wants_scores ? "to make"
                 : missing          ? "there"
                                    : "not needed",
                 n - missing, n, missing ? ": to make" : "", cell->row_dir));
out:
    return rc;
}

int sweep_describe(char **out, const struct sweep *sweep)
{
    int rc = ERR_OK;
    struct str s = {0};
    TRY(str_addf(&s, "weights   %s  hash %s\n", sweep->config->weights, sweep->model.hash));
    for (size_t i = 0; i < sweep->n_members; i++)
        TRY(describe_member(&s, &sweep->member[i]));
    for (size_t i = 0; i < sweep->n_trainees; i++)
        TRY(describe_trainee(&s, sweep, &sweep->trainee[i]));
    for (size_t i = 0; i < sweep->n_cells; i++)
        TRY(describe_cell(&s, sweep, &sweep->cell[i]));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}
