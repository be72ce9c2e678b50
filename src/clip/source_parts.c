/*
 * source_parts.c - one model in several files, as model hubs keep large ones: NAME.index.json, whose
 * "weight_map" says of each tensor in which file beside it it lies.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "clip/source_int.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { MAX_INDEX = 64 << 20 };

/* Where a tensor of the model lies. */
struct place {
    const struct source *file;
    const struct source_tensor *tensor;
};

struct parts {
    struct path_list name; /* of the files, sorted, each once */
    struct source *file;   /* [n_open], in that order */
    size_t n_open;
    struct place *place; /* one for each tensor */
};

/* Begins as JSON. The first eight bytes of safetensors are a number far below 2^56. */
static bool parts_fit(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    return n >= 8 && b[0] == '{' && b[7] != 0;
}

/* The files that the map names. */
static int list_files(struct parts *p, const cJSON *map, const char *path)
{
    int rc = ERR_OK;
    const cJSON *one;
    cJSON_ArrayForEach(one, map)
    {
        const char *name = cJSON_GetStringValue(one);
        size_t i = 0;
        if (!name || !name[0] || strchr(name, '/'))
            FAIL(ERR_FORMAT, "%s: weight_map: '%s': wanted the name of a file in the same folder",
                 path, one->string);
        while (i < p->name.n && strcmp(p->name.name[i], name) != 0)
            i++;
        if (i == p->name.n)
            TRY(path_list_add(&p->name, name));
    }
    path_list_sort(&p->name);
out:
    return rc;
}

static int open_files(struct parts *p, const char *path)
{
    int rc = ERR_OK;
    char *dir = NULL;
    char *file = NULL;
    TRY(path_dir(&dir, path));
    TRY(MEM_NEW(p->file, p->name.n));
    for (; p->n_open < p->name.n; p->n_open++) {
        TRY(path_join(&file, dir, p->name.name[p->n_open]));
        rc = source_open_one(&p->file[p->n_open], file);
        if (rc)
            err_prefix("%s: ", path);
        TRY(rc);
        MEM_FREE(file);
    }
out:
    MEM_FREE(dir);
    MEM_FREE(file);
    return rc;
}

static int find_tensor(struct place *out, const struct parts *p, const cJSON *one, const char *path)
{
    int rc = ERR_OK;
    size_t i = 0;
    while (strcmp(p->name.name[i], one->valuestring) != 0)
        i++;
    out->file = &p->file[i];
    out->tensor = source_find(out->file, one->string);
    if (!out->tensor)
        FAIL(ERR_FORMAT, "%s: weight_map: tensor '%s' is not in %s", path, one->string,
             p->name.name[i]);
out:
    return rc;
}

static int add_tensors(struct source *s, struct parts *p, const cJSON *map, const char *path)
{
    int rc = ERR_OK;
    const cJSON *one;
    TRY(MEM_NEW(p->place, (size_t)cJSON_GetArraySize(map)));
    cJSON_ArrayForEach(one, map)
    {
        struct place *place = &p->place[s->n];
        struct source_tensor t;
        TRY(find_tensor(place, p, one, path));
        t = *place->tensor;
        t.own = place;
        TRY(source_add(s, one->string, &t));
    }
out:
    return rc;
}

static int parts_open(struct source *s, const char *path)
{
    int rc = ERR_OK;
    struct parts *p = NULL;
    cJSON *tree = NULL;
    const cJSON *map;
    TRY(MEM_NEW(p, 1));
    s->own = p;
    TRY(json_read(&tree, path, MAX_INDEX));
    map = cJSON_GetObjectItemCaseSensitive(tree, "weight_map");
    if (!cJSON_IsObject(map) || !map->child)
        FAIL(ERR_FORMAT, "%s: has no \"weight_map\", so it is no index of a model's files", path);
    TRY(list_files(p, map, path));
    TRY(open_files(p, path));
    TRY(add_tensors(s, p, map, path));
out:
    json_free(&tree);
    return rc;
}

static int parts_read(const struct source *s, const struct source_tensor *t, size_t first, size_t n,
                      float *out)
{
    const struct place *place = t->own;
    (void)s;
    return source_read_rows(place->file, place->tensor, first, n, out);
}

static struct hash parts_hash(const struct source *s)
{
    const struct parts *p = s->own;
    struct hash chain[2] = {hash_bytes(s->map.data, s->map.size)};
    for (size_t i = 0; i < p->n_open; i++) {
        chain[1] = source_hash(&p->file[i]);
        chain[0] = hash_bytes(chain, sizeof chain);
    }
    return chain[0];
}

static void parts_close(struct source *s)
{
    struct parts *p = s->own;
    if (!p)
        return;
    for (size_t i = 0; i < p->n_open; i++)
        source_close(&p->file[i]);
    MEM_FREE(p->file);
    MEM_FREE(p->place);
    path_list_free(&p->name);
    MEM_FREE(s->own);
}

const struct source_format source_parts = {.fits = parts_fit,
                                           .open = parts_open,
                                           .read = parts_read,
                                           .hash = parts_hash,
                                           .close = parts_close};
