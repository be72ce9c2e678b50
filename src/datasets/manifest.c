/*
 * manifest.c - the manifest in memory: building, paths, counts, presence of files. See datasets.h.
 *
 * Texts of items live in blocks that only grow, so 20,000 items cost a few allocations and their
 * addresses stay.
 */
#include "datasets/datasets.h"
#include "datasets/manifest_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK_BYTES = 1 << 16 };

struct text_pool {
    char **block; /* [n_blocks], owned */
    size_t n_blocks;
    size_t cap;
    size_t used; /* bytes of the last block */
    size_t room;
};

static int pool_add(struct text_pool *pool, const char **out, const char *text)
{
    int rc = ERR_OK;
    size_t n = strlen(text) + 1;
    if (n > pool->room - pool->used) {
        size_t room = n > BLOCK_BYTES ? n : BLOCK_BYTES;
        TRY(MEM_GROW(pool->block, &pool->cap, pool->n_blocks + 1));
        TRY(MEM_NEW(pool->block[pool->n_blocks], room));
        pool->n_blocks++;
        pool->used = 0;
        pool->room = room;
    }
    *out = memcpy(pool->block[pool->n_blocks - 1] + pool->used, text, n);
    pool->used += n;
out:
    return rc;
}

static void pool_free(struct text_pool **pool)
{
    if (!*pool)
        return;
    for (size_t i = 0; i < (*pool)->n_blocks; i++)
        MEM_FREE((*pool)->block[i]);
    MEM_FREE((*pool)->block);
    MEM_FREE(*pool);
}

int manifest_new(struct manifest **out, const char *name, const char *root)
{
    int rc = ERR_OK;
    struct manifest *m = NULL;
    *out = NULL;
    TRY(MEM_NEW(m, 1));
    TRY(str_dup(&m->name, name));
    TRY(str_dup(&m->root, root));
    TRY(MEM_NEW(m->text, 1));
    *out = m;
    m = NULL;
out:
    manifest_free(&m);
    return rc;
}

int split_add_class(struct split *s, const char *name)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(s->class_name, &s->class_cap, s->n_classes + 1));
    TRY(str_dup(&s->class_name[s->n_classes], name));
    s->n_classes++;
out:
    return rc;
}

int split_add_item(struct split *s, struct manifest *m, const struct item *item)
{
    int rc = ERR_OK;
    struct item *copy;
    BUG_ON(s->n_classes == 0);
    TRY(MEM_GROW(s->item, &s->item_cap, s->n_items + 1));
    copy = &s->item[s->n_items];
    TRY(pool_add(m->text, &copy->image, item->image));
    TRY(pool_add(m->text, &copy->mask, item->mask));
    TRY(pool_add(m->text, &copy->specie, item->specie));
    copy->class_id = (uint32_t)(s->n_classes - 1);
    copy->is_anomalous = item->is_anomalous;
    s->n_items++;
out:
    return rc;
}

static int by_class_and_image(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;
    if (x->class_id != y->class_id)
        return x->class_id < y->class_id ? -1 : 1;
    return strcmp(x->image, y->image);
}

void split_sort(struct split *s)
{
    if (s->n_items)
        qsort(s->item, s->n_items, sizeof *s->item, by_class_and_image);
}

struct split manifest_test(const struct manifest *m)
{
    return (struct split){.class_name = m->class_name,
                          .n_classes = m->n_classes,
                          .item = m->item,
                          .n_items = m->n_items};
}

void manifest_finish(struct manifest *m, struct split *test, struct split *train)
{
    m->class_name = test->class_name;
    m->n_classes = test->n_classes;
    m->item = test->item;
    m->n_items = test->n_items;
    m->train = *train;
    *test = *train = (struct split){0};
}

void split_free(struct split *s)
{
    for (size_t i = 0; i < s->n_classes; i++)
        MEM_FREE(s->class_name[i]);
    MEM_FREE(s->class_name);
    MEM_FREE(s->item);
    *s = (struct split){0};
}

void manifest_free(struct manifest **m)
{
    struct split test;
    if (!*m)
        return;
    test = manifest_test(*m);
    split_free(&test);
    split_free(&(*m)->train);
    pool_free(&(*m)->text);
    MEM_FREE((*m)->name);
    MEM_FREE((*m)->root);
    MEM_FREE(*m);
}

/* Whether root ends in the first n bytes of path, at the borders of its parts. */
static bool ends_in_head(const char *root, size_t root_len, const char *path, size_t n)
{
    if (n > root_len || memcmp(root + root_len - n, path, n) != 0)
        return false;
    return n == root_len || root[root_len - n - 1] == '/';
}

/*
 * The published converters write ROOT/images/1.png with the root as it was given to them. Find a
 * head of path that repeats the end of root and whose rest leads to a file; if there is none, *out
 * stays NULL.
 */
static int strip_root(char **out, const char *root, const char *path)
{
    int rc = ERR_OK;
    size_t n = strlen(root);
    while (str_starts(path, "./"))
        path += 2;
    while (n > 1 && root[n - 1] == '/')
        n--;
    if (n > 2 && str_starts(root, "./")) {
        root += 2;
        n -= 2;
    }
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (!ends_in_head(root, n, path, (size_t)(slash - path)))
            continue;
        TRY(path_join(out, root, slash + 1));
        if (path_is_file(*out))
            break;
        MEM_FREE(*out);
    }
out:
    return rc;
}

static int resolve(char **out, const char *root, const char *path)
{
    int rc = ERR_OK;
    char *stripped = NULL;
    *out = NULL;
    if (!path[0])
        return str_dup(out, "");
    TRY(path_join(out, root, path));
    if (path[0] == '/' || path_is_file(*out))
        goto out;
    TRY(strip_root(&stripped, root, path));
    if (stripped) {
        MEM_FREE(*out);
        *out = stripped;
    }
out:
    return rc;
}

int manifest_image_path(char **out, const struct manifest *m, size_t item)
{
    BUG_ON(item >= m->n_items);
    return resolve(out, m->root, m->item[item].image);
}

int manifest_mask_path(char **out, const struct manifest *m, size_t item)
{
    BUG_ON(item >= m->n_items);
    return resolve(out, m->root, m->item[item].mask);
}

/* Append the items of a part, and its classes as they come. */
static int merge_part(struct split *to, struct manifest *m, const struct manifest *part)
{
    int rc = ERR_OK;
    char *name = NULL;
    char *path[2] = {NULL, NULL};
    for (size_t i = 0; i < part->n_items; i++) {
        struct item item = part->item[i];
        if (i == 0 || item.class_id != part->item[i - 1].class_id) {
            TRY(str_make(&name, "%s/%s", part->name, part->class_name[item.class_id]));
            TRY(split_add_class(to, name));
            MEM_FREE(name);
        }
        TRY(manifest_image_path(&path[0], part, i));
        TRY(manifest_mask_path(&path[1], part, i));
        item.image = path[0];
        item.mask = path[1];
        TRY(split_add_item(to, m, &item));
        MEM_FREE(path[0]);
        MEM_FREE(path[1]);
    }
out:
    MEM_FREE(name);
    MEM_FREE(path[0]);
    MEM_FREE(path[1]);
    return rc;
}

int manifest_merge(struct manifest **out, const char *name, const struct manifest *const *part,
                   size_t n_parts)
{
    int rc = ERR_OK;
    struct manifest *m = NULL;
    struct split all = {0};
    *out = NULL;
    TRY(manifest_new(&m, name, ""));
    for (size_t p = 0; p < n_parts; p++)
        TRY(merge_part(&all, m, part[p]));
    manifest_finish(m, &all, &(struct split){0});
    *out = m;
    m = NULL;
out:
    split_free(&all);
    manifest_free(&m);
    return rc;
}

int manifest_count(struct class_count **out, const struct manifest *m)
{
    int rc = ERR_OK;
    *out = NULL;
    TRY(MEM_NEW(*out, m->n_classes));
    for (size_t i = 0; i < m->n_items; i++) {
        const struct item *item = &m->item[i];
        struct class_count *count = &(*out)[item->class_id];
        count->n_normal += !item->is_anomalous;
        count->n_anomalous += item->is_anomalous;
        count->n_masks += item->is_anomalous && item->mask[0];
    }
out:
    return rc;
}

static int check_file(const char *path, struct path_list *missing)
{
    int rc = ERR_OK;
    struct stat st;
    char *line = NULL;
    const char *why = "not a regular file";
    if (stat(path, &st) != 0)
        why = strerror(errno);
    else if (S_ISREG(st.st_mode))
        return ERR_OK;
    TRY(str_make(&line, "%s: %s", path, why));
    TRY(path_list_add(missing, line));
out:
    MEM_FREE(line);
    return rc;
}

int manifest_check_files(const struct manifest *m, struct path_list *missing)
{
    int rc = ERR_OK;
    char *path = NULL;
    *missing = (struct path_list){0};
    for (size_t i = 0; i < m->n_items; i++) {
        TRY(manifest_image_path(&path, m, i));
        TRY(check_file(path, missing));
        MEM_FREE(path);
        if (!m->item[i].mask[0])
            continue;
        TRY(manifest_mask_path(&path, m, i));
        TRY(check_file(path, missing));
        MEM_FREE(path);
    }
    if (missing->n)
        FAIL(ERR_IO, "%s: %zu of the files in its manifest are missing; the first is %s", m->name,
             missing->n, missing->name[0]);
out:
    MEM_FREE(path);
    return rc;
}
