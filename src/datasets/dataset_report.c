/* dataset_report.c - what dataset_index met, in one table of lists. See datasets.h. */
#include "datasets/dataset_int.h"

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

static const struct kind {
    size_t offset; /* of the list in the report */
    const char *title;
    const char *problem; /* "N ..." where it is an error; NULL: a warning */
} kinds[] = {
    {offsetof(struct index_report, missing_mask), "error: anomalous images without a mask",
     "anomalous images have no mask"},
    {offsetof(struct index_report, duplicate), "error: files with one stem",
     "pairs of files have one stem"},
    {offsetof(struct index_report, missing_image), "error: listed images that are missing",
     "listed images are missing"},
    {offsetof(struct index_report, unlisted), "error: images that the label list does not have",
     "images are not in the label list"},
    {offsetof(struct index_report, unreadable), "error: files that are no images",
     "files are no images"},
    {offsetof(struct index_report, no_list),
     "warning: no label list, so images with a mask are the anomalous ones", NULL},
    {offsetof(struct index_report, orphan_mask), "warning: masks without an anomalous image", NULL},
    {offsetof(struct index_report, ignored), "warning: ignored", NULL},
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

static struct path_list *list_of(struct index_report *r, size_t kind)
{
    return (struct path_list *)(void *)((char *)r + kinds[kind].offset);
}

static const struct path_list *const_list_of(const struct index_report *r, size_t kind)
{
    return (const struct path_list *)(const void *)((const char *)r + kinds[kind].offset);
}

void report_sort(struct index_report *r)
{
    for (size_t i = 0; i < N_KINDS; i++)
        path_list_sort(list_of(r, i));
}

int report_check(const char *root, const struct index_report *r)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < N_KINDS; i++) {
        const struct path_list *list = const_list_of(r, i);
        if (kinds[i].problem && list->n)
            FAIL(ERR_FORMAT, "%s: %zu %s, the first is %s", root, list->n, kinds[i].problem,
                 list->name[0]);
    }
out:
    return rc;
}

int index_report_text(char **out, const struct index_report *r)
{
    int rc = ERR_OK;
    struct str s = {0};
    *out = NULL;
    TRY(str_add(&s, ""));
    for (size_t i = 0; i < N_KINDS; i++) {
        const struct path_list *list = const_list_of(r, i);
        if (list->n)
            TRY(str_addf(&s, "%s (%zu):\n", kinds[i].title, list->n));
        for (size_t k = 0; k < list->n; k++)
            TRY(str_addf(&s, "  %s\n", list->name[k]));
    }
    *out = s.text;
    s = (struct str){0};
out:
    str_free(&s);
    return rc;
}

void index_report_free(struct index_report *r)
{
    for (size_t i = 0; i < N_KINDS; i++)
        path_list_free(list_of(r, i));
}
