/* published.c - reading and checking a folder of published numbers. See published_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "config/json.h"
#include "report/published_int.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <string.h>

enum { MAX_FILE = 4 << 20, VERSION = 1 };

const enum metric published_metrics[N_PUBLISHED] = {METRIC_P_AUROC, METRIC_PRO, METRIC_I_AUROC,
                                                    METRIC_I_AP};

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *get_text(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(get(object, key));
}

static int need_text(const char **out, const cJSON *object, const char *key, const char *from)
{
    int rc = ERR_OK;
    *out = get_text(object, key);
    if (!*out || !**out)
        FAIL(ERR_FORMAT, "%s: wanted a text \"%s\"", from, key);
out:
    return rc;
}

/* A text or null; the key must be there. */
static int need_text_or_null(const char **out, const cJSON *object, const char *key,
                             const char *from)
{
    int rc = ERR_OK;
    *out = get_text(object, key);
    if (!*out && !cJSON_IsNull(get(object, key)))
        FAIL(ERR_FORMAT, "%s: wanted a text or null \"%s\"", from, key);
out:
    return rc;
}

bool published_same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a && !isalnum((unsigned char)*a))
            a++;
        while (*b && !isalnum((unsigned char)*b))
            b++;
        if (!*a || !*b)
            return *a == *b;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
    }
}

const struct published_set *published_find_set(const struct published *p, const char *name)
{
    const cJSON *alias;
    for (size_t i = 0; i < p->n_sets; i++) {
        if (published_same_name(p->set[i].name, name))
            return &p->set[i];
        cJSON_ArrayForEach(alias, p->set[i].aliases)
        {
            const char *text = cJSON_GetStringValue(alias);
            if (text && published_same_name(text, name))
                return &p->set[i];
        }
    }
    return NULL;
}

/* ---- index.json ---- */

static int read_tree(struct published *p, const char *name, const char *schema, const cJSON **out)
{
    int rc = ERR_OK;
    char *path = NULL;
    const char *found;
    const cJSON *version;
    TRY(MEM_GROW(p->tree, &p->tree_cap, p->n_trees + 1));
    TRY(path_join(&path, p->folder, name));
    TRY(json_read(&p->tree[p->n_trees], path, MAX_FILE));
    *out = p->tree[p->n_trees++];
    TRY(need_text(&found, *out, "schema", path));
    version = get(*out, "version");
    if (strcmp(found, schema) != 0 || !cJSON_IsNumber(version) || version->valueint != VERSION)
        FAIL(ERR_FORMAT, "%s: wanted schema %s, version %d", path, schema, VERSION);
out:
    MEM_FREE(path);
    return rc;
}

static int need_count(size_t *out, const cJSON *object, const char *key, const char *from)
{
    int rc = ERR_OK;
    const cJSON *value = get(object, key);
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= 1e9))
        FAIL(ERR_FORMAT, "%s: wanted a count \"%s\"", from, key);
    *out = (size_t)value->valuedouble;
out:
    return rc;
}

static int read_set(struct published *p, const cJSON *node, const char *from)
{
    int rc = ERR_OK;
    struct published_set set = {.aliases = get(node, "aliases")};
    const cJSON *list = get(node, "variants");
    const cJSON *one;
    const char *in_mrad;
    TRY(need_text(&set.name, node, "name", from));
    TRY(need_text(&in_mrad, node, "in_mrad", set.name));
    set.is_in_mean = strcmp(in_mrad, "no") != 0;
    if (!cJSON_IsArray(set.aliases) || !cJSON_IsArray(list))
        FAIL(ERR_FORMAT, "%s: data set %s: wanted lists \"aliases\" and \"variants\"", from,
             set.name);
    if (published_find_set(p, set.name))
        FAIL(ERR_FORMAT, "%s: two data sets have the name %s", from, set.name);
    cJSON_ArrayForEach(one, set.aliases)
    {
        if (!cJSON_IsString(one) || published_find_set(p, one->valuestring))
            FAIL(ERR_FORMAT, "%s: data set %s: an alias is no text, or names another set", from,
                 set.name);
    }
    p->set[p->n_sets++] = set;
    TRY(MEM_NEW(p->set[p->n_sets - 1].variant, (size_t)cJSON_GetArraySize(list) + 1));
    cJSON_ArrayForEach(one, list)
    {
        struct published_set *s = &p->set[p->n_sets - 1];
        struct published_variant *v = &s->variant[s->n_variants++];
        TRY(need_text(&v->name, one, "name", set.name));
        TRY(need_count(&v->n_normal, one, "normal", set.name));
        TRY(need_count(&v->n_anomalous, one, "anomalous", set.name));
    }
out:
    return rc;
}

static int read_sets(struct published *p, const cJSON *index, const char *from)
{
    int rc = ERR_OK;
    const cJSON *list = get(index, "datasets");
    const cJSON *one;
    if (!cJSON_IsArray(list))
        FAIL(ERR_FORMAT, "%s: wanted a list \"datasets\"", from);
    TRY(MEM_NEW(p->set, (size_t)cJSON_GetArraySize(list) + 1));
    cJSON_ArrayForEach(one, list) TRY(read_set(p, one, from));
    cJSON_ArrayForEach(one, get(get(index, "protocol"), "train"))
    {
        const char *train = cJSON_GetStringValue(one);
        if (!train || !published_find_set(p, train) ||
            (strcmp(one->string, "*") != 0 && !published_find_set(p, one->string)))
            FAIL(ERR_FORMAT, "%s: protocol.train: %s is no data set", from, one->string);
    }
    if (!get_text(get(get(index, "protocol"), "train"), "*"))
        FAIL(ERR_FORMAT, "%s: protocol.train: wanted a text \"*\"", from);
out:
    return rc;
}

const struct published_set *published_train_of(const struct published *p,
                                               const struct published_set *test)
{
    const cJSON *rules = get(get(p->tree[0], "protocol"), "train");
    const cJSON *rule;
    cJSON_ArrayForEach(rule, rules)
    {
        if (strcmp(rule->string, "*") != 0 && published_find_set(p, rule->string) == test)
            return published_find_set(p, rule->valuestring);
    }
    return published_find_set(p, get_text(rules, "*"));
}

const cJSON *published_settings(const struct published *p, const char *group)
{
    return get(get(get(p->tree[0], "protocol"), "settings"), group);
}

const cJSON *published_pro_settings(const struct published *p)
{
    return get(get(p->tree[0], "protocol"), "pro");
}

const char *published_source_text(const struct published *p, const char *source)
{
    return get_text(get(get(p->tree[0], "sources"), source), "text");
}

const char *published_source_address(const struct published *p, const char *source)
{
    const char *address = get_text(get(get(p->tree[0], "sources"), source), "address");
    return address ? address : "";
}

/* ---- rows ---- */

static int which_metric(size_t *out, const cJSON *name, const char *from)
{
    int rc = ERR_OK;
    const char *text = cJSON_GetStringValue(name);
    for (*out = 0; *out < N_PUBLISHED; (*out)++)
        if (text && strcmp(metric_info(published_metrics[*out])->name, text) == 0)
            return ERR_OK;
    FAIL(ERR_FORMAT, "%s: \"%s\" is no metric of these files", from, text ? text : "?");
out:
    return rc;
}

/* A list of {"metrics": [...], "why": text}: the reason of each metric, which may have one only. */
static int read_reasons(const char *why[N_PUBLISHED], const cJSON *list, const char *from)
{
    int rc = ERR_OK;
    const cJSON *one;
    const cJSON *name;
    cJSON_ArrayForEach(one, list)
    {
        const char *text;
        TRY(need_text(&text, one, "why", from));
        cJSON_ArrayForEach(name, get(one, "metrics"))
        {
            size_t m;
            TRY(which_metric(&m, name, from));
            if (why[m])
                FAIL(ERR_FORMAT, "%s: two reasons for %s", from, name->valuestring);
            why[m] = text;
        }
    }
out:
    return rc;
}

static int read_values(struct published_row *row, const cJSON *node, const char *from)
{
    int rc = ERR_OK;
    const char *undefined[N_PUBLISHED] = {0};
    const char *not_found[N_PUBLISHED] = {0};
    TRY(read_reasons(undefined, get(node, "undefined"), from));
    TRY(read_reasons(not_found, get(node, "not_found"), from));
    TRY(read_reasons(row->doubt, get(node, "doubt"), from));
    for (size_t m = 0; m < N_PUBLISHED; m++) {
        const char *name = metric_info(published_metrics[m])->name;
        const cJSON *value = get(node, name);
        bool is_number = cJSON_IsNumber(value);
        int n_reasons = (undefined[m] != NULL) + (not_found[m] != NULL);
        if (is_number && !(value->valuedouble >= 0 && value->valuedouble <= 100))
            FAIL(ERR_FORMAT, "%s: %s is %g, wanted per cent", from, name, value->valuedouble);
        if (!is_number && !cJSON_IsNull(value))
            FAIL(ERR_FORMAT, "%s: %s: wanted a number or null", from, name);
        if (n_reasons != !is_number || (!is_number && row->doubt[m]))
            FAIL(ERR_FORMAT,
                 "%s: %s: null wants one reason, \"undefined\" or \"not_found\", a number none",
                 from, name);
        row->value[m] = is_number ? value->valuedouble : 0;
        row->figure[m] = is_number      ? FIGURE_NUMBER
                         : undefined[m] ? FIGURE_UNDEFINED
                                        : FIGURE_NOT_FOUND;
        row->why[m] = undefined[m] ? undefined[m] : not_found[m];
    }
out:
    return rc;
}

static int read_keys(const cJSON *node, const char *from)
{
    static const char *const known[] = {"method",    "dataset",   "mean_of", "class", "settings",
                                        "train",     "variant",   "source",  "note",  "confidence",
                                        "undefined", "not_found", "doubt"};
    int rc = ERR_OK;
    const cJSON *one;
    if (!cJSON_IsObject(node))
        FAIL(ERR_FORMAT, "%s: wanted an object", from);
    cJSON_ArrayForEach(one, node)
    {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            is_known = is_known || strcmp(one->string, known[i]) == 0;
        for (size_t m = 0; m < N_PUBLISHED; m++)
            is_known =
                is_known || strcmp(one->string, metric_info(published_metrics[m])->name) == 0;
        if (!is_known)
            FAIL(ERR_FORMAT, "%s: no such key \"%s\"", from, one->string);
    }
out:
    return rc;
}

/* The data set with its variant, or a mean over as many sets as the index says. */
static int read_set_of_row(const struct published *p, struct published_row *row, const cJSON *node,
                           const char *from)
{
    int rc = ERR_OK;
    const char *name = get_text(node, "dataset");
    const char *variant;
    size_t n = 0;
    size_t in_mean = 0;
    if (!name) {
        for (size_t i = 0; i < p->n_sets; i++)
            in_mean += p->set[i].is_in_mean;
        TRY(need_count(&n, node, "mean_of", from));
        if (n != in_mean)
            FAIL(ERR_FORMAT, "%s: a mean over %zu data sets, but index.json has %zu of them", from,
                 n, in_mean);
        return ERR_OK;
    }
    row->set = published_find_set(p, name);
    if (!row->set || strcmp(row->set->name, name) != 0 || get(node, "mean_of"))
        FAIL(ERR_FORMAT, "%s: \"%s\" is no name of a data set in index.json", from, name);
    TRY(need_text_or_null(&variant, node, "variant", from));
    for (size_t i = 0; variant && i < row->set->n_variants; i++)
        if (strcmp(row->set->variant[i].name, variant) == 0)
            row->variant = &row->set->variant[i];
    if (variant && !row->variant)
        FAIL(ERR_FORMAT, "%s: %s has no variant \"%s\" in index.json", from, name, variant);
out:
    return rc;
}

static int read_row(struct published *p, const cJSON *node, const char *from)
{
    static const char *const marks[] = {"paper", "code", "3rd", "counted", "inferred", "memory"};
    int rc = ERR_OK;
    struct published_row row = {.class_name = get_text(node, "class"),
                                .settings = get(node, "settings")};
    bool is_mark = false;
    TRY(read_keys(node, from));
    TRY(need_text(&row.method, node, "method", from));
    TRY(need_text(&row.source, node, "source", from));
    TRY(need_text(&row.confidence, node, "confidence", from));
    TRY(need_text_or_null(&row.train, node, "train", from));
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        is_mark = is_mark || strcmp(marks[i], row.confidence) == 0;
    if (!is_mark)
        FAIL(ERR_FORMAT, "%s: \"%s\" is no mark of confidence", from, row.confidence);
    if (!published_source_text(p, row.source))
        FAIL(ERR_FORMAT, "%s: source \"%s\" is not in index.json", from, row.source);
    if (row.train && strcmp(row.train, "protocol") != 0 && !published_find_set(p, row.train))
        FAIL(ERR_FORMAT, "%s: train: \"%s\" is no data set in index.json", from, row.train);
    TRY(read_set_of_row(p, &row, node, from));
    TRY(read_values(&row, node, from));
    TRY(MEM_GROW(p->row, &p->row_cap, p->n_rows + 1));
    p->row[p->n_rows++] = row;
out:
    return rc;
}

static int read_file(struct published *p, const char *name)
{
    int rc = ERR_OK;
    const cJSON *tree;
    const cJSON *node;
    char *from = NULL;
    size_t i = 0;
    TRY(read_tree(p, name, "mrad.paper", &tree));
    if (!cJSON_IsArray(get(tree, "rows")))
        FAIL(ERR_FORMAT, "%s/%s: wanted a list \"rows\"", p->folder, name);
    cJSON_ArrayForEach(node, get(tree, "rows"))
    {
        TRY(str_make(&from, "%s/%s: row %zu", p->folder, name, i++));
        TRY(read_row(p, node, from));
        MEM_FREE(from);
    }
out:
    MEM_FREE(from);
    return rc;
}

int published_open(struct published **out, const char *source)
{
    int rc = ERR_OK;
    struct published *p = NULL;
    char *from = NULL;
    const cJSON *index;
    const cJSON *file;
    TRY(MEM_NEW(p, 1));
    TRY(str_dup(&p->source, source));
    TRY(published_folder(&p->folder, source));
    TRY(path_join(&from, p->folder, "index.json"));
    TRY(read_tree(p, "index.json", "mrad.paper.index", &index));
    TRY(read_sets(p, index, from));
    cJSON_ArrayForEach(file, get(index, "files"))
    {
        if (!cJSON_IsString(file))
            FAIL(ERR_FORMAT, "%s: \"files\": wanted names", from);
        TRY(read_file(p, file->valuestring));
    }
    if (!p->n_rows)
        FAIL(ERR_FORMAT, "%s: its files have no rows", from);
out:
    MEM_FREE(from);
    if (rc)
        published_close(&p);
    *out = p;
    return rc;
}

void published_close(struct published **p)
{
    if (!*p)
        return;
    for (size_t i = 0; i < (*p)->n_trees; i++)
        json_free(&(*p)->tree[i]);
    for (size_t i = 0; i < (*p)->n_sets; i++)
        MEM_FREE((*p)->set[i].variant);
    mem_release((void *)(*p)->tree);
    MEM_FREE((*p)->set);
    MEM_FREE((*p)->row);
    MEM_FREE((*p)->source);
    MEM_FREE((*p)->folder);
    MEM_FREE(*p);
}
