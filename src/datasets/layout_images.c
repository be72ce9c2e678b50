/* layout_images.c - the images of one folder, with their masks and labels. See dataset_int.h. */
#include "datasets/dataset_int.h"
#include "datasets/manifest_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

int open_masks(size_t *out, struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    for (*out = 0; *out < ix->n_masks; (*out)++)
        if (strcmp(ix->masks[*out].path, path) == 0)
            return ERR_OK;
    TRY(MEM_GROW(ix->masks, &ix->masks_cap, ix->n_masks + 1));
    ix->n_masks++;
    TRY(folder_read(&ix->masks[*out], ix, path));
    ix->has_masks = true;
out:
    return rc;
}

static int is_in_root(bool *out, const struct indexer *ix, const char *path,
                      bool (*test)(const char *))
{
    int rc = ERR_OK;
    char *full = NULL;
    TRY(path_join(&full, ix->root, path));
    *out = test(full);
out:
    MEM_FREE(full);
    return rc;
}

/* A folder of images with its rule, its masks and its list. */
struct scene {
    struct folder *images;
    const struct rule *rule;
    struct folder *masks;      /* NULL: no such folder */
    struct label_list *labels; /* NULL: no such file */
};

static int find_masks(struct scene *s, struct indexer *ix, const struct stars *stars)
{
    int rc = ERR_OK;
    bool is_there = false;
    size_t at = 0;
    char *path = NULL;
    if (!s->rule->masks)
        return ERR_OK;
    TRY(pattern_fill(&path, s->rule->masks, stars));
    TRY(is_in_root(&is_there, ix, path, path_is_dir));
    if (strcmp(path, s->images->path) == 0) {
        s->masks = s->images;
        ix->has_masks = true;
    } else if (is_there) {
        TRY(open_masks(&at, ix, path));
        s->masks = &ix->masks[at];
    }
out:
    MEM_FREE(path);
    return rc;
}

/* Without its list a set with masks is still told by them; what was done is said. */
static int find_labels(struct scene *s, struct indexer *ix, const struct stars *stars)
{
    int rc = ERR_OK;
    bool is_there = false;
    size_t at = 0;
    char *path = NULL;
    if (s->rule->truth != TRUTH_LIST || !s->images->n_images)
        return ERR_OK;
    TRY(pattern_fill(&path, s->rule->list, stars));
    while (at < ix->n_lists && strcmp(ix->list[at].path, path) != 0)
        at++;
    TRY(is_in_root(&is_there, ix, path, path_is_file));
    if (at == ix->n_lists && is_there) {
        TRY(MEM_GROW(ix->list, &ix->lists_cap, at + 1));
        ix->n_lists++;
        TRY(label_list_read(&ix->list[at], ix, path, s->images->path));
    }
    if (is_there)
        s->labels = &ix->list[at];
    else if (s->masks)
        TRY(path_list_add(&ix->report->no_list, path));
    else
        FAIL(ERR_FORMAT, "%s/%s: no such file; it says which images are anomalous", ix->root, path);
out:
    MEM_FREE(path);
    return rc;
}

static bool is_mask_name(const struct scene *s, const struct image_name *image)
{
    bool found = false;
    for (size_t i = 0; s->masks == s->images && i < MAX_SUFFIXES && s->rule->suffix[i]; i++)
        found |= str_ends(image->stem, s->rule->suffix[i]);
    return found;
}

/* The mask of an image; two files for one image are duplicates. */
static int find_mask(struct image_name **out, struct indexer *ix, const struct scene *s,
                     const struct image_name *image)
{
    int rc = ERR_OK;
    struct image_name *mask = NULL;
    *out = NULL;
    for (size_t i = 0; s->masks && i < MAX_SUFFIXES && s->rule->suffix[i]; i++) {
        TRY(folder_find(&mask, s->masks, image->stem, s->rule->suffix[i]));
        if (mask && *out)
            TRY(report_duplicate(ix, s->masks, mask->name, (*out)->name));
        if (mask)
            mask->is_used = true;
        if (!*out)
            *out = mask;
    }
out:
    return rc;
}

/* ---- images ---- */

/* Whether a mask is black; one that cannot be read is reported, and *is_known is false then. */
static int mask_is_empty(struct indexer *ix, const struct scene *s, const struct image_name *mask,
                         bool *out, bool *is_known)
{
    int rc = ERR_OK;
    char *relative = NULL;
    char *path = NULL;
    if (!ix->options->mask_is_empty)
        FAIL(ERR_USAGE, "the layout \"%s\" must look into masks, and no reader was given",
             ix->layout->name);
    TRY(path_join(&relative, s->masks->path, mask->name));
    TRY(path_join(&path, ix->root, relative));
    *is_known = ix->options->mask_is_empty(path, out) == ERR_OK;
    if (!*is_known)
        TRY(report_unreadable(ix, path));
out:
    MEM_FREE(relative);
    MEM_FREE(path);
    return rc;
}

/* What a list or a mask says about an image; *is_known is false where they do not, which is reported. */
static int judge(struct entry *entry, bool *is_known, bool *is_train, struct indexer *ix,
                 const struct scene *s)
{
    int rc = ERR_OK;
    bool is_empty = false;
    char *path = NULL;
    struct label *label = NULL;
    *is_known = true;
    if (s->rule->truth == TRUTH_PIXELS && !entry->mask) {
        *is_known = false;
        TRY(report_file(&ix->report->missing_mask, s->images->path, entry->image->name));
    } else if (s->rule->truth == TRUTH_PIXELS) {
        TRY(mask_is_empty(ix, s, entry->mask, &is_empty, is_known));
        entry->is_anomalous = !is_empty;
    } else if (s->labels) {
        TRY(path_join(&path, s->images->path, entry->image->name));
        TRY(label_list_find(&label, s->labels, path));
        *is_known = label;
        if (!label) {
            TRY(report_file(&ix->report->unlisted, s->images->path, entry->image->name));
            goto out;
        }
        label->is_used = true;
        entry->is_anomalous = label->is_anomalous;
        if (s->labels->has_splits)
            *is_train = label->is_train;
    } else if (s->rule->truth == TRUTH_LIST) {
        entry->is_anomalous = entry->mask;
    }
out:
    MEM_FREE(path);
    return rc;
}

static const char *specie_of(const struct scene *s, const struct entry *entry)
{
    if (s->rule->specie)
        return s->rule->specie;
    if (s->rule->truth == TRUTH_PIXELS || s->rule->truth == TRUTH_LIST)
        return entry->is_anomalous ? "defect" : "good";
    return path_base(s->images->path);
}

static int add_image(struct indexer *ix, const struct scene *s, struct image_name *image)
{
    int rc = ERR_OK;
    bool is_known = true;
    bool is_train = s->rule->is_train;
    struct image_name *mask = NULL;
    struct entry entry = {.images = s->images,
                          .image = image,
                          .masks = s->masks,
                          .is_anomalous = s->rule->truth == TRUTH_ANOMALOUS};
    image->is_used = true;
    TRY(find_mask(&mask, ix, s, image));
    entry.mask = mask;
    TRY(judge(&entry, &is_known, &is_train, ix, s));
    if (!is_known)
        goto out;
    if (!entry.is_anomalous)
        entry.mask = NULL;
    if (mask && s->labels && !entry.is_anomalous) /* the list and the mask contradict each other */
        mask->is_used = false;
    entry.specie = specie_of(s, &entry);
    TRY(index_add(ix, is_train ? &ix->train : &ix->test, &entry));
out:
    return rc;
}

static int open_class(struct split *s, const char *name)
{
    if (s->n_classes && strcmp(s->class_name[s->n_classes - 1], name) == 0)
        return ERR_OK;
    return split_add_class(s, name);
}

/* The class of a folder of images begins in the splits that its images can belong to. */
static int open_classes(struct indexer *ix, const struct scene *s)
{
    int rc = ERR_OK;
    char *name = NULL;
    const char *path = s->images->path;
    bool has_splits = s->labels && s->labels->has_splits;
    if (ix->layout->class_is_folder)
        TRY(str_make(&name, "%.*s", (int)strcspn(path, "/"), path));
    else
        TRY(str_dup(&name, ix->class_name));
    if (s->rule->is_train || has_splits)
        TRY(open_class(&ix->train, name));
    if (!s->rule->is_train || has_splits)
        TRY(open_class(&ix->test, name));
out:
    MEM_FREE(name);
    return rc;
}

int scan_images(struct indexer *ix, struct folder *f, const struct rule *rule,
                const struct stars *stars)
{
    int rc = ERR_OK;
    struct scene s = {.images = f, .rule = rule};
    TRY(find_masks(&s, ix, stars));
    TRY(find_labels(&s, ix, stars));
    TRY(open_classes(ix, &s));
    for (size_t i = 0; i < f->n_images; i++)
        if (!is_mask_name(&s, &f->image[i]))
            TRY(add_image(ix, &s, &f->image[i]));
    TRY(folder_report(f, &ix->report->orphan_mask));
out:
    return rc;
}
