/*
 * layout_single.c - two small layouts of one class.
 *
 * images-masks, the polyp sets; every image is anomalous and has a mask of the same stem:
 *
 *     images/NAME.png
 *     masks/NAME.png
 *
 * yes-no, BrainMRI and Br35H; image labels only. The folders may also lie in the root itself:
 *
 *     brain_tumor_dataset/yes/NAME.jpg
 *     brain_tumor_dataset/no/NAME.jpg
 */
#include "datasets/dataset_int.h"
#include "datasets/manifest_int.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

/* Read the root, demand two folders in it, and report everything else. */
static int read_top(struct indexer *ix, const char *path, const char *a, const char *b)
{
    int rc = ERR_OK;
    struct folder top = {0};
    TRY(folder_read(&top, ix, path));
    if (!folder_has_dir(&top, a) || !folder_has_dir(&top, b))
        FAIL(ERR_FORMAT, "%s%s%s: found no folder %s/, wanted %s/ and %s/", ix->root,
             path[0] ? "/" : "", path, folder_has_dir(&top, a) ? b : a, a, b);
    TRY(report_images(ix, &top));
    for (size_t i = 0; i < top.dir.n; i++)
        if (strcmp(top.dir.name[i], a) != 0 && strcmp(top.dir.name[i], b) != 0)
            TRY(report_dir(ix, path, top.dir.name[i]));
out:
    folder_free(&top);
    return rc;
}

int layout_images_masks(struct indexer *ix)
{
    int rc = ERR_OK;
    struct folder images = {0};
    struct folder masks = {0};
    struct image_name *mask = NULL;
    struct pair pair = {.images = &images, .masks = &masks, .specie = "", .is_anomalous = true};
    ix->has_masks = true;
    TRY(read_top(ix, "", "images", "masks"));
    TRY(folder_read(&images, ix, "images"));
    TRY(folder_read(&masks, ix, "masks"));
    TRY(report_dirs(ix, &images));
    TRY(report_dirs(ix, &masks));
    TRY(split_add_class(&ix->test, ix->class_name));
    for (size_t i = 0; i < images.n_images; i++) {
        pair.image = &images.image[i];
        TRY(folder_find(&mask, &masks, pair.image->stem, ""));
        if (mask)
            mask->is_used = true;
        pair.mask = mask;
        TRY(index_add(ix, &ix->test, &pair));
    }
    TRY(report_orphans(ix, &masks));
out:
    folder_free(&images);
    folder_free(&masks);
    return rc;
}

static int scan_answer(struct indexer *ix, const char *dir, const char *answer, bool is_anomalous)
{
    int rc = ERR_OK;
    char *path = NULL;
    struct folder images = {0};
    struct pair pair = {.images = &images, .specie = answer, .is_anomalous = is_anomalous};
    TRY(path_join(&path, dir, answer));
    TRY(folder_read(&images, ix, path));
    TRY(report_dirs(ix, &images));
    for (size_t i = 0; i < images.n_images; i++) {
        pair.image = &images.image[i];
        TRY(index_add(ix, &ix->test, &pair));
    }
out:
    folder_free(&images);
    MEM_FREE(path);
    return rc;
}

/* Beside a used brain_tumor_dataset/ everything is ignored: the archive holds each image twice. */
static int report_beside(struct indexer *ix, const char *used)
{
    int rc = ERR_OK;
    struct folder top = {0};
    TRY(folder_read(&top, ix, ""));
    TRY(report_images(ix, &top));
    for (size_t i = 0; i < top.dir.n; i++)
        if (strcmp(top.dir.name[i], used) != 0)
            TRY(report_dir(ix, "", top.dir.name[i]));
out:
    folder_free(&top);
    return rc;
}

int layout_yes_no(struct indexer *ix)
{
    int rc = ERR_OK;
    bool is_inside = false;
    const char *dir = "brain_tumor_dataset";
    TRY(folder_is(&is_inside, ix, dir, ""));
    if (is_inside)
        TRY(report_beside(ix, dir));
    else
        dir = "";
    TRY(read_top(ix, dir, "yes", "no"));
    TRY(split_add_class(&ix->test, ix->class_name));
    TRY(scan_answer(ix, dir, "no", false));
    TRY(scan_answer(ix, dir, "yes", true));
out:
    return rc;
}
