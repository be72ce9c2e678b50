/*
 * Small generated models of every kind of backbone, with the tensor names of the real ones, against PyTorch
 * (tools/golden/make_backbones.py): class token and patches, with what a file beside the weights or the
 * configuration says of activation and heads; text towers with their prompts' gradients.
 */
#include "check.h"
#include "generated.h"
#include "parity.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { MOST_SETTINGS = 4 };

struct backbone {
    struct h5 *golden;
    const char *name;
    char *folder; /* of the weights and what lies beside them */
    struct config *config;
    struct weights *weights;
    struct ops *ops;
};

static char *text_of(struct backbone *b, const char *key)
{
    char *text = NULL;
    CHECK_OK(h5_get_text(b->golden, b->name, key, &text));
    return text;
}

static size_t number_of(struct backbone *b, const char *key)
{
    int64_t value = 0;
    CHECK_OK(h5_get_i64(b->golden, b->name, key, &value));
    return (size_t)value;
}

/* An array of the case; the caller frees it. */
static float *array_of(struct backbone *b, const char *name, size_t *n)
{
    char path[80];
    int rank = 0;
    size_t dim[TENSOR_MAX_RANK];
    float *x = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", b->name, name);
    CHECK_OK(h5_shape(b->golden, path, &rank, dim));
    *n = 1;
    for (int i = 0; i < rank; i++)
        *n *= dim[i];
    CHECK_OK(MEM_NEW(x, *n));
    CHECK_OK(h5_read_rows(b->golden, path, 0, dim[0], DTYPE_F32, x));
    return x;
}

static void read_config(struct backbone *b, const char *weights)
{
    char *set[MOST_SETTINGS] = {NULL};
    char *settings = text_of(b, "settings");
    char *rest = NULL;
    size_t n = 0;
    CHECK_OK(str_make(&set[n++], "model.weights=%s", weights));
    for (char *one = strtok_r(settings, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
        assert_true(n < MOST_SETTINGS);
        CHECK_OK(str_dup(&set[n++], one));
    }
    CHECK_OK(config_read(&b->config, NULL, (const char *const *)set, n));
    for (size_t i = 0; i < n; i++)
        MEM_FREE(set[i]);
    MEM_FREE(settings);
}

/* The configuration file that model hubs put beside the weights. */
static void write_beside(struct backbone *b)
{
    char path[600];
    char *file = text_of(b, "file");
    char *content = text_of(b, "content");
    (void)snprintf(path, sizeof path, "%s/%s", b->folder, file);
    CHECK_OK(file_write(path, content, strlen(content)));
    MEM_FREE(file);
    MEM_FREE(content);
}

static void open_backbone(struct backbone *b, const char *name)
{
    char path[600];
    char *options;
    *b = (struct backbone){.name = name};
    CHECK_OK(h5_open(&b->golden, check_fixture("backbones/golden.h5")));
    b->folder = check_folder();
    options = text_of(b, "options");
    if (h5_has(b->golden, name, "file"))
        write_beside(b);
    (void)snprintf(path, sizeof path, "%s/model.safetensors", b->folder);
    generated_weights(path, options);
    read_config(b, path);
    CHECK_OK(weights_open_chosen(&b->weights, b->config));
    CHECK_OK(ops_open(&b->ops, "auto", 2));
    MEM_FREE(options);
}

static void close_backbone(struct backbone *b)
{
    ops_close(&b->ops);
    weights_free(&b->weights);
    config_free(&b->config);
    h5_close(&b->golden);
    check_drop_folder(b->folder);
}

/* The picture that the golden's script draws by the same formula. */
static float *draw_input(size_t side, enum image_scale scale)
{
    uint8_t *rgb = NULL;
    float *input = NULL;
    CHECK_OK(MEM_NEW(rgb, 3 * side * side));
    CHECK_OK(MEM_NEW(input, 3 * side * side));
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++)
            for (size_t c = 0; c < 3; c++)
                rgb[(y * side + x) * 3 + c] = (uint8_t)(37 * y + 11 * x * (c + 1) + x * y);
    image_normalise(input, rgb, side, scale);
    MEM_FREE(rgb);
    return input;
}

static void check_vision(const char *name)
{
    struct backbone b;
    struct encoder *encoder = NULL;
    struct encoder_options options = {0};
    float *input, *want_cls, *want_patch;
    float *cls = NULL;
    float *patch = NULL;
    size_t n_cls, n_patch;
    open_backbone(&b, name);
    options.image_size = number_of(&b, "side");
    options.vv_start = number_of(&b, "vv_start");
    CHECK_OK(encoder_new(&encoder, b.weights, b.ops, &options));
    input = draw_input(options.image_size, weights_shape(b.weights)->scale);
    want_cls = array_of(&b, "cls", &n_cls);
    want_patch = array_of(&b, "patch", &n_patch);
    assert_int_equal(weights_shape(b.weights)->embed, n_cls);
    assert_int_equal(
        encoder_grid(encoder) * encoder_grid(encoder) * weights_shape(b.weights)->width, n_patch);
    CHECK_OK(MEM_NEW(cls, n_cls));
    CHECK_OK(MEM_NEW(patch, n_patch));
    CHECK_OK(encoder_run(encoder, input, cls, patch));
    CHECK_TOLERANCE(TOLERANCE_FEATURE, name, floats_distance(cls, want_cls, n_cls));
    CHECK_TOLERANCE(TOLERANCE_FEATURE, name, floats_distance(patch, want_patch, n_patch));
    MEM_FREE(input);
    MEM_FREE(want_cls);
    MEM_FREE(want_patch);
    MEM_FREE(cls);
    MEM_FREE(patch);
    encoder_free(&encoder);
    close_backbone(&b);
}

static void towers_equal_the_golden(void **state)
{
    static const char *const names[] = {"openai_b32",       "openai_b16",       "hf_l14_336",
                                        "open_clip_h14",    "hf_h14",           "dinov2",
                                        "dinov2_resampled", "dinov2_registers", "dinov2_plain",
                                        "dinov2_fewer",     "dinov2_more",      "openai_bigg14"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_vision(names[i]);
}

static void check_text(const char *name)
{
    enum { ROWS = 2, POSITIONS = 7 };
    struct backbone b;
    struct text_tower *tower = NULL;
    const struct text_options options = {.n_positions = POSITIONS, .max_rows = ROWS};
    const int32_t end[ROWS] = {6, 4};
    float *prompt, *want, *grad, *want_grad;
    float *out = NULL;
    float *got_grad = NULL;
    size_t n_prompt, n_out, n;
    open_backbone(&b, name);
    CHECK_OK(text_tower_new(&tower, b.weights, b.ops, &options));
    prompt = array_of(&b, "text/prompt", &n_prompt);
    want = array_of(&b, "text/out", &n_out);
    grad = array_of(&b, "text/grad_out", &n);
    want_grad = array_of(&b, "text/grad_prompt", &n);
    assert_int_equal(n_prompt, ROWS * POSITIONS * weights_shape(b.weights)->text_width);
    CHECK_OK(MEM_NEW(out, n_out));
    CHECK_OK(MEM_NEW(got_grad, n_prompt));
    CHECK_OK(text_forward(tower, prompt, end, ROWS, NULL, out));
    CHECK_TOLERANCE(TOLERANCE_FEATURE, name, floats_distance(out, want, n_out));
    CHECK_OK(text_backward(tower, grad, got_grad, NULL));
    CHECK_TOLERANCE(TOLERANCE_FEATURE, name, floats_distance(got_grad, want_grad, n_prompt));
    MEM_FREE(prompt);
    MEM_FREE(want);
    MEM_FREE(grad);
    MEM_FREE(want_grad);
    MEM_FREE(out);
    MEM_FREE(got_grad);
    text_tower_free(&tower);
    close_backbone(&b);
}

/* One with QuickGELU and one with GELU, under other names. */
static void text_towers_equal_the_golden(void **state)
{
    (void)state;
    check_text("hf_l14_336");
    check_text("open_clip_h14");
}

/* ---- what is refused ---- */

/* Put other letters of the same number in the place of some in the folder's weights. */
static void overwrite(struct backbone *b, const char *from, const char *to)
{
    char path[600];
    char *bytes = NULL;
    char *at;
    size_t n;
    (void)snprintf(path, sizeof path, "%s/model.safetensors", b->folder);
    CHECK_OK(file_read(path, 16 << 20, &bytes, &n));
    at = memmem(bytes, n, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(from));
    CHECK_OK(file_write(path, bytes, n));
    MEM_FREE(bytes);
}

static int open_again(struct backbone *b)
{
    weights_free(&b->weights);
    return weights_open_chosen(&b->weights, b->config);
}

static int new_encoder(struct backbone *b)
{
    const struct encoder_options options = {.image_size = 56, .vv_start = 1};
    struct encoder *encoder = NULL;
    int rc = encoder_new(&encoder, b->weights, b->ops, &options);
    encoder_free(&encoder);
    return rc;
}

static void gaps_are_named(void **state)
{
    struct backbone b;
    (void)state;
    open_backbone(&b, "dinov2");
    CHECK_OK(new_encoder(&b));
    overwrite(&b, "encoder.layer.1.layer_scale2.lambda1", "encoder.layer.1.layer_scale2.lambdaX");
    CHECK_OK(open_again(&b));
    CHECK_FAILS(new_encoder(&b), ERR_FORMAT,
                "tensor 'encoder.layer.1.layer_scale2.lambda1' is missing");
    overwrite(&b, "projection.bias", "projection.biaX");
    CHECK_OK(open_again(&b));
    CHECK_FAILS(new_encoder(&b), ERR_FORMAT,
                "tensor 'embeddings.patch_embeddings.projection.bias' is missing");
    overwrite(&b, "encoder.layer.0.attention.output.dense.weight",
              "x.......encoder.layer.0.mlp.weights_in.weight");
    CHECK_FAILS(open_again(&b), ERR_FORMAT, "has gated MLPs (SwiGLU");
    overwrite(&b, "encoder.layer.0.layer_scale1", "encoder.layer.0.layer_scaleX");
    CHECK_FAILS(open_again(&b), ERR_FORMAT,
                "'encoder.layer.0.layer_scale1.lambda1' (Hugging Face "
                "DINOv2) is among its");
    close_backbone(&b);
}

/* A configuration file beside the weights: content, what is wrong with it, or NULL. */
static void the_file_beside_is_checked(void **state)
{
    static const struct {
        const char *name, *content;
        int code;
        const char *part; /* of the message, or of what is told about the model */
    } cases[] = {
        {"config.json", "{\"vision_config\": {\"hidden_act\": \"silu\"}}", ERR_FORMAT,
         "config.json: hidden_act: found \"silu\", wanted \"quick_gelu\" or \"gelu\""},
        {"config.json", "{\"vision_config\": {\"hidden_act\": 1}}", ERR_FORMAT,
         "hidden_act: found \"no text\""},
        {"config.json", "{\"vision_config\": {\"num_attention_heads\": 5}}", ERR_FORMAT,
         "5 heads do not divide the vision width of 128"},
        {"config.json", "{\"vision_config\": {\"num_attention_heads\": 1.5}}", ERR_FORMAT,
         "num_attention_heads: wanted a whole number"},
        {"config.json", "{", ERR_CONFIG, "config.json"},
        {"config.json", "{\"anything\": 1}", ERR_OK, "QuickGELU (usual for this kind)"},
        {"config.json", "{\"hidden_act\": \"gelu\", \"num_attention_heads\": 4}", ERR_OK,
         "/config.json), heads of 32"},
        {"open_clip_config.json", "{\"model_cfg\": 1}", ERR_FORMAT, "vision_cfg: missing"},
        {"open_clip_config.json", "{\"model_cfg\": {\"quick_gelu\": true, \"vision_cfg\": {}}}",
         ERR_OK, "/open_clip_config.json), heads of 64"},
    };
    struct backbone b;
    char path[600];
    char *about = NULL;
    (void)state;
    open_backbone(&b, "openai_b32");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", b.folder, cases[i].name);
        CHECK_OK(file_write(path, cases[i].content, strlen(cases[i].content)));
        if (cases[i].code) {
            CHECK_FAILS(open_again(&b), cases[i].code, cases[i].part);
            continue;
        }
        CHECK_OK(open_again(&b));
        CHECK_OK(weights_about(&about, b.weights));
        if (!strstr(about, cases[i].part))
            fail_msg("%s: no \"%s\" in \"%s\"", cases[i].content, cases[i].part, about);
        MEM_FREE(about);
    }
    b.config->head_size = 48;
    CHECK_FAILS(open_again(&b), ERR_CONFIG,
                "heads of 48 columns (model.head_size) do not divide the vision width of 128");
    close_backbone(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(towers_equal_the_golden),
        cmocka_unit_test(text_towers_equal_the_golden),
        cmocka_unit_test(gaps_are_named),
        cmocka_unit_test(the_file_beside_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
