/* Unit tests of clip/weights: tensor names of the known programs, shapes, conversion, the encoder. */
#include "check.h"
#include "tiny.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "clip/clip.h"

#include <string.h>

#define BLOCK "visual.transformer.resblocks.1."

struct fixture {
    char *dir;
    char *path;
    struct weights *weights;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.dir = check_folder()};
    CHECK_OK(path_join(&f->path, f->dir, "m.safetensors"));
}

static void end(struct fixture *f)
{
    weights_free(&f->weights);
    MEM_FREE(f->path);
    check_drop_folder(f->dir);
}

static int open_model(struct fixture *f, const struct tiny_model *m)
{
    weights_free(&f->weights);
    tiny_model_write(m, f->path);
    return weights_open(&f->weights, f->path);
}

/* Every element of a tensor equals what was written; 0: exactly, else up to a relative share. */
static void expect_tensor(const struct fixture *f, const struct tiny_model *m, const char *name,
                          int rank, const size_t *dim, float share)
{
    float *found = NULL;
    size_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dim[i];
    CHECK_OK(MEM_NEW(found, n));
    CHECK_OK(weights_read(f->weights, name, rank, dim, found));
    for (size_t i = 0; i < n; i++) {
        float want = tiny_value(m, name, i);
        float gap = found[i] > want ? found[i] - want : want - found[i];
        float tiny = share > 0 ? 0x1p-25F : 0; /* half a step of half precision below 2^-14 */
        assert_true(gap <= share * (want < 0 ? -want : want) + tiny);
    }
    MEM_FREE(found);
}

/* One tensor of every form: as it is, joined of three (matrix and bias), transposed. */
static void expect_model(const struct fixture *f, const struct tiny_model *m, float share)
{
    const size_t d = TINY_WIDTH;
    expect_tensor(f, m, "visual.class_embedding", 1, &d, share);
    expect_tensor(f, m, "visual.conv1.weight", 4, (size_t[]){d, 3, TINY_PATCH, TINY_PATCH}, share);
    expect_tensor(f, m, "visual.positional_embedding", 2, (size_t[]){5, d}, share);
    expect_tensor(f, m, "visual.ln_pre.weight", 1, &d, share);
    expect_tensor(f, m, "visual.ln_post.bias", 1, &d, share);
    expect_tensor(f, m, "visual.proj", 2, (size_t[]){d, TINY_EMBED}, share);
    expect_tensor(f, m, BLOCK "attn.in_proj_weight", 2, (size_t[]){3 * d, d}, share);
    expect_tensor(f, m, BLOCK "attn.in_proj_bias", 1, (size_t[]){3 * d}, share);
    expect_tensor(f, m, BLOCK "attn.out_proj.weight", 2, (size_t[]){d, d}, share);
    expect_tensor(f, m, BLOCK "ln_2.bias", 1, &d, share);
    expect_tensor(f, m, BLOCK "mlp.c_fc.weight", 2, (size_t[]){TINY_HIDDEN, d}, share);
    expect_tensor(f, m, BLOCK "mlp.c_proj.weight", 2, (size_t[]){d, TINY_HIDDEN}, share);
}

static void check_sizes(const struct fixture *f)
{
    const struct clip_shape *s = weights_shape(f->weights);
    assert_int_equal(s->patch, TINY_PATCH);
    assert_int_equal(s->native_grid, TINY_GRID);
    assert_int_equal(s->width, TINY_WIDTH);
    assert_int_equal(s->hidden, TINY_HIDDEN);
    assert_int_equal(s->layers, TINY_LAYERS);
    assert_int_equal(s->heads, TINY_WIDTH / 64);
    assert_int_equal(s->embed, TINY_EMBED);
}

/* OpenAI's names, open_clip's behind a prefix, Hugging Face's: the same numbers come out. */
static void the_known_namings_are_read(void **state)
{
    static const struct {
        bool is_hugging_face;
        const char *prefix;
        const char *family;
    } cases[] = {
        {false, "", "OpenAI or open_clip"},
        {false, "module.", "OpenAI or open_clip"},
        {true, "", "Hugging Face"},
        {true, "module.", "Hugging Face"},
    };
    struct fixture f;
    (void)state;
    begin(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tiny_model m = tiny_model();
        m.is_hugging_face = cases[i].is_hugging_face;
        m.prefix = cases[i].prefix;
        CHECK_OK(open_model(&f, &m));
        assert_string_equal(weights_family(f.weights), cases[i].family);
        assert_string_equal(weights_path(f.weights), f.path);
        check_sizes(&f);
        expect_model(&f, &m, 0);
    }
    end(&f);
}

/* 16-bit files hold each number to half a unit in the last place: 2^-11 and 2^-8. */
static void half_precision_is_converted(void **state)
{
    struct fixture f;
    struct tiny_model m = tiny_model();
    (void)state;
    begin(&f);
    for (int hf = 0; hf < 2; hf++) {
        m.is_hugging_face = hf == 1;
        m.dtype = DTYPE_F16;
        CHECK_OK(open_model(&f, &m));
        expect_model(&f, &m, 0x1p-11F);
        m.dtype = DTYPE_BF16;
        CHECK_OK(open_model(&f, &m));
        expect_model(&f, &m, 0x1p-8F);
    }
    end(&f);
}

static void missing_tensors_are_named(void **state)
{
    struct fixture f;
    struct tiny_model m = tiny_model();
    float out[TINY_WIDTH];
    const size_t d = TINY_WIDTH;
    (void)state;
    begin(&f);
    m.leave_out = "visual.class_embedding";
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT, "no CLIP model");
    m.leave_out = "visual.conv1.weight";
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT, "tensor 'visual.conv1.weight' is missing");
    m.leave_out = "visual.positional_embedding";
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT, "tensor 'visual.positional_embedding' is missing");
    m.leave_out = "visual.proj";
    m.prefix = "module.";
    m.is_hugging_face = true;
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT,
                "tensor 'module.visual_projection.weight' is missing");
    m.leave_out = "visual.ln_post.bias";
    CHECK_OK(open_model(&f, &m));
    CHECK_FAILS(weights_read(f.weights, "visual.ln_post.bias", 1, &d, out), ERR_FORMAT,
                "tensor 'module.vision_model.post_layernorm.bias' is missing");
    m = tiny_model();
    m.layers = 0;
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT, "has no blocks");
    end(&f);
}

static int new_encoder(struct fixture *f, struct encoder_options options)
{
    struct ops *ops = NULL;
    struct encoder *e = NULL;
    int rc;
    CHECK_OK(ops_open(&ops, "ref", 1));
    rc = encoder_new(&e, f->weights, ops, &options);
    assert_true((e == NULL) == (rc != ERR_OK));
    encoder_free(&e);
    ops_close(&ops);
    return rc;
}

/* Every tensor of the tower, missing and with a column too many: named with both shapes. */
static void the_encoder_checks_every_tensor(void **state)
{
    static const struct {
        const char *name, *shapes;
    } cases[] = {
        {"visual.ln_pre.weight", "has shape (65), wanted (64)"},
        {"visual.ln_post.bias", "has shape (65), wanted (64)"},
        {BLOCK "ln_1.bias", "has shape (65), wanted (64)"},
        {BLOCK "ln_2.weight", "has shape (65), wanted (64)"},
        {BLOCK "attn.in_proj_weight", "has shape (192,65), wanted (192,64)"},
        {BLOCK "attn.in_proj_bias", "has shape (193), wanted (192)"},
        {BLOCK "attn.out_proj.weight", "has shape (64,65), wanted (64,64)"},
        {BLOCK "attn.out_proj.bias", "has shape (65), wanted (64)"},
        {BLOCK "mlp.c_fc.weight", "has shape (32,65), wanted (32,64)"},
        {BLOCK "mlp.c_fc.bias", "has shape (33), wanted (32)"},
        {BLOCK "mlp.c_proj.weight", "has shape (64,33), wanted (64,32)"},
        {BLOCK "mlp.c_proj.bias", "has shape (65), wanted (64)"},
    };
    const struct encoder_options options = {.image_size = 8, .vv_start = 1};
    struct fixture f;
    (void)state;
    begin(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tiny_model m = tiny_model();
        m.bend = cases[i].name;
        CHECK_OK(open_model(&f, &m));
        CHECK_FAILS(new_encoder(&f, options), ERR_FORMAT, cases[i].shapes);
        m.bend = NULL;
        m.leave_out = cases[i].name;
        CHECK_OK(open_model(&f, &m));
        CHECK_FAILS(new_encoder(&f, options), ERR_FORMAT, cases[i].name);
        m.leave_out = NULL;
        m.whole = cases[i].name;
        CHECK_OK(open_model(&f, &m));
        CHECK_FAILS(new_encoder(&f, options), ERR_FORMAT, "is not of type F32, F16 or BF16");
    }
    end(&f);
}

static void bent_hugging_face_tensors_are_named(void **state)
{
    const struct encoder_options options = {.image_size = 8, .vv_start = 1};
    struct fixture f;
    struct tiny_model m = tiny_model();
    (void)state;
    begin(&f);
    m.is_hugging_face = true;
    m.bend = BLOCK "attn.in_proj_weight";
    CHECK_OK(open_model(&f, &m));
    CHECK_FAILS(new_encoder(&f, options), ERR_FORMAT,
                "'vision_model.encoder.layers.1.self_attn.q_proj.weight' has shape (64,65), wanted "
                "(64,64)");
    m.bend = "visual.proj";
    CHECK_OK(open_model(&f, &m));
    CHECK_FAILS(new_encoder(&f, options), ERR_FORMAT,
                "'visual_projection.weight' has shape (8,65), wanted (8,64)");
    end(&f);
}

static void impossible_sizes_are_refused(void **state)
{
    struct fixture f;
    struct tiny_model m = tiny_model();
    (void)state;
    begin(&f);
    m.width = 96;
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT,
                "heads of 64 columns (usual for this width) do not divide the vision width of 96");
    m = tiny_model();
    m.position_rows = 6;
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT,
                "'visual.positional_embedding' has 6 rows, which is no square plus one");
    m.position_rows = 4;
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT, "has 4 rows, which is no square plus one");
    m.position_rows = 1;
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT, "has 1 rows, which is no square plus one");
    m = tiny_model();
    m.bend = "visual.positional_embedding";
    CHECK_OK(open_model(&f, &m));
    CHECK_FAILS(new_encoder(&f, (struct encoder_options){.image_size = 8, .vv_start = 1}),
                ERR_FORMAT, "'visual.positional_embedding' has shape (5,65), wanted (5,64)");
    m = tiny_model();
    m.patch = 0;
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT, "'visual.conv1.weight' has an impossible size");
    m = tiny_model();
    m.bend = "visual.conv1.weight";
    CHECK_FAILS(open_model(&f, &m), ERR_FORMAT, "has shape (64,3,2,3), wanted (64,3,2,2)");
    end(&f);
}

static void encoder_options_are_checked(void **state)
{
    struct fixture f;
    const struct tiny_model m = tiny_model();
    (void)state;
    begin(&f);
    CHECK_OK(open_model(&f, &m));
    CHECK_OK(new_encoder(&f, (struct encoder_options){.image_size = 8, .vv_start = 1}));
    CHECK_OK(new_encoder(&f, (struct encoder_options){.image_size = 2, .vv_start = 2}));
    CHECK_FAILS(new_encoder(&f, (struct encoder_options){.image_size = 9, .vv_start = 1}),
                ERR_CONFIG, "9 is no multiple of the model's patch of 2 pixels");
    CHECK_FAILS(new_encoder(&f, (struct encoder_options){.image_size = 0, .vv_start = 1}),
                ERR_CONFIG, "model.image_size: 0");
    CHECK_FAILS(new_encoder(&f, (struct encoder_options){.image_size = 8, .vv_start = 0}),
                ERR_CONFIG, "encoder.vv_start: 0 is not within 1 and 2");
    CHECK_FAILS(new_encoder(&f, (struct encoder_options){.image_size = 8, .vv_start = 3}),
                ERR_CONFIG, "encoder.vv_start: 3 is not within 1 and 2");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_namings_are_read),
        cmocka_unit_test(half_precision_is_converted),
        cmocka_unit_test(missing_tensors_are_named),
        cmocka_unit_test(the_encoder_checks_every_tensor),
        cmocka_unit_test(bent_hugging_face_tensors_are_named),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(encoder_options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
