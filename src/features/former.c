/* former.c - how a data set differs from the one that other features were made of. See features.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "features/features.h"
#include "tensor/h5.h"

#include <stdlib.h>
#include <string.h>

/* Names in a message. */
enum { MOST_NAMES = 3 };

/* What a shard says of an item. */
struct former_item {
    struct hash hash;
    size_t index;
    uint8_t label;
    uint8_t is_met; /* the other list has an item of this content */
};

struct former {
    struct former_item *item; /* [n] in item order */
    size_t n, cap;
    bool is_cut; /* its last shard is full, so that there may have been more; or one is missing */
};

static int read_column(struct h5 *file, const char *name, size_t columns, struct tensor *out)
{
    int rc = ERR_OK;
    TRY(h5_read(file, name, DTYPE_U8, out));
    if (out->rank != (columns > 1 ? 2 : 1) || (columns > 1 && out->dim[1] != columns))
        FAIL(ERR_FORMAT, "%s: %s has another shape than features have", h5_path(file), name);
out:
    return rc;
}

/* Append the items of one shard; *follows: it begins where the last one ended. */
static int read_shard(struct former *f, const char *path, bool *follows)
{
    int rc = ERR_OK;
    struct h5 *file = NULL;
    struct tensor hash = {0};
    struct tensor label = {0};
    int64_t first = 0;
    TRY(h5_open(&file, path));
    TRY(h5_get_i64(file, "/", "first_item", &first));
    *follows = first >= 0 && (size_t)first == f->n;
    if (!*follows)
        goto out;
    TRY(read_column(file, "item_hash", sizeof(struct hash), &hash));
    TRY(read_column(file, "label", 1, &label));
    if (label.dim[0] != hash.dim[0])
        FAIL(ERR_FORMAT, "%s: %zu labels of %zu items", path, label.dim[0], hash.dim[0]);
    TRY(MEM_GROW(f->item, &f->cap, f->n + hash.dim[0]));
    for (size_t i = 0; i < hash.dim[0]; i++, f->n++) {
        struct former_item *item = &f->item[f->n];
        *item = (struct former_item){.index = f->n, .label = ((uint8_t *)label.data)[i]};
        memcpy(&item->hash, (uint8_t *)hash.data + i * sizeof item->hash, sizeof item->hash);
    }
out:
    tensor_free(&hash);
    tensor_free(&label);
    h5_close(&file);
    return rc;
}

static int read_former(struct former *f, const char *dir)
{
    int rc = ERR_OK;
    struct path_list list = {0};
    char *path = NULL;
    size_t shard = 0;
    bool follows = true;
    TRY(path_list_dir(&list, dir));
    for (size_t i = 0; i < list.n && follows; i++) {
        size_t before = f->n;
        if (!str_starts(list.name[i], "shard-") || !str_ends(list.name[i], ".h5"))
            continue;
        TRY(path_join(&path, dir, list.name[i]));
        TRY(read_shard(f, path, &follows));
        MEM_FREE(path);
        shard = shard ? shard : f->n;
        f->is_cut = f->n - before == shard;
    }
    f->is_cut = f->is_cut || !follows;
out:
    path_list_free(&list);
    MEM_FREE(path);
    return rc;
}

static int by_hash(const void *a, const void *b)
{
    const struct former_item *x = a;
    const struct former_item *y = b;
    if (x->hash.hi != y->hash.hi)
        return x->hash.hi < y->hash.hi ? -1 : 1;
    if (x->hash.lo != y->hash.lo)
        return x->hash.lo < y->hash.lo ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b)
{
    const struct former_item *x = a;
    const struct former_item *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void sort_items(struct former_item *item, size_t n,
                       int (*compare)(const void *a, const void *b))
{
    if (n)
        qsort(item, n, sizeof *item, compare);
}

/* Set is_met in both lists: each item meets one of its content at most. Returns how many met. */
static size_t match(struct former *old, struct former *now)
{
    size_t i = 0;
    size_t k = 0;
    size_t n = 0;
    sort_items(old->item, old->n, by_hash);
    sort_items(now->item, now->n, by_hash);
    while (i < old->n && k < now->n) {
        struct former_item probe = old->item[i];
        int order;
        probe.index = now->item[k].index;
        order = by_hash(&probe, &now->item[k]);
        if (order == 0) {
            old->item[i].is_met = now->item[k].is_met = 1;
            n++;
        }
        i += order <= 0;
        k += order >= 0;
    }
    sort_items(old->item, old->n, by_index);
    sort_items(now->item, now->n, by_index);
    return n;
}

/* ": a.png, b.png, ..." of the items that is_named chooses. */
static int add_names(struct str *s, const struct manifest *m, const struct former *now,
                     bool (*is_named)(const struct former_item *item))
{
    int rc = ERR_OK;
    size_t n = 0;
    for (size_t i = 0; i < now->n && n <= MOST_NAMES; i++) {
        if (!is_named(&now->item[i]))
            continue;
        TRY(str_add(s, n ? ", " : ": "));
        TRY(str_add(s, n < MOST_NAMES ? m->item[i].image : "..."));
        n++;
    }
out:
    return rc;
}

static bool has_not_met(const struct former_item *item)
{
    return !item->is_met;
}

/* All content is the same: then it is the order, a label or a name. is_met is used for labels here. */
static int say_same_content(struct str *s, const struct manifest *m, const struct former *old,
                            struct former *now)
{
    int rc = ERR_OK;
    size_t n = 0;
    bool is_moved = false;
    for (size_t i = 0; i < now->n; i++) {
        is_moved = is_moved || !hash_equal(old->item[i].hash, now->item[i].hash);
        now->item[i].is_met = old->item[i].label == now->item[i].label;
        n += !now->item[i].is_met;
    }
    if (is_moved) {
        TRY(str_add(s, "the order of the images changed"));
    } else if (n) {
        TRY(str_addf(s, "the labels of %zu of %zu images changed", n, now->n));
        TRY(add_names(s, m, now, has_not_met));
    } else {
        TRY(str_add(s, "names of images or classes changed"));
    }
out:
    return rc;
}

static int say_changes(struct str *s, const struct manifest *m, struct former *old,
                       struct former *now)
{
    int rc = ERR_OK;
    size_t same = match(old, now);
    size_t fresh = now->n - same;
    size_t gone = old->n - same;
    if (!fresh && !gone)
        return say_same_content(s, m, old, now);
    if (!gone && old->is_cut) {
        TRY(str_addf(s, "of %zu images the former features have %zu", now->n, same));
        goto out;
    }
    if (!fresh) {
        TRY(str_addf(s, "%zu of %zu images removed", gone, old->n));
        goto out;
    }
    TRY(str_addf(s, "%zu of %zu images %s", fresh, now->n,
                 fresh == gone ? "or masks changed"
                 : gone        ? "or masks changed or added"
                               : "added"));
    TRY(add_names(s, m, now, has_not_met));
    if (gone && gone != fresh)
        TRY(str_addf(s, "; %zu of %zu former ones gone", gone, old->n));
out:
    return rc;
}

int features_compare(char **out, const struct features *f, const char *dir)
{
    int rc = ERR_OK;
    struct former old = {0};
    struct former now = {0};
    struct str s = {0};
    *out = NULL;
    TRY(read_former(&old, dir));
    TRY(MEM_GROW(now.item, &now.cap, f->manifest->n_items));
    for (; now.n < f->manifest->n_items; now.n++)
        now.item[now.n] = (struct former_item){.hash = f->item_hash[now.n],
                                               .index = now.n,
                                               .label = f->manifest->item[now.n].is_anomalous};
    TRY(say_changes(&s, f->manifest, &old, &now));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    MEM_FREE(old.item);
    MEM_FREE(now.item);
    return rc;
}
