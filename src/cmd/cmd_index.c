/* cmd_index.c - mrad index: a raw download becomes meta.json, its counts are compared with the known ones. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "datasets/datasets.h"
#include "images/images.h"

#include <stdio.h>
#include <string.h>

/* KolektorSDD and KSDD2 give every part a label image; a normal part's is black. */
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

/* A set that nobody counted: what was found alone. */
static int print_found(const struct args *a, const struct manifest *m)
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

static int add_wanted(struct str *s, long wanted)
{
    return wanted < 0 ? str_addf(s, " %7s", "-") : str_addf(s, " %7ld", wanted);
}

static int add_line(struct str *s, const struct count_line *line, const char *name)
{
    int rc = ERR_OK;
    TRY(str_addf(s, "%-28s %8zu", name, line->found.n_normal));
    TRY(add_wanted(s, line->wanted.normal));
    TRY(str_addf(s, " %10zu", line->found.n_anomalous));
    TRY(add_wanted(s, line->wanted.anomalous));
    TRY(str_addf(s, " %8zu", line->found.n_masks));
    TRY(add_wanted(s, line->wanted.masks));
    TRY(str_addf(s, "%s\n", count_line_is_right(line) ? "" : "  differs"));
out:
    return rc;
}

static int print_comparison(const struct args *a, const struct tally *c)
{
    int rc = ERR_OK;
    struct str s = {0};
    TRY(str_addf(&s, "%-28s %8s %7s %10s %7s %8s %7s\n", "class", "normal", "wanted", "anomalous",
                 "wanted", "masks", "wanted"));
    for (size_t i = 0; i < c->n_lines; i++)
        TRY(add_line(&s, &c->line[i], c->line[i].class_name));
    if (c->n_lines > 1)
        TRY(add_line(&s, &c->total, "total"));
    TRY(cmd_print(a, s.text));
out:
    str_free(&s);
    return rc;
}

/* "wanted 20, unknown, 10": of what nobody counted nothing is wanted. */
static void tell_wanted(const struct known_count *wanted)
{
    const long n[] = {wanted->normal, wanted->anomalous, wanted->masks};
    for (size_t i = 0; i < 3; i++) {
        (void)fputs(i ? ", " : "wanted ", stderr);
        if (n[i] < 0)
            (void)fputs("unknown", stderr);
        else
            (void)fprintf(stderr, "%ld", n[i]);
    }
    (void)fputs("\n", stderr);
}

static void tell_found(const struct class_count *found)
{
    (void)fprintf(stderr, "found %zu normal, %zu anomalous, %zu masks, ", found->n_normal,
                  found->n_anomalous, found->n_masks);
}

/* One line for every class that is not as wanted. */
static void tell_differences(const struct tally *c, const char *root)
{
    for (size_t i = 0; i < c->n_lines; i++) {
        const struct count_line *line = &c->line[i];
        size_t n_found = line->found.n_normal + line->found.n_anomalous;
        if (count_line_is_right(line))
            continue;
        (void)fprintf(stderr, "%s: class \"%s\": ", root, line->class_name);
        if (n_found == 0)
            (void)fprintf(stderr, "missing, ");
        else if (!line->wanted.class_name)
            (void)fprintf(stderr, "not a class of it, ");
        tell_found(&line->found);
        tell_wanted(&line->wanted);
    }
    if (c->variant->n_classes || count_line_is_right(&c->total))
        return;
    (void)fprintf(stderr, "%s: in all: ", root);
    tell_found(&c->total.found);
    tell_wanted(&c->total.wanted);
}

static void tell_training(const struct manifest *m, const struct variant *v)
{
    size_t n = 0;
    for (size_t i = 0; i < m->train.n_items; i++)
        n += !m->train.item[i].is_anomalous;
    if (m->train.n_items && v->train_normal >= 0 && n != (size_t)v->train_normal)
        (void)fprintf(stderr, "warning: %s: found %zu normal training images, wanted %ld\n",
                      m->root, n, v->train_normal);
}

/* Nobody is told that a data set is wrong because of a number from memory. */
static int judge(const struct tally *c, const struct manifest *m, const char *path)
{
    int rc = ERR_OK;
    static const char *const words[] = {[COUNTS_RIGHT] = "right",
                                        [COUNTS_WRONG] = "differ",
                                        [COUNTS_UNKNOWN] = "not known, so nothing was compared"};
    const struct variant *v = c->variant;
    const bool is_sure = strcmp(v->mark, "counted") == 0 || strcmp(v->mark, "stated") == 0;
    tell_training(m, v);
    if (c->state == COUNTS_WRONG)
        tell_differences(c, m->root);
    (void)fprintf(stderr, "%s: counts of %s, variant %s (%s): %s [%s%s%s]\n", m->root, m->name,
                  v->name, v->what, words[c->state], v->mark, v->from ? ": " : "",
                  v->from ? v->from : "");
    if (c->state == COUNTS_WRONG && is_sure)
        FAIL(
            ERR_CHECK,
            "%s: the counts are not those of %s, variant %s; %s was written all the same. For a part "
            "of a data set: --variant any",
            m->root, m->name, v->name, path);
    if (c->state == COUNTS_WRONG)
        (void)fprintf(stderr,
                      "warning: %s: the wanted counts are %s, not counted: it may be right\n",
                      m->root, v->mark);
out:
    return rc;
}

static int compare(const struct args *a, const struct manifest *m, const char *path)
{
    int rc = ERR_OK;
    struct catalog *catalog = NULL;
    struct tally c = {0};
    const struct dataset_info *set = NULL;
    const bool is_asked = !a->variant || strcmp(a->variant, "any") != 0;
    if (is_asked && !str_starts(a->operand[0], "layout:")) {
        TRY(catalog_load(&catalog, NULL));
        set = catalog_find(catalog, m->name);
    }
    if (!set) {
        TRY(print_found(a, m));
        goto out;
    }
    TRY(manifest_compare(&c, m, set, a->variant));
    TRY(print_comparison(a, &c));
    TRY(judge(&c, m, path));
out:
    tally_free(&c);
    catalog_free(&catalog);
    return rc;
}

int cmd_index(struct args *a)
{
    int rc = ERR_OK;
    struct manifest *m = NULL;
    struct index_report report = {0};
    const struct index_options options = {.class_name = a->class_name,
                                          .mask_is_empty = mask_is_empty,
                                          .check_image = image_check_kind};
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
    TRY(compare(a, m, path));
    (void)fprintf(stderr, "mrad: %s\n", path);
out:
    MEM_FREE(text);
    MEM_FREE(path);
    index_report_free(&report);
    manifest_free(&m);
    return rc;
}
