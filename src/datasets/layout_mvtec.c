/*
 * layout_mvtec.c - MVTec AD's layout, which MPDD, DTD-Synthetic, BTAD and converted VisA share:
 *
 *     CLASS/train/good/NNN.png
 *     CLASS/test/{good,DEFECT}/NNN.png
 *     CLASS/ground_truth/DEFECT/NNN_mask.png
 *
 * "ok" is another word for good, and a mask may also be called NNN.*. A set without any
 * ground_truth folder has image labels only, unless its entry in the table of data sets says that
 * it has masks.
 */
#include "datasets/dataset_int.h"
#include "datasets/manifest_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

static bool is_normal(const char *kind)
{
    return strcmp(kind, "good") == 0 || strcmp(kind, "ok") == 0;
}

/* Read CLASS/PART/KIND; nothing may lie deeper. */
static int read_kind(struct folder *f, struct indexer *ix, const char *part, const char *kind)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(path_join(&path, part, kind));
    TRY(folder_read(f, ix, path));
    TRY(report_dirs(ix, f));
out:
    MEM_FREE(path);
    return rc;
}

/* The mask of an image, NNN_mask or NNN; both at once are two files for one stem. */
static int find_mask(struct image_name **out, struct indexer *ix, const struct folder *masks,
                     const struct image_name *image)
{
    int rc = ERR_OK;
    struct image_name *plain = NULL;
    TRY(folder_find(out, masks, image->stem, "_mask"));
    TRY(folder_find(&plain, masks, image->stem, ""));
    if (*out && plain)
        TRY(report_duplicate(ix, masks, plain->name, (*out)->name));
    if (plain)
        plain->is_used = true;
    if (!*out)
        *out = plain;
    if (*out)
        (*out)->is_used = true;
out:
    return rc;
}

static int add_normal(struct indexer *ix, struct split *s, const char *part, const char *kind)
{
    int rc = ERR_OK;
    struct folder images = {0};
    struct pair pair = {.images = &images, .specie = kind};
    TRY(read_kind(&images, ix, part, kind));
    for (size_t i = 0; i < images.n_images; i++) {
        pair.image = &images.image[i];
        TRY(index_add(ix, s, &pair));
    }
out:
    folder_free(&images);
    return rc;
}

static int add_defects(struct indexer *ix, const char *part, const char *truth, const char *kind)
{
    int rc = ERR_OK;
    bool is_there = false;
    struct folder images = {0};
    struct folder masks = {0};
    struct image_name *mask = NULL;
    struct pair pair = {.images = &images, .masks = &masks, .specie = kind, .is_anomalous = true};
    TRY(read_kind(&images, ix, part, kind));
    TRY(folder_is(&is_there, ix, truth, kind));
    if (is_there)
        TRY(read_kind(&masks, ix, truth, kind));
    for (size_t i = 0; i < images.n_images; i++) {
        pair.image = &images.image[i];
        TRY(find_mask(&mask, ix, &masks, pair.image));
        pair.mask = mask;
        TRY(index_add(ix, &ix->test, &pair));
    }
    TRY(report_orphans(ix, &masks));
out:
    folder_free(&images);
    folder_free(&masks);
    return rc;
}

/* Masks of a kind that has no images. Masks of normal images say nothing and are not looked at. */
static int report_truth(struct indexer *ix, const struct folder *truth, const struct folder *test)
{
    int rc = ERR_OK;
    struct folder masks = {0};
    TRY(report_images(ix, truth));
    for (size_t i = 0; i < truth->dir.n; i++) {
        const char *kind = truth->dir.name[i];
        if (is_normal(kind))
            TRY(report_dir(ix, truth->path, kind));
        if (is_normal(kind) || folder_has_dir(test, kind))
            continue;
        TRY(read_kind(&masks, ix, truth->path, kind));
        TRY(report_orphans(ix, &masks));
        folder_free(&masks);
    }
out:
    folder_free(&masks);
    return rc;
}

static int scan_test(struct indexer *ix, const char *class_name, bool has_truth)
{
    int rc = ERR_OK;
    struct folder test = {0};
    struct folder truth = {0};
    char *test_path = NULL;
    char *truth_path = NULL;
    TRY(str_make(&test_path, "%s/test", class_name));
    TRY(str_make(&truth_path, "%s/ground_truth", class_name));
    TRY(folder_read(&test, ix, test_path));
    TRY(report_images(ix, &test));
    for (size_t i = 0; i < test.dir.n; i++) {
        if (is_normal(test.dir.name[i]))
            TRY(add_normal(ix, &ix->test, test.path, test.dir.name[i]));
        else
            TRY(add_defects(ix, test.path, truth_path, test.dir.name[i]));
    }
    if (has_truth)
        TRY(folder_read(&truth, ix, truth_path));
    TRY(report_truth(ix, &truth, &test));
out:
    folder_free(&test);
    folder_free(&truth);
    MEM_FREE(test_path);
    MEM_FREE(truth_path);
    return rc;
}

static int scan_train(struct indexer *ix, const char *class_name)
{
    int rc = ERR_OK;
    struct folder train = {0};
    char *path = NULL;
    TRY(str_make(&path, "%s/train", class_name));
    TRY(folder_read(&train, ix, path));
    TRY(report_images(ix, &train));
    for (size_t i = 0; i < train.dir.n; i++) {
        if (is_normal(train.dir.name[i]))
            TRY(add_normal(ix, &ix->train, train.path, train.dir.name[i]));
        else
            TRY(report_dir(ix, train.path, train.dir.name[i]));
    }
out:
    folder_free(&train);
    MEM_FREE(path);
    return rc;
}

static bool is_part(const char *name)
{
    return strcmp(name, "test") == 0 || strcmp(name, "train") == 0 ||
           strcmp(name, "ground_truth") == 0;
}

static int scan_class(struct indexer *ix, const char *name)
{
    int rc = ERR_OK;
    struct folder top = {0};
    TRY(folder_read(&top, ix, name));
    TRY(report_images(ix, &top));
    for (size_t i = 0; i < top.dir.n; i++)
        if (!is_part(top.dir.name[i]))
            TRY(report_dir(ix, name, top.dir.name[i]));
    TRY(split_add_class(&ix->test, name));
    TRY(scan_test(ix, name, folder_has_dir(&top, "ground_truth")));
    if (folder_has_dir(&top, "train")) {
        TRY(split_add_class(&ix->train, name));
        TRY(scan_train(ix, name));
    }
out:
    folder_free(&top);
    return rc;
}

int layout_mvtec(struct indexer *ix)
{
    int rc = ERR_OK;
    bool is_there = false;
    struct folder top = {0};
    TRY(folder_read(&top, ix, ""));
    TRY(report_images(ix, &top));
    for (size_t i = 0; i < top.dir.n; i++) {
        TRY(folder_is(&is_there, ix, top.dir.name[i], "ground_truth"));
        ix->has_masks |= is_there;
    }
    for (size_t i = 0; i < top.dir.n; i++) {
        TRY(folder_is(&is_there, ix, top.dir.name[i], "test"));
        if (is_there)
            TRY(scan_class(ix, top.dir.name[i]));
        else
            TRY(report_dir(ix, "", top.dir.name[i]));
    }
out:
    folder_free(&top);
    return rc;
}
