/*
 * The published program's files (shared/golden/torch, written by PyTorch): imported, they hold the
 * golden's numbers bit for bit, give its scores without any training, and come out again as they were.
 */
#include "check.h"
#include "parity.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "head/head.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* shared/golden/torch/NAME, or skip the test. Free with MEM_FREE. */
static char *torch_file(const char *test, const char *name)
{
    struct stat st;
    char full[256];
    const char *path;
    char *out = NULL;
    (void)snprintf(full, sizeof full, "golden/torch/%s", name);
    path = check_shared(full);
    if (!path || stat(path, &st) != 0)
        check_skip_shared(test, full);
    CHECK_OK(str_dup(&out, path));
    return out;
}

static char *in_folder(const struct parity *p, const char *name)
{
    char *out = NULL;
    CHECK_OK(str_make(&out, "%s/%s", p->folder, name));
    return out;
}

/* Import the two files of a bank to FOLDER/imported.h5. */
static char *import_bank(const struct parity *p, const char *test)
{
    char *image = torch_file(test, "cache_model_A.pt");
    char *patch = torch_file(test, "cache_patch_model_A.pt");
    char *out = in_folder(p, "imported.h5");
    CHECK_OK(bank_import(image, patch, out));
    MEM_FREE(image);
    MEM_FREE(patch);
    return out;
}

/* Import the checkpoint to FOLDER/NAME, bound to the bank of a key or to none. */
static char *import_head(const struct parity *p, const char *test, const char *name,
                         const char *bank)
{
    char *checkpoint = torch_file(test, "mrad_clip_A.pth");
    char *out = in_folder(p, name);
    char *report = NULL;
    CHECK_OK(head_import(checkpoint, bank, out, &report));
    assert_non_null(strstr(report, "skipped, not used: prompt_learner.mlp.c_fc.weight (4 x 4)\n"));
    assert_non_null(strstr(report, "compound_prompt_projections.1.bias (896)"));
    assert_null(strstr(report, "ctx_pos"));
    assert_null(strstr(report, "compound_prompts_text"));
    MEM_FREE(report);
    MEM_FREE(checkpoint);
    return out;
}

/* ---- numbers ---- */

static void same_array(struct h5 *golden, const char *name, enum dtype dtype, const void *got,
                       size_t n)
{
    struct tensor want = {0};
    CHECK_OK(h5_read(golden, name, dtype, &want));
    assert_int_equal(tensor_count(&want), n);
    if (memcmp(got, want.data, n * dtype_size(dtype)) != 0)
        fail_msg("%s has other values", name);
    tensor_free(&want);
}

static void banks_hold_the_goldens_numbers(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    char *path = import_bank(p, __func__);
    char *image = in_folder(p, "image.pt");
    char *patch = in_folder(p, "patch.pt");
    struct bank *b = NULL;
    for (int round = 0; round < 2; round++) { /* the second time through our own files */
        CHECK_OK(bank_load(&b, path));
        same_array(p->golden, "bank/image_keys", DTYPE_F32, b->image_keys, b->n_image * b->embed);
        same_array(p->golden, "bank/pixel_keys", DTYPE_F32, b->pixel_keys, b->n_pixel * b->width);
        same_array(p->golden, "bank/image_labels", DTYPE_U8, b->image_labels, b->n_image);
        same_array(p->golden, "bank/pixel_labels", DTYPE_U8, b->pixel_labels, b->n_pixel);
        for (size_t i = 0; i < b->n_image; i++)
            assert_int_equal(b->image_item[i], -1);
        for (size_t i = 0; i < b->n_pixel; i++)
            assert_int_equal(b->source_item[i], -1);
        CHECK_OK(bank_export(b, image, patch));
        CHECK_OK(bank_import(image, patch, path));
        bank_free(&b);
    }
    MEM_FREE(image);
    MEM_FREE(patch);
    MEM_FREE(path);
}

static void same_dataset(struct h5 *golden, const char *want, struct h5 *f, const char *name,
                         enum dtype dtype)
{
    struct tensor got = {0};
    int rank = 0;
    size_t dim[TENSOR_MAX_RANK];
    CHECK_OK(h5_shape(golden, want, &rank, dim));
    CHECK_OK(h5_expect_shape(f, name, rank, dim));
    CHECK_OK(h5_read(f, name, dtype, &got));
    same_array(golden, want, dtype, got.data, tensor_count(&got));
    tensor_free(&got);
}

static void same_parameters(const struct parity *p, const char *path)
{
    static const char *const name[] = {"ft/wq",   "ft/bq",    "ft/wk",   "ft/bk",    "ft/iq",
                                       "ft/ibq",  "ft/ik",    "ft/ibk",  "clip/ctx", "clip/deep",
                                       "clip/pn", "clip/pbn", "clip/pa", "clip/pba"};
    struct h5 *f = NULL;
    char want[40];
    CHECK_OK(h5_open(&f, path));
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        const char *slash = strchr(name[i], '/');
        (void)snprintf(want, sizeof want, "%.*s/final%s", (int)(slash - name[i]), name[i], slash);
        same_dataset(p->golden, want, f, name[i], DTYPE_F32);
    }
    same_dataset(p->golden, "clip/tokens", f, "tokens", DTYPE_I32);
    h5_close(&f);
}

static void checkpoints_hold_the_goldens_numbers(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    char *path = import_head(p, __func__, "parameters.h5", NULL);
    char *again = in_folder(p, "again.pth");
    char *report = NULL;
    same_parameters(p, path);
    CHECK_OK(head_export((const char *const *)&path, 1, again));
    CHECK_OK(head_import(again, NULL, path, &report));
    same_parameters(p, path);
    assert_null(strstr(report, "skipped"));
    MEM_FREE(report);
    MEM_FREE(again);
    MEM_FREE(path);
}

/* ---- scores ---- */

/* The set-up's configuration with an imported bank and imported heads; either may be NULL. */
static struct config *imported_config(const struct parity *p, const char *bank, const char *ft,
                                      const char *clip)
{
    enum { MOST = 7 };
    struct config *c = NULL;
    char *set[MOST] = {NULL};
    size_t n = 0;
    CHECK_OK(str_make(&set[n++], "model.weights=%s", p->weights));
    CHECK_OK(str_make(&set[n++], "model.image_size=%zu", p->config->image_size));
    CHECK_OK(str_make(&set[n++], "store=%s/store", p->folder));
    CHECK_OK(str_make(&set[n++], "datasets.A.root=%s", p->source.root[0]));
    if (bank)
        CHECK_OK(str_make(&set[n++], "datasets.A.bank=%s", bank));
    if (ft)
        CHECK_OK(str_make(&set[n++], "head.ft=%s:/ft", ft));
    if (clip)
        CHECK_OK(str_make(&set[n++], "head.clip=%s:/clip", clip));
    CHECK_OK(config_read(&c, NULL, (const char *const *)set, n));
    for (size_t i = 0; i < n; i++)
        MEM_FREE(set[i]);
    return c;
}

static void compare_list(const struct parity *p, const char *group, const char *name,
                         enum tolerance which, const float *got, size_t n)
{
    struct tensor want = {0};
    char path[32];
    double error = 0;
    (void)snprintf(path, sizeof path, "%s/%s", group, name);
    CHECK_OK(h5_read(p->golden, path, DTYPE_F32, &want));
    assert_int_equal(tensor_count(&want), n);
    for (size_t i = 0; i < n; i++)
        error = worse(error, floats_distance(got + i, (float *)want.data + i, 1));
    (void)snprintf(path, sizeof path, "imported %s/%s", group, name);
    CHECK_TOLERANCE(which, path, error);
    tensor_free(&want);
}

/* Score B with a bank, through a head or none, and compare with a group of the golden. */
static void score_and_compare(const struct parity *p, const struct config *c,
                              const struct bank_place *place, const struct bank *bank,
                              const struct head_place *head)
{
    const char *group = head ? head->form.group : "tf";
    struct retriever *retriever = NULL;
    struct score_place *scores_place = NULL;
    struct scores *s = NULL;
    if (head)
        CHECK_OK(head_train(head, bank, p->bench.ops, p->comm));
    CHECK_OK(scores_plan(&scores_place, c, place, head, p->features[1]));
    CHECK_OK(retriever_new(&retriever, p->bench.ops, bank, head));
    for (size_t i = 0; i < p->features[1]->n_shards; i++)
        CHECK_OK(scores_build_shard(scores_place, i, retriever));
    CHECK_OK(scores_join(scores_place));
    CHECK_OK(scores_open(&s, scores_place));
    compare_list(p, group, "y_cls", TOLERANCE_Y_CLS, s->y_cls, s->n);
    compare_list(p, group, "score", TOLERANCE_SCORE, s->score, s->n);
    scores_free(&s);
    score_place_free(&scores_place);
    retriever_free(&retriever);
}

static void imported_files_give_the_goldens_scores(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    char *bank_file = import_bank(p, __func__);
    char *head_file = import_head(p, __func__, "parameters.h5", NULL);
    struct config *c = imported_config(p, bank_file, head_file, head_file);
    struct bank_place *place = NULL;
    struct bank *bank = NULL;
    struct head_place *metric = NULL;
    struct head_place *prompts = NULL;
    CHECK_OK(bank_plan(&place, c, p->features[0]));
    assert_true(bank_is_whole(place));
    assert_string_not_equal(place->key, p->bank_place->key);
    CHECK_OK(bank_gather(&bank, place, p->bench.ops, p->comm, NULL));
    score_and_compare(p, c, place, bank, NULL);
    CHECK_OK(head_plan_ft(&metric, c, place, 111));
    assert_true(metric->is_given && metric->n_steps == 0);
    score_and_compare(p, c, place, bank, metric);
    CHECK_OK(head_plan_clip(&prompts, c, metric));
    score_and_compare(p, c, place, bank, prompts);
    assert_true(head_exists(metric) && head_exists(prompts));
    head_place_free(&prompts);
    head_place_free(&metric);
    bank_free(&bank);
    bank_place_free(&place);
    config_free(&c);
    MEM_FREE(bank_file);
    MEM_FREE(head_file);
}

/* ---- what does not belong together ---- */

/* A key that is not the other one, with 32 digits. */
#define OTHER_KEY "0123456789abcdef0123456789abcdef"

static void a_head_of_another_bank_is_refused(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    char *file = import_head(p, __func__, "bound.h5", OTHER_KEY);
    struct config *c = imported_config(p, NULL, file, NULL);
    struct head_place *place = NULL;
    CHECK_FAILS(head_plan_ft(&place, c, p->bank_place, 111), ERR_SHAPE,
                "was made from bank " OTHER_KEY ", but");
    MEM_FREE(file);
    file = import_head(p, __func__, "bound.h5", OTHER_KEY);
    CHECK_FAILS(head_plan_ft(&place, c, p->bank_place, 111), ERR_SHAPE, p->bank_place->key);
    MEM_FREE(file);
    file = import_head(p, __func__, "bound.h5", p->bank_place->key);
    CHECK_OK(head_plan_ft(&place, c, p->bank_place, 111));
    head_place_free(&place);
    config_free(&c);
    MEM_FREE(file);
}

static void prompts_of_another_metric_are_refused(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    char *file = import_head(p, __func__, "parameters.h5", NULL);
    struct config *c = imported_config(p, NULL, NULL, file); /* the metric would be trained here */
    struct head_place *metric = NULL;
    struct head_place *prompts = NULL;
    CHECK_OK(head_plan_ft(&metric, c, p->bank_place, 111));
    assert_false(metric->is_given);
    CHECK_FAILS(head_plan_clip(&prompts, c, metric), ERR_SHAPE, "was made from metric ");
    CHECK_FAILS(head_plan_clip(&prompts, c, metric), ERR_SHAPE, metric->key);
    head_place_free(&metric);
    config_free(&c);
    MEM_FREE(file);
}

static void a_bank_of_other_weights_is_refused(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    struct config *c = NULL;
    struct bank_place *place = NULL;
    struct features other = *p->features[0];
    char *file = NULL;
    CHECK_OK(bank_path(&file, p->bank_place));
    c = imported_config(p, file, NULL, NULL);
    CHECK_OK(bank_plan(&place, c, p->features[0])); /* our own bank by name: the same key */
    assert_string_equal(place->key, p->bank_place->key);
    bank_place_free(&place);
    (void)snprintf(other.model.hash, sizeof other.model.hash, "%s", OTHER_KEY);
    CHECK_FAILS(bank_plan(&place, c, &other), ERR_SHAPE, OTHER_KEY);
    CHECK_FAILS(bank_plan(&place, c, &other), ERR_SHAPE, p->features[0]->model.hash);
    config_free(&c);
    MEM_FREE(file);
}

/* Sizes of the file against sizes of the model. */
static void sizes_of_another_model_are_refused(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    char *bank_file = import_bank(p, __func__);
    char *head_file = import_head(p, __func__, "parameters.h5", NULL);
    struct config *c = imported_config(p, bank_file, head_file, head_file);
    struct features wide = *p->features[0];
    struct bank_place bank = *p->bank_place;
    struct bank_place *place = NULL;
    struct head_place *head = NULL;
    wide.model.shape.width = 1024;
    bank.features = &wide;
    CHECK_FAILS(bank_plan(&place, c, &wide), ERR_SHAPE,
                "keys of 96 and 128 columns, the model has");
    CHECK_FAILS(head_plan_ft(&head, c, &bank, 111), ERR_SHAPE, "ft/wq");
    config_free(&c);
    MEM_FREE(bank_file);
    MEM_FREE(head_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(banks_hold_the_goldens_numbers),
        cmocka_unit_test(checkpoints_hold_the_goldens_numbers),
        cmocka_unit_test(imported_files_give_the_goldens_scores),
        cmocka_unit_test(a_head_of_another_bank_is_refused),
        cmocka_unit_test(prompts_of_another_metric_are_refused),
        cmocka_unit_test(a_bank_of_other_weights_is_refused),
        cmocka_unit_test(sizes_of_another_model_are_refused),
    };
    return cmocka_run_group_tests(tests, parity_start_tiny, parity_stop);
}
