/*
 * dataset_index.c - the tables of layouts and data sets, and the walk from a raw folder to a
 * manifest. See datasets.h; docs/DATASETS.md says how to add a layout.
 */
#include "datasets/datasets.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "datasets/dataset_int.h"
#include "datasets/manifest_int.h"

#include <string.h>
#include <strings.h>

struct layout {
    const char *name;
    const char *expects; /* in one line, for messages */
    int (*scan)(struct indexer *ix);
};

static const struct layout layouts[] = {
    {"mvtec", "CLASS/{train/good,test/{good,DEFECT},ground_truth/DEFECT/NAME_mask.png}",
     layout_mvtec},
    {"kolektor", "kosNN/{PartN.jpg,PartN_label.bmp}", layout_kolektor},
    {"images-masks", "{images,masks}/NAME.png", layout_images_masks},
    {"yes-no", "brain_tumor_dataset/{yes,no}/NAME.jpg, or {yes,no}/NAME.jpg", layout_yes_no},
};

struct dataset {
    const char *name;
    const char *alias[2]; /* NULL where there is none */
    const char *layout;
    const char *class_name; /* NULL where folders name the classes */
    bool has_masks;         /* a mask for each anomalous image is a must */
};

static const struct dataset datasets[] = {
    {"mvtec", {"MVTec-AD", "mvtec_ad"}, "mvtec", NULL, true},
    {"visa", {NULL}, "mvtec", NULL, true},
    {"MPDD", {NULL}, "mvtec", NULL, true},
    {"BTAD", {NULL}, "mvtec", NULL, true},
    {"DTD-Synthetic", {"DTD"}, "mvtec", NULL, true},
    {"KolektorSDD", {"KSDD", "SDD"}, "kolektor", "electrical commutators", true},
    {"CVC-ClinicDB", {"ClinicDB"}, "images-masks", "colon", true},
    {"CVC-ColonDB", {"ColonDB"}, "images-masks", "colon", true},
    {"CVC-300", {"CVC300"}, "images-masks", "colon", true},
    {"Kvasir", {"Kvasir-SEG"}, "images-masks", "colon", true},
    {"Endo", {"EndoTect"}, "images-masks", "colon", true},
    {"BrainMRI", {NULL}, "yes-no", "brain", false},
    {"Br35H", {"Br35"}, "yes-no", "brain", false},
};

enum {
    N_LAYOUTS = sizeof layouts / sizeof *layouts,
    N_DATASETS = sizeof datasets / sizeof *datasets,
    N_ALIASES = sizeof datasets[0].alias / sizeof *datasets[0].alias,
};

#define LAYOUT_PREFIX "layout:"

static const struct layout *find_layout(const char *name)
{
    for (size_t i = 0; i < N_LAYOUTS; i++)
        if (strcasecmp(layouts[i].name, name) == 0)
            return &layouts[i];
    return NULL;
}

static bool has_name(const struct dataset *d, const char *name)
{
    bool found = strcasecmp(d->name, name) == 0;
    for (size_t i = 0; i < N_ALIASES; i++)
        found |= d->alias[i] && strcasecmp(d->alias[i], name) == 0;
    return found;
}

static const struct dataset *find_dataset(const char *name)
{
    for (size_t i = 0; i < N_DATASETS; i++)
        if (has_name(&datasets[i], name))
            return &datasets[i];
    return NULL;
}

/* Fail with the nearest known name and all of them. */
static int unknown(const char *dataset)
{
    int rc = ERR_OK;
    const char *names[N_DATASETS];
    const char *nearest;
    struct str all = {0};
    for (size_t i = 0; i < N_DATASETS; i++) {
        names[i] = datasets[i].name;
        TRY(str_addf(&all, "%s, ", names[i]));
    }
    for (size_t i = 0; i < N_LAYOUTS; i++)
        TRY(str_addf(&all, "%s%s" LAYOUT_PREFIX "%s", i ? ", " : "",
                     i == N_LAYOUTS - 1 ? "or " : "", layouts[i].name));
    nearest = str_nearest(dataset, names, N_DATASETS);
    FAIL(ERR_USAGE, "unknown data set \"%s\"%s%s%s; wanted %s", dataset,
         nearest ? " (did you mean " : "", nearest ? nearest : "", nearest ? "?)" : "", all.text);
out:
    str_free(&all);
    return rc;
}

/* Find what to run and set class_name and has_masks; *name is what the manifest is called. */
static int choose(const struct layout **out, const char **name, struct indexer *ix,
                  const char *dataset)
{
    int rc = ERR_OK;
    const struct dataset *set = find_dataset(dataset);
    *out = NULL;
    *name = dataset;
    ix->class_name = "object";
    if (set) {
        *out = find_layout(set->layout);
        *name = set->name;
        ix->has_masks = set->has_masks;
        if (set->class_name)
            ix->class_name = set->class_name;
    } else if (strncasecmp(dataset, LAYOUT_PREFIX, strlen(LAYOUT_PREFIX)) == 0) {
        *name += strlen(LAYOUT_PREFIX);
        *out = find_layout(*name);
    }
    if (!*out)
        TRY(unknown(dataset));
    if (ix->options->class_name)
        ix->class_name = ix->options->class_name;
out:
    return rc;
}

static void sort_report(struct index_report *r)
{
    path_list_sort(&r->ignored);
    path_list_sort(&r->missing_mask);
    path_list_sort(&r->orphan_mask);
    path_list_sort(&r->duplicate);
}

static int check_report(const char *root, struct index_report *r)
{
    int rc = ERR_OK;
    sort_report(r); /* messages name the first */
    if (r->missing_mask.n)
        FAIL(ERR_FORMAT, "%s: %zu anomalous images have no mask, the first is %s", root,
             r->missing_mask.n, r->missing_mask.name[0]);
    if (r->duplicate.n)
        FAIL(ERR_FORMAT, "%s: %zu pairs of files have one stem, the first is %s", root,
             r->duplicate.n, r->duplicate.name[0]);
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

static int scan(struct indexer *ix, const struct layout *layout)
{
    int rc = ERR_OK;
    TRY(layout->scan(ix));
    TRY(check_report(ix->root, ix->report));
    if (ix->test.n_items == 0)
        FAIL(ERR_FORMAT, "%s: found no test image; the layout \"%s\" expects %s", ix->root,
             layout->name, layout->expects);
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
    const struct layout *layout = NULL;
    const char *name;
    *out = NULL;
    *report = (struct index_report){0};
    TRY(choose(&layout, &name, &ix, dataset));
    BUG_ON(!layout);
    TRY(manifest_new(&ix.m, name, root));
    TRY(scan(&ix, layout));
    *out = ix.m;
    ix.m = NULL;
out:
    sort_report(report);
    split_free(&ix.test);
    split_free(&ix.train);
    manifest_free(&ix.m);
    return rc;
}

static int list_text(struct str *s, const char *title, const struct path_list *list)
{
    int rc = ERR_OK;
    if (list->n)
        TRY(str_addf(s, "%s (%zu):\n", title, list->n));
    for (size_t i = 0; i < list->n; i++)
        TRY(str_addf(s, "  %s\n", list->name[i]));
out:
    return rc;
}

int index_report_text(char **out, const struct index_report *r)
{
    int rc = ERR_OK;
    struct str s = {0};
    *out = NULL;
    TRY(str_add(&s, ""));
    TRY(list_text(&s, "error: anomalous images without a mask", &r->missing_mask));
    TRY(list_text(&s, "error: files with one stem", &r->duplicate));
    TRY(list_text(&s, "warning: masks without an image", &r->orphan_mask));
    TRY(list_text(&s, "warning: ignored", &r->ignored));
    *out = s.text;
    s = (struct str){0};
out:
    str_free(&s);
    return rc;
}

void index_report_free(struct index_report *r)
{
    path_list_free(&r->ignored);
    path_list_free(&r->missing_mask);
    path_list_free(&r->orphan_mask);
    path_list_free(&r->duplicate);
}

static int dataset_line(struct str *s, const struct dataset *d)
{
    int rc = ERR_OK;
    TRY(str_addf(s, "%-14s layout %s", d->name, d->layout));
    for (size_t i = 0; i < N_ALIASES && d->alias[i]; i++)
        TRY(str_addf(s, "%s%s", i ? ", " : ", also called ", d->alias[i]));
    TRY(str_add(s, "\n"));
out:
    return rc;
}

int dataset_list(char **out)
{
    int rc = ERR_OK;
    struct str s = {0};
    *out = NULL;
    for (size_t i = 0; i < N_DATASETS; i++)
        TRY(dataset_line(&s, &datasets[i]));
    for (size_t i = 0; i < N_LAYOUTS; i++)
        TRY(str_addf(&s, LAYOUT_PREFIX "%-13s %s\n", layouts[i].name, layouts[i].expects));
    *out = s.text;
    s = (struct str){0};
out:
    str_free(&s);
    return rc;
}
