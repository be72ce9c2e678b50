/*
 * layout_walk.c - one walk through a raw folder by the rules of its layout. See dataset_int.h.
 *
 * A folder in which nothing fits is one entry of the report. Folders of masks are read when an image
 * asks for one or when they are met, and kept, since several folders of images may share one.
 */
#include "datasets/dataset_int.h"
#include "datasets/manifest_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <fnmatch.h>
#include <string.h>

/* ---- which rule ---- */

/* The part of a path that patterns speak of. */
static const char *below_inner(const struct indexer *ix, const char *path)
{
    const char *inner = ix->layout->inner;
    if (inner && str_starts(path, inner) && path[strlen(inner)] == '/')
        return path + strlen(inner) + 1;
    return path;
}

/* The first rule whose images lie in that folder, or NULL; release the stars. */
static int find_rule(const struct rule **out, struct stars *stars, const struct indexer *ix,
                     const char *path)
{
    int rc = ERR_OK;
    bool fits = false;
    *out = NULL;
    *stars = (struct stars){0};
    for (const struct rule *r = ix->layout->rule; r < ix->layout->rule + MAX_RULES && r->images;
         r++) {
        TRY(pattern_match(&fits, stars, r->images, below_inner(ix, path)));
        if (fits) {
            *out = r;
            break;
        }
    }
out:
    return rc;
}

/* Do masks of r lie in that folder? Not where another rule has the images they would belong to. */
static int has_masks_of(bool *out, const struct indexer *ix, const struct rule *r, const char *path)
{
    int rc = ERR_OK;
    char *images = NULL;
    const struct rule *owner = NULL;
    struct stars stars = {0};
    struct stars ignored = {0};
    *out = false;
    if (!r->masks)
        return ERR_OK;
    TRY(pattern_match(out, &stars, r->masks, path));
    if (!*out)
        goto out;
    TRY(pattern_fill(&images, r->images, &stars));
    if (!strchr(images, '*')) {
        TRY(find_rule(&owner, &ignored, ix, images));
        *out = owner == r;
    }
out:
    stars_free(&ignored);
    stars_free(&stars);
    MEM_FREE(images);
    return rc;
}

static int is_mask_folder(bool *out, const struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    *out = false;
    for (const struct rule *r = ix->layout->rule;
         !*out && r < ix->layout->rule + MAX_RULES && r->images; r++)
        TRY(has_masks_of(out, ix, r, path));
out:
    return rc;
}

/* Can anything of the layout lie in that folder? */
static int may_fit(bool *out, const struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    *out = false;
    for (const struct rule *r = ix->layout->rule;
         !*out && r < ix->layout->rule + MAX_RULES && r->images; r++) {
        const char *patterns[] = {r->images, r->masks, r->list};
        for (size_t i = 0; !*out && i < sizeof patterns / sizeof *patterns; i++)
            if (patterns[i])
                TRY(pattern_may_hold(out, patterns[i], below_inner(ix, path)));
    }
out:
    return rc;
}

/* Does a label list lie in that folder? */
static int holds_list(bool *out, const struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    char *dir = NULL;
    *out = false;
    for (const struct rule *r = ix->layout->rule;
         !*out && r < ix->layout->rule + MAX_RULES && r->images; r++) {
        struct stars stars;
        if (!r->list)
            continue;
        TRY(path_dir(&dir, r->list));
        TRY(pattern_match(out, &stars, dir, path));
        stars_free(&stars);
        MEM_FREE(dir);
    }
out:
    MEM_FREE(dir);
    return rc;
}

/* ---- what belongs to a folder of images ---- */

/* A folder of masks by its path, read once; *out is an index, since the array may move. */
static int open_masks(size_t *out, struct indexer *ix, const char *path)
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

static int scan_images(struct indexer *ix, struct folder *f, const struct rule *rule,
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

/* ---- folders ---- */

static void cut(struct path_list *list, size_t n)
{
    for (; list->n > n; list->n--)
        MEM_FREE(list->name[list->n - 1]);
}

static int report_dir(struct indexer *ix, const char *path)
{
    int rc = ERR_OK;
    char *with_slash = NULL;
    TRY(str_make(&with_slash, "%s/", path));
    TRY(path_list_add(&ix->report->ignored, with_slash));
out:
    MEM_FREE(with_slash);
    return rc;
}

static int walk(struct indexer *ix, const char *path, bool *fits);

/* A folder in which nothing fits becomes one entry, in place of what the walk reported in it. */
static int walk_or_report(struct indexer *ix, const char *path, bool *fits)
{
    int rc = ERR_OK;
    const size_t n_ignored = ix->report->ignored.n;
    const size_t n_duplicate = ix->report->duplicate.n;
    TRY(may_fit(fits, ix, path));
    if (*fits)
        TRY(walk(ix, path, fits));
    if (*fits)
        goto out;
    cut(&ix->report->ignored, n_ignored);
    cut(&ix->report->duplicate, n_duplicate);
    TRY(report_dir(ix, path));
out:
    return rc;
}

/* A folder within another. Masks wait: those that images ask for are read then. */
static int enter(struct indexer *ix, const char *path, bool *fits)
{
    int rc = ERR_OK;
    const struct rule *rule = NULL;
    struct stars stars = {0};
    *fits = false;
    TRY(find_rule(&rule, &stars, ix, path));
    if (!rule)
        TRY(is_mask_folder(fits, ix, path));
    if (*fits)
        TRY(path_list_add(&ix->mask_dirs, path));
    else
        TRY(walk_or_report(ix, path, fits));
out:
    stars_free(&stars);
    return rc;
}

static int walk(struct indexer *ix, const char *path, bool *fits)
{
    int rc = ERR_OK;
    bool child_fits = false;
    char *child = NULL;
    const struct rule *rule = NULL;
    struct folder f = {0};
    struct stars stars = {0};
    TRY(folder_read(&f, ix, path));
    TRY(find_rule(&rule, &stars, ix, path));
    TRY(holds_list(fits, ix, path));
    *fits |= rule != NULL;
    if (rule)
        TRY(scan_images(ix, &f, rule, &stars));
    else
        TRY(folder_report(&f, &ix->report->ignored));
    for (size_t i = 0; i < f.dir.n; i++) {
        TRY(path_join(&child, path, f.dir.name[i]));
        TRY(enter(ix, child, &child_fits));
        *fits |= child_fits;
        MEM_FREE(child);
    }
out:
    MEM_FREE(child);
    stars_free(&stars);
    folder_free(&f);
    return rc;
}

/* Masks that no image asked for, and what else lies beside masks. */
static int report_masks(struct indexer *ix)
{
    int rc = ERR_OK;
    size_t at;
    char *path = NULL;
    for (size_t i = 0; i < ix->mask_dirs.n; i++)
        TRY(open_masks(&at, ix, ix->mask_dirs.name[i]));
    for (size_t i = 0; i < ix->n_masks; i++) {
        const struct folder *f = &ix->masks[i];
        TRY(folder_report(f, &ix->report->orphan_mask));
        for (size_t k = 0; k < f->dir.n; k++) {
            TRY(path_join(&path, f->path, f->dir.name[k]));
            TRY(report_dir(ix, path));
            MEM_FREE(path);
        }
    }
out:
    MEM_FREE(path);
    return rc;
}

/* Lines of lists whose images were not met. */
static int report_lists(struct indexer *ix)
{
    int rc = ERR_OK;
    char *line = NULL;
    for (size_t i = 0; i < ix->n_lists; i++)
        for (size_t k = 0; k < ix->list[i].n_labels; k++) {
            const struct label *label = &ix->list[i].label[k];
            if (label->is_used)
                continue;
            TRY(str_make(&line, "%s (%s, line %zu)", label->name, ix->list[i].path, label->line));
            TRY(path_list_add(&ix->report->missing_image, line));
            MEM_FREE(line);
        }
out:
    MEM_FREE(line);
    return rc;
}

/* Where the tree lies in an inner folder, everything beside it is ignored. */
static int report_beside(struct indexer *ix, const char *inner)
{
    int rc = ERR_OK;
    struct folder top = {0};
    TRY(folder_read(&top, ix, ""));
    TRY(folder_report(&top, &ix->report->ignored));
    for (size_t i = 0; i < top.dir.n; i++)
        if (strcmp(top.dir.name[i], inner) != 0)
            TRY(report_dir(ix, top.dir.name[i]));
out:
    folder_free(&top);
    return rc;
}

/* The folder that holds the tree, relative to the root. */
static int find_top(const char **out, const struct layout *layout, const char *root)
{
    int rc = ERR_OK;
    char *path = NULL;
    *out = "";
    if (!layout->inner)
        return ERR_OK;
    TRY(path_join(&path, root, layout->inner));
    if (path_is_dir(path))
        *out = layout->inner;
out:
    MEM_FREE(path);
    return rc;
}

/* Is there an entry of dir that fits the first part of a pattern and leads to its rest? */
static int holds(bool *out, const char *dir, const char *pattern)
{
    int rc = ERR_OK;
    const size_t n = strcspn(pattern, "/");
    char *part = NULL;
    char *path = NULL;
    struct path_list names = {0};
    *out = false;
    TRY(str_make(&part, "%.*s", (int)n, pattern));
    TRY(path_list_dir(&names, dir));
    for (size_t i = 0; !*out && i < names.n; i++) {
        if (fnmatch(part, names.name[i], FNM_CASEFOLD) != 0)
            continue;
        TRY(path_join(&path, dir, names.name[i]));
        if (!pattern[n])
            *out = true;
        else if (path_is_dir(path))
            TRY(holds(out, path, pattern + n + 1));
        MEM_FREE(path);
    }
out:
    path_list_free(&names);
    MEM_FREE(path);
    MEM_FREE(part);
    return rc;
}

int layout_lacks(const char **missing, const struct layout *layout, const char *root)
{
    int rc = ERR_OK;
    bool is_there = true;
    const char *top;
    char *dir = NULL;
    *missing = NULL;
    TRY(find_top(&top, layout, root));
    TRY(path_join(&dir, root, top));
    for (size_t i = 0; is_there && i < MAX_NEEDS && layout->needs[i]; i++) {
        TRY(holds(&is_there, dir, layout->needs[i]));
        if (!is_there)
            *missing = layout->needs[i];
    }
out:
    MEM_FREE(dir);
    return rc;
}

int layout_walk(struct indexer *ix)
{
    int rc = ERR_OK;
    bool fits = false;
    const char *missing;
    const char *top;
    TRY(find_top(&top, ix->layout, ix->root));
    TRY(layout_lacks(&missing, ix->layout, ix->root));
    if (missing)
        FAIL(ERR_FORMAT, "%s%s%s: found no %s; the layout \"%s\" expects %s", ix->root,
             top[0] ? "/" : "", top, missing, ix->layout->name, ix->layout->expects);
    if (top[0])
        TRY(report_beside(ix, top));
    TRY(walk(ix, top, &fits));
    TRY(report_masks(ix));
    TRY(report_lists(ix));
    if (!ix->has_masks) /* a set with image labels only */
        cut(&ix->report->missing_mask, 0);
out:
    return rc;
}

void indexer_free(struct indexer *ix)
{
    for (size_t i = 0; i < ix->n_masks; i++)
        folder_free(&ix->masks[i]);
    for (size_t i = 0; i < ix->n_lists; i++)
        label_list_free(&ix->list[i]);
    MEM_FREE(ix->masks);
    MEM_FREE(ix->list);
    path_list_free(&ix->mask_dirs);
    split_free(&ix->test);
    split_free(&ix->train);
    manifest_free(&ix->m);
}
