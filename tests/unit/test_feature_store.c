/* Unit tests of features/: keys, shards that are there or not, bad items, remembered hashes. */
#include "check.h"
#include "tiny.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "images/images.h"
#include "tensor/h5.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const skips[] = {"run.on_bad_item=skip", NULL};

static void copy_file(const char *from, const char *to)
{
    char *bytes = NULL;
    size_t n = 0;
    CHECK_OK(file_read(from, (size_t)1 << 24, &bytes, &n));
    CHECK_OK(file_write(to, bytes, n));
    MEM_FREE(bytes);
}

/* Keep a copy of a file as good.h5, or bring it back. */
static void keep(const struct tiny_store *s, const char *path)
{
    copy_file(path, tiny_path(s, "good.h5"));
}

static void bring_back(const struct tiny_store *s, const char *path)
{
    copy_file(tiny_path(s, "good.h5"), path);
}

/* Invert the bits of one byte. */
static void flip_byte(const char *path, size_t at)
{
    FILE *f = fopen(path, "r+b");
    int byte;
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    byte = fgetc(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(~byte & 0xff, f), ~byte & 0xff);
    assert_int_equal(fclose(f), 0);
}

/* Where these bytes occur last in a file. */
static size_t find_bytes(const char *path, const void *bytes, size_t n_bytes)
{
    char *all = NULL;
    size_t n = 0;
    size_t at;
    CHECK_OK(file_read(path, (size_t)1 << 24, &all, &n));
    for (at = n - n_bytes; at > 0 && memcmp(all + at, bytes, n_bytes) != 0; at--)
        ;
    MEM_FREE(all);
    assert_true(at > 0);
    return at;
}

/* Plan with these settings and compare the key with an earlier one. */
static bool key_is(struct tiny_store *s, const char *setting, const char *key)
{
    const char *const set[] = {setting, NULL};
    tiny_store_plan(s, setting ? set : NULL);
    return strcmp(s->features->key, key) == 0;
}

static void keys_follow_what_features_depend_on(void **state)
{
    static const char *const changes[] = {"model.image_size=10", "encoder.vv_start=2",
                                          "encoder.class_ln_post=true", "features.shard_items=3",
                                          "features.dtype=f16"};
    struct tiny_store s;
    struct tiny_model m = tiny_model();
    char key[HASH_HEX];
    (void)state;
    tiny_store_open(&s, NULL);
    memcpy(key, s.features->key, sizeof key);
    assert_true(key_is(&s, NULL, key));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        assert_false(key_is(&s, changes[i], key));
    m.seed = 2;
    tiny_model_write(&m, tiny_path(&s, "model.safetensors"));
    assert_false(key_is(&s, NULL, key));
    m.seed = 1;
    tiny_model_write(&m, tiny_path(&s, "model.safetensors"));
    assert_true(key_is(&s, NULL, key));
    tiny_picture(tiny_path(&s, "data/5.png"), 99);
    tiny_age(tiny_path(&s, "data/5.png"), 1);
    assert_false(key_is(&s, NULL, key));
    tiny_store_close(&s);
}

static void keys_follow_labels_and_masks(void **state)
{
    struct tiny_store s;
    char key[HASH_HEX];
    char *meta = NULL;
    char *at;
    size_t n = 0;
    (void)state;
    tiny_store_open(&s, NULL);
    memcpy(key, s.features->key, sizeof key);
    CHECK_OK(file_read(tiny_path(&s, "data/meta.json"), 10000, &meta, &n));
    at = strstr(meta, "\"anomaly\": 0");
    assert_non_null(at);
    at[strlen("\"anomaly\": ")] = '1';
    CHECK_OK(file_write(tiny_path(&s, "data/meta.json"), meta, n));
    assert_false(key_is(&s, NULL, key));
    at[strlen("\"anomaly\": ")] = '0';
    CHECK_OK(file_write(tiny_path(&s, "data/meta.json"), meta, n));
    assert_true(key_is(&s, NULL, key));
    flip_byte(tiny_path(&s, "data/1_mask.png"), 50);
    tiny_age(tiny_path(&s, "data/1_mask.png"), 1);
    assert_false(key_is(&s, NULL, key));
    MEM_FREE(meta);
    tiny_store_close(&s);
}

static void keys_ignore_everything_else(void **state)
{
    static const char *const same[] = {"run.threads=2",       "run.kernels=ref",
                                       "retrieval.tau=2",     "score.sigma=0",
                                       "score.top=0.5",       "score.k=0.1",
                                       "score.fusion=sum",    "bank.neighbour_pool=false",
                                       "seeds=[1]",           "metrics.pro_steps=10",
                                       "out=elsewhere",       "run.time_left=100",
                                       "run.on_bad_item=skip"};
    struct tiny_store s;
    char key[HASH_HEX];
    char store[600];
    (void)state;
    tiny_store_open(&s, NULL);
    memcpy(key, s.features->key, sizeof key);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_true(key_is(&s, same[i], key));
    (void)snprintf(store, sizeof store, "store=%s/second", s.dir);
    assert_true(key_is(&s, store, key));
    tiny_store_close(&s);
}

static void expect_absent(const struct tiny_store *s, size_t shard, const char *wanted)
{
    const char *why = NULL;
    assert_false(features_has_shard(s->features, shard, &why));
    assert_string_equal(why, wanted);
    assert_string_equal(err_message(), "");
}

static int open_shard(const struct tiny_store *s, size_t shard)
{
    struct feature_shard f;
    int rc = feature_shard_open(&f, s->features, shard);
    feature_shard_close(&f);
    return rc;
}

static void whole_shards_are_found(void **state)
{
    struct tiny_store s;
    const char *why = NULL;
    size_t first, n;
    (void)state;
    tiny_store_open(&s, NULL);
    assert_int_equal(s.features->n_shards, TINY_SHARDS);
    features_range(s.features, 1, &first, &n);
    assert_true(first == 4 && n == 2);
    expect_absent(&s, 0, "missing");
    CHECK_FAILS(open_shard(&s, 0), ERR_IO, "No such file");
    tiny_extract(&s);
    for (size_t i = 0; i < TINY_SHARDS; i++) {
        assert_true(features_has_shard(s.features, i, &why));
        assert_string_equal(why, "");
    }
    tiny_store_close(&s);
}

static void damaged_shards_are_absent(void **state)
{
    /* labels (or has_mask) of the shard and their Fletcher-32: sums of 0x0001 and 0x0100 */
    static const uint8_t flags[8] = {0, 1, 1, 0, 0x01, 0x01, 0x02, 0x01};
    struct tiny_store s;
    struct feature_shard f;
    float patch[TINY_PATCHES * TINY_WIDTH];
    char *path = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    tiny_extract(&s);
    CHECK_OK(features_shard_path(&path, s.features, 0));
    keep(&s, path);
    assert_int_equal(truncate(path, 5000), 0);
    expect_absent(&s, 0, "damaged");
    assert_int_equal(truncate(path, 0), 0);
    expect_absent(&s, 0, "damaged");
    bring_back(&s, path);
    flip_byte(path, find_bytes(path, flags, sizeof flags));
    expect_absent(&s, 0, "damaged");
    /* features are too large to be read for a look, but they are never used damaged: the file goes */
    bring_back(&s, path);
    CHECK_OK(feature_shard_open(&f, s.features, 0));
    CHECK_OK(feature_shard_read(&f, 2, NULL, patch));
    feature_shard_close(&f);
    flip_byte(path, find_bytes(path, patch, sizeof patch) + 7);
    CHECK_OK(feature_shard_open(&f, s.features, 0));
    CHECK_FAILS(feature_shard_read(&f, 2, NULL, patch), ERR_FORMAT, "removed a damaged shard");
    feature_shard_close(&f);
    expect_absent(&s, 0, "missing");
    MEM_FREE(path);
    tiny_store_close(&s);
}

static void foreign_shards_are_absent(void **state)
{
    static const char *const others[] = {"encoder.class_ln_post=true", NULL};
    struct tiny_store s;
    struct h5 *file = NULL;
    char *path = NULL;
    char *other = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    tiny_extract(&s);
    CHECK_OK(features_shard_path(&path, s.features, 0));
    CHECK_OK(features_shard_path(&other, s.features, 1));
    keep(&s, path);
    copy_file(other, path);
    expect_absent(&s, 0, "damaged");
    CHECK_FAILS(open_shard(&s, 0), ERR_FORMAT, "begins with item 4, wanted 0");
    CHECK_OK(h5_create(&file, path, "mrad.features", 2));
    CHECK_OK(h5_commit(&file));
    expect_absent(&s, 0, "damaged");
    CHECK_FAILS(open_shard(&s, 0), ERR_FORMAT, "version 2 of 'mrad.features'");
    MEM_FREE(path);
    MEM_FREE(other);
    tiny_store_plan(&s, others);
    CHECK_OK(features_shard_path(&path, s.features, 0));
    bring_back(&s, path);
    expect_absent(&s, 0, "damaged");
    CHECK_FAILS(open_shard(&s, 0), ERR_SHAPE, "was made from features");
    MEM_FREE(path);
    tiny_store_close(&s);
}

static int extract_shard(struct tiny_store *s, size_t shard)
{
    struct extractor *x = NULL;
    int rc;
    CHECK_OK(extractor_new(&x, s->ops, s->config));
    rc = extractor_run(x, s->features, shard);
    extractor_free(&x);
    return rc;
}

static int plan(struct tiny_store *s)
{
    features_free(&s->features);
    return features_plan(&s->features, s->comm, s->config, &s->model, s->manifest);
}

static void small_mask(const char *path)
{
    const uint8_t pixels[16] = {255};
    CHECK_OK(image_write_png(path, pixels, 4, 4, 1));
}

static void bad_items_stop_the_run(void **state)
{
    struct tiny_store s;
    (void)state;
    tiny_store_open(&s, NULL);
    CHECK_OK(file_write(tiny_path(&s, "data/3.png"), "no picture", 10));
    tiny_store_plan(&s, NULL);
    CHECK_FAILS(extract_shard(&s, 0), ERR_FORMAT, "data set tiny, item 3: ");
    CHECK_FAILS(extract_shard(&s, 0), ERR_FORMAT, tiny_path(&s, "data/3.png"));
    expect_absent(&s, 0, "missing");
    tiny_picture(tiny_path(&s, "data/3.png"), 3);
    small_mask(tiny_path(&s, "data/2_mask.png"));
    tiny_store_plan(&s, NULL);
    CHECK_FAILS(extract_shard(&s, 0), ERR_SHAPE, "data set tiny, item 2: ");
    CHECK_FAILS(extract_shard(&s, 0), ERR_SHAPE,
                "2_mask.png: the mask has 4 x 4 pixels, its image 10 x 12");
    assert_int_equal(unlink(tiny_path(&s, "data/2_mask.png")), 0);
    CHECK_FAILS(plan(&s), ERR_IO, "data set tiny, item 2: mask is missing: ");
    assert_int_equal(unlink(tiny_path(&s, "data/1.png")), 0);
    CHECK_FAILS(plan(&s), ERR_IO, "data set tiny, item 1: image is missing: ");
    tiny_store_plan(&s, skips); /* a later close needs a plan */
    tiny_store_close(&s);
}

static void expect_reason(const struct tiny_store *s, size_t row, const char *part)
{
    struct feature_shard f;
    char *reason = NULL;
    float cls[TINY_EMBED];
    CHECK_OK(feature_shard_open(&f, s->features, 0));
    assert_int_equal(f.skipped[row], 1);
    CHECK_OK(feature_shard_reason(&f, row, &reason));
    assert_non_null(strstr(reason, part));
    CHECK_OK(feature_shard_read(&f, row, cls, NULL));
    for (size_t i = 0; i < TINY_EMBED; i++)
        assert_true(cls[i] == 0.0F);
    MEM_FREE(reason);
    feature_shard_close(&f);
}

static void bad_items_are_skipped_on_demand(void **state)
{
    struct tiny_store s;
    const char *why = NULL;
    (void)state;
    tiny_store_open(&s, skips);
    CHECK_OK(file_write(tiny_path(&s, "data/0.png"), "no picture", 10));
    tiny_age(tiny_path(&s, "data/0.png"), 0);
    assert_int_equal(unlink(tiny_path(&s, "data/1_mask.png")), 0);
    small_mask(tiny_path(&s, "data/2_mask.png"));
    tiny_age(tiny_path(&s, "data/2_mask.png"), 0);
    tiny_store_plan(&s, skips);
    tiny_extract(&s);
    assert_true(features_has_shard(s.features, 0, &why));
    expect_reason(&s, 0, "0.png");
    expect_reason(&s, 1, "1_mask.png");
    expect_reason(&s, 2, "the mask has 4 x 4 pixels, its image 10 x 12");
    assert_string_equal(err_message(), "");
    /* a run that does not skip must not take such a shard */
    small_mask(tiny_path(&s, "data/1_mask.png"));
    tiny_age(tiny_path(&s, "data/1_mask.png"), 0);
    tiny_store_plan(&s, skips);
    tiny_extract(&s);
    tiny_store_plan(&s, NULL);
    expect_absent(&s, 0, "has skipped items");
    tiny_store_close(&s);
}

/* A folder in place of an image can be found but not read. */
static void unreadable_files_are_bad_items(void **state)
{
    struct tiny_store s;
    (void)state;
    tiny_store_open(&s, NULL);
    assert_int_equal(unlink(tiny_path(&s, "data/2.png")), 0);
    CHECK_OK(path_mkdirs(tiny_path(&s, "data/2.png")));
    CHECK_FAILS(plan(&s), ERR_IO, tiny_path(&s, "data/2.png"));
    tiny_store_plan(&s, skips);
    tiny_extract(&s);
    expect_reason(&s, 2, "2.png");
    tiny_store_close(&s);
}

/* What the mask says, on the patch grid and in full: the upper half is defect. */
static void masks_come_back(void **state)
{
    struct tiny_store s;
    struct feature_shard f;
    float grid[TINY_PATCHES];
    uint8_t mask[TINY_SIDE * TINY_SIDE];
    (void)state;
    tiny_store_open(&s, NULL);
    tiny_extract(&s);
    CHECK_OK(feature_shard_open(&f, s.features, 0));
    CHECK_OK(feature_shard_mask(&f, 1, grid, mask));
    for (size_t i = 0; i < TINY_PATCHES; i++)
        assert_true(grid[i] == (i < TINY_PATCHES / 2 ? 1.0F : 0.0F));
    for (size_t i = 0; i < TINY_SIDE * TINY_SIDE; i++)
        assert_int_equal(mask[i], i < TINY_SIDE * TINY_SIDE / 2);
    CHECK_OK(feature_shard_mask(&f, 0, grid, mask));
    for (size_t i = 0; i < TINY_SIDE * TINY_SIDE; i++)
        assert_int_equal(mask[i], 0);
    assert_memory_equal(f.label, ((const uint8_t[]){0, 1, 1, 0}), 4);
    assert_memory_equal(f.has_mask, ((const uint8_t[]){0, 1, 1, 0}), 4);
    feature_shard_close(&f);
    tiny_store_close(&s);
}

/* A file of the same size and time is not read again; another time brings its new content in. */
static void unchanged_files_are_not_read_again(void **state)
{
    struct tiny_store s;
    char key[HASH_HEX];
    char *memory = NULL;
    char line[HASH_HEX];
    struct hash hash;
    size_t n = 0;
    (void)state;
    tiny_store_open(&s, NULL);
    memcpy(key, s.features->key, sizeof key);
    CHECK_OK(hash_file(&hash, tiny_path(&s, "data/5.png")));
    CHECK_OK(file_read(tiny_path(&s, "store/hashes/tiny.txt"), 10000, &memory, &n));
    hash_hex(line, hash);
    assert_non_null(strstr(memory, line));
    MEM_FREE(memory);
    flip_byte(tiny_path(&s, "data/5.png"), 60);
    tiny_age(tiny_path(&s, "data/5.png"), 0);
    assert_true(key_is(&s, NULL, key));
    tiny_age(tiny_path(&s, "data/5.png"), 1);
    assert_false(key_is(&s, NULL, key));
    flip_byte(tiny_path(&s, "data/5.png"), 60);
    tiny_age(tiny_path(&s, "data/5.png"), 2);
    assert_true(key_is(&s, NULL, key));
    tiny_store_close(&s);
}

/* A damaged memory only costs time; a file that changed just now is not remembered. */
static void the_memory_is_not_trusted_blindly(void **state)
{
    static const char junk[] = "12 no line of ours\n\n999999999999999999999999 1 zz x\n";
    struct tiny_store s;
    char key[HASH_HEX];
    char *memory = NULL;
    size_t n = 0;
    (void)state;
    tiny_store_open(&s, NULL);
    memcpy(key, s.features->key, sizeof key);
    CHECK_OK(file_write(tiny_path(&s, "store/hashes/tiny.txt"), junk, strlen(junk)));
    assert_true(key_is(&s, NULL, key));
    assert_int_equal(utimensat(AT_FDCWD, tiny_path(&s, "data/4.png"), NULL, 0), 0);
    tiny_store_plan(&s, NULL);
    CHECK_OK(file_read(tiny_path(&s, "store/hashes/tiny.txt"), 10000, &memory, &n));
    assert_null(strstr(memory, "/4.png"));
    assert_non_null(strstr(memory, "/5.png"));
    MEM_FREE(memory);
    tiny_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_follow_what_features_depend_on),
        cmocka_unit_test(keys_follow_labels_and_masks),
        cmocka_unit_test(keys_ignore_everything_else),
        cmocka_unit_test(whole_shards_are_found),
        cmocka_unit_test(damaged_shards_are_absent),
        cmocka_unit_test(foreign_shards_are_absent),
        cmocka_unit_test(bad_items_stop_the_run),
        cmocka_unit_test(bad_items_are_skipped_on_demand),
        cmocka_unit_test(unreadable_files_are_bad_items),
        cmocka_unit_test(masks_come_back),
        cmocka_unit_test(unchanged_files_are_not_read_again),
        cmocka_unit_test(the_memory_is_not_trusted_blindly),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
