/*
 * manifest_json.c - meta.json read and written. See datasets.h and docs/DATASETS.md.
 *
 * In:  {"train": {class: [entry]}, "test": {class: [entry]}}, also "Train"/"Test".
 * Out: struct manifest. Lists are walked, never indexed: cJSON's are linked.
 */
#include "datasets/datasets.h"
#include "datasets/manifest_int.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { META_MAX_BYTES = 256 << 20 };

/* Where we are in the file, for messages. */
struct place {
    const char *file;
    const char *split;
    const char *class_name;
    size_t entry;
};

/* What a value is, for messages: fits in 96 bytes. */
struct found {
    char text[96];
};

static struct found describe(const cJSON *value)
{
    struct found f = {"nothing"};
    if (cJSON_IsString(value))
        (void)snprintf(f.text, sizeof f.text, "\"%.60s\"", value->valuestring);
    else if (cJSON_IsNumber(value))
        (void)snprintf(f.text, sizeof f.text, "%g", value->valuedouble);
    else if (cJSON_IsBool(value))
        (void)snprintf(f.text, sizeof f.text, "%s", cJSON_IsTrue(value) ? "true" : "false");
    else if (value)
        (void)snprintf(f.text, sizeof f.text, "%s",
                       cJSON_IsNull(value)    ? "null"
                       : cJSON_IsArray(value) ? "a list"
                                              : "an object");
    return f;
}

static int wrong(const struct place *at, const char *key, const cJSON *value, const char *wanted)
{
    return err_set(ERR_FORMAT, __FILE__, __LINE__, __func__,
                   "%s: split \"%s\", class \"%s\", entry %zu, key \"%s\": found %s, wanted %s",
                   at->file, at->split, at->class_name, at->entry, key, describe(value).text,
                   wanted);
}

/* A text that may be missing or null, which both read as "". */
static int read_text(const char **out, const cJSON *entry, const char *key, const struct place *at)
{
    int rc = ERR_OK;
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(entry, key);
    *out = "";
    if (cJSON_IsString(value))
        *out = value->valuestring;
    else if (value && !cJSON_IsNull(value))
        TRY(wrong(at, key, value, "a string"));
out:
    return rc;
}

static int read_anomaly(uint8_t *out, const cJSON *entry, const struct place *at)
{
    int rc = ERR_OK;
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(entry, "anomaly");
    bool is_one = cJSON_IsNumber(value) && value->valuedouble == 1;
    bool is_zero = cJSON_IsNumber(value) && value->valuedouble == 0;
    if (!is_one && !is_zero && !cJSON_IsBool(value))
        TRY(wrong(at, "anomaly", value, "0 or 1"));
    *out = is_one || cJSON_IsTrue(value);
out:
    return rc;
}

static int read_entry(struct split *s, struct manifest *m, const cJSON *entry,
                      const struct place *at)
{
    int rc = ERR_OK;
    struct item item = {0};
    const char *ignored;
    if (!cJSON_IsObject(entry))
        FAIL(ERR_FORMAT, "%s: split \"%s\", class \"%s\", entry %zu: found %s, wanted an object",
             at->file, at->split, at->class_name, at->entry, describe(entry).text);
    TRY(read_text(&item.image, entry, "img_path", at));
    if (!item.image[0])
        TRY(wrong(at, "img_path", cJSON_GetObjectItemCaseSensitive(entry, "img_path"),
                  "the path of an image"));
    TRY(read_text(&item.mask, entry, "mask_path", at));
    TRY(read_text(&item.specie, entry, "specie_name", at));
    /* The key of the list decides the class; users' files rename one and forget the other. */
    TRY(read_text(&ignored, entry, "cls_name", at));
    TRY(read_anomaly(&item.is_anomalous, entry, at));
    TRY(split_add_item(s, m, &item));
out:
    return rc;
}

static int read_split(struct split *s, struct manifest *m, const cJSON *tree, const char *file)
{
    int rc = ERR_OK;
    struct place at = {.file = file, .split = tree->string};
    if (!cJSON_IsObject(tree))
        FAIL(ERR_FORMAT, "%s: split \"%s\": found %s, wanted an object of classes", file,
             tree->string, describe(tree).text);
    for (const cJSON *list = tree->child; list; list = list->next) {
        at.class_name = list->string;
        at.entry = 0;
        if (!cJSON_IsArray(list))
            FAIL(ERR_FORMAT, "%s: split \"%s\", class \"%s\": found %s, wanted a list", file,
                 at.split, at.class_name, describe(list).text);
        TRY(split_add_class(s, list->string));
        for (const cJSON *entry = list->child; entry; entry = entry->next, at.entry++)
            TRY(read_entry(s, m, entry, &at));
    }
out:
    return rc;
}

/* Find a split by name in any case; *out stays NULL when there is none. */
static int find_split(const cJSON **out, const cJSON *root, const char *name, const char *file)
{
    int rc = ERR_OK;
    *out = NULL;
    for (const cJSON *child = root->child; child; child = child->next) {
        if (strcasecmp(child->string, name) != 0)
            continue;
        if (*out)
            FAIL(ERR_FORMAT, "%s: holds both \"%s\" and \"%s\"; wanted one", file, (*out)->string,
                 child->string);
        *out = child;
    }
out:
    return rc;
}

static int by_image(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a;
    const struct item *y = *(const struct item *const *)b;
    int order = strcmp(x->image, y->image);
    if (order)
        return order;
    return x < y ? -1 : x > y; /* so that a message names the earlier one first */
}

/* An item's place within its class. */
static size_t entry_of(const struct split *s, const struct item *item)
{
    const struct item *first = item;
    while (first > s->item && first[-1].class_id == item->class_id)
        first--;
    return (size_t)(item - first);
}

static int check_unique(const struct split *s, const char *file)
{
    int rc = ERR_OK;
    const struct item **order = NULL;
    TRY(MEM_NEW(order, s->n_items));
    for (size_t i = 0; i < s->n_items; i++)
        order[i] = &s->item[i];
    if (s->n_items)
        qsort(order, s->n_items, sizeof *order, by_image);
    for (size_t i = 1; i < s->n_items; i++) {
        const struct item *a = order[i - 1];
        const struct item *b = order[i];
        if (strcmp(a->image, b->image) == 0)
            FAIL(
                ERR_FORMAT,
                "%s: the image \"%s\" occurs twice in the test split: class \"%s\", entry %zu, and "
                "class \"%s\", entry %zu",
                file, a->image, s->class_name[a->class_id], entry_of(s, a),
                s->class_name[b->class_id], entry_of(s, b));
    }
out:
    MEM_FREE(order);
    return rc;
}

static int check_classes(const struct split *s, const char *file)
{
    int rc = ERR_OK;
    size_t next = 0; /* items are ordered by class, so each class must begin where one ended */
    if (s->n_items == 0)
        FAIL(ERR_FORMAT, "%s: the test split is empty; wanted at least one image", file);
    for (size_t c = 0; c < s->n_classes; c++) {
        size_t first = next;
        while (next < s->n_items && s->item[next].class_id == c)
            next++;
        if (next == first)
            FAIL(ERR_FORMAT, "%s: class \"%s\" of the test split is empty; leave it out", file,
                 s->class_name[c]);
    }
out:
    return rc;
}

static int read_tree(struct manifest *m, const cJSON *tree, const char *file)
{
    int rc = ERR_OK;
    const cJSON *part = NULL;
    struct split test = {0};
    struct split train = {0};
    if (!cJSON_IsObject(tree))
        FAIL(ERR_FORMAT, "%s: found %s, wanted an object with \"test\"", file, describe(tree).text);
    TRY(find_split(&part, tree, "train", file));
    if (part)
        TRY(read_split(&train, m, part, file));
    TRY(find_split(&part, tree, "test", file));
    if (!part)
        FAIL(ERR_FORMAT, "%s: has no key \"test\"; wanted {\"train\": ..., \"test\": ...}", file);
    TRY(read_split(&test, m, part, file));
    TRY(check_classes(&test, file));
    TRY(check_unique(&test, file));
    manifest_finish(m, &test, &train);
out:
    split_free(&test);
    split_free(&train);
    return rc;
}

int manifest_load(struct manifest **out, const char *name, const char *root, const char *meta)
{
    int rc = ERR_OK;
    char *path = NULL;
    cJSON *tree = NULL;
    struct manifest *m = NULL;
    *out = NULL;
    if (meta)
        TRY(str_dup(&path, meta));
    else
        TRY(path_join(&path, root, "meta.json"));
    TRY(json_read(&tree, path, META_MAX_BYTES));
    TRY(manifest_new(&m, name, root));
    TRY(read_tree(m, tree, path));
    *out = m;
    m = NULL;
out:
    manifest_free(&m);
    json_free(&tree);
    MEM_FREE(path);
    return rc;
}

/* Length of the UTF-8 sequence at s and its code point; 0 when it is not valid. */
static size_t utf8_next(const char *s, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *u = (const unsigned char *)s;
    size_t n = u[0] < 0x80 ? 1 : u[0] >> 5 == 6 ? 2 : u[0] >> 4 == 14 ? 3 : u[0] >> 3 == 30 ? 4 : 0;
    if (n < 2) {
        *point = u[0];
        return n;
    }
    *point = u[0] & (0xFFU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (u[i] >> 6 != 2)
            return 0;
        *point = *point << 6 | (u[i] & 0x3FU);
    }
    if (*point < least[n] || *point > 0x10FFFF || (*point >= 0xD800 && *point < 0xE000))
        return 0;
    return n;
}

/* One code point the way Python's json writes it: ASCII only. */
static int put_point(struct str *s, uint32_t point)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letter[] = "\"\\bfnrt";
    const char *special = point && point < 0x80 ? strchr(plain, (int)point) : NULL;
    if (special)
        return str_addf(s, "\\%c", letter[special - plain]);
    if (point >= 0x10000)
        return str_addf(s, "\\u%04x\\u%04x", 0xD800U + ((point - 0x10000) >> 10),
                        0xDC00U + ((point - 0x10000) & 0x3FF));
    if (point < 0x20 || point > 0x7E)
        return str_addf(s, "\\u%04x", point);
    return str_addf(s, "%c", (char)point);
}

static int put_text(struct str *s, const char *text)
{
    int rc = ERR_OK;
    uint32_t point;
    size_t n;
    TRY(str_add(s, "\""));
    for (const char *p = text; *p; p += n) {
        n = utf8_next(p, &point);
        if (n == 0)
            FAIL(ERR_FORMAT, "the name \"%s\" is not UTF-8, so JSON cannot hold it; rename it",
                 text);
        TRY(put_point(s, point));
    }
    TRY(str_add(s, "\""));
out:
    return rc;
}

static int put_pair(struct str *s, const char *key, const char *text)
{
    int rc = ERR_OK;
    TRY(str_addf(s, "    \"%s\": ", key));
    TRY(put_text(s, text));
    TRY(str_add(s, ",\n"));
out:
    return rc;
}

static int put_item(struct str *s, const struct item *item, const char *class_name)
{
    int rc = ERR_OK;
    TRY(str_add(s, "   {\n"));
    TRY(put_pair(s, "img_path", item->image));
    TRY(put_pair(s, "mask_path", item->mask));
    TRY(put_pair(s, "cls_name", class_name));
    TRY(put_pair(s, "specie_name", item->specie));
    TRY(str_addf(s, "    \"anomaly\": %d\n   }", item->is_anomalous));
out:
    return rc;
}

/* The list of class c; *next is its first item on entry, the first of the next class on exit. */
static int put_class(struct str *s, const struct split *split, size_t c, size_t *next)
{
    int rc = ERR_OK;
    size_t first = *next;
    TRY(str_add(s, "  "));
    TRY(put_text(s, split->class_name[c]));
    TRY(str_add(s, ": ["));
    for (; *next < split->n_items && split->item[*next].class_id == c; (*next)++) {
        TRY(str_add(s, *next > first ? ",\n" : "\n"));
        TRY(put_item(s, &split->item[*next], split->class_name[c]));
    }
    TRY(str_add(s, *next > first ? "\n  ]" : "]"));
out:
    return rc;
}

static int put_split(struct str *s, const char *name, const struct split *split)
{
    int rc = ERR_OK;
    size_t next = 0;
    TRY(str_addf(s, " \"%s\": {", name));
    for (size_t c = 0; c < split->n_classes; c++) {
        TRY(str_add(s, c ? ",\n" : "\n"));
        TRY(put_class(s, split, c, &next));
    }
    TRY(str_add(s, split->n_classes ? "\n }" : "}"));
out:
    return rc;
}

int manifest_save(const struct manifest *m, const char *path)
{
    int rc = ERR_OK;
    struct str s = {0};
    struct split test = manifest_test(m);
    TRY(str_add(&s, "{\n"));
    TRY(put_split(&s, "train", &m->train));
    TRY(str_add(&s, ",\n"));
    TRY(put_split(&s, "test", &test));
    TRY(str_add(&s, "\n}"));
    TRY(file_write(path, s.text, s.len));
out:
    if (rc)
        err_prefix("%s: ", path);
    str_free(&s);
    return rc;
}
