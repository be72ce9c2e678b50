/* origin.c - see origin_int.h. */
#include "sweep/origin_int.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/json.h"
#include "tensor/h5.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROW_FILE = 16 << 20 };

/* How an input is compared. */
enum comparison {
    WORD,    /* a hash or key: that it differs is all there is to say */
    NUMBER,  /* an i64 attribute; both values are said */
    OPTIONS, /* JSON object: every value that differs is said */
};

/*
 * What files tell about their inputs: attributes of HDF5 files, members of a row's JSON. Of inputs
 * that follow from one another the first that differs is said.
 */
static const struct kind {
    const char *name;
    const char *file[2]; /* beginnings of the names of the files that tell */
    struct input {
        const char *name;
        enum comparison how;
        const char *said;
        bool is_implied; /* by the input before it */
    } input[MAX_INPUTS];
    const char *otherwise; /* what it is when no input differs */
} kinds[N_PRODUCTS] = {
    [FEATURES] = {"features",
                  {"shard-"},
                  {{"weights", WORD, "the weights changed", false},
                   {"options", OPTIONS, NULL, false},
                   {"manifest", WORD, MANIFEST_DIFFERS, false}},
                  "its file does not tell why"},
    [BANK] = {"bank",
              {"bank.h5", "shard-"},
              {{"features", WORD, "the features changed", false},
               {"options", OPTIONS, NULL, false}},
              "run.on_bad_item changed"},
    [REDUCED] = {"reduced bank",
                 {"reduced-"},
                 {{"full", WORD, "the full bank changed", false},
                  {"reduction", OPTIONS, NULL, false}},
                 "its file does not tell why"},
    [HEAD] = {"head",
              {"head.h5"},
              {{"bank", WORD, "the bank changed", false},
               {"metric", WORD, "the metric of mrad-ft changed", true},
               {"options", OPTIONS, NULL, false},
               {"seed", NUMBER, "seed", false}},
              "start values, order, prompts or a given head changed"},
    [SCORES] = {"scores",
                {"scores.h5", "shard-"},
                {{"bank", WORD, "the bank changed", false},
                 {"head", WORD, "the head changed", true},
                 {"features", WORD, "the features of the test set changed", false},
                 {"options", OPTIONS, NULL, false}},
                "its file does not tell why"},
    [ROWS] = {"rows",
              {"class-"},
              {{"scores", WORD, "the scores changed", false},
               {"options", OPTIONS, NULL, false},
               {"seed", NUMBER, "seed", false}},
              "made by an earlier version"},
};

void origin_release(struct origin *o)
{
    MEM_FREE(o->dir);
    for (size_t i = 0; i < MAX_INPUTS; i++)
        MEM_FREE(o->said[i]);
}

const char *artefact_name(enum artefact kind)
{
    return kinds[kind].name;
}

size_t artefact_input(enum artefact kind, const char *name)
{
    size_t i = 0;
    while (i < MAX_INPUTS && kinds[kind].input[i].name &&
           strcmp(kinds[kind].input[i].name, name) != 0)
        i++;
    BUG_ON(i == MAX_INPUTS || !kinds[kind].input[i].name);
    return i;
}

/* ---- reading ---- */

static int read_attribute(struct h5 *f, const struct input *input, char **out)
{
    int rc = ERR_OK;
    int64_t number;
    if (!h5_has(f, "/", input->name))
        goto out;
    if (input->how == NUMBER) {
        TRY(h5_get_i64(f, "/", input->name, &number));
        TRY(str_make(out, "%" PRId64, number));
    } else {
        TRY(h5_get_text(f, "/", input->name, out));
    }
out:
    return rc;
}

static int read_h5(struct origin *o, enum artefact kind, const char *path)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    TRY(h5_open(&f, path));
    for (size_t i = 0; i < MAX_INPUTS && kinds[kind].input[i].name; i++)
        TRY(read_attribute(f, &kinds[kind].input[i], &o->said[i]));
out:
    h5_close(&f);
    return rc;
}

static int read_row(struct origin *o, const char *path)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    TRY(json_read_sealed(&tree, path, MAX_ROW_FILE));
    for (size_t i = 0; i < MAX_INPUTS && kinds[ROWS].input[i].name; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(tree, kinds[ROWS].input[i].name);
        if (cJSON_IsString(value))
            TRY(str_dup(&o->said[i], value->valuestring));
        else if (value)
            TRY(json_line(&o->said[i], value));
    }
out:
    json_free(&tree);
    return rc;
}

/* Does a file of this name tell? */
static bool is_teller(enum artefact kind, const char *name)
{
    bool is_known = false;
    for (size_t i = 0; i < 2 && kinds[kind].file[i]; i++)
        is_known = is_known || str_starts(name, kinds[kind].file[i]);
    return is_known && str_ends(name, kind == ROWS ? ".json" : ".h5");
}

static int add_sibling(struct siblings *s, enum artefact kind, const char *dir, const char *path)
{
    int rc = ERR_OK;
    uint64_t size;
    struct origin *o;
    TRY(MEM_GROW(s->origin, &s->cap, s->n + 1));
    o = &s->origin[s->n];
    *o = (struct origin){0};
    rc = kind == ROWS ? read_row(o, path) : read_h5(o, kind, path);
    if (rc == ERR_OK)
        rc = path_stat(path, &size, &o->mtime);
    if (rc == ERR_OK)
        rc = str_dup(&o->dir, dir);
    if (rc == ERR_OK) {
        s->n++;
    } else {
        origin_release(o);
        if (rc != ERR_MEMORY) { /* damaged, or gone meanwhile: as good as not there */
            err_clear();
            rc = ERR_OK;
        }
    }
out:
    return rc;
}

static bool is_listed(const struct path_list *in_use, const char *path, const char *store)
{
    return path_list_has(in_use, path_below(path, store));
}

/* One key's folder: one file tells about all of it; every reduced bank is a product of its own. */
static int read_folder(struct siblings *s, enum artefact kind, const char *dir, const char *store,
                       const struct path_list *in_use)
{
    int rc = ERR_OK;
    struct path_list list = {0};
    char *path = NULL;
    size_t before = s->n;
    if (!path_is_dir(dir) || (kind != REDUCED && is_listed(in_use, dir, store)))
        return ERR_OK;
    TRY(path_list_dir(&list, dir));
    for (size_t i = 0; i < list.n && (kind == REDUCED || s->n == before); i++) {
        if (!is_teller(kind, list.name[i]))
            continue;
        TRY(path_join(&path, dir, list.name[i]));
        if (kind != REDUCED || !is_listed(in_use, path, store))
            TRY(add_sibling(s, kind, dir, path));
        MEM_FREE(path);
    }
out:
    path_list_free(&list);
    MEM_FREE(path);
    return rc;
}

int siblings_read(struct siblings *out, enum artefact kind, const char *folder, const char *store,
                  const struct path_list *in_use)
{
    int rc = ERR_OK;
    struct path_list list = {0};
    char *dir = NULL;
    *out = (struct siblings){0};
    if (!path_is_dir(folder))
        return ERR_OK;
    TRY(path_list_dir(&list, folder));
    for (size_t i = 0; i < list.n; i++) {
        TRY(path_join(&dir, folder, list.name[i]));
        TRY(read_folder(out, kind, dir, store, in_use));
        MEM_FREE(dir);
    }
out:
    path_list_free(&list);
    MEM_FREE(dir);
    if (rc)
        siblings_release(out);
    return rc;
}

void siblings_release(struct siblings *s)
{
    for (size_t i = 0; i < s->n; i++)
        origin_release(&s->origin[i]);
    MEM_FREE(s->origin);
    *s = (struct siblings){0};
}

/* ---- comparing ---- */

/* "KEY was X, is Y" */
static int say_was_is(struct path_list *out, const char *key, const char *was, const char *is)
{
    int rc = ERR_OK;
    char *text = NULL;
    TRY(str_make(&text, "%s was %s, is %s", key, was, is));
    TRY(path_list_add(out, text));
out:
    MEM_FREE(text);
    return rc;
}

static int compare_option(struct path_list *out, const char *key, const cJSON *old,
                          const cJSON *now)
{
    int rc = ERR_OK;
    char *was = NULL;
    char *is = NULL;
    if (old && now && cJSON_Compare(old, now, 1))
        return ERR_OK;
    if (old)
        TRY(json_line(&was, old));
    if (now)
        TRY(json_line(&is, now));
    TRY(say_was_is(out, key, was ? was : "unknown", is ? is : "unknown"));
out:
    MEM_FREE(was);
    MEM_FREE(is);
    return rc;
}

static int compare_options(struct path_list *out, const char *old_text, const char *now_text)
{
    int rc = ERR_OK;
    cJSON *old = NULL;
    cJSON *now = NULL;
    const cJSON *one;
    TRY(json_parse(&now, now_text, "options"));
    if (json_parse(&old, old_text, "options")) { /* a file's text, which may be anything */
        err_clear();
        TRY(path_list_add(out, "the options changed"));
        goto out;
    }
    cJSON_ArrayForEach(one, now) TRY(
        compare_option(out, one->string, cJSON_GetObjectItemCaseSensitive(old, one->string), one));
    cJSON_ArrayForEach(one, old)
    {
        if (!cJSON_GetObjectItemCaseSensitive(now, one->string))
            TRY(compare_option(out, one->string, one, NULL));
    }
out:
    json_free(&old);
    json_free(&now);
    return rc;
}

int origin_differences(struct path_list *out, enum artefact kind, const struct origin *old,
                       const struct origin *now)
{
    int rc = ERR_OK;
    bool differed = false; /* the input before */
    for (size_t i = 0; i < MAX_INPUTS && kinds[kind].input[i].name; i++) {
        const struct input *input = &kinds[kind].input[i];
        bool is_known = old->said[i] && now->said[i];
        bool differs = is_known && strcmp(old->said[i], now->said[i]) != 0;
        if (differs && input->how == OPTIONS)
            TRY(compare_options(out, old->said[i], now->said[i]));
        else if (differs && input->how == NUMBER)
            TRY(say_was_is(out, input->said, old->said[i], now->said[i]));
        else if (differs && !(input->is_implied && differed))
            TRY(path_list_add(out, input->said));
        differed = differs;
    }
    if (!out->n)
        TRY(path_list_add(out, kinds[kind].otherwise));
out:
    return rc;
}
