/* report_json.c - results.json: writing and reading. See report.h and docs/FORMATS.md. */
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "config/json.h"
#include "report/report_int.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { MAX_FILE = 256 << 20 };

static int put_optional(cJSON *o, const char *key, bool has, double value)
{
    return has ? json_put_number(o, key, value) : json_put_text(o, key, NULL);
}

int row_to_json(cJSON *o, const struct row *row)
{
    int rc = ERR_OK;
    TRY(json_put_text(o, "variant", row->variant));
    TRY(json_put_text(o, "train", row->train));
    TRY(json_put_text(o, "test", row->test));
    if (row->class_name)
        TRY(json_put_text(o, "class", row->class_name));
    if (row->ablation)
        TRY(json_put_text(o, "ablation", row->ablation));
    TRY(json_put_number(o, "seed", (double)row->seed));
    TRY(json_put_number(o, "n_normal", (double)row->n_normal));
    TRY(json_put_number(o, "n_anomalous", (double)row->n_anomalous));
    for (int m = 0; m < METRIC_COUNT; m++)
        TRY(put_optional(o, metric_info((enum metric)m)->name, row->defined[m], row->value[m]));
out:
    return rc;
}

static int add_rows(cJSON *tree, const char *key, const struct row *row, size_t n)
{
    int rc = ERR_OK;
    cJSON *list;
    cJSON *o;
    TRY(json_put_array(tree, key, &list));
    for (size_t i = 0; i < n; i++) {
        TRY(json_push_object(list, &o));
        TRY(row_to_json(o, &row[i]));
    }
out:
    return rc;
}

static int add_spread(cJSON *list, const struct spread *spread)
{
    int rc = ERR_OK;
    cJSON *o;
    TRY(json_push_object(list, &o));
    TRY(json_put_text(o, "variant", spread->variant));
    TRY(json_put_text(o, "train", spread->train));
    TRY(json_put_text(o, "test", spread->test));
    if (spread->ablation)
        TRY(json_put_text(o, "ablation", spread->ablation));
    TRY(json_put_number(o, "n_seeds", (double)spread->n_seeds));
    for (int m = 0; m < METRIC_COUNT; m++) {
        cJSON *pair;
        TRY(json_put_object(o, metric_info((enum metric)m)->name, &pair));
        TRY(put_optional(pair, "mean", spread->has_mean[m], spread->mean[m]));
        TRY(put_optional(pair, "sd", spread->has_sd[m], spread->sd[m]));
    }
out:
    return rc;
}

/* Only jobs with several seeds have the list. */
static int add_spreads(cJSON *tree, const struct results *r)
{
    int rc = ERR_OK;
    cJSON *list;
    if (!r->n_spreads)
        return ERR_OK;
    TRY(json_put_array(tree, "seeds", &list));
    for (size_t i = 0; i < r->n_spreads; i++)
        TRY(add_spread(list, &r->spread[i]));
out:
    return rc;
}

static int add_undefined(cJSON *list, const struct row *row)
{
    int rc = ERR_OK;
    cJSON *o;
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (row->defined[m])
            continue;
        TRY(json_push_object(list, &o));
        TRY(json_put_text(o, "variant", row->variant));
        TRY(json_put_text(o, "train", row->train));
        TRY(json_put_text(o, "test", row->test));
        TRY(json_put_text(o, "class", row->class_name));
        if (row->ablation)
            TRY(json_put_text(o, "ablation", row->ablation));
        TRY(json_put_text(o, "metric", metric_info((enum metric)m)->name));
        TRY(json_put_text(o, "why", row->why[m]));
    }
out:
    return rc;
}

static int add_notes(cJSON *tree, const struct results *r)
{
    int rc = ERR_OK;
    cJSON *list;
    cJSON *o;
    TRY(json_put_array(tree, "skipped", &list));
    for (size_t i = 0; i < r->n_rows; i++)
        TRY(add_undefined(list, &r->row[i]));
    for (size_t i = 0; i < r->n_skipped; i++) {
        TRY(json_push_object(list, &o));
        TRY(json_put_text(o, "dataset", r->skipped[i].dataset));
        TRY(json_put_number(o, "item", (double)r->skipped[i].item));
        TRY(json_put_text(o, "image", r->skipped[i].image));
        TRY(json_put_text(o, "why", r->skipped[i].why));
    }
    TRY(json_put_array(tree, "warnings", &list));
    for (size_t i = 0; i < r->n_warnings; i++)
        if (!cJSON_AddItemToArray(list, cJSON_CreateString(r->warning[i])))
            FAIL(ERR_MEMORY, "out of memory: JSON");
out:
    return rc;
}

int results_json(char **out, const struct results *r)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    *out = NULL;
    TRY(json_new(&tree));
    TRY(add_rows(tree, "rows", r->row, r->n_rows));
    TRY(add_rows(tree, "means", r->mean, r->n_means));
    TRY(add_spreads(tree, r));
    TRY(add_notes(tree, r));
    TRY(json_text(out, tree));
out:
    json_free(&tree);
    return rc;
}

/* ---- reading ---- */

static int get_text(char **out, const cJSON *o, const char *key, const char *from)
{
    int rc = ERR_OK;
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    if (!text)
        FAIL(ERR_FORMAT, "%s: a row has no text \"%s\"", from, key);
    TRY(str_dup(out, text));
out:
    return rc;
}

static int get_count(size_t *out, const cJSON *o, const char *key, const char *from)
{
    int rc = ERR_OK;
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= 0x1p53))
        FAIL(ERR_FORMAT, "%s: a row has no count \"%s\"", from, key);
    *out = (size_t)value->valuedouble;
out:
    return rc;
}

int row_from_json(struct row *row, const cJSON *o, const char *from)
{
    int rc = ERR_OK;
    *row = (struct row){0};
    TRY(get_text(&row->variant, o, "variant", from));
    TRY(get_text(&row->train, o, "train", from));
    TRY(get_text(&row->test, o, "test", from));
    if (cJSON_GetObjectItemCaseSensitive(o, "class"))
        TRY(get_text(&row->class_name, o, "class", from));
    if (cJSON_GetObjectItemCaseSensitive(o, "ablation"))
        TRY(get_text(&row->ablation, o, "ablation", from));
    TRY(get_count(&row->seed, o, "seed", from));
    TRY(get_count(&row->n_normal, o, "n_normal", from));
    TRY(get_count(&row->n_anomalous, o, "n_anomalous", from));
    for (int m = 0; m < METRIC_COUNT; m++) {
        const char *name = metric_info((enum metric)m)->name;
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(o, name);
        if (!value || !(cJSON_IsNull(value) || cJSON_IsNumber(value)))
            FAIL(ERR_FORMAT, "%s: a row has no metric \"%s\"", from, name);
        row->defined[m] = cJSON_IsNumber(value);
        row->value[m] = row->defined[m] ? value->valuedouble : 0;
    }
out:
    if (rc)
        row_free(row);
    return rc;
}

static int load_rows(struct row **list, size_t *n, size_t *cap, const cJSON *array,
                     const char *path)
{
    int rc = ERR_OK;
    const cJSON *o;
    if (!cJSON_IsArray(array))
        FAIL(ERR_FORMAT, "%s: not a results.json: \"rows\" and \"means\" wanted", path);
    cJSON_ArrayForEach(o, array)
    {
        TRY(MEM_GROW(*list, cap, *n + 1));
        TRY(row_from_json(&(*list)[*n], o, path));
        (*n)++;
    }
out:
    return rc;
}

/* Attach the reason of a skipped metric to its row. */
static int load_reason(struct results *r, const cJSON *o, const char *path)
{
    int rc = ERR_OK;
    struct row key = {0};
    enum metric m;
    char *metric = NULL;
    char *why = NULL;
    TRY(get_text(&metric, o, "metric", path));
    TRY(get_text(&why, o, "why", path));
    TRY(get_text(&key.variant, o, "variant", path));
    TRY(get_text(&key.train, o, "train", path));
    TRY(get_text(&key.test, o, "test", path));
    TRY(get_text(&key.class_name, o, "class", path));
    if (cJSON_GetObjectItemCaseSensitive(o, "ablation"))
        TRY(get_text(&key.ablation, o, "ablation", path));
    m = metric_find(metric);
    if (m == METRIC_COUNT)
        FAIL(ERR_FORMAT, "%s: unknown metric \"%s\"", path, metric);
    for (size_t i = 0; i < r->n_rows; i++) {
        struct row *row = &r->row[i];
        if (row->defined[m] || row->why[m] || !report_same_setting(row, &key) ||
            strcmp(row->class_name, key.class_name) != 0)
            continue;
        TRY(str_dup(&row->why[m], why));
        break;
    }
out:
    row_free(&key);
    MEM_FREE(metric);
    MEM_FREE(why);
    return rc;
}

static int load_note(struct results *r, const cJSON *o, const char *path)
{
    int rc = ERR_OK;
    size_t item = 0;
    const char *text[3];
    static const char *const key[3] = {"dataset", "image", "why"};
    if (cJSON_GetObjectItemCaseSensitive(o, "metric"))
        return load_reason(r, o, path);
    for (int i = 0; i < 3; i++)
        text[i] = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key[i]));
    TRY(get_count(&item, o, "item", path));
    TRY(results_skip(r, text[0], item, text[1], text[2]));
out:
    return rc;
}

int results_load(struct results *out, const char *path)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    const cJSON *o;
    *out = (struct results){0};
    TRY(json_read(&tree, path, MAX_FILE));
    TRY(load_rows(&out->row, &out->n_rows, &out->row_cap,
                  cJSON_GetObjectItemCaseSensitive(tree, "rows"), path));
    TRY(load_rows(&out->mean, &out->n_means, &out->mean_cap,
                  cJSON_GetObjectItemCaseSensitive(tree, "means"), path));
    for (size_t i = 0; i < out->n_rows; i++)
        if (!out->row[i].class_name)
            FAIL(ERR_FORMAT, "%s: a row has no text \"class\"", path);
    TRY(results_spread(out)); /* from the means, which is what "seeds" was made of */
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(tree, "skipped"))
        TRY(load_note(out, o, path));
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(tree, "warnings")) if (cJSON_IsString(o))
        TRY(results_warn(out, "%s", o->valuestring));
out:
    json_free(&tree);
    if (rc)
        results_free(out);
    return rc;
}

/* ---- files ---- */

static int rows_as_lines(char **out, const struct results *r)
{
    int rc = ERR_OK;
    struct str s = {0};
    cJSON *o = NULL;
    char *line = NULL;
    TRY(str_add(&s, ""));
    for (size_t i = 0; i < r->n_rows; i++) {
        TRY(json_new(&o));
        TRY(row_to_json(o, &r->row[i]));
        TRY(json_line(&line, o));
        TRY(str_addf(&s, "%s\n", line));
        MEM_FREE(line);
        json_free(&o);
    }
    *out = s.text;
    s.text = NULL;
out:
    MEM_FREE(line);
    json_free(&o);
    str_free(&s);
    return rc;
}

static int as_markdown(char **out, const struct results *r)
{
    int rc = ERR_OK;
    char *means = NULL;
    char *seeds = NULL;
    char *classes = NULL;
    char *remarks = NULL;
    TRY(results_table(&means, r, false));
    TRY(results_spread_table(&seeds, r));
    TRY(results_table(&classes, r, true));
    TRY(results_remarks(&remarks, r));
    TRY(str_make(out,
                 "# Results\n\nPer cent. Means over the classes of a test set.\n\n%s\n%s%s%s"
                 "## Classes\n\n%s\n## Not computed, and warnings\n\n%s",
                 means, seeds[0] ? "## Seeds\n\n" SPREAD_TITLE "\n\n" : "", seeds,
                 seeds[0] ? "\n" : "", classes, remarks[0] ? remarks : "nothing\n"));
out:
    MEM_FREE(means);
    MEM_FREE(seeds);
    MEM_FREE(classes);
    MEM_FREE(remarks);
    return rc;
}

int results_write(const struct results *r, const char *dir)
{
    static const struct {
        const char *name;
        int (*make)(char **out, const struct results *r);
    } files[] = {
        {"rows.jsonl", rows_as_lines},
        {"results.csv", results_csv},
        {"results.md", as_markdown},
        {"results.json", results_json}, /* last: its presence says that the run is done */
    };
    int rc = ERR_OK;
    char *path = NULL;
    char *text = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        TRY(files[i].make(&text, r));
        TRY(path_join(&path, dir, files[i].name));
        TRY(file_write(path, text, strlen(text)));
        MEM_FREE(text);
        MEM_FREE(path);
    }
out:
    MEM_FREE(text);
    MEM_FREE(path);
    return rc;
}
