/*
 * catalog.c - configs/datasets/NAME.json, one file for each published data set. docs/DATASETS.md tells
 * the keys. See datasets.h.
 */
#include "datasets/datasets.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "config/json.h"
#include "datasets/dataset_int.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FILE_MAX_BYTES = 1 << 20 };

/* An object of a file, for messages. */
struct object {
    const cJSON *tree;
    const char *file;
    const char *name; /* "variants[1].total"; "" for the whole */
};

static int wrong(const struct object *o, const char *key, const char *wanted)
{
    return err_set(ERR_FORMAT, __FILE__, __LINE__, __func__, "%s: %s%s%s: wanted %s", o->file,
                   o->name, o->name[0] ? "." : "", key, wanted);
}

/* Every member must be one of the names, which end with NULL. */
static int check_keys(const struct object *o, const char *const *names)
{
    int rc = ERR_OK;
    if (!cJSON_IsObject(o->tree))
        FAIL(ERR_FORMAT, "%s: %s: wanted an object", o->file, o->name);
    for (const cJSON *member = o->tree->child; member; member = member->next) {
        size_t i = 0;
        while (names[i] && strcmp(names[i], member->string) != 0)
            i++;
        if (!names[i])
            TRY(wrong(o, member->string, "no such key"));
    }
out:
    return rc;
}

static int get_text(const char **out, const struct object *o, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(o->tree, key);
    *out = NULL;
    if (!cJSON_IsString(value) || !value->valuestring[0])
        return wrong(o, key, "a text");
    *out = value->valuestring;
    return ERR_OK;
}

static int get_text_or_null(const char **out, const struct object *o, const char *key)
{
    *out = NULL;
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o->tree, key)))
        return ERR_OK;
    return get_text(out, o, key);
}

static int get_bool(bool *out, const struct object *o, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(o->tree, key);
    *out = cJSON_IsTrue(value);
    return cJSON_IsBool(value) ? ERR_OK : wrong(o, key, "true or false");
}

/* A whole number, or -1 for null. */
static int get_count(long *out, const struct object *o, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(o->tree, key);
    *out = -1;
    if (cJSON_IsNull(value))
        return ERR_OK;
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= 1e9))
        return wrong(o, key, "a whole number or null");
    *out = (long)value->valuedouble;
    return (double)*out == value->valuedouble ? ERR_OK : wrong(o, key, "a whole number or null");
}

/* The texts of a list; *out belongs to the caller, the texts to the tree. */
static int get_texts(const char ***out, size_t *n, const struct object *o, const char *key)
{
    int rc = ERR_OK;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o->tree, key);
    if (!cJSON_IsArray(list))
        TRY(wrong(o, key, "a list of texts"));
    TRY(MEM_NEW(*out, (size_t)cJSON_GetArraySize(list) + 1));
    for (const cJSON *value = list->child; value; value = value->next) {
        if (!cJSON_IsString(value))
            TRY(wrong(o, key, "a list of texts"));
        (*out)[(*n)++] = value->valuestring;
    }
out:
    return rc;
}

static int get_object(struct object *out, const struct object *o, const char *key)
{
    *out = (struct object){cJSON_GetObjectItemCaseSensitive(o->tree, key), o->file, key};
    return cJSON_IsObject(out->tree) ? ERR_OK : wrong(o, key, "an object");
}

/* A fact is a value, how sure it is, who says so; a value that is not null has both. */
static int get_fact(struct object *out, const struct object *o, const char *key)
{
    int rc = ERR_OK;
    static const char *const keys[] = {"value", "mark", "from", "note", NULL};
    const char *text;
    TRY(get_object(out, o, key));
    TRY(check_keys(out, keys));
    TRY(get_text(&text, out, "mark"));
    TRY(get_text_or_null(&text, out, "from"));
    if (!text && !cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(out->tree, "value")))
        TRY(wrong(out, "from", "who says so"));
out:
    return rc;
}

/* ---- a variant ---- */

static int read_known(struct known_count *out, const struct object *o)
{
    int rc = ERR_OK;
    static const char *const keys[] = {"normal", "anomalous", "masks", NULL};
    out->class_name = o->name;
    TRY(check_keys(o, keys));
    TRY(get_count(&out->normal, o, "normal"));
    TRY(get_count(&out->anomalous, o, "anomalous"));
    TRY(get_count(&out->masks, o, "masks"));
out:
    return rc;
}

static int read_classes(struct variant *v, const struct object *o)
{
    int rc = ERR_OK;
    const cJSON *classes = cJSON_GetObjectItemCaseSensitive(o->tree, "classes");
    if (cJSON_IsNull(classes))
        return ERR_OK;
    if (!cJSON_IsObject(classes))
        TRY(wrong(o, "classes", "an object or null"));
    TRY(MEM_NEW(v->class, (size_t)cJSON_GetArraySize(classes)));
    for (const cJSON *one = classes->child; one; one = one->next) {
        struct object count = {one, o->file, one->string};
        TRY(read_known(&v->class[v->n_classes++], &count));
    }
out:
    return rc;
}

static int read_variant(struct variant *v, const struct object *o)
{
    int rc = ERR_OK;
    static const char *const keys[] = {"name",   "what",  "indexed",      "classes", "total",
                                       "counts", "masks", "train_normal", "note",    NULL};
    static const char *const source_keys[] = {"mark", "from", NULL};
    struct object part;
    TRY(check_keys(o, keys));
    TRY(get_text(&v->name, o, "name"));
    TRY(get_text(&v->what, o, "what"));
    TRY(get_bool(&v->is_indexed, o, "indexed"));
    TRY(read_classes(v, o));
    TRY(get_object(&part, o, "total"));
    TRY(read_known(&v->total, &part));
    TRY(get_object(&part, o, "masks"));
    TRY(check_keys(&part, source_keys));
    TRY(get_object(&part, o, "counts"));
    TRY(check_keys(&part, source_keys));
    TRY(get_text(&v->mark, &part, "mark"));
    TRY(get_text_or_null(&v->from, &part, "from"));
    if (v->total.normal >= 0 && !v->from)
        TRY(wrong(&part, "from", "who counted"));
    TRY(get_fact(&part, o, "train_normal"));
    TRY(get_count(&v->train_normal, &part, "value"));
out:
    return rc;
}

static int read_variants(struct dataset_info *set, const struct object *o)
{
    int rc = ERR_OK;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o->tree, "variants");
    if (!cJSON_IsArray(list) || !list->child)
        TRY(wrong(o, "variants", "a list of at least one"));
    TRY(MEM_NEW(set->variant, (size_t)cJSON_GetArraySize(list)));
    for (const cJSON *one = list->child; one; one = one->next) {
        struct object variant = {one, o->file, "variants"};
        TRY(read_variant(&set->variant[set->n_variants++], &variant));
    }
out:
    return rc;
}

/* ---- a data set ---- */

static const struct variant *find_variant(const struct dataset_info *set, const char *name)
{
    for (size_t i = 0; i < set->n_variants; i++)
        if (strcmp(set->variant[i].name, name) == 0)
            return &set->variant[i];
    return NULL;
}

static int read_facts(struct dataset_info *set, const struct object *o)
{
    int rc = ERR_OK;
    static const char *const keys[] = {"in_benchmark", "source",    "licence",
                                       "layout",       "published", NULL};
    const char *layout;
    struct object facts;
    struct object fact;
    TRY(get_object(&facts, o, "facts"));
    TRY(check_keys(&facts, keys));
    TRY(get_fact(&fact, &facts, "in_benchmark"));
    TRY(get_bool(&set->is_in_benchmark, &fact, "value"));
    TRY(get_fact(&fact, &facts, "source"));
    TRY(get_text_or_null(&set->source, &fact, "value"));
    TRY(get_fact(&fact, &facts, "licence"));
    TRY(get_text_or_null(&set->licence, &fact, "value"));
    TRY(get_fact(&fact, &facts, "layout"));
    TRY(get_text(&layout, &fact, "value"));
    TRY(get_fact(&fact, &facts, "published"));
    TRY(get_text_or_null(&set->published, &fact, "value"));
    if (set->published && !find_variant(set, set->published))
        TRY(wrong(&fact, "value", "the name of a variant"));
out:
    return rc;
}

static int read_metrics(struct dataset_info *set, const struct object *o)
{
    int rc = ERR_OK;
    const char **text = NULL;
    size_t n = 0;
    TRY(get_texts(&text, &n, o, "metrics"));
    for (size_t i = 0; i < n; i++) {
        bool is_pixel = strcmp(text[i], "pixel") == 0;
        if (!is_pixel && strcmp(text[i], "image") != 0)
            TRY(wrong(o, "metrics", "pixel and image only"));
        set->has_pixel |= is_pixel;
        set->has_image |= !is_pixel;
    }
out:
    MEM_FREE(text);
    return rc;
}

static int read_layouts(struct dataset_info *set, const struct object *o)
{
    int rc = ERR_OK;
    TRY(get_texts(&set->layout, &set->n_layouts, o, "layouts"));
    if (set->n_layouts == 0)
        TRY(wrong(o, "layouts", "at least one"));
    for (size_t i = 0; i < set->n_layouts; i++)
        if (!layout_find(set->layout[i]))
            FAIL(ERR_FORMAT, "%s: layouts: no layout \"%s\"", o->file, set->layout[i]);
out:
    return rc;
}

static int read_set(struct dataset_info *set, const struct object *o)
{
    int rc = ERR_OK;
    static const char *const keys[] = {"name",  "order",   "title", "aliases",  "domain", "layouts",
                                       "class", "metrics", "facts", "variants", "traps",  NULL};
    const char **trap = NULL;
    size_t n_traps = 0;
    TRY(check_keys(o, keys));
    TRY(get_text(&set->name, o, "name"));
    TRY(get_count(&set->order, o, "order"));
    TRY(get_text(&set->title, o, "title"));
    TRY(get_texts(&set->alias, &set->n_aliases, o, "aliases"));
    TRY(get_text(&set->domain, o, "domain"));
    if (strcmp(set->domain, "industrial") != 0 && strcmp(set->domain, "medical") != 0)
        TRY(wrong(o, "domain", "industrial or medical"));
    TRY(read_layouts(set, o));
    TRY(get_text_or_null(&set->class_name, o, "class"));
    TRY(read_metrics(set, o));
    TRY(read_variants(set, o));
    TRY(read_facts(set, o));
    TRY(get_texts(&trap, &n_traps, o, "traps"));
out:
    MEM_FREE(trap);
    return rc;
}

/* ---- the catalog ---- */

static bool has_name(const struct dataset_info *d, const char *name)
{
    bool found = strcasecmp(d->name, name) == 0;
    for (size_t i = 0; i < d->n_aliases; i++)
        found |= strcasecmp(d->alias[i], name) == 0;
    return found;
}

const struct dataset_info *catalog_find(const struct catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->n_sets; i++)
        if (has_name(&catalog->set[i], name))
            return &catalog->set[i];
    return NULL;
}

int catalog_get(const struct dataset_info **out, const struct catalog *catalog, const char *name)
{
    int rc = ERR_OK;
    const char **names = NULL;
    const char *nearest;
    struct str all = {0};
    *out = catalog_find(catalog, name);
    if (*out)
        return ERR_OK;
    TRY(MEM_NEW(names, catalog->n_sets + 1));
    for (size_t i = 0; i < catalog->n_sets; i++) {
        names[i] = catalog->set[i].name;
        TRY(str_addf(&all, "%s, ", names[i]));
    }
    for (size_t i = 0; i < n_layouts; i++)
        TRY(str_addf(&all, "%s%slayout:%s", i ? ", " : "", i == n_layouts - 1 ? "or " : "",
                     layouts[i].name));
    nearest = str_nearest(name, names, catalog->n_sets);
    FAIL(ERR_USAGE, "unknown data set \"%s\"%s%s%s; wanted %s", name,
         nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "", all.text);
out:
    MEM_FREE(names);
    str_free(&all);
    return rc;
}

/* A name of a set must not find another one. */
static int check_names(const struct catalog *c, const struct dataset_info *set, const char *file)
{
    int rc = ERR_OK;
    const struct dataset_info *other = catalog_find(c, set->name);
    for (size_t i = 0; !other && i < set->n_aliases; i++)
        other = catalog_find(c, set->alias[i]);
    if (other)
        FAIL(ERR_FORMAT, "%s: \"%s\" and \"%s\" share a name or an alias", file, set->name,
             other->name);
out:
    return rc;
}

static void free_set(struct dataset_info *set)
{
    for (size_t i = 0; i < set->n_variants; i++)
        MEM_FREE(set->variant[i].class);
    MEM_FREE(set->variant);
    MEM_FREE(set->alias);
    MEM_FREE(set->layout);
}

static int add_file(struct catalog *c, const char *path)
{
    int rc = ERR_OK;
    struct dataset_info set = {0};
    struct object o = {.file = path, .name = ""};
    TRY(MEM_GROW(c->tree, &c->tree_cap, c->n_trees + 1));
    TRY(json_read(&c->tree[c->n_trees], path, FILE_MAX_BYTES));
    o.tree = c->tree[c->n_trees++];
    TRY(read_set(&set, &o));
    TRY(check_names(c, &set, path));
    TRY(MEM_GROW(c->set, &c->cap, c->n_sets + 1));
    c->set[c->n_sets++] = set;
    set = (struct dataset_info){0};
out:
    free_set(&set);
    return rc;
}

static int by_order(const void *a, const void *b)
{
    const struct dataset_info *x = a;
    const struct dataset_info *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return strcmp(x->name, y->name);
}

int catalog_load(struct catalog **out, const char *dir)
{
    int rc = ERR_OK;
    char *own = NULL;
    char *path = NULL;
    struct path_list files = {0};
    struct catalog *c = NULL;
    *out = NULL;
    TRY(MEM_NEW(c, 1));
    if (!dir)
        TRY(config_find(&own, "datasets"));
    TRY(path_list_dir(&files, dir ? dir : own));
    for (size_t i = 0; i < files.n; i++) {
        if (strcmp(path_ext(files.name[i]), ".json") != 0)
            continue;
        TRY(path_join(&path, dir ? dir : own, files.name[i]));
        TRY(add_file(c, path));
        MEM_FREE(path);
    }
    if (c->n_sets == 0)
        FAIL(ERR_FORMAT, "%s: holds no NAME.json of a data set", dir ? dir : own);
    qsort(c->set, c->n_sets, sizeof *c->set, by_order);
    *out = c;
    c = NULL;
out:
    catalog_free(&c);
    path_list_free(&files);
    MEM_FREE(path);
    MEM_FREE(own);
    return rc;
}

void catalog_free(struct catalog **catalog)
{
    struct catalog *c = *catalog;
    if (!c)
        return;
    for (size_t i = 0; i < c->n_sets; i++)
        free_set(&c->set[i]);
    for (size_t i = 0; i < c->n_trees; i++)
        json_free(&c->tree[i]);
    MEM_FREE(c->set);
    MEM_FREE(c->tree);
    MEM_FREE(*catalog);
}
