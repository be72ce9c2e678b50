/* config.c - see config.h. */
#include "config/config.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config_int.h"
#include "config/json.h"

#include <stdio.h>
#include <string.h>

enum { MAX_FILE = 16 << 20, MAX_KEY = 160 };

int config_unknown_key(const char *from, const char *key)
{
    int rc = ERR_OK;
    const char **names = NULL;
    const char *near;
    TRY(MEM_NEW(names, config_n_fields));
    for (size_t i = 0; i < config_n_fields; i++)
        names[i] = config_fields[i].key;
    near = str_nearest(key, names, config_n_fields);
    if (near)
        FAIL(ERR_CONFIG, "%s: %s: no such key, did you mean \"%s\"?", from, key, near);
    FAIL(ERR_CONFIG, "%s: %s: no such key; 'mrad help config' lists them", from, key);
out:
    mem_release((void *)names);
    return rc;
}

/* Is key the beginning of some field's path ("model" of "model.weights")? */
static bool is_group(const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < config_n_fields; i++)
        if (strncmp(config_fields[i].key, key, n) == 0 && config_fields[i].key[n] == '.')
            return true;
    return false;
}

/* Assign every value of an object; groups are entered, `above` is the path so far. */
static int read_object(struct config *c, const cJSON *object, const char *above, const char *from)
{
    int rc = ERR_OK;
    char key[MAX_KEY];
    const cJSON *one;
    cJSON_ArrayForEach(one, object)
    {
        const struct field *f;
        (void)snprintf(key, sizeof key, "%s%s%s", above, above[0] ? "." : "", one->string);
        f = config_field(key);
        if (f)
            TRY(config_assign(c, f, one, from));
        else if (is_group(key) && cJSON_IsObject(one))
            TRY(read_object(c, one, key, from));
        else if (is_group(key))
            FAIL(ERR_CONFIG, "%s: %s: wanted an object of settings", from, key);
        else
            TRY(config_unknown_key(from, key));
    }
out:
    return rc;
}

static int assign_json(struct config *c, const char *key, const char *json, const char *from)
{
    int rc = ERR_OK;
    cJSON *value = NULL;
    TRY(json_parse(&value, json, from));
    TRY(config_assign(c, config_field(key), value, from));
out:
    json_free(&value);
    return rc;
}

static int set_defaults(struct config *c)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < config_n_fields; i++)
        if (config_fields[i].fallback)
            TRY(assign_json(c, config_fields[i].key, config_fields[i].fallback, "default"));
out:
    return rc;
}

static int apply_preset(struct config *c)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < config_n_presets; i++)
        if (config_presets[i].preset == c->preset)
            TRY(assign_json(c, config_presets[i].key, config_presets[i].value, "preset"));
out:
    return rc;
}

/* datasets.NAME.root=DIR adds to the data sets instead of replacing them. */
static int set_dataset(struct config *c, const char *key, const cJSON *value)
{
    int rc = ERR_OK;
    cJSON *all = NULL;
    cJSON *one;
    char name[MAX_KEY];
    const char *dot = strrchr(key, '.');
    const char *first = key + strlen("datasets.");
    if (dot <= first)
        FAIL(ERR_CONFIG, "--set: %s: wanted datasets.NAME.root, .meta, .bank, .domain or .merge",
             key);
    (void)snprintf(name, sizeof name, "%.*s", (int)(dot - first), first);
    TRY(config_value(&all, c, config_field("datasets")));
    one = cJSON_GetObjectItemCaseSensitive(all, name);
    if (!one)
        one = cJSON_AddObjectToObject(all, name);
    cJSON_DeleteItemFromObjectCaseSensitive(one, dot + 1);
    (void)cJSON_AddItemToObject(one, dot + 1, cJSON_Duplicate(value, 1));
    TRY(config_assign_datasets(c, all, "--set"));
out:
    json_free(&all);
    return rc;
}

/* A text field takes the words after '=' as they stand; others are JSON, or a bare word. */
static int parse_value(cJSON **out, const struct field *f, const char *text)
{
    int rc = ERR_OK;
    bool is_text = !f || f->kind == KIND_TEXT;
    *out = NULL;
    if (!is_text && json_parse(out, text, "--set"))
        err_clear();
    if (!*out)
        *out = cJSON_CreateString(text);
    if (!*out)
        FAIL(ERR_MEMORY, "out of memory: configuration");
out:
    return rc;
}

static int apply_set(struct config *c, const char *text)
{
    int rc = ERR_OK;
    cJSON *value = NULL;
    char key[MAX_KEY];
    const struct field *f;
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof key)
        FAIL(ERR_USAGE, "--set: \"%.60s\": wanted key=value", text);
    (void)snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    f = config_field(key);
    TRY(parse_value(&value, f, equals + 1));
    if (f)
        TRY(config_assign(c, f, value, "--set"));
    else if (str_starts(key, "datasets."))
        TRY(set_dataset(c, key, value));
    else
        TRY(config_unknown_key("--set", key));
out:
    json_free(&value);
    return rc;
}

static int read_preset(struct config *c, const cJSON *tree, const char *path,
                       const char *const *set, size_t n_set)
{
    int rc = ERR_OK;
    const cJSON *preset = tree ? cJSON_GetObjectItemCaseSensitive(tree, "preset") : NULL;
    if (preset)
        TRY(config_assign(c, config_field("preset"), preset, path));
    for (size_t i = 0; i < n_set; i++)
        if (str_starts(set[i], "preset="))
            TRY(apply_set(c, set[i]));
    TRY(apply_preset(c));
out:
    return rc;
}

int config_read(struct config **out, const char *path, const char *const *set, size_t n_set)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    struct config *c = NULL;
    TRY(MEM_NEW(c, 1));
    TRY(set_defaults(c));
    if (path) {
        TRY(json_read(&tree, path, MAX_FILE));
        if (!cJSON_IsObject(tree))
            FAIL(ERR_CONFIG, "%s: wanted a JSON object of settings", path);
    }
    TRY(read_preset(c, tree, path, set, n_set));
    if (tree)
        TRY(read_object(c, tree, "", path));
    for (size_t i = 0; i < n_set; i++)
        TRY(apply_set(c, set[i]));
out:
    json_free(&tree);
    if (rc)
        config_free(&c);
    *out = c;
    return rc;
}

void config_free(struct config **config)
{
    struct config *c = *config;
    if (!c)
        return;
    MEM_FREE(c->weights);
    MEM_FREE(c->ft_head);
    MEM_FREE(c->clip_head);
    MEM_FREE(c->ft_init);
    MEM_FREE(c->ft_order);
    MEM_FREE(c->clip_init);
    MEM_FREE(c->clip_order);
    MEM_FREE(c->clip_tokens);
    MEM_FREE(c->tokenizer);
    MEM_FREE(c->normal_words);
    MEM_FREE(c->anomalous_words);
    MEM_FREE(c->store);
    MEM_FREE(c->out);
    MEM_FREE(c->compare);
    MEM_FREE(c->part);
    MEM_FREE(c->auxiliary);
    MEM_FREE(c->seed);
    config_drop_texts(&c->variant, &c->n_variants);
    config_drop_datasets(c);
    config_drop_pairs(c);
    config_drop_ablations(c);
    MEM_FREE(*config);
}

/* The object in which the last part of a dotted key lies; groups are made on the way. */
static int open_group(cJSON *tree, const char *key, cJSON **group, const char **leaf)
{
    int rc = ERR_OK;
    char name[MAX_KEY];
    const char *dot;
    *group = tree;
    *leaf = key;
    while ((dot = strchr(*leaf, '.'))) {
        cJSON *inner;
        (void)snprintf(name, sizeof name, "%.*s", (int)(dot - *leaf), *leaf);
        inner = cJSON_GetObjectItemCaseSensitive(*group, name);
        if (!inner)
            TRY(json_put_object(*group, name, &inner));
        *group = inner;
        *leaf = dot + 1;
    }
out:
    return rc;
}

int config_text(char **out, const struct config *config)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    TRY(json_new(&tree));
    for (size_t i = 0; i < config_n_fields; i++) {
        cJSON *group;
        cJSON *value;
        const char *leaf;
        TRY(open_group(tree, config_fields[i].key, &group, &leaf));
        TRY(config_value(&value, config, &config_fields[i]));
        (void)cJSON_AddItemToObject(group, leaf, value);
    }
    TRY(json_text(out, tree));
out:
    json_free(&tree);
    return rc;
}

int config_stage_text(char **out, const struct config *config, int stages)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    cJSON *value = NULL;
    *out = NULL;
    TRY(json_new(&tree));
    for (size_t i = 0; i < config_n_fields; i++)
        if (config_fields[i].stages & stages) {
            TRY(config_value(&value, config, &config_fields[i]));
            (void)cJSON_AddItemToObject(tree, config_fields[i].key, value);
        }
    TRY(json_line(out, tree));
out:
    json_free(&tree);
    return rc;
}

static int add_range(struct str *s, const struct field *f)
{
    int rc = ERR_OK;
    if (f->kind == KIND_SIZE || f->kind == KIND_REAL)
        TRY(str_addf(s, " [%g to %g]", f->low, f->high));
    for (int i = 0; f->kind == KIND_CHOICE && f->choices[i]; i++)
        TRY(str_addf(s, "%s%s", i ? "|" : " ", f->choices[i]));
    if (f->kind == KIND_BOOL)
        TRY(str_add(s, " true|false"));
out:
    return rc;
}

int config_help(char **out)
{
    int rc = ERR_OK;
    struct str s = {0};
    for (size_t i = 0; i < config_n_fields; i++) {
        const struct field *f = &config_fields[i];
        TRY(str_addf(&s, "  %s", f->key));
        TRY(add_range(&s, f));
        TRY(str_addf(&s, " (default %s)\n      %s\n", f->fallback ? f->fallback : "none", f->help));
    }
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}

const struct dataset_entry *config_dataset(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_datasets; i++)
        if (strcmp(config->dataset[i].name, name) == 0)
            return &config->dataset[i];
    return NULL;
}

int config_need_weights(const struct config *config)
{
    int rc = ERR_OK;
    if (!config->weights)
        FAIL(ERR_CONFIG, "model.weights: no weights given; set it in the job file, or with "
                         "--weights FILE");
out:
    return rc;
}
