/*
 * reasons.c - why products are made again: each that is missing is compared with the nearest one of its
 * kind and place that the store has under another key and that no setting of the sweep uses.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/origin_int.h"
#include "sweep/sweep_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_DIFFERENCES = 4, /* in one line */
    MOST_NAMES = 3,
};

/* One product and why it is made again. */
struct finding {
    enum artefact kind;
    size_t number; /* in the order of finding */
    char *name;    /* owned */
    char *why;     /* owned */
};

struct reasons {
    const struct sweep *sweep;
    struct path_list in_use;
    enum artefact kind; /* of the siblings at hand */
    char *folder;       /* theirs; NULL: none at hand */
    struct siblings siblings;
    struct finding *finding; /* [n] */
    size_t n, cap;
};

/* A product that is to be made. The texts of origin are borrowed. */
struct wanted {
    enum artefact kind;
    struct origin origin;
    char *name;                     /* for people, owned */
    const struct features *compare; /* whose images to compare, or NULL */
};

static void say(struct wanted *w, const char *input, const char *text)
{
    w->origin.said[artefact_input(w->kind, input)] = (char *)text;
}

/* ---- the nearest of the siblings ---- */

/* Products of one place stand together in the sweep's lists, so that one folder at a time will do. */
static int load_siblings(struct reasons *r, enum artefact kind, const char *folder)
{
    int rc = ERR_OK;
    if (r->folder && r->kind == kind && strcmp(r->folder, folder) == 0)
        return ERR_OK;
    siblings_release(&r->siblings);
    MEM_FREE(r->folder);
    TRY(siblings_read(&r->siblings, kind, folder, r->sweep->config->store, &r->in_use));
    TRY(str_dup(&r->folder, folder));
    r->kind = kind;
out:
    return rc;
}

/* The one with the fewest differences, of several the newest; with its differences. */
static int find_nearest(const struct reasons *r, const struct wanted *w,
                        const struct origin **nearest, struct path_list *differences)
{
    int rc = ERR_OK;
    struct path_list list = {0};
    *nearest = NULL;
    for (size_t i = 0; i < r->siblings.n; i++) {
        const struct origin *o = &r->siblings.origin[i];
        bool is_nearer;
        TRY(origin_differences(&list, w->kind, o, &w->origin));
        is_nearer = !*nearest || list.n < differences->n ||
                    (list.n == differences->n && o->mtime > (*nearest)->mtime);
        if (is_nearer) {
            struct path_list former = *differences;
            *differences = list;
            list = former;
            *nearest = o;
        }
        path_list_free(&list);
    }
out:
    path_list_free(&list);
    return rc;
}

/* What changed in a data set, where the features at hand tell. */
static int add_difference(struct str *s, const char *text, const struct features *compare,
                          const char *dir)
{
    int rc = ERR_OK;
    char *items = NULL;
    if (compare && strcmp(text, MANIFEST_DIFFERS) == 0) {
        rc = features_compare(&items, compare, dir);
        if (rc == ERR_IO || rc == ERR_FORMAT) { /* then they do not tell */
            err_clear();
            rc = ERR_OK;
        }
        TRY(rc);
    }
    TRY(str_addf(s, "%s%s", s->len ? "; " : "", items ? items : text));
out:
    MEM_FREE(items);
    return rc;
}

static int add_finding(struct reasons *r, const struct wanted *w, const struct origin *nearest,
                       const struct path_list *differences)
{
    int rc = ERR_OK;
    struct str why = {0};
    struct finding *f;
    for (size_t i = 0; i < differences->n && i < MOST_DIFFERENCES; i++)
        TRY(add_difference(&why, differences->name[i], w->compare, nearest->dir));
    if (differences->n > MOST_DIFFERENCES)
        TRY(str_addf(&why, "; and %zu more differ", differences->n - MOST_DIFFERENCES));
    TRY(MEM_GROW(r->finding, &r->cap, r->n + 1));
    f = &r->finding[r->n];
    *f = (struct finding){.kind = w->kind, .number = r->n};
    TRY(str_dup(&f->name, w->name));
    f->why = why.text;
    why = (struct str){0}; /* the finding's */
    r->n++;
out:
    str_free(&why);
    return rc;
}

/* dir: where the product will lie. */
static int examine(struct reasons *r, const struct wanted *w, const char *dir)
{
    int rc = ERR_OK;
    char *folder = NULL;
    const struct origin *nearest;
    struct path_list differences = {0};
    TRY(path_dir(&folder, dir));
    TRY(load_siblings(r, w->kind, folder));
    TRY(find_nearest(r, w, &nearest, &differences));
    if (nearest)
        TRY(add_finding(r, w, nearest, &differences));
out:
    MEM_FREE(folder);
    path_list_free(&differences);
    return rc;
}

/* ---- products that are to be made ---- */

static bool is_complete(const struct features *f)
{
    const char *why;
    for (size_t i = 0; i < f->n_shards; i++)
        if (!features_has_shard(f, i, &why))
            return false;
    return true;
}

static int examine_member(struct reasons *r, const struct member *m)
{
    int rc = ERR_OK;
    struct wanted w = {.kind = FEATURES, .compare = m->features};
    if (!m->wants_features || is_complete(m->features))
        return ERR_OK;
    say(&w, "weights", m->features->model.hash);
    say(&w, "options", m->features->options);
    say(&w, "manifest", m->features->manifest_hash);
    TRY(str_dup(&w.name, m->entry->name));
    TRY(examine(r, &w, m->features->dir));
out:
    MEM_FREE(w.name);
    return rc;
}

static int examine_memory(struct reasons *r, const struct memory *m)
{
    int rc = ERR_OK;
    const struct bank_place *place = m->place;
    struct wanted w = {.kind = place->full ? REDUCED : BANK};
    if (!m->wants_bank || !bank_has_file(place) || bank_is_whole(place))
        return ERR_OK;
    if (place->full) {
        say(&w, "full", place->full->key);
        say(&w, "reduction", place->reduction_text);
    } else {
        say(&w, "features", place->features->key);
        say(&w, "options", place->options);
    }
    TRY(str_dup(&w.name, r->sweep->member[m->member].entry->name));
    TRY(examine(r, &w, place->dir));
out:
    MEM_FREE(w.name);
    return rc;
}

static int examine_trainee(struct reasons *r, const struct trainee *t)
{
    int rc = ERR_OK;
    const struct head_place *place = t->place;
    struct wanted w = {.kind = HEAD};
    char seed[24];
    if (!t->wants_head || head_exists(place))
        return ERR_OK;
    (void)snprintf(seed, sizeof seed, "%zu", place->seed);
    say(&w, "bank", place->bank->key);
    say(&w, "metric", place->metric ? place->metric->key : "none");
    say(&w, "options", place->options_text);
    say(&w, "seed", seed);
    TRY(str_make(&w.name, "%s on %s", place->variant,
                 r->sweep->member[r->sweep->memory[t->memory].member].entry->name));
    TRY(examine(r, &w, place->dir));
out:
    MEM_FREE(w.name);
    return rc;
}

static int examine_scores(struct reasons *r, const struct cell *cell, const char *name)
{
    int rc = ERR_OK;
    const struct score_place *place = cell->place;
    struct wanted w = {.kind = SCORES};
    say(&w, "bank", place->train->key);
    say(&w, "head", place->head ? place->head->key : "none");
    say(&w, "features", place->test->key);
    say(&w, "options", place->options_text);
    TRY(str_dup(&w.name, name));
    TRY(examine(r, &w, place->dir));
out:
    MEM_FREE(w.name);
    return rc;
}

static int examine_rows(struct reasons *r, const struct cell *cell, const char *name)
{
    int rc = ERR_OK;
    struct wanted w = {.kind = ROWS};
    char seed[24];
    (void)snprintf(seed, sizeof seed, "%zu", cell->seed);
    say(&w, "scores", cell->place->key);
    say(&w, "options", r->sweep->setting[cell->setting].metrics);
    say(&w, "seed", seed);
    TRY(str_dup(&w.name, name));
    TRY(examine(r, &w, cell->row_dir));
out:
    MEM_FREE(w.name);
    return rc;
}

static int name_cell(char **out, const struct sweep *s, const struct cell *cell)
{
    const char *label = s->setting[cell->setting].label;
    return str_make(out, "%s %s -> %s%s%s", cell->variant, s->member[cell->train].entry->name,
                    s->member[cell->test].entry->name, label ? " with " : "", label ? label : "");
}

/* which: SCORES or ROWS. All of one kind come together, as their folders do. */
static int examine_cell(struct reasons *r, enum artefact which, const struct cell *cell)
{
    int rc = ERR_OK;
    const struct sweep *s = r->sweep;
    char *name = NULL;
    bool is_missing = false;
    for (size_t c = 0; c < s->member[cell->test].manifest->n_classes; c++)
        is_missing = is_missing || s->wants_row[cell->first_row + c];
    TRY(name_cell(&name, s, cell));
    if (which == SCORES && cell->wants_scores)
        TRY(examine_scores(r, cell, name));
    if (which == ROWS && is_missing)
        TRY(examine_rows(r, cell, name));
out:
    MEM_FREE(name);
    return rc;
}

static int examine_all(struct reasons *r)
{
    int rc = ERR_OK;
    const struct sweep *s = r->sweep;
    for (size_t i = 0; i < s->n_members; i++)
        TRY(examine_member(r, &s->member[i]));
    for (size_t i = 0; i < s->n_memories; i++)
        TRY(examine_memory(r, &s->memory[i]));
    for (size_t i = 0; i < s->n_trainees; i++)
        TRY(examine_trainee(r, &s->trainee[i]));
    for (size_t i = 0; i < s->n_cells; i++)
        TRY(examine_cell(r, SCORES, &s->cell[i]));
    for (size_t i = 0; i < s->n_cells; i++)
        TRY(examine_cell(r, ROWS, &s->cell[i]));
out:
    return rc;
}

/* ---- lines ---- */

static int by_reason(const void *a, const void *b)
{
    const struct finding *x = a;
    const struct finding *y = b;
    int order = strcmp(x->why, y->why);
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (order)
        return order;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* "again     features of cells, fabric, parts and 13 more: the weights changed" */
static int add_line(struct str *s, const struct finding *f, size_t n)
{
    int rc = ERR_OK;
    TRY(str_addf(s, "again     %s of ", artefact_name(f->kind)));
    for (size_t i = 0; i < n && i < MOST_NAMES; i++)
        TRY(str_addf(s, "%s%s", i ? ", " : "", f[i].name));
    if (n > MOST_NAMES)
        TRY(str_addf(s, " and %zu more", n - MOST_NAMES));
    TRY(str_addf(s, ": %s\n", f->why));
out:
    return rc;
}

int reasons_add(struct str *out, const struct sweep *sweep)
{
    int rc = ERR_OK;
    struct reasons r = {.sweep = sweep};
    TRY(sweep_places(&r.in_use, sweep));
    TRY(examine_all(&r));
    if (r.n)
        qsort(r.finding, r.n, sizeof *r.finding, by_reason);
    for (size_t i = 0, n; i < r.n; i += n) {
        for (n = 1; i + n < r.n && r.finding[i + n].kind == r.finding[i].kind &&
                    strcmp(r.finding[i + n].why, r.finding[i].why) == 0;)
            n++;
        TRY(add_line(out, &r.finding[i], n));
    }
out:
    for (size_t i = 0; i < r.n; i++) {
        MEM_FREE(r.finding[i].name);
        MEM_FREE(r.finding[i].why);
    }
    MEM_FREE(r.finding);
    MEM_FREE(r.folder);
    siblings_release(&r.siblings);
    path_list_free(&r.in_use);
    return rc;
}
