/* cmd_gc.c - mrad gc: what a store has that no job refers to. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "config/json.h"
#include "sweep/collect.h"
#include "sweep/sweep.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What all jobs refer to. */
struct references {
    char *store; /* as the operating system names it, from realpath; NULL before the first job */
    const char *first; /* the job that named it */
    struct path_list places, files;
};

/* The store must be there: a path that is mistyped names an empty one otherwise. */
static int check_store(struct references *r, const char *job, const struct config *c)
{
    int rc = ERR_OK;
    char store[PATH_MAX];
    if (!realpath(c->store, store))
        FAIL(ERR_IO, "%s: cannot open the store %s: %s", job, c->store, strerror(errno));
    if (r->store && strcmp(r->store, store) != 0)
        FAIL(ERR_CONFIG, "%s: its store is %s, that of %s is %s; give jobs of one store only", job,
             store, r->first, r->store);
    if (r->store)
        return ERR_OK;
    TRY(str_dup(&r->store, store));
    r->first = job;
out:
    return rc;
}

static int add_goal(struct references *r, struct comm *comm, const struct config *c,
                    enum sweep_goal goal)
{
    int rc = ERR_OK;
    struct sweep *sweep = NULL;
    TRY(sweep_open(&sweep, comm, c, goal));
    TRY(sweep_places(&r->places, sweep));
    TRY(sweep_files(&r->files, sweep));
out:
    sweep_close(&sweep);
    return rc;
}

static bool has_variant(const struct config *c, const char *variant)
{
    for (size_t i = 0; i < c->n_variants; i++)
        if (strcmp(c->variant[i], variant) == 0)
            return true;
    return false;
}

/*
 * Beside its sweep a job may have had `extract`, `bank` and `train`, which are for all data sets. What is
 * given for one of them (a head, an order of items) does not fit the others: then `train` was not for all.
 */
static enum sweep_goal widest_goal(const struct config *c)
{
    bool is_given =
        c->ft_head || c->clip_head || c->ft_init || c->ft_order || c->clip_init || c->clip_order;
    if (!is_given && has_variant(c, "mrad-clip"))
        return SWEEP_PROMPTS;
    return !is_given && has_variant(c, "mrad-ft") ? SWEEP_HEADS : SWEEP_BANKS;
}

static int add_job(const struct args *a, struct references *r, const char *job)
{
    int rc = ERR_OK;
    struct config *c = NULL;
    TRY(args_config(a, job, &c));
    TRY(check_store(r, job, c));
    MEM_FREE(c->part); /* all parts belong to the job */
    rc = add_goal(r, a->comm, c, SWEEP_ALL);
    if (!rc)
        rc = add_goal(r, a->comm, c, widest_goal(c));
    if (rc)
        err_prefix("%s: ", job);
    TRY(rc);
out:
    config_free(&c);
    return rc;
}

/* ---- printing ---- */

static int put_sum(cJSON *o, const struct collection *c, size_t area)
{
    int rc = ERR_OK;
    size_t files;
    uint64_t bytes;
    collection_sum(c, area, &files, &bytes);
    TRY(json_put_number(o, "files", (double)files));
    TRY(json_put_number(o, "bytes", (double)bytes));
out:
    return rc;
}

static int put_texts(cJSON *tree, const char *key, const struct path_list *list)
{
    int rc = ERR_OK;
    cJSON *array;
    TRY(json_put_array(tree, key, &array));
    for (size_t i = 0; i < list->n; i++)
        if (!cJSON_AddItemToArray(array, cJSON_CreateString(list->name[i])))
            FAIL(ERR_MEMORY, "out of memory: list of paths");
out:
    return rc;
}

static int put_items(cJSON *tree, const struct collection *c)
{
    int rc = ERR_OK;
    cJSON *array;
    cJSON *o;
    TRY(json_put_array(tree, "items", &array));
    for (size_t i = 0; i < c->n; i++) {
        const struct leftover *item = &c->item[i];
        if (item->is_kept)
            continue;
        TRY(json_push_object(array, &o));
        TRY(json_put_text(o, "stage", area_name(item->area)));
        TRY(json_put_text(o, "folder", item->dir));
        TRY(put_texts(o, "files", &item->file));
        TRY(json_put_number(o, "bytes", (double)item->bytes));
        TRY(json_put_text(o, "why", item->why));
    }
out:
    return rc;
}

static int gc_json(char **out, const struct collection *c, bool deleted)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    cJSON *stages;
    cJSON *o;
    TRY(json_new(&tree));
    TRY(json_put_text(tree, "store", c->store));
    if (!cJSON_AddBoolToObject(tree, "deleted", deleted))
        FAIL(ERR_MEMORY, "out of memory: JSON");
    TRY(json_put_object(tree, "stages", &stages));
    for (size_t i = 0; i < N_AREAS; i++) {
        TRY(json_put_object(stages, area_name(i), &o));
        TRY(put_sum(o, c, i));
    }
    TRY(json_put_object(tree, "total", &o));
    TRY(put_sum(o, c, N_AREAS));
    TRY(put_items(tree, c));
    TRY(put_texts(tree, "stays", &c->busy));
    TRY(put_texts(tree, "not_ours", &c->foreign));
    TRY(json_text(out, tree));
out:
    json_free(&tree);
    return rc;
}

/* "12.3 MiB" */
static int add_size(struct str *s, uint64_t bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;
    double size = (double)bytes;
    for (; size >= 1024 && i < 4; i++)
        size /= 1024;
    return str_addf(s, i ? "%8.1f %-3s" : "%8.0f %-3s", size, unit[i]);
}

static int add_sum(struct str *s, const struct collection *c, const char *name, size_t area)
{
    int rc = ERR_OK;
    size_t files;
    uint64_t bytes;
    collection_sum(c, area, &files, &bytes);
    TRY(str_addf(s, "%-9s ", name));
    TRY(add_size(s, bytes));
    TRY(str_addf(s, "  %zu file%s\n", files, files == 1 ? "" : "s"));
out:
    return rc;
}

static int add_item(struct str *s, const struct leftover *item)
{
    int rc = ERR_OK;
    if (item->is_kept)
        return ERR_OK;
    TRY(str_add(s, "          "));
    TRY(add_size(s, item->bytes));
    TRY(str_addf(s, "  %s", item->dir));
    if (item->file.n == 1)
        TRY(str_addf(s, "/%s", item->file.name[0]));
    TRY(str_addf(s, ": %s\n", item->why));
out:
    return rc;
}

static int gc_text(char **out, const struct collection *c, bool deleted)
{
    int rc = ERR_OK;
    struct str s = {0};
    TRY(str_addf(&s, "store     %s\n", c->store));
    for (size_t area = 0; area < N_AREAS; area++) {
        TRY(add_sum(&s, c, area_name(area), area));
        for (size_t i = 0; i < c->n; i++)
            if (c->item[i].area == area)
                TRY(add_item(&s, &c->item[i]));
    }
    TRY(add_sum(&s, c, "total", N_AREAS));
    for (size_t i = 0; i < c->busy.n; i++)
        TRY(str_addf(&s, "stays     %s\n", c->busy.name[i]));
    for (size_t i = 0; i < c->foreign.n; i++)
        TRY(str_addf(&s, "not ours  %s\n", c->foreign.name[i]));
    TRY(str_add(&s, deleted ? "deleted\n" : "nothing is deleted without --delete\n"));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}

int cmd_gc(struct args *a)
{
    int rc = ERR_OK;
    struct references r = {0};
    struct collection c = {0};
    char *text = NULL;
    TRY(args_operands(a, 1, SIZE_MAX, "job files"));
    for (size_t i = 0; i < a->n_operands; i++)
        TRY(add_job(a, &r, args_operand(a, i)));
    path_list_sort(&r.places);
    TRY(collection_find(&c, r.store, &r.places, &r.files));
    if (a->deletes)
        TRY(collection_delete(&c));
    TRY(a->json ? gc_json(&text, &c, a->deletes) : gc_text(&text, &c, a->deletes));
    TRY(cmd_print(a, text));
out:
    collection_release(&c);
    path_list_free(&r.places);
    path_list_free(&r.files);
    MEM_FREE(r.store);
    MEM_FREE(text);
    return rc;
}
