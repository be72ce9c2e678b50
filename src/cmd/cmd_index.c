/* cmd_index.c - mrad index: a raw download becomes meta.json. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "datasets/datasets.h"
#include "images/images.h"

#include <stdio.h>
#include <string.h>

/* KolektorSDD gives every part a label image; a normal part's is black. */
static int mask_is_empty(const char *path, bool *out)
{
    int rc = ERR_OK;
    struct image image = {0};
    size_t n;
    *out = true;
    TRY(image_load(&image, path));
    n = image.width * image.height * image_pixel_bytes(image.mode);
    for (size_t i = 0; i < n && *out; i++)
        *out = image.pixels[i] == 0;
out:
    image_free(&image);
    return rc;
}

static int print_counts(const struct args *a, const struct manifest *m)
{
    int rc = ERR_OK;
    struct class_count *count = NULL;
    struct str s = {0};
    TRY(manifest_count(&count, m));
    TRY(str_addf(&s, "%-28s %8s %10s %8s\n", "class", "normal", "anomalous", "masks"));
    for (size_t c = 0; c < m->n_classes; c++)
        TRY(str_addf(&s, "%-28s %8zu %10zu %8zu\n", m->class_name[c], count[c].n_normal,
                     count[c].n_anomalous, count[c].n_masks));
    TRY(cmd_print(a, s.text));
out:
    MEM_FREE(count);
    str_free(&s);
    return rc;
}

int cmd_index(struct args *a)
{
    int rc = ERR_OK;
    struct manifest *m = NULL;
    struct index_report report = {0};
    const struct index_options options = {.class_name = a->class_name,
                                          .mask_is_empty = mask_is_empty};
    char *text = NULL;
    char *path = NULL;
    if (a->n_operands != 2) {
        TRY(dataset_list(&text));
        FAIL(ERR_USAGE, "index: wanted DATASET and ROOT; known data sets and layouts:\n%s", text);
    }
    rc = dataset_index(&m, &report, a->operand[0], a->operand[1], &options);
    if (index_report_text(&text, &report) == ERR_OK)
        (void)fputs(text, stderr);
    TRY(rc);
    TRY(path_join(&path, a->out ? NULL : a->operand[1], a->out ? a->out : "meta.json"));
    TRY(manifest_save(m, path));
    TRY(print_counts(a, m));
    (void)fprintf(stderr, "mrad: %s\n", path);
out:
    MEM_FREE(text);
    MEM_FREE(path);
    index_report_free(&report);
    manifest_free(&m);
    return rc;
}
