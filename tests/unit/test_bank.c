/* Unit tests of bank/: entries and their order, and files that are refused. */
#include "check.h"
#include "tiny.h"

#include "bank/bank_int.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "par/gather.h"
#include "tensor/h5.h"

#include <hdf5.h>
#include <math.h>
#include <string.h>

static const char *const plain[] = {"bank.neighbour_pool=false", NULL};

/* One entry an image; two regions where there is a mask, the anomalous one first. */
static void entries_are_in_item_order(void **state)
{
    static const uint8_t labels[TINY_ITEMS] = {0, 1, 1, 0, 1, 0};
    static const uint8_t regions[8] = {0, 1, 0, 1, 0, 0, 0, 0};
    static const int32_t sources[8] = {0, 1, 1, 2, 2, 3, 4, 5};
    struct tiny_store s;
    struct bank *bank = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    tiny_extract(&s);
    assert_false(bank_has_shard(s.bank, 0));
    assert_false(bank_is_whole(s.bank));
    tiny_build_bank(&s);
    assert_true(bank_has_shard(s.bank, 0) && bank_has_shard(s.bank, 1));
    assert_true(bank_is_whole(s.bank));
    CHECK_OK(bank_open(&bank, s.bank));
    assert_int_equal(bank->n_image, TINY_ITEMS);
    assert_memory_equal(bank->image_labels, labels, sizeof labels);
    for (int32_t i = 0; i < TINY_ITEMS; i++)
        assert_int_equal(bank->image_item[i], i);
    assert_int_equal(bank->n_pixel, 8);
    assert_memory_equal(bank->pixel_labels, regions, sizeof regions);
    assert_memory_equal(bank->source_item, sources, sizeof sources);
    assert_int_equal(bank_anomalous(bank->image_labels, bank->n_image), 3);
    assert_int_equal(bank_anomalous(bank->pixel_labels, bank->n_pixel), 2);
    bank_free(&bank);
    tiny_store_close(&s);
}

/* Largest difference between x and the unit vector of want. */
static double unit_gap(const float *x, const double *want, size_t n)
{
    double norm = 0;
    double gap = 0;
    for (size_t i = 0; i < n; i++)
        norm += want[i] * want[i];
    for (size_t i = 0; i < n; i++)
        gap = fmax(gap, fabs((double)x[i] - want[i] / sqrt(norm)));
    return gap;
}

/* Image key: the unit class token. Prototypes without pooling: unit mean over half the patches. */
static void keys_are_unit_means(void **state)
{
    struct tiny_store s;
    struct feature_shard f;
    struct bank *bank = NULL;
    float cls[TINY_EMBED], patch[TINY_PATCHES * TINY_WIDTH];
    double want[TINY_EMBED], mean[2][TINY_WIDTH] = {{0}};
    (void)state;
    tiny_store_open(&s, plain);
    tiny_extract(&s);
    tiny_build_bank(&s);
    CHECK_OK(bank_open(&bank, s.bank));
    CHECK_OK(feature_shard_open(&f, s.features, 0));
    CHECK_OK(feature_shard_read(&f, 1, cls, patch));
    for (size_t i = 0; i < TINY_EMBED; i++)
        want[i] = (double)cls[i];
    for (size_t i = 0; i < TINY_PATCHES * TINY_WIDTH; i++)
        mean[i / TINY_WIDTH / (TINY_PATCHES / 2)][i % TINY_WIDTH] += (double)patch[i];
    /* a float32 number of size up to 1 is within 2^-24 of the exact one; a few roundings */
    CHECK_WITHIN("image key", unit_gap(bank->image_keys + TINY_EMBED, want, TINY_EMBED), 0x1p-22);
    CHECK_WITHIN("anomalous key", unit_gap(bank->pixel_keys + TINY_WIDTH, mean[0], TINY_WIDTH),
                 0x1p-22);
    CHECK_WITHIN("normal key",
                 unit_gap(bank->pixel_keys + (size_t)2 * TINY_WIDTH, mean[1], TINY_WIDTH), 0x1p-22);
    feature_shard_close(&f);
    bank_free(&bank);
    tiny_store_close(&s);
}

static void skipped_items_leave_no_entry(void **state)
{
    static const char *const skips[] = {"run.on_bad_item=skip", NULL};
    static const int32_t items[] = {0, 1, 2, 4, 5};
    struct tiny_store s;
    struct bank *bank = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    CHECK_OK(file_write(tiny_path(&s, "data/3.png"), "no picture", 10));
    tiny_store_plan(&s, skips);
    tiny_extract(&s);
    tiny_build_bank(&s);
    CHECK_OK(bank_open(&bank, s.bank));
    assert_int_equal(bank->n_image, 5);
    assert_memory_equal(bank->image_item, items, sizeof items);
    assert_int_equal(bank->n_pixel, 7);
    bank_free(&bank);
    tiny_store_close(&s);
}

static void keys_follow_pooling_and_features(void **state)
{
    static const char *const half[] = {"features.dtype=f16", NULL};
    static const char *const scoring[] = {"retrieval.tau=3", "run.threads=2", NULL};
    struct tiny_store s;
    char key[HASH_HEX];
    (void)state;
    tiny_store_open(&s, NULL);
    memcpy(key, s.bank->key, sizeof key);
    tiny_store_plan(&s, scoring);
    assert_string_equal(s.bank->key, key);
    tiny_store_plan(&s, plain);
    assert_string_not_equal(s.bank->key, key);
    tiny_store_plan(&s, half);
    assert_string_not_equal(s.bank->key, key);
    tiny_store_close(&s);
}

/* A bank of two images and one region that is right in every respect. */
static void good_bank(struct bank **out)
{
    CHECK_OK(bank_new(out, TINY_EMBED, TINY_WIDTH, 2, 1));
    (*out)->image_keys[0] = (*out)->image_keys[TINY_EMBED + 3] = 1;
    (*out)->pixel_keys[5] = -1;
    (*out)->image_labels[1] = 1;
}

static int write_and_load(const struct tiny_store *s, const struct bank *bank)
{
    struct bank *back = NULL;
    int rc;
    CHECK_OK(bank_write(bank, tiny_path(s, "b.h5"), s->bank, -1));
    rc = bank_load(&back, tiny_path(s, "b.h5"));
    assert_true((back == NULL) == (rc != ERR_OK));
    bank_free(&back);
    return rc;
}

static void wrong_contents_are_refused(void **state)
{
    struct tiny_store s;
    struct bank *bank = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    good_bank(&bank);
    CHECK_OK(write_and_load(&s, bank));
    bank->image_labels[0] = 2;
    CHECK_FAILS(write_and_load(&s, bank), ERR_FORMAT, "image_labels[0] is 2, wanted 0 or 1");
    bank->image_labels[0] = 0;
    bank->pixel_labels[0] = 255;
    CHECK_FAILS(write_and_load(&s, bank), ERR_FORMAT, "pixel_labels[0] is 255, wanted 0 or 1");
    bank->pixel_labels[0] = 1;
    bank->image_keys[2] = NAN;
    CHECK_FAILS(write_and_load(&s, bank), ERR_FORMAT, "image_keys[0] is not a unit vector");
    bank->image_keys[2] = 0;
    bank->pixel_keys[0] = INFINITY;
    CHECK_FAILS(write_and_load(&s, bank), ERR_FORMAT, "pixel_keys[0] is not a unit vector");
    bank->pixel_keys[0] = 0;
    bank->image_keys[TINY_EMBED + 3] = 0.5F;
    CHECK_FAILS(write_and_load(&s, bank), ERR_FORMAT, "image_keys[1] is not a unit vector");
    bank->image_keys[TINY_EMBED + 3] = 1;
    CHECK_OK(write_and_load(&s, bank));
    bank_free(&bank);
    tiny_store_close(&s);
}

static int read_part(const struct tiny_store *s, const char *path, int64_t shard)
{
    struct bank *bank = NULL;
    int rc = bank_read(&bank, path, s->bank, shard);
    bank_free(&bank);
    return rc;
}

static void parts_of_another_place_are_refused(void **state)
{
    struct tiny_store s;
    struct bank *bank = NULL;
    char *first = NULL;
    char *second = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    good_bank(&bank);
    CHECK_OK(bank_shard_path(&first, s.bank, 0));
    CHECK_OK(bank_shard_path(&second, s.bank, 1));
    CHECK_OK(bank_write(bank, first, s.bank, 0));
    CHECK_OK(bank_write(bank, second, s.bank, 0));
    assert_true(bank_has_shard(s.bank, 0));
    assert_false(bank_has_shard(s.bank, 1));
    CHECK_FAILS(read_part(&s, second, 1), ERR_FORMAT, "is part 0, wanted 1");
    CHECK_FAILS(read_part(&s, second, -1), ERR_FORMAT, "is part 0, wanted -1");
    bank_free(&bank);
    CHECK_OK(bank_new(&bank, TINY_EMBED, 2 * TINY_WIDTH, 0, 0));
    CHECK_OK(bank_write(bank, first, s.bank, 0));
    CHECK_FAILS(read_part(&s, first, 0), ERR_SHAPE, "keys of 8 and 128 columns");
    tiny_store_plan(&s, plain);
    CHECK_FAILS(read_part(&s, second, 0), ERR_SHAPE, "was made from bank options and features");
    bank_free(&bank);
    MEM_FREE(first);
    MEM_FREE(second);
    tiny_store_close(&s);
}

static void foreign_files_are_refused(void **state)
{
    struct tiny_store s;
    struct bank *bank = NULL;
    struct h5 *file = NULL;
    hid_t id;
    (void)state;
    tiny_store_open(&s, NULL);
    CHECK_FAILS(bank_load(&bank, tiny_path(&s, "none.h5")), ERR_IO, "No such file");
    CHECK_OK(file_write(tiny_path(&s, "x.h5"), "no HDF5 file", 12));
    CHECK_FAILS(bank_load(&bank, tiny_path(&s, "x.h5")), ERR_FORMAT, "not a readable HDF5 file");
    id = H5Fcreate(tiny_path(&s, "x.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(id >= 0 && H5Fclose(id) >= 0);
    CHECK_FAILS(bank_load(&bank, tiny_path(&s, "x.h5")), ERR_FORMAT, "has no schema attribute");
    CHECK_OK(h5_create(&file, tiny_path(&s, "x.h5"), "mrad.scores", 1));
    CHECK_OK(h5_commit(&file));
    CHECK_FAILS(bank_load(&bank, tiny_path(&s, "x.h5")), ERR_FORMAT,
                "holds 'mrad.scores', wanted 'mrad.bank'");
    CHECK_OK(h5_create(&file, tiny_path(&s, "x.h5"), "mrad.bank", 9));
    CHECK_OK(h5_commit(&file));
    CHECK_FAILS(bank_load(&bank, tiny_path(&s, "x.h5")), ERR_FORMAT, "version 9 of 'mrad.bank'");
    CHECK_OK(h5_create(&file, tiny_path(&s, "x.h5"), "mrad.bank", 1));
    CHECK_OK(h5_commit(&file));
    CHECK_FAILS(bank_load(&bank, tiny_path(&s, "x.h5")), ERR_FORMAT, "has no dataset 'image_keys'");
    assert_null(bank);
    tiny_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_in_item_order),
        cmocka_unit_test(keys_are_unit_means),
        cmocka_unit_test(skipped_items_leave_no_entry),
        cmocka_unit_test(keys_follow_pooling_and_features),
        cmocka_unit_test(wrong_contents_are_refused),
        cmocka_unit_test(parts_of_another_place_are_refused),
        cmocka_unit_test(foreign_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
