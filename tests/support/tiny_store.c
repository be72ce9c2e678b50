/* tiny_store.c - see tiny.h: a data set and its store, from pictures to scores. */
#include "tiny.h"

#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "images/images.h"
#include "par/gather.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { WIDE = 10, HIGH = 12, MAX_SET = 24 };

static const char meta[] =
    "{\"train\": {}, \"test\": {\n"
    "\"a\": [{\"img_path\": \"0.png\", \"mask_path\": \"\", \"cls_name\": \"a\","
    " \"specie_name\": \"good\", \"anomaly\": 0},\n"
    "{\"img_path\": \"1.png\", \"mask_path\": \"1_mask.png\", \"cls_name\": \"a\","
    " \"specie_name\": \"cut\", \"anomaly\": 1},\n"
    "{\"img_path\": \"2.png\", \"mask_path\": \"2_mask.png\", \"cls_name\": \"a\","
    " \"specie_name\": \"cut\", \"anomaly\": 1},\n"
    "{\"img_path\": \"3.png\", \"mask_path\": \"\", \"cls_name\": \"a\","
    " \"specie_name\": \"good\", \"anomaly\": 0}],\n"
    "\"b\": [{\"img_path\": \"4.png\", \"mask_path\": \"\", \"cls_name\": \"b\","
    " \"specie_name\": \"dent\", \"anomaly\": 1},\n"
    "{\"img_path\": \"5.png\", \"mask_path\": \"\", \"cls_name\": \"b\","
    " \"specie_name\": \"good\", \"anomaly\": 0}]}}\n";

const char *tiny_path(const struct tiny_store *s, const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", s->dir, name);
    return path;
}

void tiny_age(const char *path, int64_t seconds)
{
    const int64_t day = 1600000000; /* in September 2020 */
    struct timespec times[2] = {{.tv_sec = day}, {.tv_sec = day + seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

void tiny_picture(const char *path, uint64_t seed)
{
    uint8_t pixels[HIGH * WIDE * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)rng_below(seed, i, 256);
    CHECK_OK(image_write_png(path, pixels, WIDE, HIGH, 3));
    tiny_age(path, 0);
}

/* The upper half is defect: two of the four rows of patches, whatever the filter does between. */
static void write_mask(const char *path)
{
    uint8_t pixels[HIGH * WIDE] = {0};
    memset(pixels, 255, sizeof pixels / 2);
    CHECK_OK(image_write_png(path, pixels, WIDE, HIGH, 1));
    tiny_age(path, 0);
}

static void write_files(struct tiny_store *s)
{
    char name[32];
    const struct tiny_model m = tiny_model();
    tiny_model_write(&m, tiny_path(s, "model.safetensors"));
    CHECK_OK(file_write(tiny_path(s, "data/meta.json"), meta, strlen(meta)));
    for (size_t i = 0; i < TINY_ITEMS; i++) {
        (void)snprintf(name, sizeof name, "data/%zu.png", i);
        tiny_picture(tiny_path(s, name), i);
    }
    write_mask(tiny_path(s, "data/1_mask.png"));
    write_mask(tiny_path(s, "data/2_mask.png"));
}

static void forget(struct tiny_store *s)
{
    score_place_free(&s->scores);
    bank_place_free(&s->bank);
    features_free(&s->features);
    manifest_free(&s->manifest);
    config_free(&s->config);
}

void tiny_store_plan(struct tiny_store *s, const char *const *set)
{
    char text[3][600];
    const char *all[MAX_SET] = {text[0], text[1], "model.image_size=8", "features.shard_items=4"};
    size_t n = 4;
    forget(s);
    (void)snprintf(text[0], sizeof text[0], "model.weights=%s/model.safetensors", s->dir);
    (void)snprintf(text[1], sizeof text[1], "store=%s/store", s->dir);
    for (; set && *set && n < MAX_SET; set++)
        all[n++] = *set;
    CHECK_OK(config_read(&s->config, NULL, all, n));
    CHECK_OK(model_info(&s->model, s->comm, s->config));
    CHECK_OK(manifest_load(&s->manifest, "tiny", tiny_path(s, "data"), NULL));
    CHECK_OK(features_plan(&s->features, s->comm, s->config, &s->model, s->manifest));
    CHECK_OK(bank_plan(&s->bank, s->config, s->features));
    CHECK_OK(scores_plan(&s->scores, s->config, s->bank, NULL, s->features));
}

void tiny_store_open(struct tiny_store *s, const char *const *set)
{
    *s = (struct tiny_store){.dir = check_folder()};
    CHECK_OK(comm_solo(&s->comm));
    CHECK_OK(ops_open(&s->ops, "ref", 1));
    write_files(s);
    tiny_store_plan(s, set);
}

void tiny_store_close(struct tiny_store *s)
{
    forget(s);
    ops_close(&s->ops);
    comm_stop(&s->comm);
    check_drop_folder(s->dir);
}

void tiny_extract(struct tiny_store *s)
{
    struct extractor *x = NULL;
    CHECK_OK(extractor_new(&x, s->ops, s->config));
    for (size_t i = 0; i < s->features->n_shards; i++)
        CHECK_OK(extractor_run(x, s->features, i));
    extractor_free(&x);
}

void tiny_build_bank(struct tiny_store *s)
{
    const struct gather_method *method = NULL;
    struct bank *bank = NULL;
    for (size_t i = 0; i < s->features->n_shards; i++)
        CHECK_OK(bank_build_shard(s->bank, i, s->ops));
    CHECK_OK(gather_find(&method, "mpi"));
    CHECK_OK(bank_gather(&bank, s->bank, s->ops, s->comm, method));
    bank_free(&bank);
}

void tiny_score(struct tiny_store *s)
{
    struct bank *bank = NULL;
    struct retriever *r = NULL;
    CHECK_OK(bank_open(&bank, s->bank));
    CHECK_OK(retriever_new(&r, s->ops, bank, NULL));
    for (size_t i = 0; i < s->features->n_shards; i++)
        CHECK_OK(scores_build_shard(s->scores, i, r));
    retriever_free(&r);
    bank_free(&bank);
}
