/*
 * The gradients of the text tower against finite differences, in double: the kernels of ops_ref and
 * text.c, text_backward.c are the same source that runs in float (ops/real.h).
 *
 * With central differences of step h = 1e-5 the error is about h^2 = 1e-10 of the third derivative plus
 * 2^-53 / h = 1e-11 of the loss, so 1e-6 relative leaves room and a wrong term does not fit.
 */
#include "check.h"
#include "generated.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "clip/clip.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 128, EMBED = 24, ROWS = 3, POSITIONS = 6, N_DEEP = 2, DEEP_LEN = 2 };
enum { N_PROMPT = ROWS * POSITIONS * WIDTH, N_DEEPS = N_DEEP * DEEP_LEN * WIDTH };

static const char *const OPTIONS =
    "--seed 5 --shape patch=7,native_grid=1,width=64,layers=1,embed=24,text_width=128,"
    "text_layers=4,context=9,vocab=20";

static const int32_t END[ROWS] = {5, 3, 4};

struct fixture {
    char *dir;
    struct weights *weights;
    struct ops *ops;
    struct text_tower *tower;
    double prompt[N_PROMPT], deep[N_DEEPS], grad_out[ROWS * EMBED];
    double grad_prompt[N_PROMPT], grad_deep[ROWS * N_DEEPS];
};

static void begin(struct fixture *f, struct text_options options)
{
    char path[600];
    memset(f, 0, sizeof *f);
    f->dir = check_folder();
    (void)snprintf(path, sizeof path, "%s/m.safetensors", f->dir);
    generated_weights(path, OPTIONS);
    CHECK_OK(weights_open(&f->weights, path));
    CHECK_OK(ops_open(&f->ops, "ref", 1));
    CHECK_OK(text_tower_new(&f->tower, f->weights, f->ops, &options));
    for (size_t i = 0; i < N_PROMPT; i++)
        f->prompt[i] = (double)(0.3F * rng_uniform(1, i));
    for (size_t i = 0; i < N_DEEPS; i++)
        f->deep[i] = (double)(0.3F * rng_uniform(2, i));
    for (size_t i = 0; i < (size_t)ROWS * EMBED; i++)
        f->grad_out[i] = (double)rng_uniform(3, i);
}

static void end(struct fixture *f)
{
    text_tower_free(&f->tower);
    ops_close(&f->ops);
    weights_free(&f->weights);
    check_drop_folder(f->dir);
}

/* The loss whose gradient of the embeddings is grad_out. */
static double loss(struct fixture *f)
{
    double out[ROWS * EMBED];
    double sum = 0;
    CHECK_OK(text_forward(f->tower, f->prompt, END, ROWS, f->deep, out));
    for (size_t i = 0; i < (size_t)ROWS * EMBED; i++)
        sum += out[i] * f->grad_out[i];
    return sum;
}

static void find_gradients(struct fixture *f)
{
    (void)loss(f);
    CHECK_OK(text_backward(f->tower, f->grad_out, f->grad_prompt, f->grad_deep));
}

static double slope_at(struct fixture *f, double *x, double step)
{
    const double kept = *x;
    double up, down;
    *x = kept + step;
    up = loss(f);
    *x = kept - step;
    down = loss(f);
    *x = kept;
    return (up - down) / (2 * step);
}

/* Gradients of single elements are small differences; compare by the norm over all that are looked at. */
struct comparison {
    double error, size;
};

static void add(struct comparison *c, double got, double want)
{
    c->error += (got - want) * (got - want);
    c->size += want * want;
}

static double relative(const struct comparison *c)
{
    assert_true(c->size > 1e-6);
    return sqrt(c->error / c->size);
}

static void prompts_agree_with_finite_differences(void **state)
{
    enum { EVERY = 29 }; /* coprime to the width: all columns and positions are met */
    struct fixture f;
    struct comparison all = {0};
    (void)state;
    begin(&f, (struct text_options){POSITIONS, N_DEEP, DEEP_LEN, ROWS, .exact_deep = true});
    find_gradients(&f);
    for (size_t i = 0; i < N_PROMPT; i += EVERY)
        add(&all, f.grad_prompt[i], slope_at(&f, &f.prompt[i], 1e-5));
    CHECK_WITHIN("prompts", relative(&all), 1e-6);
    end(&f);
}

static double sum_of_rows(const struct fixture *f, size_t i)
{
    double sum = 0;
    for (size_t r = 0; r < ROWS; r++)
        sum += f->grad_deep[r * N_DEEPS + i];
    return sum;
}

static void deep_prompts_agree_with_finite_differences(void **state)
{
    enum { EVERY = 11 };
    struct fixture f;
    struct comparison all = {0};
    (void)state;
    begin(&f, (struct text_options){POSITIONS, N_DEEP, DEEP_LEN, ROWS, .exact_deep = true});
    find_gradients(&f);
    for (size_t i = 0; i < N_DEEPS; i += EVERY)
        add(&all, sum_of_rows(&f, i), slope_at(&f, &f.deep[i], 1e-5));
    CHECK_WITHIN("deep prompts", relative(&all), 1e-6);
    end(&f);
}

/*
 * As published: the forward sees fp16 and the gradient is rounded to it. Values and step are numbers
 * of fp16, so that the difference quotient is defined; rounding the gradient costs up to 2^-11.
 */
static void rounded_deep_prompts_agree_too(void **state)
{
    enum { EVERY = 23 };
    struct fixture f;
    struct comparison all = {0};
    (void)state;
    begin(&f, (struct text_options){POSITIONS, N_DEEP, DEEP_LEN, ROWS, .exact_deep = false});
    for (size_t i = 0; i < N_DEEPS; i++)
        f.deep[i] = round(f.deep[i] * 1024) / 1024;
    find_gradients(&f);
    for (size_t i = 0; i < N_DEEPS; i += EVERY)
        add(&all, sum_of_rows(&f, i), slope_at(&f, &f.deep[i], 0x1p-10));
    CHECK_WITHIN("deep prompts in fp16", relative(&all), 0x1p-11);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_agree_with_finite_differences),
        cmocka_unit_test(deep_prompts_agree_with_finite_differences),
        cmocka_unit_test(rounded_deep_prompts_agree_too),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
