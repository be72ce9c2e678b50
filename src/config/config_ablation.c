/* config_ablation.c - the settings of "ablations": products of lists, their labels, their use. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config_int.h"
#include "config/json.h"

#include <string.h>

/* More would be a slip: every setting has a row for each class, pair, variant and seed. */
enum { MAX_SETTINGS = 1000 };

static const int varied_stages = IN_MODEL | IN_FEATURES | IN_BANK | IN_REDUCTION | IN_HEAD |
                                 IN_PROMPTS | IN_GIVEN | IN_SCORES | IN_METRICS;

/* The field of a key that may vary, or ERR_CONFIG. */
static int find_varied(const struct field **out, const char *key, const char *from)
{
    int rc = ERR_OK;
    const struct field *f = config_field(key);
    if (!f)
        TRY(config_unknown_key(from, key));
    else if (!(f->stages & varied_stages))
        FAIL(ERR_CONFIG,
             "%s: %s: found a key that is no part of what a row is computed from; wanted a key of "
             "the model, features, banks, heads, scores or metrics",
             from, key);
    *out = f;
out:
    return rc;
}

/* Number of values of a key: of its list, or one. */
static size_t n_values(const cJSON *value)
{
    return cJSON_IsArray(value) ? (size_t)cJSON_GetArraySize(value) : 1;
}

static const cJSON *value_at(const cJSON *value, size_t i)
{
    return cJSON_IsArray(value) ? cJSON_GetArrayItem(value, (int)i) : value;
}

/* How many settings an object stands for. */
static int count_settings(size_t *out, const cJSON *object, const char *from)
{
    int rc = ERR_OK;
    char found[DESCRIPTION];
    const cJSON *one;
    if (!cJSON_IsObject(object) || !object->child)
        FAIL(ERR_CONFIG, "%s: found %s, wanted {\"key\": value or list of values, ...}", from,
             cJSON_IsObject(object) ? "an empty object" : config_describe(found, object));
    *out = 1;
    cJSON_ArrayForEach(one, object)
    {
        if (n_values(one) == 0)
            FAIL(ERR_CONFIG, "%s: %s: found an empty list, wanted a value or a list of values",
                 from, one->string);
        *out *= n_values(one);
        if (*out > MAX_SETTINGS)
            FAIL(ERR_CONFIG, "%s: found more than %d settings, wanted at most that", from,
                 MAX_SETTINGS);
    }
out:
    return rc;
}

/* key=value; a text is quoted where it could be taken for something else. */
static int add_label(struct str *label, const char *key, const cJSON *value)
{
    int rc = ERR_OK;
    const char *text = cJSON_GetStringValue(value);
    char *line = NULL;
    TRY(str_addf(label, "%s%s=", label->len ? " " : "", key));
    if (!text || strpbrk(text, " \t\r\n\"="))
        TRY(json_line(&line, value));
    TRY(str_add(label, line ? line : text));
out:
    MEM_FREE(line);
    return rc;
}

/* Put one key's value into a setting, in the form that the configuration gives it. */
static int add_value(struct str *label, cJSON *values, const struct field *f, const cJSON *value,
                     const char *from)
{
    int rc = ERR_OK;
    struct config *scratch = NULL;
    cJSON *checked = NULL;
    TRY(MEM_NEW(scratch, 1));
    TRY(config_assign(scratch, f, value, from));
    TRY(config_value(&checked, scratch, f));
    TRY(add_label(label, f->key, checked));
    if (!cJSON_AddItemToObject(values, f->key, checked))
        FAIL(ERR_MEMORY, "out of memory: configuration");
    checked = NULL; /* the tree's */
out:
    json_free(&checked);
    config_free(&scratch);
    return rc;
}

/* The last of the list, which has room for it. */
static int keep_setting(struct config *c, const struct str *label, const cJSON *values,
                        const char *from)
{
    int rc = ERR_OK;
    struct ablation *a = &c->ablation[c->n_ablations];
    for (size_t i = 0; i < c->n_ablations; i++)
        if (strcmp(c->ablation[i].label, label->text) == 0)
            FAIL(ERR_CONFIG, "%s: found the setting %s a second time, wanted each once", from,
                 label->text);
    c->n_ablations++;
    TRY(str_dup(&a->label, label->text));
    TRY(json_line(&a->values, values));
out:
    return rc;
}

/* One element of an object's product; the last key varies fastest. */
static int add_setting(struct config *c, const cJSON *object, size_t index, size_t n,
                       const char *from)
{
    int rc = ERR_OK;
    cJSON *values = NULL;
    struct str label = {0};
    const cJSON *one;
    TRY(json_new(&values));
    cJSON_ArrayForEach(one, object)
    {
        const struct field *f = NULL;
        n /= n_values(one);
        TRY(find_varied(&f, one->string, from));
        TRY(add_value(&label, values, f, value_at(one, index / n % n_values(one)), from));
    }
    TRY(keep_setting(c, &label, values, from));
out:
    json_free(&values);
    str_free(&label);
    return rc;
}

/* All settings of one object; cap: room in the list. */
static int add_object(struct config *c, size_t *cap, const cJSON *object, const char *from)
{
    int rc = ERR_OK;
    size_t n = 0;
    TRY(count_settings(&n, object, from));
    if (c->n_ablations + n > MAX_SETTINGS)
        FAIL(ERR_CONFIG, "%s: found more than %d settings up to here, wanted at most that", from,
             MAX_SETTINGS);
    TRY(MEM_GROW(c->ablation, cap, c->n_ablations + n));
    for (size_t i = 0; i < n; i++)
        TRY(add_setting(c, object, i, n, from));
out:
    return rc;
}

int config_assign_ablations(struct config *c, const cJSON *value, const char *from)
{
    int rc = ERR_OK;
    char found[DESCRIPTION];
    char *at = NULL;
    const cJSON *object;
    size_t index = 0;
    size_t cap = 0;
    if (!cJSON_IsArray(value))
        FAIL(ERR_CONFIG, "%s: ablations: found %s, wanted a list of objects", from,
             config_describe(found, value));
    config_drop_ablations(c);
    cJSON_ArrayForEach(object, value)
    {
        TRY(str_make(&at, "%s: ablations[%zu]", from, index++));
        TRY(add_object(c, &cap, object, at));
        MEM_FREE(at);
    }
out:
    MEM_FREE(at);
    return rc;
}

void config_drop_ablations(struct config *c)
{
    for (size_t i = 0; i < c->n_ablations; i++) {
        MEM_FREE(c->ablation[i].label);
        MEM_FREE(c->ablation[i].values);
    }
    MEM_FREE(c->ablation);
    c->n_ablations = 0;
}

cJSON *config_ablations_value(const struct config *c)
{
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < c->n_ablations; i++)
        (void)cJSON_AddItemToArray(all, cJSON_Parse(c->ablation[i].values));
    return all;
}

/* Every field but the ablations themselves. */
static int copy_fields(struct config *to, const struct config *from)
{
    int rc = ERR_OK;
    cJSON *value = NULL;
    for (size_t i = 0; i < config_n_fields; i++) {
        if (config_fields[i].kind == KIND_ABLATIONS)
            continue;
        TRY(config_value(&value, from, &config_fields[i]));
        TRY(config_assign(to, &config_fields[i], value, "job"));
        json_free(&value);
    }
out:
    json_free(&value);
    return rc;
}

int config_ablate(struct config **out, const struct config *config, const struct ablation *ablation)
{
    int rc = ERR_OK;
    struct config *c = NULL;
    cJSON *values = NULL;
    const cJSON *one;
    TRY(MEM_NEW(c, 1));
    TRY(copy_fields(c, config));
    TRY(json_parse(&values, ablation->values, ablation->label));
    cJSON_ArrayForEach(one, values)
    {
        TRY(config_assign(c, config_field(one->string), one, ablation->label));
    }
out:
    json_free(&values);
    if (rc)
        config_free(&c);
    *out = c;
    return rc;
}
