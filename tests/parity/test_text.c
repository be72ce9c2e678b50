/*
 * The text tower against torch autograd (tools/golden/make_text.py): forward, gradients of the prompts,
 * and gradients of the deep prompts as fp16 rounding leaves them. Weights come from mrad-weights by the
 * rule that the script uses.
 */
#include "check.h"
#include "generated.h"

#include "base/err.h"
#include "base/mem.h"
#include "clip/clip.h"
#include "tensor/h5.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/*
 * Float sums of up to 512 terms in another order than torch's: 4 sqrt(512) 2^-24 = 5e-6 relative a
 * product; the layer norms keep this from growing over the four layers.
 */
#define TOLERANCE 1e-5

enum { ROWS = 6, CONTEXT = 24, WIDTH = 128, EMBED = 96, N_CTX = 4, N_DEEP = 2, DEEP_LEN = 2 };
enum { POSITIONS = 14, N_PROMPT = ROWS * POSITIONS * WIDTH, DEEPS = N_DEEP * DEEP_LEN * WIDTH };

static const char *const OPTIONS =
    "--seed 3 --shape image=28,patch=14,native_grid=2,width=64,layers=1,embed=96,text_width=128,"
    "text_layers=4,context=24,vocab=128";

struct fixture {
    char *dir;
    struct h5 *golden;
    struct weights *weights;
    struct ops *ops;
    struct text_tower *tower;
    int32_t end[ROWS];
    float prompt[N_PROMPT], deep[DEEPS];
    float out[ROWS * EMBED];
};

/* A dataset into memory that holds n elements. */
static void read(struct h5 *f, const char *name, enum dtype dtype, size_t n, void *data)
{
    int rank;
    size_t dim[TENSOR_MAX_RANK];
    size_t count = 1;
    CHECK_OK(h5_shape(f, name, &rank, dim));
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    assert_int_equal(count, n);
    CHECK_OK(h5_read_rows(f, name, 0, dim[0], dtype, data));
}

/* Token embeddings of the stored ids, positions 1..N_CTX replaced by the learnable ones. */
static void make_prompt(struct fixture *f)
{
    int32_t ids[ROWS * CONTEXT];
    float ctx[ROWS * N_CTX * WIDTH];
    read(f->golden, "ids", DTYPE_I32, ROWS * CONTEXT, ids);
    read(f->golden, "ctx", DTYPE_F32, ROWS * N_CTX * WIDTH, ctx);
    for (size_t r = 0; r < ROWS; r++) {
        float *row = f->prompt + r * POSITIONS * WIDTH;
        CHECK_OK(weights_embed(f->weights, ids + r * CONTEXT, POSITIONS, row));
        memcpy(row + WIDTH, ctx + r * N_CTX * WIDTH, sizeof(float) * N_CTX * WIDTH);
    }
}

static void open_tower(struct fixture *f, const char *variant, int threads, bool forward_only)
{
    const struct text_options options = {.n_positions = POSITIONS,
                                         .n_deep = N_DEEP,
                                         .deep_len = DEEP_LEN,
                                         .max_rows = ROWS,
                                         .forward_only = forward_only};
    text_tower_free(&f->tower);
    ops_close(&f->ops);
    CHECK_OK(ops_open(&f->ops, variant, threads));
    CHECK_OK(text_tower_new(&f->tower, f->weights, f->ops, &options));
}

static void begin(struct fixture *f, const char *names)
{
    char path[600];
    char options[400];
    memset(f, 0, sizeof *f);
    f->dir = check_folder();
    (void)snprintf(path, sizeof path, "%s/m.safetensors", f->dir);
    (void)snprintf(options, sizeof options, "%s --names %s", OPTIONS, names);
    generated_weights(path, options);
    CHECK_OK(weights_open(&f->weights, path));
    CHECK_OK(h5_open(&f->golden, check_fixture("text/text.h5")));
    read(f->golden, "end", DTYPE_I32, ROWS, f->end);
    read(f->golden, "deep", DTYPE_F32, DEEPS, f->deep);
    make_prompt(f);
}

static void end(struct fixture *f)
{
    text_tower_free(&f->tower);
    ops_close(&f->ops);
    weights_free(&f->weights);
    h5_close(&f->golden);
    check_drop_folder(f->dir);
}

static void run(struct fixture *f, size_t n_rows)
{
    CHECK_OK(text_forward(f->tower, f->prompt, f->end, n_rows, f->deep, f->out));
}

static void check_forward(struct fixture *f, const char *variant)
{
    float want[ROWS * EMBED];
    open_tower(f, variant, 2, false);
    run(f, ROWS);
    read(f->golden, "out", DTYPE_F32, ROWS * EMBED, want);
    CHECK_WITHIN(variant, floats_distance(f->out, want, ROWS * EMBED), TOLERANCE);
}

static void the_forward_agrees(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, "openai");
    check_forward(&f, "ref");
    check_forward(&f, "cpu");
    end(&f);
}

/* One step of fp16 at x: 2^-10 of its power of two, 2^-24 among the subnormal numbers. */
static double half_step(double x)
{
    int exponent = 0;
    (void)frexp(x, &exponent);
    return exponent < -13 ? 0x1p-24 : ldexp(1, exponent - 11);
}

/*
 * Both sides are numbers of fp16. The float sums before the rounding differ by up to TOLERANCE of the
 * numbers that are summed, about the root mean square `size`. Where a sum then falls on the other side
 * of a rounding boundary, that is one step, and happens to about TOLERANCE * 2^11 = 2 % of the elements
 * at most; elements far below `size` have steps finer than that difference, and may be so far aside.
 */
static void check_deep(const char *what, const float *got, const float *want)
{
    const size_t n = (size_t)ROWS * DEEPS;
    size_t aside = 0;
    double size = 0;
    for (size_t i = 0; i < n; i++)
        size += (double)want[i] * (double)want[i] / (double)n;
    size = sqrt(size);
    for (size_t i = 0; i < n; i++) {
        double gap = fabs((double)got[i] - (double)want[i]);
        double step = half_step(fmax(fabs((double)got[i]), fabs((double)want[i])));
        assert_true(got[i] == f16_to_f32(f32_to_f16(got[i])));
        if (!(gap <= fmax(step, TOLERANCE * size)))
            fail_msg("%s: element %zu is %g, wanted %g", what, i, (double)got[i], (double)want[i]);
        aside += gap > 0;
    }
    CHECK_WITHIN(what, (double)aside / (double)n, 0.02);
}

/* `plain` gradients, and `tiny` ones that are subnormal or zero in fp16. */
static void check_backward(struct fixture *f, const char *variant, const char *kind)
{
    static float got[N_PROMPT], want[N_PROMPT];
    static float got_deep[ROWS * DEEPS], want_deep[ROWS * DEEPS];
    float grad_out[ROWS * EMBED];
    char name[64];
    open_tower(f, variant, 2, false);
    run(f, ROWS);
    (void)snprintf(name, sizeof name, "%s/grad_out", kind);
    read(f->golden, name, DTYPE_F32, ROWS * EMBED, grad_out);
    (void)snprintf(name, sizeof name, "%s/grad_prompt", kind);
    read(f->golden, name, DTYPE_F32, N_PROMPT, want);
    (void)snprintf(name, sizeof name, "%s/grad_deep", kind);
    read(f->golden, name, DTYPE_F32, ROWS * DEEPS, want_deep);
    memset(got, 0xFF, sizeof got); /* NaN: everything must be written */
    memset(got_deep, 0xFF, sizeof got_deep);
    CHECK_OK(text_backward(f->tower, grad_out, got, got_deep));
    (void)snprintf(name, sizeof name, "%s %s grad_prompt", variant, kind);
    CHECK_WITHIN(name, floats_distance(got, want, N_PROMPT), TOLERANCE);
    (void)snprintf(name, sizeof name, "%s %s grad_deep, share one step aside", variant, kind);
    check_deep(name, got_deep, want_deep);
}

static void the_backward_agrees(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, "openai");
    check_backward(&f, "ref", "plain");
    check_backward(&f, "cpu", "plain");
    check_backward(&f, "ref", "tiny");
    check_backward(&f, "cpu", "tiny");
    end(&f);
}

static void all_namings_give_the_same_tower(void **state)
{
    static const char *const names[] = {"openai", "hf", "open_clip"};
    float first[ROWS * EMBED];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        const struct clip_shape *s;
        begin(&f, names[i]);
        s = weights_shape(f.weights);
        assert_int_equal(s->text_width, WIDTH);
        assert_int_equal(s->text_hidden, 4 * WIDTH);
        assert_int_equal(s->text_layers, 4);
        assert_int_equal(s->text_heads, WIDTH / 64);
        assert_int_equal(s->context, CONTEXT);
        assert_int_equal(s->vocab, 128);
        open_tower(&f, "cpu", 2, false);
        run(&f, ROWS);
        if (i == 0)
            memcpy(first, f.out, sizeof first);
        assert_memory_equal(first, f.out, sizeof first);
        end(&f);
    }
}

/* Without backward the tower computes the same; fewer prompts than it was made for are fine. */
static void forward_alone_and_smaller_batches_agree(void **state)
{
    struct fixture f;
    float whole[ROWS * EMBED];
    (void)state;
    begin(&f, "openai");
    open_tower(&f, "cpu", 2, false);
    run(&f, ROWS);
    memcpy(whole, f.out, sizeof whole);
    open_tower(&f, "cpu", 2, true);
    run(&f, ROWS);
    assert_memory_equal(whole, f.out, sizeof whole);
    run(&f, 2);
    CHECK_WITHIN("two of six", floats_distance(f.out, whole, (size_t)2 * EMBED), TOLERANCE);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forward_agrees),
        cmocka_unit_test(the_backward_agrees),
        cmocka_unit_test(all_namings_give_the_same_tower),
        cmocka_unit_test(forward_alone_and_smaller_batches_agree),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
