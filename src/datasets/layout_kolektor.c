/*
 * layout_kolektor.c - KolektorSDD's layout, one class of 50 commutators with 8 parts each:
 *
 *     kosNN/PartN.jpg
 *     kosNN/PartN_label.bmp (or .png)
 *
 * Every part has a label image, so the pixels decide: a part is a defect where its label has a
 * pixel above zero.
 */
#include "datasets/dataset_int.h"
#include "datasets/manifest_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <strings.h>

static int label_is_empty(struct indexer *ix, const struct folder *f,
                          const struct image_name *label, bool *out)
{
    int rc = ERR_OK;
    char *relative = NULL;
    char *path = NULL;
    TRY(path_join(&relative, f->path, label->name));
    TRY(path_join(&path, ix->root, relative));
    TRY(ix->options->mask_is_empty(path, out));
out:
    MEM_FREE(relative);
    MEM_FREE(path);
    return rc;
}

static int add_part(struct indexer *ix, const struct folder *f, struct image_name *image)
{
    int rc = ERR_OK;
    bool is_empty = false;
    struct image_name *label = NULL;
    struct pair pair = {.images = f, .image = image, .masks = f};
    image->is_used = true;
    TRY(folder_find(&label, f, image->stem, "_label"));
    if (!label) {
        TRY(report_file(&ix->report->missing_mask, f->path, image->name));
        goto out;
    }
    label->is_used = true;
    TRY(label_is_empty(ix, f, label, &is_empty));
    pair.mask = is_empty ? NULL : label;
    pair.specie = is_empty ? "good" : "defect";
    pair.is_anomalous = !is_empty;
    TRY(index_add(ix, &ix->test, &pair));
out:
    return rc;
}

static int scan_part(struct indexer *ix, const char *name)
{
    int rc = ERR_OK;
    struct folder f = {0};
    TRY(folder_read(&f, ix, name));
    TRY(report_dirs(ix, &f));
    for (size_t i = 0; i < f.n_images; i++)
        if (!str_ends(f.image[i].stem, "_label"))
            TRY(add_part(ix, &f, &f.image[i]));
    TRY(report_orphans(ix, &f));
out:
    folder_free(&f);
    return rc;
}

int layout_kolektor(struct indexer *ix)
{
    int rc = ERR_OK;
    struct folder top = {0};
    if (!ix->options->mask_is_empty)
        FAIL(ERR_USAGE, "the layout \"kolektor\" must look into masks, and no reader was given");
    TRY(folder_read(&top, ix, ""));
    TRY(report_images(ix, &top));
    TRY(split_add_class(&ix->test, ix->class_name));
    for (size_t i = 0; i < top.dir.n; i++) {
        if (strncasecmp(top.dir.name[i], "kos", 3) == 0)
            TRY(scan_part(ix, top.dir.name[i]));
        else
            TRY(report_dir(ix, "", top.dir.name[i]));
    }
out:
    folder_free(&top);
    return rc;
}
