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

int report_dir(struct indexer *ix, const char *dir, const char *name)
{
    int rc = ERR_OK;
    char *with_slash = NULL;
    TRY(str_make(&with_slash, "%s/", name));
    TRY(report_file(&ix->report->ignored, dir, with_slash));
out:
    MEM_FREE(with_slash);
    return rc;
}

int report_dirs(struct indexer *ix, const struct folder *f)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < f->dir.n; i++)
        TRY(report_dir(ix, f->path, f->dir.name[i]));
out:
    return rc;
}

int report_orphans(struct indexer *ix, const struct folder *f)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < f->n_images; i++)
        if (!f->image[i].is_used)
            TRY(report_file(&ix->report->orphan_mask, f->path, f->image[i].name));
out:
    return rc;
}

int report_images(struct indexer *ix, const struct folder *f)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < f->n_images; i++)
        TRY(report_file(&ix->report->ignored, f->path, f->image[i].name));
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

static int sort_entry(struct folder *f, struct indexer *ix, const char *dir, const char *name)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(path_join(&path, dir, name));
    if (path_is_dir(path))
        TRY(path_list_add(&f->dir, name));
    else if (path_is_file(path) && is_image_name(name))
        TRY(add_image(f, name));
    else if (f->path[0] || strcmp(name, "meta.json") != 0) /* our own product is no news */
        TRY(report_file(&ix->report->ignored, f->path, name));
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

bool folder_has_dir(const struct folder *f, const char *name)
{
    for (size_t i = 0; i < f->dir.n; i++)
        if (strcmp(f->dir.name[i], name) == 0)
            return true;
    return false;
}

int folder_is(bool *out, const struct indexer *ix, const char *dir, const char *name)
{
    int rc = ERR_OK;
    char *relative = NULL;
    char *path = NULL;
    TRY(path_join(&relative, dir, name));
    TRY(path_join(&path, ix->root, relative));
    *out = path_is_dir(path);
out:
    MEM_FREE(relative);
    MEM_FREE(path);
    return rc;
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

int index_add(struct indexer *ix, struct split *s, const struct pair *pair)
{
    int rc = ERR_OK;
    char *image = NULL;
    char *mask = NULL;
    struct item item = {.mask = "", .specie = pair->specie, .is_anomalous = pair->is_anomalous};
    TRY(path_join(&image, pair->images->path, pair->image->name));
    item.image = image;
    if (pair->mask) {
        TRY(path_join(&mask, pair->masks->path, pair->mask->name));
        item.mask = mask;
    }
    if (item.is_anomalous && ix->has_masks && !mask)
        TRY(path_list_add(&ix->report->missing_mask, image));
    TRY(split_add_item(s, ix->m, &item));
out:
    MEM_FREE(image);
    MEM_FREE(mask);
    return rc;
}
