/* scores_io.c - scores and parts of scores as files. */
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "scores/scores_int.h"
#include "tensor/h5.h"

#include <string.h>
#include <unistd.h>

int scores_new(struct scores **out, size_t n, size_t n_patch)
{
    int rc = ERR_OK;
    struct scores *s = NULL;
    TRY(MEM_NEW(s, 1));
    *s = (struct scores){.n = n, .n_patch = n_patch};
    TRY(MEM_NEW(s->y_cls, n));
    TRY(MEM_NEW(s->score, n));
    TRY(MEM_NEW(s->mass, n * n_patch));
    TRY(MEM_NEW(s->skipped, n));
out:
    if (rc)
        scores_free(&s);
    *out = s;
    return rc;
}

void scores_free(struct scores **scores)
{
    if (!*scores)
        return;
    MEM_FREE((*scores)->y_cls);
    MEM_FREE((*scores)->score);
    MEM_FREE((*scores)->mass);
    MEM_FREE((*scores)->skipped);
    MEM_FREE(*scores);
}

int scores_path(char **out, const struct score_place *place)
{
    return str_make(out, "%s/scores.h5", place->dir);
}

int scores_shard_path(char **out, const struct score_place *place, size_t shard)
{
    return str_make(out, "%s/shard-%05zu.h5", place->dir, shard);
}

int scores_write(const struct scores *s, const char *path, const struct score_place *place,
                 int64_t shard)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    size_t mass[2] = {s->n, s->n_patch};
    struct tensor y = tensor_view(DTYPE_F32, 1, &s->n, s->y_cls);
    struct tensor score = tensor_view(DTYPE_F32, 1, &s->n, s->score);
    struct tensor patch = tensor_view(DTYPE_F32, 2, mass, s->mass);
    struct tensor skipped = tensor_view(DTYPE_U8, 1, &s->n, s->skipped);
    TRY(h5_create(&f, path, SCORES_SCHEMA, SCORES_VERSION));
    TRY(h5_put_text(f, "/", "key", place->key));
    TRY(h5_put_text(f, "/", "variant", place->variant));
    TRY(h5_put_text(f, "/", "bank", place->train->key));
    TRY(h5_put_text(f, "/", "head", place->head ? place->head->key : "none"));
    TRY(h5_put_text(f, "/", "features", place->test->key));
    TRY(h5_put_text(f, "/", "train", place->train->features->manifest->name));
    TRY(h5_put_text(f, "/", "test", place->test->manifest->name));
    TRY(h5_put_text(f, "/", "options", place->options_text));
    TRY(h5_put_i64(f, "/", "shard", shard));
    TRY(h5_write(f, "y_cls", &y, "image-level retrieval: softmax mass on anomalous image keys"));
    TRY(h5_write(f, "score", &score, "image score"));
    TRY(h5_write(f, "patch_mass", &patch,
                 "patch-level retrieval: softmax mass on anomalous pixel keys, row-major grid"));
    TRY(h5_write(f, "skipped", &skipped, "1: the item could not be read and has no score"));
    TRY(h5_commit(&f));
out:
    h5_close(&f);
    return rc;
}

static int read_arrays(struct scores *s, struct h5 *f)
{
    int rc = ERR_OK;
    TRY(h5_expect_shape(f, "y_cls", 1, &s->n));
    TRY(h5_expect_shape(f, "score", 1, &s->n));
    TRY(h5_expect_shape(f, "patch_mass", 2, (size_t[]){s->n, s->n_patch}));
    TRY(h5_expect_shape(f, "skipped", 1, &s->n));
    TRY(h5_read_rows(f, "y_cls", 0, s->n, DTYPE_F32, s->y_cls));
    TRY(h5_read_rows(f, "score", 0, s->n, DTYPE_F32, s->score));
    TRY(h5_read_rows(f, "patch_mass", 0, s->n, DTYPE_F32, s->mass));
    TRY(h5_read_rows(f, "skipped", 0, s->n, DTYPE_U8, s->skipped));
out:
    return rc;
}

int scores_read(struct scores **out, const char *path, const struct score_place *place,
                int64_t shard)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    size_t first = 0;
    size_t n = place->test->manifest->n_items;
    int64_t stored = 0;
    *out = NULL;
    if (shard >= 0)
        features_range(place->test, (size_t)shard, &first, &n);
    TRY(h5_open_schema(&f, path, SCORES_SCHEMA, SCORES_VERSION));
    TRY(h5_expect_text(f, "key", place->key, "bank, features and options"));
    TRY(h5_get_i64(f, "/", "shard", &stored));
    if (stored != shard)
        FAIL(ERR_FORMAT, "%s: is part %lld, wanted %lld", path, (long long)stored,
             (long long)shard);
    TRY(scores_new(out, n, place->test->grid * place->test->grid));
    TRY(read_arrays(*out, f));
out:
    h5_close(&f);
    if (rc)
        scores_free(out);
    return rc;
}

static bool is_readable(const char *path, const struct score_place *place, int64_t shard)
{
    struct scores *s = NULL;
    bool is_good = path_is_file(path) && scores_read(&s, path, place, shard) == ERR_OK;
    scores_free(&s);
    err_clear();
    return is_good;
}

bool scores_is_whole(const struct score_place *place)
{
    char *path = NULL;
    bool has = scores_path(&path, place) == ERR_OK && is_readable(path, place, -1);
    MEM_FREE(path);
    return has;
}

bool scores_has_shard(const struct score_place *place, size_t shard)
{
    char *path = NULL;
    bool has = scores_shard_path(&path, place, shard) == ERR_OK &&
               is_readable(path, place, (int64_t)shard);
    MEM_FREE(path);
    return has;
}

int scores_open(struct scores **out, const struct score_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(scores_path(&path, place));
    TRY(scores_read(out, path, place, -1));
out:
    MEM_FREE(path);
    return rc;
}

/* Copy a part to its place in the whole. */
static int place_part(struct scores *whole, const struct score_place *place, size_t shard)
{
    int rc = ERR_OK;
    char *path = NULL;
    struct scores *part = NULL;
    size_t first;
    size_t n;
    features_range(place->test, shard, &first, &n);
    TRY(scores_shard_path(&path, place, shard));
    TRY(scores_read(&part, path, place, (int64_t)shard));
    memcpy(whole->y_cls + first, part->y_cls, n * sizeof(float));
    memcpy(whole->score + first, part->score, n * sizeof(float));
    memcpy(whole->mass + first * whole->n_patch, part->mass, n * whole->n_patch * sizeof(float));
    memcpy(whole->skipped + first, part->skipped, n);
out:
    MEM_FREE(path);
    scores_free(&part);
    return rc;
}

static int drop_parts(const struct score_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    for (size_t s = 0; s < place->test->n_shards; s++) {
        TRY(scores_shard_path(&path, place, s));
        (void)unlink(path);
        MEM_FREE(path);
    }
out:
    MEM_FREE(path);
    return rc;
}

int scores_join(const struct score_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    struct scores *whole = NULL;
    TRY(scores_new(&whole, place->test->manifest->n_items, place->test->grid * place->test->grid));
    for (size_t s = 0; s < place->test->n_shards; s++)
        TRY(place_part(whole, place, s));
    TRY(scores_path(&path, place));
    TRY(scores_write(whole, path, place, -1));
    TRY(drop_parts(place));
out:
    scores_free(&whole);
    MEM_FREE(path);
    return rc;
}

int scores_tidy(const struct score_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    bool has_part = false;
    for (size_t s = 0; s < place->test->n_shards && !has_part; s++) {
        TRY(scores_shard_path(&path, place, s));
        has_part = path_is_file(path);
        MEM_FREE(path);
    }
    if (has_part && scores_is_whole(place))
        TRY(drop_parts(place));
    TRY(file_clean_temp(place->dir));
out:
    MEM_FREE(path);
    return rc;
}
