/* dataset_folder.c - reading the folders of raw data sets, for all layouts. See dataset_int.h. */
#include "datasets/dataset_int.h"
#include "datasets/manifest_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_image_name(const char *name)
{
    static const char *const known[] = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(path_ext(name), known[i]) == 0)
            return true;
    return false;
}

static int by_stem(const void *a, const void *b)
{
    const struct image_name *x = a;
    const struct image_name *y = b;
    int order = strcmp(x->stem, y->stem);
    return order ? order : strcmp(x->name, y->name);
}

int report_file(struct path_list *list, const char *dir, const char *name)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(path_join(&path, dir, name));
    TRY(path_list_add(list, path));
out:
    MEM_FREE(path);
    return rc;
}

int folder_report(const struct folder *f, struct path_list *list)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < f->n_images; i++)
        if (!f->image[i].is_used)
            TRY(report_file(list, f->path, f->image[i].name));
out:
    return rc;
}

int report_duplicate(struct indexer *ix, const struct folder *f, const char *a, const char *b)
{
    int rc = ERR_OK;
    char *first = NULL;
    char *both = NULL;
    TRY(path_join(&first, f->path, a));
    TRY(str_make(&both, "%s and %s", first, b));
    TRY(path_list_add(&ix->report->duplicate, both));
out:
    MEM_FREE(first);
    MEM_FREE(both);
    return rc;
}

static int add_image(struct folder *f, const char *name)
{
    int rc = ERR_OK;
    struct image_name *image;
    TRY(MEM_GROW(f->image, &f->cap, f->n_images + 1));
    image = &f->image[f->n_images++];
    TRY(path_stem(&image->stem, name));
    TRY(str_dup(&image->name, name));
out:
    return rc;
}

/* Files that are no images and still no news: our own product, and lists that the layout reads. */
static int is_expected(bool *out, const struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    const struct rule *end = ix->layout->rule + MAX_RULES;
    *out = strcmp(path, "meta.json") == 0;
    for (const struct rule *r = ix->layout->rule; !*out && r < end && r->images; r++) {
        struct stars stars;
        if (!r->list)
            continue;
        TRY(pattern_match(out, &stars, r->list, path));
        stars_free(&stars);
    }
out:
    return rc;
}

static int report_other(const struct folder *f, struct indexer *ix, const char *name)
{
    int rc = ERR_OK;
    bool is_known = false;
    char *path = NULL;
    TRY(path_join(&path, f->path, name));
    TRY(is_expected(&is_known, ix, path));
    if (!is_known)
        TRY(path_list_add(&ix->report->ignored, path));
out:
    MEM_FREE(path);
    return rc;
}

static int sort_entry(struct folder *f, struct indexer *ix, const char *dir, const char *name)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(path_join(&path, dir, name));
    if (path_is_dir(path))
        TRY(path_list_add(&f->dir, name));
    else if (path_is_file(path) && is_image_name(name))
        TRY(add_image(f, name));
    else
        TRY(report_other(f, ix, name));
out:
    MEM_FREE(path);
    return rc;
}

int folder_read(struct folder *f, struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    char *dir = NULL;
    struct path_list list = {0};
    *f = (struct folder){0};
    TRY(str_dup(&f->path, path));
    TRY(path_join(&dir, ix->root, path));
    TRY(path_list_dir(&list, dir));
    for (size_t i = 0; i < list.n; i++)
        TRY(sort_entry(f, ix, dir, list.name[i]));
    if (f->n_images)
        qsort(f->image, f->n_images, sizeof *f->image, by_stem);
    for (size_t i = 1; i < f->n_images; i++)
        if (strcmp(f->image[i - 1].stem, f->image[i].stem) == 0)
            TRY(report_duplicate(ix, f, f->image[i - 1].name, f->image[i].name));
out:
    path_list_free(&list);
    MEM_FREE(dir);
    return rc;
}

void folder_free(struct folder *f)
{
    for (size_t i = 0; i < f->n_images; i++) {
        MEM_FREE(f->image[i].stem);
        MEM_FREE(f->image[i].name);
    }
    MEM_FREE(f->image);
    MEM_FREE(f->path);
    path_list_free(&f->dir);
    *f = (struct folder){0};
}

static int compare_stem(const void *stem, const void *image)
{
    return strcmp(stem, ((const struct image_name *)image)->stem);
}

int folder_find(struct image_name **out, const struct folder *f, const char *stem,
                const char *suffix)
{
    int rc = ERR_OK;
    char *wanted = NULL;
    *out = NULL;
    TRY(str_make(&wanted, "%s%s", stem, suffix));
    if (f->n_images)
        *out = bsearch(wanted, f->image, f->n_images, sizeof *f->image, compare_stem);
out:
    MEM_FREE(wanted);
    return rc;
}

int report_unreadable(struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    const char *why = err_message();
    size_t n = strlen(ix->root);
    if (str_starts(why, path)) /* in the list paths begin below the root */
        why += n + (ix->root[n ? n - 1 : 0] != '/');
    TRY(path_list_add(&ix->report->unreadable, why));
    err_clear();
out:
    return rc;
}

/* A header that no decoder takes is reported; the walk goes on. */
static int check_image(struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    char *full = NULL;
    if (!ix->options->check_image)
        return ERR_OK;
    TRY(path_join(&full, ix->root, path));
    if (ix->options->check_image(full) != ERR_OK)
        TRY(report_unreadable(ix, full));
out:
    MEM_FREE(full);
    return rc;
}

int index_add(struct indexer *ix, struct split *s, const struct entry *entry)
{
    int rc = ERR_OK;
    char *image = NULL;
    char *mask = NULL;
    struct item item = {.mask = "", .specie = entry->specie, .is_anomalous = entry->is_anomalous};
    TRY(path_join(&image, entry->images->path, entry->image->name));
    TRY(check_image(ix, image));
    item.image = image;
    if (entry->mask) {
        TRY(path_join(&mask, entry->masks->path, entry->mask->name));
        TRY(check_image(ix, mask));
        item.mask = mask;
    } else if (item.is_anomalous) {
        TRY(path_list_add(&ix->report->missing_mask, image));
    }
    TRY(split_add_item(s, ix->m, &item));
out:
    MEM_FREE(image);
    MEM_FREE(mask);
    return rc;
}
