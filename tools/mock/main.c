/*
 * main.c - mrad-mock: the raw layouts of the published data sets in miniature, with painted pictures.
 *
 * In:  names of data sets, how many normal and anomalous pictures a group has, their side.
 * Out: DIR/SET/... as a download would lie there, label files included; mrad index reads it.
 * Pictures are those of mrad-synth's families and have nothing to do with what the sets show.
 */
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"
#include "datasets/datasets.h"
#include "mock/encode.h"
#include "mock/layouts.h"
#include "synth/picture.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A label file under construction. */
struct list {
    char *path; /* relative to the set */
    struct str text;
};

struct job {
    const char *out;
    int size, normal, anomalous, classes;
    struct catalog *catalog;
    struct list *list; /* [n_lists], of the current set */
    size_t n_lists, lists_cap;
};

/* One picture of a group. */
struct picture {
    const struct group *group;
    const char *class_name;
    int number;
    uint64_t seed;
};

/* A path of the table with class and number in it; caller frees *out. */
static int expand(char **out, const char *pattern, const struct picture *p)
{
    int rc = ERR_OK;
    struct str s = {0};
    *out = NULL;
    TRY(str_add(&s, ""));
    for (const char *at = pattern; *at;) {
        size_t width = strspn(at, "#");
        if (width)
            TRY(str_addf(&s, "%0*d", (int)width, p->number));
        else if (*at == '@')
            TRY(str_add(&s, p->class_name));
        else
            TRY(str_add_bytes(&s, at, 1));
        at += width ? width : 1;
    }
    *out = s.text;
    s = (struct str){0};
out:
    str_free(&s);
    return rc;
}

/* ---- label files ---- */

static const char *const heads[] = {
    [LIST_VISA] = "object,split,label,image,mask\n",
    [LIST_DAGM] = "1\n",
    [LIST_HEADCT] = "id, hemorrhage\n",
};

static int open_list(struct list **out, struct job *job, const struct picture *p)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(expand(&path, p->group->list, p));
    for (size_t i = 0; i < job->n_lists; i++) {
        *out = &job->list[i];
        if (strcmp(job->list[i].path, path) == 0)
            goto out;
    }
    TRY(MEM_GROW(job->list, &job->lists_cap, job->n_lists + 1));
    *out = &job->list[job->n_lists++];
    (*out)->path = path;
    path = NULL;
    TRY(str_add(&(*out)->text, heads[p->group->list_style]));
out:
    MEM_FREE(path);
    return rc;
}

static int add_to_list(struct job *job, const struct picture *p, const char *image,
                       const char *mask)
{
    int rc = ERR_OK;
    struct list *list = NULL;
    const struct group *g = p->group;
    if (!g->list)
        return ERR_OK;
    TRY(open_list(&list, job, p));
    if (g->list_style == LIST_VISA)
        TRY(str_addf(&list->text, "%s,%s,%s,%s,%s\n", p->class_name, g->split,
                     g->is_anomalous ? "anomaly" : "normal", image, mask ? mask : ""));
    else if (g->list_style == LIST_DAGM)
        TRY(str_addf(&list->text, "%d\t%d\t%s\t%d\t%s\n", p->number, g->is_anomalous,
                     path_base(image), g->is_anomalous, mask ? path_base(mask) : "0"));
    else
        TRY(str_addf(&list->text, "%d,%d\n", p->number, g->is_anomalous));
out:
    return rc;
}

static int write_lists(struct job *job, const char *set)
{
    int rc = ERR_OK;
    char *path = NULL;
    for (size_t i = 0; i < job->n_lists; i++) {
        TRY(str_make(&path, "%s/%s/%s", job->out, set, job->list[i].path));
        TRY(file_write(path, job->list[i].text.text, job->list[i].text.len));
        MEM_FREE(path);
    }
out:
    for (; job->n_lists; job->n_lists--) {
        MEM_FREE(job->list[job->n_lists - 1].path);
        str_free(&job->list[job->n_lists - 1].text);
    }
    MEM_FREE(path);
    return rc;
}

/* ---- pictures ---- */

static int save(const struct job *job, const struct picture *p, const char *name,
                const unsigned char *pixels, int channels)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(str_make(&path, "%s/%s/%s", job->out, p->group->set, name));
    TRY(encode_picture(path, pixels, job->size, channels));
out:
    MEM_FREE(path);
    return rc;
}

/* What the painters call defect becomes what the set's masks hold there. */
static void set_style(unsigned char *mask, size_t n, const struct picture *p)
{
    const int value[] = {[MASK_WHITE] = 255, [MASK_LABELS] = 1 + p->number % 2, [MASK_BLACK] = 0};
    for (size_t i = 0; i < n; i++)
        mask[i] = mask[i] ? (unsigned char)value[p->group->style] : 0;
}

static int make_picture(struct job *job, const struct picture *p)
{
    int rc = ERR_OK;
    const size_t n = (size_t)job->size * (size_t)job->size;
    const struct family *family = &families[p->seed % (uint64_t)n_families];
    struct scene s = {.seed = p->seed, .size = job->size};
    unsigned char *mask = NULL;
    char *image_name = NULL;
    char *mask_name = NULL;
    TRY(MEM_NEW(s.pixels, 3 * n));
    TRY(MEM_NEW(s.part, n));
    TRY(MEM_NEW(mask, n));
    TRY(paint_picture(&s, mask, family, p->group->is_anomalous ? &family->kind[0] : NULL, 256));
    TRY(expand(&image_name, p->group->image, p));
    TRY(save(job, p, image_name, s.pixels, 3));
    if (p->group->mask) {
        set_style(mask, n, p);
        TRY(expand(&mask_name, p->group->mask, p));
        TRY(save(job, p, mask_name, mask, 1));
    }
    TRY(add_to_list(job, p, image_name, mask_name));
out:
    MEM_FREE(mask_name);
    MEM_FREE(image_name);
    MEM_FREE(mask);
    MEM_FREE(s.part);
    MEM_FREE(s.pixels);
    if (rc != ERR_OK)
        err_prefix("%s: ", p->group->set);
    return rc;
}

/* All pictures of a group in a class. */
static int make_class(struct job *job, const struct group *g, const char *class_name)
{
    int rc = ERR_OK;
    const int n = g->is_anomalous ? job->anomalous : job->normal;
    const uint64_t stream = rng_u64((uint64_t)(g - groups), (uint64_t)class_name[0]);
    for (int i = 0; i < n; i++) {
        const struct picture p = {.group = g,
                                  .class_name = class_name,
                                  .number = g->first + i,
                                  .seed = rng_u64(stream, (uint64_t)i)};
        TRY(make_picture(job, &p));
    }
out:
    return rc;
}

/* The classes of the table, or the catalog's; at most as many as were asked for. */
static int make_group(struct job *job, const struct group *g)
{
    int rc = ERR_OK;
    const struct dataset_info *set = catalog_find(job->catalog, g->set);
    char *names = NULL;
    char *rest = NULL;
    if (!set)
        FAIL(ERR_USAGE, "%s is not in the catalog", g->set);
    if (!g->classes) {
        const struct variant *v = &set->variant[0];
        for (size_t i = 0; i < v->n_classes && i < (size_t)job->classes; i++)
            TRY(make_class(job, g, v->class[i].class_name));
    } else if (!g->classes[0]) {
        TRY(make_class(job, g, ""));
    } else {
        TRY(str_dup(&names, g->classes));
        int n = 0;
        for (char *name = strtok_r(names, " ", &rest); name && n < job->classes; n++) {
            TRY(make_class(job, g, name));
            name = strtok_r(NULL, " ", &rest);
        }
    }
out:
    MEM_FREE(names);
    return rc;
}

static int make_set(struct job *job, const char *name)
{
    int rc = ERR_OK;
    bool is_known = false;
    for (const struct group *g = groups; g->set; g++) {
        if (strcmp(g->set, name) != 0)
            continue;
        is_known = true;
        TRY(make_group(job, g));
    }
    if (!is_known)
        FAIL(ERR_USAGE, "no data set \"%s\"; see mrad-mock --help", name);
    TRY(write_lists(job, name));
out:
    return rc;
}

static int make_all(struct job *job)
{
    int rc = ERR_OK;
    for (const struct group *g = groups; g->set; g++)
        if (g == groups || strcmp(g->set, g[-1].set) != 0)
            TRY(make_set(job, g->set));
out:
    return rc;
}

/* ---- the command line ---- */

static void print_help(void)
{
    (void)puts(
        "usage: mrad-mock --out DIR [options] [SET...]\n"
        "Write raw layouts of published data sets in miniature, DIR/SET/..., all or those named.\n"
        "  --size PX       side of a picture (64)\n"
        "  --normal N      normal pictures a class (2)\n"
        "  --anomalous M   anomalous pictures a class (2)\n"
        "  --classes K     at most so many classes a row of the table (all)\n"
        "Sets:");
    for (const struct group *g = groups; g->set; g++)
        if (g == groups || strcmp(g->set, g[-1].set) != 0)
            (void)printf(" %s", g->set);
    (void)puts("");
}

static int parse_number(int *out, const char *text, int lo, int hi)
{
    int rc = ERR_OK;
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (end == text || *end || value < lo || value > hi)
        FAIL(ERR_USAGE, "\"%s\": wanted a whole number from %d to %d", text, lo, hi);
    *out = (int)value;
out:
    return rc;
}

static int parse_options(struct job *job, int argc, char **argv)
{
    int rc = ERR_OK;
    int option;
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'},
        {"size", required_argument, NULL, 'z'},
        {"normal", required_argument, NULL, 'n'},
        {"anomalous", required_argument, NULL, 'a'},
        {"classes", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o') {
            job->out = optarg;
        } else if (option == 'z') {
            TRY(parse_number(&job->size, optarg, 32, 2048));
        } else if (option == 'n') {
            TRY(parse_number(&job->normal, optarg, 0, 9999));
        } else if (option == 'a') {
            TRY(parse_number(&job->anomalous, optarg, 0, 9999));
        } else if (option == 'c') {
            TRY(parse_number(&job->classes, optarg, 1, 1000));
        } else if (option == 'h') {
            print_help();
            exit(0);
        } else {
            FAIL(ERR_USAGE, "see mrad-mock --help");
        }
    }
    if (!job->out)
        FAIL(ERR_USAGE, "--out is missing; see mrad-mock --help");
out:
    return rc;
}

int main(int argc, char **argv)
{
    int rc = ERR_OK;
    struct job job = {.size = 64, .normal = 2, .anomalous = 2, .classes = 1000};
    TRY(parse_options(&job, argc, argv));
    TRY(catalog_load(&job.catalog, NULL));
    if (optind == argc)
        TRY(make_all(&job));
    for (int i = optind; i < argc; i++)
        TRY(make_set(&job, argv[i]));
out:
    if (rc != ERR_OK)
        log_error();
    MEM_FREE(job.list);
    catalog_free(&job.catalog);
    return err_exit_status(rc);
}
