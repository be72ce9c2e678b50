/*
 * Files that PyTorch wrote from the values of golden/tiny (shared/golden/torch): banks, a checkpoint
 * with entries that nothing uses and with views into larger storages, TorchScript weights whose
 * matrices are half floats. All comparisons are bit for bit.
 */
#include "check.h"

#include "base/err.h"
#include "base/mem.h"
#include "clip/clip.h"
#include "clip/source_int.h"
#include "tensor/h5.h"
#include "tensor/torch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* shared/golden/NAME, or skip the test. */
static void golden(char out[1024], const char *test, const char *name)
{
    struct stat st;
    char full[256];
    const char *path;
    (void)snprintf(full, sizeof full, "golden/%s", name);
    path = check_shared(full);
    if (!path || stat(path, &st) != 0)
        check_skip_shared(test, full);
    (void)snprintf(out, 1024, "%s", path);
}

static void read_torch(struct torch_file *f, const char *name, enum dtype dtype, struct tensor *t)
{
    const struct torch_value *v = torch_get(torch_root(f), name);
    if (!v)
        fail_msg("no entry %s", name);
    CHECK_OK(torch_tensor_read(f, v, dtype, t));
}

/* Both have the same elements; shapes may differ by dimensions of 1. */
static void check_same(const char *name, const struct tensor *got, const struct tensor *want)
{
    if (tensor_count(got) != tensor_count(want) || tensor_count(want) == 0 ||
        memcmp(got->data, want->data, tensor_count(want) * dtype_size(want->dtype)) != 0)
        fail_msg("%s is not what PyTorch wrote", name);
}

static void check_bank(const char *test, const char *file, const char *keys, const char *labels)
{
    char path[1024];
    struct torch_file *f = NULL;
    struct h5 *h = NULL;
    struct tensor got = {0};
    struct tensor want = {0};
    golden(path, test, file);
    CHECK_OK(torch_open(&f, path));
    golden(path, test, "tiny/golden.h5");
    CHECK_OK(h5_open(&h, path));
    read_torch(f, "keys", DTYPE_F32, &got);
    CHECK_OK(h5_read(h, keys, DTYPE_F32, &want));
    assert_true(got.rank == 2 && got.dim[0] == want.dim[0] && got.dim[1] == want.dim[1]);
    check_same(keys, &got, &want);
    tensor_free(&got);
    tensor_free(&want);
    read_torch(f, "values", DTYPE_F32, &got);
    CHECK_OK(h5_read(h, labels, DTYPE_I64, &want));
    assert_true(got.dim[0] == want.dim[0] && got.dim[1] == 2);
    for (size_t i = 0; i < got.dim[0]; i++) {
        int64_t label = ((int64_t *)want.data)[i];
        const float *row = (float *)got.data + 2 * i;
        assert_true(row[label] == 1 && row[1 - label] == 0);
    }
    tensor_free(&got);
    tensor_free(&want);
    torch_close(&f);
    h5_close(&h);
}

static void banks_are_read(void **state)
{
    (void)state;
    check_bank("banks_are_read", "torch/cache_model_A.pt", "bank/image_keys", "bank/image_labels");
    check_bank("banks_are_read", "torch/cache_patch_model_A.pt", "bank/pixel_keys",
               "bank/pixel_labels");
}

/* row: which one of the golden's first dimension the entry is, or -1 for all of it. */
static const struct {
    const char *entry;
    const char *golden;
    int row;
} entries[] = {
    {"image_proj.mlp1.weight", "ft/final/iq", -1},
    {"image_proj.mlp1.bias", "ft/final/ibq", -1},
    {"image_proj.mlp2.weight", "ft/final/ik", -1},
    {"image_proj.mlp2.bias", "ft/final/ibk", -1},
    {"patch_proj.fc.0.weight", "ft/final/wq", -1},
    {"patch_proj.fc.0.bias", "ft/final/bq", -1},
    {"patch_proj.fc.1.weight", "ft/final/wk", -1},
    {"patch_proj.fc.1.bias", "ft/final/bk", -1},
    {"prompt_proj.mlp1.weight", "clip/final/pn", -1},
    {"prompt_proj.mlp1.bias", "clip/final/pbn", -1},
    {"prompt_proj.mlp2.weight", "clip/final/pa", -1},
    {"prompt_proj.mlp2.bias", "clip/final/pba", -1},
    {"prompt_learner.ctx_pos", "clip/final/ctx", 0},
    {"prompt_learner.ctx_neg", "clip/final/ctx", 1},
    {"prompt_learner.compound_prompts_text.0", "clip/final/deep", 0},
    {"prompt_learner.compound_prompts_text.1", "clip/final/deep", 1},
};

static void check_entry(struct torch_file *f, struct h5 *h, size_t i)
{
    struct tensor got = {0};
    struct tensor want = {0};
    read_torch(f, entries[i].entry, DTYPE_F32, &got);
    CHECK_OK(h5_read(h, entries[i].golden, DTYPE_F32, &want));
    if (entries[i].row >= 0) {
        size_t count = tensor_count(&want) / want.dim[0];
        struct tensor row =
            tensor_view(DTYPE_F32, 1, &count, (float *)want.data + (size_t)entries[i].row * count);
        check_same(entries[i].entry, &got, &row);
    } else {
        check_same(entries[i].entry, &got, &want);
    }
    tensor_free(&got);
    tensor_free(&want);
}

/* Rows of the token embedding, cut out of a tensor [2, context, width] that was stored whole. */
static void check_cut(struct torch_file *f, const struct source *model, const struct tensor *tokens)
{
    static const char *const names[2] = {"prompt_learner.token_suffix_pos",
                                         "prompt_learner.token_suffix_neg"};
    const struct source_tensor *table = source_find(model, "token_embedding.weight");
    size_t width = table->dim[1];
    float *all = NULL;
    CHECK_OK(MEM_NEW(all, table->dim[0] * width));
    CHECK_OK(source_read(model, table, all));
    for (size_t k = 0; k < 2; k++) {
        struct tensor got = {0};
        size_t n_tokens = tokens->dim[1];
        size_t skipped;
        read_torch(f, names[k], DTYPE_F32, &got);
        assert_true(got.rank == 4 && got.dim[3] == width && got.dim[2] < n_tokens);
        skipped = n_tokens - got.dim[2];
        for (size_t i = 0; i < got.dim[2]; i++) {
            int64_t token = ((int64_t *)tokens->data)[k * n_tokens + skipped + i];
            assert_memory_equal((float *)got.data + i * width, all + (size_t)token * width,
                                width * sizeof(float));
        }
        tensor_free(&got);
    }
    MEM_FREE(all);
}

static void checkpoint_is_read(void **state)
{
    char path[1024];
    struct torch_file *f = NULL;
    struct h5 *h = NULL;
    struct source model = {0};
    struct tensor tokens = {0};
    struct tensor got = {0};
    (void)state;
    golden(path, "checkpoint_is_read", "torch/mrad_clip_A.pth");
    CHECK_OK(torch_open(&f, path));
    golden(path, "checkpoint_is_read", "tiny/golden.h5");
    CHECK_OK(h5_open(&h, path));
    golden(path, "checkpoint_is_read", "tiny/model.safetensors");
    CHECK_OK(source_open(&model, path));
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        check_entry(f, h, i);
    CHECK_OK(h5_read(h, "clip/tokens", DTYPE_I64, &tokens));
    check_cut(f, &model, &tokens);
    read_torch(f, "prompt_learner.tokenized_prompts_pos", DTYPE_I64, &got); /* stored as int32 */
    assert_memory_equal(got.data, tokens.data, tokens.dim[1] * sizeof(int64_t));
    tensor_free(&got);
    tensor_free(&tokens);
    source_close(&model);
    h5_close(&h);
    torch_close(&f);
}

/* Layer norms, embeddings and the scale were stored as they are, all else as half floats. */
static bool is_half(const char *name)
{
    return !strstr(name, "ln_") && !strstr(name, "embedding") && !strstr(name, "logit_scale");
}

static void check_weight(const struct source *jit, const struct source *model,
                         const struct source_tensor *want)
{
    const struct source_tensor *got = source_find(jit, want->name);
    size_t count = 1;
    float *a = NULL;
    float *b = NULL;
    if (!got || got->rank != want->rank || !got->is_float ||
        memcmp(got->dim, want->dim, sizeof got->dim) != 0)
        fail_msg("%s is missing or has another shape", want->name);
    for (int i = 0; i < want->rank; i++)
        count *= want->dim[i];
    CHECK_OK(MEM_NEW(a, count));
    CHECK_OK(MEM_NEW(b, count));
    CHECK_OK(source_read(jit, got, a));
    CHECK_OK(source_read(model, want, b));
    for (size_t i = 0; is_half(want->name) && i < count; i++)
        b[i] = f16_to_f32(f32_to_f16(b[i]));
    if (memcmp(a, b, count * sizeof *a) != 0)
        fail_msg("%s has other values", want->name);
    MEM_FREE(a);
    MEM_FREE(b);
}

static void torchscript_weights_are_read(void **state)
{
    char path[1024];
    struct source jit = {0};
    struct source model = {0};
    size_t halves = 0;
    (void)state;
    golden(path, "torchscript_weights_are_read", "torch/openai_jit.pt");
    CHECK_OK(source_open(&jit, path));
    golden(path, "torchscript_weights_are_read", "tiny/model.safetensors");
    CHECK_OK(source_open(&model, path));
    for (size_t i = 0; i < model.n; i++) {
        check_weight(&jit, &model, &model.tensor[i]);
        halves += is_half(model.tensor[i].name);
    }
    assert_true(halves > 20 && halves < model.n);
    assert_int_equal(jit.n, model.n + 3); /* input_resolution, context_length, vocab_size */
    source_close(&jit);
    source_close(&model);
}

/* The same through the interface of the engine, which looks at shapes and names. */
static void torchscript_weights_open(void **state)
{
    char path[1024];
    struct weights *jit = NULL;
    struct weights *model = NULL;
    struct hash file;
    (void)state;
    golden(path, "torchscript_weights_open", "torch/openai_jit.pt");
    CHECK_OK(weights_open(&jit, path));
    CHECK_OK(hash_file(&file, path));
    assert_true(hash_equal(file, weights_hash(jit)));
    assert_string_equal(weights_family(jit), "OpenAI or open_clip");
    golden(path, "torchscript_weights_open", "tiny/model.safetensors");
    CHECK_OK(weights_open(&model, path));
    assert_memory_equal(weights_shape(jit), weights_shape(model), sizeof(struct clip_shape));
    weights_free(&jit);
    weights_free(&model);
    golden(path, "torchscript_weights_open", "torch/cache_model_A.pt");
    CHECK_FAILS(weights_open(&jit, path), ERR_FORMAT, "no CLIP model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(banks_are_read),
        cmocka_unit_test(checkpoint_is_read),
        cmocka_unit_test(torchscript_weights_are_read),
        cmocka_unit_test(torchscript_weights_open),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
