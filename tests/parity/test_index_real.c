/*
 * The five real sets: their raw folders must give the meta.json that lies in them, entry for entry,
 * and reading and writing that file must give its bytes.
 */
#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "datasets/datasets.h"

#include <stdlib.h>
#include <string.h>

/* stb_image declares a static function that it never defines; gcc says so at the end of the file */
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#include <stb/stb_image.h>

struct real {
    const char *folder;
    const char *dataset;
    size_t n_train; /* its meta.json has none: the published copies hold test entries only */
    size_t n_ignored;
};

static int mask_is_empty(const char *path, bool *out)
{
    int rc = ERR_OK;
    int width;
    int height;
    int channels;
    unsigned char *pixel = stbi_load(path, &width, &height, &channels, 1);
    if (!pixel)
        FAIL(ERR_FORMAT, "%s: %s", path, stbi_failure_reason());
    *out = true;
    for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
        *out &= pixel[i] == 0;
out:
    stbi_image_free(pixel);
    return rc;
}

static void expect_equal(const struct manifest *got, const struct manifest *wanted)
{
    assert_int_equal(got->n_classes, wanted->n_classes);
    for (size_t c = 0; c < wanted->n_classes; c++)
        assert_string_equal(got->class_name[c], wanted->class_name[c]);
    assert_int_equal(got->n_items, wanted->n_items);
    for (size_t i = 0; i < wanted->n_items; i++) {
        assert_string_equal(got->item[i].image, wanted->item[i].image);
        assert_string_equal(got->item[i].mask, wanted->item[i].mask);
        assert_string_equal(got->item[i].specie, wanted->item[i].specie);
        assert_int_equal(got->item[i].class_id, wanted->item[i].class_id);
        assert_int_equal(got->item[i].is_anomalous, wanted->item[i].is_anomalous);
    }
}

/* Save m and compare with the text of ROOT/meta.json. */
static void expect_bytes(const struct manifest *m, const char *root)
{
    char *dir = check_folder();
    char *path = NULL;
    char *got = NULL;
    char *wanted = NULL;
    size_t n = 0;
    CHECK_OK(path_join(&path, root, "meta.json"));
    CHECK_OK(file_read(path, 1 << 24, &wanted, &n));
    MEM_FREE(path);
    CHECK_OK(path_join(&path, dir, "meta.json"));
    CHECK_OK(manifest_save(m, path));
    CHECK_OK(file_read(path, 1 << 24, &got, &n));
    assert_string_equal(got, wanted);
    MEM_FREE(path);
    MEM_FREE(got);
    MEM_FREE(wanted);
    check_drop_folder(dir);
}

static void check_real(const struct real *set)
{
    const struct index_options options = {.mask_is_empty = mask_is_empty};
    char *root = NULL;
    struct manifest *wanted = NULL;
    struct manifest *got = NULL;
    struct index_report report;
    struct path_list missing;
    const char *shared;
    CHECK_OK(str_make(&root, "data/%s", set->folder));
    shared = check_shared(root);
    if (!shared || !path_is_dir(shared)) {
        MEM_FREE(root);
        check_skip_shared(set->folder, "data");
    }
    MEM_FREE(root);
    CHECK_OK(str_dup(&root, shared));
    CHECK_OK(manifest_load(&wanted, set->dataset, root, NULL));
    expect_bytes(wanted, root);
    CHECK_OK(dataset_index(&got, &report, set->dataset, root, &options));
    expect_equal(got, wanted);
    assert_int_equal(got->train.n_items, set->n_train);
    if (set->n_train == 0)
        expect_bytes(got, root);
    assert_int_equal(report.ignored.n, set->n_ignored);
    assert_int_equal(report.orphan_mask.n, 0);
    CHECK_OK(manifest_check_files(got, &missing));
    path_list_free(&missing);
    index_report_free(&report);
    manifest_free(&got);
    manifest_free(&wanted);
    MEM_FREE(root);
}

static void mvtec(void **state)
{
    (void)state;
    check_real(&(struct real){.folder = "mvtec", .dataset = "mvtec"});
}

static void hazelnut_toy(void **state)
{
    (void)state;
    /* its licence file is ignored, and its train/good images are found */
    check_real(&(struct real){
        .folder = "hazelnut_toy", .dataset = "mvtec", .n_train = 17, .n_ignored = 1});
}

static void kolektor(void **state)
{
    (void)state;
    check_real(&(struct real){.folder = "KolektorSDD", .dataset = "KolektorSDD"});
}

static void clinic_db(void **state)
{
    (void)state;
    check_real(&(struct real){.folder = "CVC-ClinicDB", .dataset = "ClinicDB", .n_ignored = 1});
}

static void brain_mri(void **state)
{
    (void)state;
    check_real(&(struct real){.folder = "BrainMRI", .dataset = "brainmri"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mvtec),     cmocka_unit_test(hazelnut_toy), cmocka_unit_test(kolektor),
        cmocka_unit_test(clinic_db), cmocka_unit_test(brain_mri),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
