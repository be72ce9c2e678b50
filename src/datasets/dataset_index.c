/*
 * dataset_index.c - from a raw folder to a manifest: which layout, the walk, the checks. See datasets.h;
 * docs/DATASETS.md says how to add a layout or a data set.
 */
#include "datasets/datasets.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "datasets/dataset_int.h"
#include "datasets/manifest_int.h"

#include <string.h>
#include <strings.h>

#define LAYOUT_PREFIX "layout:"

/* The first layout of a set that the folder can have; if none can, the first, for its message. */
static int choose_layout(const struct layout **out, const struct dataset_info *set,
                         const char *root)
{
    int rc = ERR_OK;
    const char *missing = "";
    for (size_t i = 0; missing && i < set->n_layouts; i++) {
        *out = layout_find(set->layout[i]);
        BUG_ON(!*out); /* the catalog was checked */
        TRY(layout_lacks(&missing, *out, root));
    }
    if (missing)
        *out = layout_find(set->layout[0]);
out:
    return rc;
}

/*
 * Find what to run and set class_name and has_masks; *name is what the manifest is called. The texts may
 * be the catalog's, which is read unless a layout was named.
 */
static int choose(const char **name, struct indexer *ix, struct catalog **catalog,
                  const char *dataset)
{
    int rc = ERR_OK;
    const struct dataset_info *set = NULL;
    ix->class_name = "object";
    if (strncasecmp(dataset, LAYOUT_PREFIX, strlen(LAYOUT_PREFIX)) == 0) {
        *name = dataset + strlen(LAYOUT_PREFIX);
        ix->layout = layout_find(*name);
    }
    if (!ix->layout) {
        TRY(catalog_load(catalog, NULL));
        TRY(catalog_get(&set, *catalog, dataset));
        TRY(choose_layout(&ix->layout, set, ix->root));
        *name = set->name;
        ix->has_masks = set->has_pixel;
        if (set->class_name)
            ix->class_name = set->class_name;
    }
    if (ix->options->class_name)
        ix->class_name = ix->options->class_name;
out:
    return rc;
}

static int check_classes(const struct manifest *m)
{
    int rc = ERR_OK;
    struct class_count *count = NULL;
    TRY(manifest_count(&count, m));
    for (size_t c = 0; c < m->n_classes; c++)
        if (count[c].n_normal + count[c].n_anomalous == 0)
            FAIL(ERR_FORMAT, "%s: class \"%s\" has no test image", m->root, m->class_name[c]);
out:
    MEM_FREE(count);
    return rc;
}

static int scan(struct indexer *ix)
{
    int rc = ERR_OK;
    TRY(layout_walk(ix));
    report_sort(ix->report); /* messages name the first */
    TRY(report_check(ix->root, ix->report));
    if (ix->test.n_items == 0)
        FAIL(ERR_FORMAT, "%s: found no test image; the layout \"%s\" expects %s", ix->root,
             ix->layout->name, ix->layout->expects);
    split_sort(&ix->test);
    split_sort(&ix->train);
    manifest_finish(ix->m, &ix->test, &ix->train);
    TRY(check_classes(ix->m));
out:
    return rc;
}

int dataset_index(struct manifest **out, struct index_report *report, const char *dataset,
                  const char *root, const struct index_options *options)
{
    int rc = ERR_OK;
    static const struct index_options defaults = {0};
    struct indexer ix = {.root = root, .options = options ? options : &defaults, .report = report};
    struct catalog *catalog = NULL;
    const char *name = dataset;
    *out = NULL;
    *report = (struct index_report){0};
    TRY(choose(&name, &ix, &catalog, dataset));
    TRY(manifest_new(&ix.m, name, root));
    TRY(scan(&ix));
    *out = ix.m;
    ix.m = NULL;
out:
    report_sort(report);
    indexer_free(&ix);
    catalog_free(&catalog);
    return rc;
}

static int dataset_line(struct str *s, const struct dataset_info *d)
{
    int rc = ERR_OK;
    TRY(str_addf(s, "%-14s layout %s", d->name, d->layout[0]));
    for (size_t i = 1; i < d->n_layouts; i++)
        TRY(str_addf(s, " or %s", d->layout[i]));
    for (size_t i = 0; i < d->n_aliases; i++)
        TRY(str_addf(s, "%s%s", i ? ", " : ", also called ", d->alias[i]));
    TRY(str_add(s, "\n"));
out:
    return rc;
}

int dataset_list(char **out)
{
    int rc = ERR_OK;
    struct str s = {0};
    struct catalog *catalog = NULL;
    *out = NULL;
    TRY(catalog_load(&catalog, NULL));
    for (size_t i = 0; i < catalog->n_sets; i++)
        TRY(dataset_line(&s, &catalog->set[i]));
    for (size_t i = 0; i < n_layouts; i++)
        TRY(str_addf(&s, LAYOUT_PREFIX "%-13s %s\n", layouts[i].name, layouts[i].expects));
    *out = s.text;
    s = (struct str){0};
out:
    catalog_free(&catalog);
    str_free(&s);
    return rc;
}
