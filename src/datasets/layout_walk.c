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
    TRY(rule_may_fit(fits, ix, path));
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
    TRY(rule_find(&rule, &stars, ix, path));
    if (!rule)
        TRY(rule_has_masks(fits, ix, path));
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
    TRY(rule_find(&rule, &stars, ix, path));
    TRY(rule_has_list(fits, ix, path));
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
