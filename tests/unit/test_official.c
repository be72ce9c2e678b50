/*
 * Unit test of banks and checkpoints in the form of the published program: what is written comes back
 * bit for bit, and what is damaged, missing or does not belong together is refused by name.
 */
#include "check.h"

#include "bank/bank.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "head/head.h"
#include "tensor/h5.h"
#include "tensor/torch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { D = 6, E = 4, T = 3, CTX = 2, LAYERS = 2, LEN = 2, CONTEXT = 7 };
enum { MAX_PATH = 512 };

/* What is wrong with a file; entry may be NULL: nothing. */
struct fault {
    const char *entry;
    bool is_missing;
    size_t more; /* columns more than there should be */
    float first; /* value of the first element, where not 0 */
};

static char *folder;

static int set_up(void **state)
{
    (void)state;
    folder = check_folder();
    return 0;
}

static int tear_down(void **state)
{
    check_drop_folder(folder);
    return check_balance(state);
}

/* FOLDER/name; four of them are good at a time. */
static const char *in_folder(const char *name)
{
    static char text[4][MAX_PATH];
    static size_t next;
    char *out = text[next++ % 4];
    (void)snprintf(out, MAX_PATH, "%s/%s", folder, name);
    return out;
}

/* An entry of ones and eighths, different for every seed; the last dimension may be wrong. */
static void put(struct torch_writer *w, const struct fault *fault, const char *entry, int rank,
                const size_t *dim)
{
    struct tensor t = {0};
    size_t wrong[TENSOR_MAX_RANK];
    bool is_it = fault->entry && strcmp(entry, fault->entry) == 0;
    if (is_it && fault->is_missing)
        return;
    memcpy(wrong, dim, (size_t)rank * sizeof *dim);
    wrong[rank - 1] += is_it ? fault->more : 0;
    CHECK_OK(tensor_new(&t, DTYPE_F32, rank, wrong));
    for (size_t i = 0; i < tensor_count(&t); i++)
        ((float *)t.data)[i] = 0.125F * (float)i + (float)strlen(entry);
    if (is_it && fault->first != 0)
        ((float *)t.data)[0] = fault->first;
    CHECK_OK(torch_write_tensor(w, entry, &t));
    tensor_free(&t);
}

static void put_tokens(struct torch_writer *w, const struct fault *fault, const char *entry)
{
    int64_t ids[CONTEXT] = {5, 1, 1, 2, 9, 0, 0};
    const size_t dim[] = {1, 1, CONTEXT};
    struct tensor t = tensor_view(DTYPE_I64, 3, dim, ids);
    if (fault->entry && strcmp(entry, fault->entry) == 0)
        return;
    CHECK_OK(torch_write_tensor(w, entry, &t));
}

static void write_checkpoint(const char *path, const struct fault *fault, bool has_clip)
{
    struct torch_writer *w = NULL;
    CHECK_OK(torch_write_begin(&w, path));
    put(w, fault, "image_proj/mlp1.weight", 2, (size_t[]){E, E});
    put(w, fault, "image_proj/mlp1.bias", 1, (size_t[]){E});
    put(w, fault, "image_proj/mlp2.weight", 2, (size_t[]){E, E});
    put(w, fault, "image_proj/mlp2.bias", 1, (size_t[]){E});
    put(w, fault, "patch_proj/fc.0.weight", 2, (size_t[]){E, D});
    put(w, fault, "patch_proj/fc.0.bias", 1, (size_t[]){E});
    put(w, fault, "patch_proj/fc.1.weight", 2, (size_t[]){E, D});
    put(w, fault, "patch_proj/fc.1.bias", 1, (size_t[]){E});
    if (has_clip) {
        put(w, fault, "prompt_proj/mlp1.weight", 2, (size_t[]){T, E});
        put(w, fault, "prompt_proj/mlp1.bias", 1, (size_t[]){T});
        put(w, fault, "prompt_proj/mlp2.weight", 2, (size_t[]){T, E});
        put(w, fault, "prompt_proj/mlp2.bias", 1, (size_t[]){T});
        put(w, fault, "prompt_learner/ctx_pos", 4, (size_t[]){1, 1, CTX, T});
        put(w, fault, "prompt_learner/ctx_neg", 4, (size_t[]){1, 1, CTX, T});
        put(w, fault, "prompt_learner/compound_prompts_text.0", 2, (size_t[]){LEN, T});
        put(w, fault, "prompt_learner/compound_prompts_text.1", 2, (size_t[]){LEN, T});
        put(w, fault, "prompt_learner/mlp.c_fc.weight", 2, (size_t[]){2, 2});
        put_tokens(w, fault, "prompt_learner/tokenized_prompts_pos");
        put_tokens(w, fault, "prompt_learner/tokenized_prompts_neg");
    }
    CHECK_OK(torch_write_commit(&w));
}

static void import_good(const char *checkpoint, const char *out, bool has_clip)
{
    char *report = NULL;
    write_checkpoint(checkpoint, &(struct fault){0}, has_clip);
    CHECK_OK(head_import(checkpoint, NULL, out, &report));
    assert_int_equal(strstr(report, "skipped, not used: prompt_learner.mlp.c_fc.weight") != NULL,
                     has_clip);
    assert_int_equal(strstr(report, "clip: 2 context tokens, 2 deep prompts of 2 tokens") != NULL,
                     has_clip);
    MEM_FREE(report);
}

/* ---- checkpoints ---- */

static void same_dataset(struct h5 *a, struct h5 *b, const char *name)
{
    struct tensor x = {0};
    struct tensor y = {0};
    CHECK_OK(h5_read(a, name, DTYPE_F32, &x));
    CHECK_OK(h5_read(b, name, DTYPE_F32, &y));
    assert_int_equal(tensor_count(&x), tensor_count(&y));
    assert_memory_equal(x.data, y.data, tensor_count(&x) * sizeof(float));
    tensor_free(&x);
    tensor_free(&y);
}

static void checkpoints_come_back(void **state)
{
    static const char *const name[] = {"ft/wq",     "ft/ibk",  "ft/bk",   "clip/ctx",
                                       "clip/deep", "clip/pn", "clip/pba"};
    const char *first = in_folder("first.h5");
    const char *exported = in_folder("exported.pth");
    const char *second = in_folder("second.h5");
    char *report = NULL;
    struct h5 *a = NULL;
    struct h5 *b = NULL;
    struct tensor ids = {0};
    (void)state;
    import_good(in_folder("good.pth"), first, true);
    CHECK_OK(head_export(&first, 1, exported));
    CHECK_OK(head_import(exported, NULL, second, &report));
    CHECK_OK(h5_open(&a, first));
    CHECK_OK(h5_open(&b, second));
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        same_dataset(a, b, name[i]);
    CHECK_OK(h5_expect_shape(b, "ft/wq", 2, (size_t[]){E, D}));
    CHECK_OK(h5_expect_shape(b, "clip/ctx", 3, (size_t[]){2, CTX, T}));
    CHECK_OK(h5_read(b, "tokens", DTYPE_I32, &ids));
    assert_int_equal(tensor_count(&ids), 2 * CONTEXT);
    assert_int_equal(((int32_t *)ids.data)[CONTEXT + 4], 9);
    tensor_free(&ids);
    h5_close(&a);
    h5_close(&b);
    MEM_FREE(report);
}

static void a_metric_alone_comes_back(void **state)
{
    const char *first = in_folder("metric.h5");
    const char *exported = in_folder("metric-again.pth");
    struct torch_file *f = NULL;
    (void)state;
    import_good(in_folder("metric.pth"), first, false);
    CHECK_OK(head_export(&first, 1, exported));
    CHECK_OK(torch_open(&f, exported));
    assert_non_null(torch_get(torch_root(f), "patch_proj.fc.0.weight"));
    assert_null(torch_get(torch_root(f), "prompt_learner"));
    torch_close(&f);
}

static void damaged_checkpoints_are_refused(void **state)
{
    static const struct {
        struct fault fault;
        int code;
        const char *message;
    } cases[] = {
        {{"patch_proj/fc.0.weight", true, 0, 0},
         ERR_FORMAT,
         "\"patch_proj.fc.0.weight\" (found nothing"},
        {{"image_proj/mlp2.bias", true, 0, 0},
         ERR_FORMAT,
         "\"image_proj.mlp2.bias\" (found nothing"},
        {{"image_proj/mlp2.bias", false, 1, 0}, ERR_SHAPE, "image_proj/mlp2.bias is 5, wanted 4"},
        {{"image_proj/mlp1.weight", false, 2, 0}, ERR_SHAPE, "mlp1.weight is 4 x 6, wanted 4 x 4"},
        {{"patch_proj/fc.1.weight", false, 1, 0}, ERR_SHAPE, "fc.1.weight is 4 x 7, wanted 4 x 6"},
        {{"patch_proj/fc.1.bias", false, 0, NAN},
         ERR_FORMAT,
         "ft/bk holds a parameter that is not finite"},
        {{"prompt_proj/mlp1.weight", true, 0, 0}, ERR_FORMAT, "\"prompt_proj.mlp1.weight\" (found"},
        {{"prompt_proj/mlp2.weight", false, 1, 0}, ERR_SHAPE, "mlp2.weight is 3 x 5, wanted 3 x 4"},
        {{"prompt_learner/ctx_pos", true, 0, 0}, ERR_FORMAT, "\"prompt_learner.ctx_pos\" (found"},
        {{"prompt_learner/ctx_neg", false, 1, 0}, ERR_SHAPE, "is 1 x 1 x 2 x 4, wanted 2 x 3"},
        {{"prompt_learner/ctx_neg", false, 0, INFINITY}, ERR_FORMAT, "clip/ctx holds a parameter"},
        {{"prompt_learner/compound_prompts_text.0", true, 0, 0},
         ERR_FORMAT,
         "compound_prompts_text.0\" (found"},
        {{"prompt_learner/compound_prompts_text.1", false, 1, 0},
         ERR_SHAPE,
         "text.1 is 2 x 4, wanted 2 x 3"},
        {{"prompt_learner/tokenized_prompts_neg", true, 0, 0},
         ERR_FORMAT,
         "tokenized_prompts_neg\" (found"},
    };
    const char *path = in_folder("bad.pth");
    const char *out = in_folder("bad.h5");
    char *report = NULL;
    struct h5 *f = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_checkpoint(path, &cases[i].fault, true);
        CHECK_FAILS(head_import(path, NULL, out, &report), cases[i].code, cases[i].message);
        assert_null(report);
        CHECK_FAILS(h5_open(&f, out), ERR_IO, "No such file");
    }
}

/* ---- banks ---- */

/* Keys of a level: unit rows along axis i % dim; labels alternate. fault.first goes to values[0]. */
static void write_level(const char *path, size_t n, size_t dim, const struct fault *fault)
{
    struct torch_writer *w = NULL;
    struct tensor keys = {0};
    struct tensor values = {0};
    bool no_values = fault->entry && strcmp(fault->entry, "values") == 0 && fault->is_missing;
    CHECK_OK(tensor_new(&keys, DTYPE_F32, 2, (size_t[]){n, dim}));
    CHECK_OK(tensor_new(&values, DTYPE_F32, 2, (size_t[]){n + fault->more, 2}));
    for (size_t i = 0; i < n; i++) {
        ((float *)keys.data)[i * dim + i % dim] = 1;
        ((float *)values.data)[2 * i + i % 2] = 1;
    }
    if (fault->first != 0)
        ((float *)(strcmp(fault->entry, "keys") == 0 ? keys.data : values.data))[0] = fault->first;
    CHECK_OK(torch_write_begin(&w, path));
    CHECK_OK(torch_write_tensor(w, "keys", &keys));
    if (!no_values)
        CHECK_OK(torch_write_tensor(w, "values", &values));
    CHECK_OK(torch_write_commit(&w));
    tensor_free(&keys);
    tensor_free(&values);
}

static void banks_come_back(void **state)
{
    const char *image = in_folder("image.pt");
    const char *patch = in_folder("patch.pt");
    const char *out = in_folder("bank.h5");
    struct bank *b = NULL;
    (void)state;
    write_level(image, 3, E, &(struct fault){0});
    write_level(patch, 5, D, &(struct fault){0});
    for (int round = 0; round < 2; round++) {
        CHECK_OK(bank_import(image, patch, out));
        CHECK_OK(bank_load(&b, out));
        assert_true(b->n_image == 3 && b->embed == E && b->n_pixel == 5 && b->width == D);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(b->pixel_labels[i], i % 2);
            assert_int_equal(b->source_item[i], -1);
            assert_true(b->pixel_keys[i * D + i % D] == 1);
        }
        CHECK_OK(bank_export(b, image, patch));
        bank_free(&b);
    }
}

static void damaged_banks_are_refused(void **state)
{
    static const struct {
        struct fault fault;
        const char *message;
    } cases[] = {
        {{"values", true, 0, 0}, "has no entry \"values\""},
        {{"values", false, 1, 0}, "values of 6 x 2, wanted 5 x 2"},
        {{"values", false, 0, 0.5F}, "values[0] is (0.5, 0), wanted (1, 0) or (0, 1)"},
        {{"keys", false, 0, 2}, "pixel_keys[0] is not a unit vector"},
        {{"keys", false, 0, NAN}, "pixel_keys[0] is not a unit vector"},
    };
    const char *image = in_folder("image.pt");
    const char *patch = in_folder("patch.pt");
    const char *out = in_folder("bad-bank.h5");
    struct bank *b = NULL;
    (void)state;
    write_level(image, 3, E, &(struct fault){0});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_level(patch, 5, D, &cases[i].fault);
        CHECK_FAILS(bank_import(image, patch, out), ERR_FORMAT, cases[i].message);
        CHECK_FAILS(bank_load(&b, out), ERR_IO, "No such file");
    }
}

/* ---- other kinds, and mixes ---- */

static void files_of_another_kind_are_refused(void **state)
{
    const char *checkpoint = in_folder("kind.pth");
    const char *level = in_folder("kind.pt");
    const char *bank = in_folder("kind-bank.h5");
    const char *out = in_folder("none.h5");
    char *report = NULL;
    (void)state;
    write_checkpoint(checkpoint, &(struct fault){0}, true);
    write_level(level, 3, E, &(struct fault){0});
    CHECK_OK(bank_import(level, level, bank));
    CHECK_FAILS(head_import(level, NULL, out, &report), ERR_FORMAT, "wanted a checkpoint of MRAD");
    CHECK_FAILS(head_import(bank, NULL, out, &report), ERR_FORMAT, bank);
    CHECK_FAILS(bank_import(checkpoint, level, out), ERR_FORMAT, "has no entry \"keys\"");
    CHECK_FAILS(bank_import(level, bank, out), ERR_FORMAT, bank);
    CHECK_FAILS(head_export(&bank, 1, out), ERR_FORMAT, "is mrad.bank, wanted mrad.head");
}

/* A head.h5 of a variant as far as an export reads it: parameters of an imported file, and keys. */
static void write_head(const char *path, const char *from, const char *group, const char *key,
                       const char *metric)
{
    static const char *const ft[] = {"wq", "bq", "wk", "bk", "iq", "ibq", "ik", "ibk", NULL};
    static const char *const clip[] = {"ctx", "deep", "pn", "pbn", "pa", "pba", NULL};
    const char *const *name = strcmp(group, "ft") == 0 ? ft : clip;
    struct h5 *in = NULL;
    struct h5 *out = NULL;
    struct tensor t = {0};
    char full[32];
    CHECK_OK(h5_open(&in, from));
    CHECK_OK(h5_create(&out, path, "mrad.head", 2));
    CHECK_OK(h5_put_text(out, "/", "key", key));
    CHECK_OK(h5_put_text(out, "/", "metric", metric));
    for (; *name; name++) {
        (void)snprintf(full, sizeof full, "%s/%s", group, *name);
        CHECK_OK(h5_read(in, full, DTYPE_F32, &t));
        CHECK_OK(h5_write(out, full, &t, "test"));
        tensor_free(&t);
    }
    if (name == clip + 6) {
        CHECK_OK(h5_read(in, "tokens", DTYPE_I32, &t));
        CHECK_OK(h5_write(out, "tokens", &t, "test"));
        tensor_free(&t);
    }
    CHECK_OK(h5_commit(&out));
    h5_close(&in);
}

#define KEY_A "0123456789abcdef0123456789abcdef"
#define KEY_B "fedcba9876543210fedcba9876543210"
#define KEY_C "00000000000000000000000000000001"

static void heads_of_two_files_must_belong_together(void **state)
{
    const char *from = in_folder("from.h5");
    char metric[MAX_PATH];
    char prompts[MAX_PATH];
    const char *const both[] = {metric, prompts};
    const char *const twice[] = {metric, metric};
    const char *out = in_folder("both.pth");
    struct torch_file *f = NULL;
    (void)state;
    (void)snprintf(metric, sizeof metric, "%s/metric-head.h5", folder);
    (void)snprintf(prompts, sizeof prompts, "%s/prompts-head.h5", folder);
    import_good(in_folder("from.pth"), from, true);
    write_head(metric, from, "ft", KEY_A, "none");
    write_head(prompts, from, "clip", KEY_C, KEY_B);
    CHECK_FAILS(head_export(both, 2, out), ERR_SHAPE,
                "trained on the metric " KEY_B ", but that of " KEY_A);
    CHECK_FAILS(head_export(both + 1, 1, out), ERR_USAGE,
                "MRAD-FT is missing; wanted its head.h5, of key " KEY_B);
    CHECK_FAILS(head_export(twice, 2, out), ERR_USAGE,
                "holds MRAD-FT, which a file before it holds");
    CHECK_FAILS(torch_open(&f, out), ERR_IO, "No such file");
    write_head(prompts, from, "clip", KEY_C, KEY_A);
    CHECK_OK(head_export(both, 2, out));
    CHECK_OK(torch_open(&f, out));
    assert_non_null(torch_get(torch_root(f), "prompt_learner.compound_prompts_text.1"));
    torch_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_come_back),
        cmocka_unit_test(a_metric_alone_comes_back),
        cmocka_unit_test(damaged_checkpoints_are_refused),
        cmocka_unit_test(banks_come_back),
        cmocka_unit_test(damaged_banks_are_refused),
        cmocka_unit_test(files_of_another_kind_are_refused),
        cmocka_unit_test(heads_of_two_files_must_belong_together),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
