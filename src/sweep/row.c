/* row.c - one class of one cell: metrics from stored scores, kept as a small JSON artefact. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "config/json.h"
#include "metrics/metrics.h"
#include "par/cores.h"
#include "sweep/sweep_int.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { MAX_FILE = 16 << 20 };

int row_path(char **out, const struct cell *cell, size_t class_id)
{
    return str_make(out, "%s/class-%05zu.json", cell->row_dir, class_id);
}

static int read_artefact(cJSON **out, const struct cell *cell, size_t class_id)
{
    int rc = ERR_OK;
    char *path = NULL;
    const char *key;
    TRY(row_path(&path, cell, class_id));
    TRY(json_read_sealed(out, path, MAX_FILE));
    key = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(*out, "key"));
    if (!key || strcmp(key, cell->row_key) != 0)
        FAIL(ERR_FORMAT, "%s: was made from other inputs: key %s, wanted %s", path,
             key ? key : "missing", cell->row_key);
out:
    MEM_FREE(path);
    if (rc)
        json_free(out);
    return rc;
}

bool row_exists(const struct cell *cell, size_t class_id)
{
    cJSON *tree = NULL;
    bool exists = read_artefact(&tree, cell, class_id) == ERR_OK;
    json_free(&tree);
    err_clear();
    return exists;
}

/* What measuring a class needs at hand. */
struct work {
    struct sweep *sweep;
    const struct cell *cell;
    size_t class_id;
    struct scores *scores;
    struct metric_set *set;
    struct results notes; /* skipped items and warnings of this class */
    float *map;
    uint8_t *mask;
    float lowest, highest; /* of the patch masses */
};

static void track_range(struct work *w, const float *mass, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        w->lowest = mass[i] < w->lowest ? mass[i] : w->lowest;
        w->highest = mass[i] > w->highest ? mass[i] : w->highest;
    }
}

static int skip_item(struct work *w, struct feature_shard *shard, size_t row)
{
    int rc = ERR_OK;
    char *why = NULL;
    const struct manifest *m = shard->features->manifest;
    size_t item = shard->first + row;
    TRY(feature_shard_reason(shard, row, &why));
    TRY(results_skip(&w->notes, m->name, item, m->item[item].image, why));
out:
    MEM_FREE(why);
    return rc;
}

static int add_item(struct work *w, struct feature_shard *shard, size_t row)
{
    int rc = ERR_OK;
    const struct features *f = shard->features;
    size_t item = shard->first + row;
    const float *mass = w->scores->mass + item * w->scores->n_patch;
    bool has_truth = shard->has_mask[row] || !shard->label[row];
    if (shard->skipped[row])
        return skip_item(w, shard, row);
    track_range(w, mass, w->scores->n_patch);
    TRY(score_map(w->sweep->ops, mass, f->grid, f->image_size, w->cell->place->options.sigma,
                  w->map));
    if (has_truth)
        TRY(feature_shard_mask(shard, row, NULL, w->mask));
    TRY(metric_set_add(w->set, shard->label[row], w->scores->score[item], w->map,
                       has_truth ? w->mask : NULL));
out:
    return rc;
}

static int add_shard(struct work *w, const struct features *f, size_t index)
{
    int rc = ERR_OK;
    struct feature_shard shard = {0};
    size_t first;
    size_t n;
    features_range(f, index, &first, &n);
    for (size_t i = 0; i < n; i++) {
        if (f->manifest->item[first + i].class_id != w->class_id)
            continue;
        if (stop_requested())
            FAIL(ERR_STOPPED, "stopped while measuring");
        if (!shard.file)
            TRY(feature_shard_open(&shard, f, index));
        TRY(add_item(w, &shard, i));
    }
out:
    feature_shard_close(&shard);
    return rc;
}

static int add_warnings(struct work *w, const struct metric_row *row)
{
    int rc = ERR_OK;
    const struct member *train = &w->sweep->member[w->cell->train];
    const struct member *test = &w->sweep->member[w->cell->test];
    if (w->lowest >= w->highest)
        TRY(results_warn(&w->notes,
                         "%s -> %s: the maps are constant, because the bank of %s has regions of "
                         "one label only; pixel metrics say nothing",
                         train->entry->name, test->entry->name, train->entry->name));
    else if (row->pro_is_coarse)
        TRY(results_warn(&w->notes,
                         "%s -> %s, %s: published PRO is coarse, its largest false positive rate "
                         "below the limit is %.3f; pro_exact has no such error",
                         train->entry->name, test->entry->name,
                         test->manifest->class_name[w->class_id], row->pro_largest_fpr));
out:
    return rc;
}

static int write_artefact(const struct work *w)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    cJSON *notes = NULL;
    char *text = NULL;
    char *path = NULL;
    TRY(results_json(&text, &w->notes));
    TRY(json_parse(&notes, text, "row"));
    TRY(json_new(&tree));
    TRY(json_put_text(tree, "schema", ROW_SCHEMA));
    TRY(json_put_text(tree, "key", w->cell->row_key));
    TRY(json_put_text(tree, "scores", w->cell->place->key));
    TRY(json_put_text(tree, "options", w->sweep->setting[w->cell->setting].metrics));
    TRY(json_put_number(tree, "seed", (double)w->cell->seed));
    for (int i = 0; i < 3; i++) {
        static const char *const part[3] = {"rows", "skipped", "warnings"};
        (void)cJSON_AddItemToObject(tree, part[i],
                                    cJSON_DetachItemFromObjectCaseSensitive(notes, part[i]));
    }
    TRY(row_path(&path, w->cell, w->class_id));
    TRY(json_write_sealed(tree, path));
out:
    json_free(&tree);
    json_free(&notes);
    MEM_FREE(text);
    MEM_FREE(path);
    return rc;
}

/* Items that the bank lacks, because they could not be read; the test set names its own. */
static int add_untrained(struct work *w, size_t train)
{
    int rc = ERR_OK;
    const struct member *m = &w->sweep->member[train];
    const struct features *f = m->features;
    struct feature_shard shard = {0};
    if (train == w->cell->test)
        return ERR_OK;
    for (size_t i = 0; i < m->n_parts; i++)
        TRY(add_untrained(w, m->part[i]));
    for (size_t i = 0; i < f->n_shards; i++) {
        TRY(feature_shard_open(&shard, f, i));
        for (size_t row = 0; row < shard.n; row++)
            if (shard.skipped[row])
                TRY(skip_item(w, &shard, row));
        feature_shard_close(&shard);
    }
out:
    feature_shard_close(&shard);
    return rc;
}

static int measure(struct work *w)
{
    int rc = ERR_OK;
    const struct config *c = w->sweep->setting[w->cell->setting].config;
    const struct member *test = &w->sweep->member[w->cell->test];
    const struct metric_options options = {
        .pro_limit = c->pro_limit, .pro_steps = (int)c->pro_steps, .benchmark = true};
    const char *const name[4] = {w->cell->variant, w->sweep->member[w->cell->train].entry->name,
                                 test->entry->name, test->manifest->class_name[w->class_id]};
    struct metric_row row;
    for (size_t i = 0; i < test->features->n_shards; i++)
        TRY(add_shard(w, test->features, i));
    if (c->on_bad_item == BAD_ITEM_SKIP)
        TRY(add_untrained(w, w->cell->train));
    TRY(metric_set_compute(w->set, &options, &row));
    TRY(results_add(&w->notes, name, w->cell->seed, &row));
    TRY(add_warnings(w, &row));
    TRY(write_artefact(w));
out:
    return rc;
}

int row_build(struct sweep *sweep, struct cell *cell, size_t class_id)
{
    int rc = ERR_OK;
    size_t side = sweep->member[cell->test].features->image_size;
    struct work w = {
        .sweep = sweep, .cell = cell, .class_id = class_id, .lowest = 2, .highest = -1};
    TRY(scores_open(&w.scores, cell->place));
    TRY(metric_set_new(&w.set, side, side));
    TRY(MEM_NEW(w.map, side * side));
    TRY(MEM_NEW(w.mask, side * side));
    TRY(measure(&w));
out:
    scores_free(&w.scores);
    metric_set_free(&w.set);
    results_free(&w.notes);
    MEM_FREE(w.map);
    MEM_FREE(w.mask);
    return rc;
}

/* ---- collecting ---- */

/* Reasons lie beside the row, in the form of results.json. */
static const char *find_reason(const cJSON *tree, const char *metric)
{
    const cJSON *o;
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(tree, "skipped"))
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "metric"));
        if (name && strcmp(name, metric) == 0)
            return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "why"));
    }
    return NULL;
}

/* label: of the ablation, or NULL. */
static int collect_row(struct results *out, const cJSON *tree, const char *label, const char *from)
{
    int rc = ERR_OK;
    struct row *row;
    TRY(MEM_GROW(out->row, &out->row_cap, out->n_rows + 1));
    row = &out->row[out->n_rows];
    TRY(row_from_json(row, cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(tree, "rows"), 0),
                      from));
    out->n_rows++;
    if (label)
        TRY(str_dup(&row->ablation, label));
    for (int m = 0; m < METRIC_COUNT; m++) {
        const char *why = find_reason(tree, metric_info((enum metric)m)->name);
        if (!row->defined[m])
            TRY(str_dup(&row->why[m], why ? why : "no reason stored"));
    }
out:
    return rc;
}

static bool has_note(const struct results *r, const char *dataset, size_t item)
{
    for (size_t i = 0; i < r->n_skipped; i++)
        if (r->skipped[i].item == item && strcmp(r->skipped[i].dataset, dataset) == 0)
            return true;
    return false;
}

static bool has_warning(const struct results *r, const char *text)
{
    for (size_t i = 0; i < r->n_warnings; i++)
        if (strcmp(r->warning[i], text) == 0)
            return true;
    return false;
}

/* A warning about an ablation names it, unless the job's own setting earned the same one. */
static int collect_warning(struct results *out, const char *label, const char *text)
{
    if (!label)
        return results_warn(out, "%s", text);
    return has_warning(out, text) ? ERR_OK : results_warn(out, "%s: %s", label, text);
}

/* Skipped items once a data set, whatever number of cells tests on it. */
static int collect_notes(struct results *out, const cJSON *tree, const char *label)
{
    int rc = ERR_OK;
    const cJSON *o;
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(tree, "skipped"))
    {
        const char *dataset = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "dataset"));
        const char *image = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "image"));
        const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "why"));
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, "item");
        if (dataset && cJSON_IsNumber(item) && !has_note(out, dataset, (size_t)item->valuedouble))
            TRY(results_skip(out, dataset, (size_t)item->valuedouble, image, why));
    }
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(tree, "warnings")) if (cJSON_IsString(o))
        TRY(collect_warning(out, label, o->valuestring));
out:
    return rc;
}

int row_collect(const struct sweep *sweep, const struct cell *cell, size_t class_id,
                struct results *out)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    const char *label = sweep->setting[cell->setting].label;
    TRY(read_artefact(&tree, cell, class_id));
    TRY(collect_row(out, tree, label, cell->row_dir));
    TRY(collect_notes(out, tree, label));
out:
    json_free(&tree);
    return rc;
}
