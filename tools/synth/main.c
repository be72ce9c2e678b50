/*
 * main.c - mrad-synth: generated anomaly data sets in MVTec's layout.
 *
 * In:  which part of the table of families, a seed, the side of a picture, how many normal and
 *      anomalous pictures a class has.
 * Out: SET/CLASS/test/good/NNN.png, test/DEFECT/NNN.png, ground_truth/DEFECT/NNN_mask.png, and for
 *      each set meta.json and captions.jsonl. Defects go from subtle (000) to plain (the last).
 * The hash of pixels, masks and captions goes to stdout; the bytes of a PNG also depend on the version
 * of zlib. Pictures do not depend on each other, on the set of classes written or on threads.
 */
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"
#include "datasets/datasets.h"
#include "synth/captions.h"
#include "synth/families.h"
#include "synth/picture.h"
#include "synth/png.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const char *out, *part, *class_name;
    uint64_t seed;
    int size, normal, anomalous;
    struct hasher *hasher; /* names and pixels of everything written, and captions */
    int n_written;
};

/* One picture of a class. */
struct picture {
    const struct family *family;
    const struct kind *kind; /* NULL: normal */
    int index, n;            /* in its folder, of n */
    uint64_t seed;
    struct hash hash; /* of its pixels and mask */
};

/* ---- one picture ---- */

/* DIR/SET/CLASS/PART/KIND/NNN[SUFFIX].png without DIR/SET; part is "test" or "ground_truth". */
static int picture_path(char **out, const struct picture *p, bool is_mask)
{
    return str_make(out, "%s/%s/%s/%03d%s.png", p->family->name, is_mask ? "ground_truth" : "test",
                    p->kind ? p->kind->name : "good", p->index, is_mask ? "_mask" : "");
}

static int save(const struct job *job, const struct picture *p, bool is_mask,
                const unsigned char *pixels, int channels)
{
    int rc = ERR_OK;
    char *tail = NULL;
    char *path = NULL;
    char *dir = NULL;
    TRY(picture_path(&tail, p, is_mask));
    TRY(str_make(&path, "%s/%s/%s", job->out, p->family->set, tail));
    TRY(path_dir(&dir, path));
    TRY(path_mkdirs(dir));
    TRY(png_write(path, pixels, job->size, channels));
out:
    MEM_FREE(dir);
    MEM_FREE(path);
    MEM_FREE(tail);
    return rc;
}

static int make_picture(const struct job *job, struct picture *p)
{
    int rc = ERR_OK;
    const size_t n = (size_t)job->size * (size_t)job->size;
    struct scene s = {.seed = p->seed, .size = job->size};
    unsigned char *mask = NULL;
    struct hasher *hasher = NULL;
    TRY(MEM_NEW(s.pixels, 3 * n));
    TRY(MEM_NEW(s.part, n));
    TRY(MEM_NEW(mask, n));
    TRY(hasher_new(&hasher));
    TRY(paint_picture(&s, mask, p->family, p->kind, p->n > 1 ? 256 * p->index / (p->n - 1) : 256));
    for (size_t i = 0; i < n && p->family->channels == 1; i++)
        s.pixels[i] = s.pixels[3 * i];
    TRY(save(job, p, false, s.pixels, p->family->channels));
    hasher_add(hasher, s.pixels, n * (size_t)p->family->channels);
    if (p->kind) {
        TRY(save(job, p, true, mask, 1));
        hasher_add(hasher, mask, n);
    }
    p->hash = hasher_finish(&hasher);
out:
    hasher_free(&hasher);
    MEM_FREE(mask);
    MEM_FREE(s.part);
    MEM_FREE(s.pixels);
    if (rc != ERR_OK)
        err_prefix("%s/%s, seed %llu: ", p->family->set, p->family->name,
                   (unsigned long long)p->seed);
    return rc;
}

/* ---- a class ---- */

static void list_pictures(struct picture *list, const struct job *job, const struct family *family)
{
    int n_kinds = count_kinds(family);
    for (int k = -1; k < n_kinds; k++) {
        int n = k < 0 ? job->normal : (job->anomalous + n_kinds - 1 - k) / n_kinds;
        uint64_t stream = rng_u64(job->seed, (uint64_t)((family - families) * 16 + k + 1));
        for (int i = 0; i < n; i++)
            *list++ = (struct picture){.family = family,
                                       .kind = k < 0 ? NULL : &family->kind[k],
                                       .index = i,
                                       .n = n,
                                       .seed = rng_u64(stream, (uint64_t)i)};
    }
}

static int add_line(struct str *lines, const struct picture *p)
{
    int rc = ERR_OK;
    char *image = NULL;
    char *mask = NULL;
    TRY(picture_path(&image, p, false));
    TRY(str_addf(lines, "{\"image\": \"%s\", \"mask\": ", image));
    if (p->kind) {
        TRY(picture_path(&mask, p, true));
        TRY(str_addf(lines, "\"%s\", \"class\": \"%s\", \"label\": 1, \"defect\": \"%s\"", mask,
                     p->family->name, p->kind->name));
    } else {
        TRY(str_addf(lines, "null, \"class\": \"%s\", \"label\": 0, \"defect\": null",
                     p->family->name));
    }
    TRY(str_add(lines, ", \"caption\": \""));
    TRY(add_caption(lines, p->family, p->kind, p->seed));
    TRY(str_add(lines, "\"}\n"));
out:
    MEM_FREE(mask);
    MEM_FREE(image);
    return rc;
}

/* All pictures of a class, on all cores; lines gets their captions. */
static int make_class(struct job *job, const struct family *family, struct str *lines)
{
    int rc = ERR_OK;
    const int n = job->normal + job->anomalous;
    struct picture *list = NULL;
    char *why = NULL; /* the first failure: errors belong to threads */
    TRY(MEM_NEW(list, (size_t)n));
    list_pictures(list, job, family);
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < n; i++) {
        if (make_picture(job, &list[i]) == ERR_OK)
            continue;
#pragma omp critical
        if (!why && str_dup(&why, err_message()) != ERR_OK)
            log_error();
    }
    if (why)
        FAIL(ERR_IO, "%s", why);
    for (int i = 0; i < n; i++) {
        hasher_add(job->hasher, &list[i].hash, sizeof list[i].hash);
        TRY(add_line(lines, &list[i]));
        job->n_written += list[i].kind ? 2 : 1;
    }
out:
    MEM_FREE(why);
    MEM_FREE(list);
    return rc;
}

/* ---- a set ---- */

static int finish_set(struct job *job, const char *set, const struct str *lines)
{
    int rc = ERR_OK;
    char *root = NULL;
    char *path = NULL;
    struct manifest *manifest = NULL;
    struct index_report report = {0};
    TRY(path_join(&root, job->out, set));
    TRY(path_join(&path, root, "captions.jsonl"));
    TRY(file_write(path, lines->text, lines->len));
    hasher_add_text(job->hasher, lines->text);
    TRY(dataset_index(&manifest, &report, "layout:mvtec", root, NULL));
    MEM_FREE(path);
    TRY(path_join(&path, root, "meta.json"));
    TRY(manifest_save(manifest, path));
out:
    index_report_free(&report);
    manifest_free(&manifest);
    MEM_FREE(path);
    MEM_FREE(root);
    return rc;
}

static int check_class(const struct job *job)
{
    int rc = ERR_OK;
    struct str known = {0};
    for (int f = 0; f < n_families; f++) {
        if (strcmp(families[f].part, job->part) != 0)
            continue;
        if (!job->class_name || strcmp(families[f].name, job->class_name) == 0)
            goto out;
        TRY(str_addf(&known, " %s", families[f].name));
    }
    FAIL(ERR_USAGE, "--class %s: part %s has%s", job->class_name, job->part, known.text);
out:
    str_free(&known);
    return rc;
}

static int make_all(struct job *job)
{
    int rc = ERR_OK;
    struct str lines = {0};
    char hex[HASH_HEX];
    TRY(check_class(job));
    TRY(hasher_new(&job->hasher));
    for (int f = 0; f < n_families; f++) {
        const struct family *family = &families[f];
        bool wanted = strcmp(family->part, job->part) == 0 &&
                      (!job->class_name || strcmp(family->name, job->class_name) == 0);
        if (wanted)
            TRY(make_class(job, family, &lines));
        if (lines.len && (f + 1 == n_families || strcmp(family[1].set, family->set) != 0)) {
            TRY(finish_set(job, family->set, &lines));
            str_reset(&lines);
        }
    }
    hash_hex(hex, hasher_finish(&job->hasher));
    (void)printf("%d files, pixels %s\n", job->n_written, hex);
out:
    hasher_free(&job->hasher);
    str_free(&lines);
    return rc;
}

/* ---- the command line ---- */

static int parse_number(uint64_t *out, const char *name, const char *text, uint64_t lo, uint64_t hi)
{
    int rc = ERR_OK;
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || *out < lo || *out > hi)
        FAIL(ERR_USAGE, "--%s \"%s\": wanted a whole number from %llu to %llu", name, text,
             (unsigned long long)lo, (unsigned long long)hi);
out:
    return rc;
}

static void print_help(void)
{
    (void)puts(
        "usage: mrad-synth --out DIR [options]\n"
        "Write generated data sets with defects, masks and captions in MVTec's layout:\n"
        "DIR/SET/CLASS/..., DIR/SET/meta.json, DIR/SET/captions.jsonl.\n"
        "  --part NAME     train or benchmark: families of one are not in the other (benchmark)\n"
        "  --seed S        (1)\n"
        "  --size PX       side of a picture, 32 to 2048 (224)\n"
        "  --normal N      normal pictures a class, at most 100000 (8)\n"
        "  --anomalous M   anomalous pictures a class, spread over its defects (8)\n"
        "  --class NAME    this class only\n"
        "Sets and classes:");
    for (int f = 0; f < n_families; f++) {
        bool is_first = f == 0 || strcmp(families[f].set, families[f - 1].set) != 0;
        if (is_first)
            (void)printf("%s  %s: %s:", f ? "\n" : "", families[f].part, families[f].set);
        (void)printf(" %s", families[f].name);
    }
    (void)puts("");
}

static int parse_options(struct job *job, int argc, char **argv)
{
    int rc = ERR_OK;
    int option = 0, at = 0;
    uint64_t value = 0;
    static const struct option options[] = {
        {"out", required_argument, NULL, 'o'},
        {"part", required_argument, NULL, 'p'},
        {"class", required_argument, NULL, 'c'},
        {"seed", required_argument, NULL, 's'},
        {"size", required_argument, NULL, 'z'},
        {"normal", required_argument, NULL, 'n'},
        {"anomalous", required_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    while ((option = getopt_long(argc, argv, "", options, &at)) != -1) {
        if (option == 'o') {
            job->out = optarg;
        } else if (option == 'p') {
            job->part = optarg;
        } else if (option == 'c') {
            job->class_name = optarg;
        } else if (option == 's') {
            TRY(parse_number(&job->seed, options[at].name, optarg, 0, UINT64_MAX));
        } else if (option == 'z') {
            TRY(parse_number(&value, options[at].name, optarg, 32, 2048));
            job->size = (int)value;
        } else if (option == 'n' || option == 'a') {
            TRY(parse_number(&value, options[at].name, optarg, 0, 100000));
            *(option == 'n' ? &job->normal : &job->anomalous) = (int)value;
        } else if (option == 'h') {
            print_help();
            exit(0);
        } else {
            FAIL(ERR_USAGE, "see mrad-synth --help");
        }
    }
    if (!job->out || optind != argc)
        FAIL(ERR_USAGE, "%s; see mrad-synth --help", job->out ? argv[optind] : "--out is missing");
    if (strcmp(job->part, "train") != 0 && strcmp(job->part, "benchmark") != 0)
        FAIL(ERR_USAGE, "--part %s: wanted train or benchmark", job->part);
    if (job->normal + job->anomalous == 0)
        FAIL(ERR_USAGE, "--normal 0 and --anomalous 0: wanted at least one picture");
out:
    return rc;
}

int main(int argc, char **argv)
{
    int rc = ERR_OK;
    struct job job = {.part = "benchmark", .seed = 1, .size = 224, .normal = 8, .anomalous = 8};
    TRY(parse_options(&job, argc, argv));
    TRY(make_all(&job));
out:
    if (rc != ERR_OK)
        log_error();
    return err_exit_status(rc);
}
