/* Unit tests of clip/text: which positions matter, options, ends, token ids, files without the tower. */
#include "check.h"
#include "generated.h"
#include "tiny.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "clip/clip.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 64, EMBED = 8, VOCAB = 20, CONTEXT = 9, ROWS = 2, POSITIONS = 7 };
enum { N_DEEP = 1, DEEP_LEN = 2, N_PROMPT = ROWS * POSITIONS * WIDTH, DEEPS = DEEP_LEN * WIDTH };

static const char *const SHAPE = "--shape patch=2,native_grid=2,width=64,layers=1,embed=8,"
                                 "text_width=64,text_layers=2,context=9,vocab=20";

static const struct text_options usual = {
    .n_positions = POSITIONS, .n_deep = N_DEEP, .deep_len = DEEP_LEN, .max_rows = ROWS};

struct fixture {
    char *dir;
    char *path;
    struct weights *weights;
    struct ops *ops;
    struct text_tower *tower;
    float prompt[N_PROMPT], deep[DEEPS], out[ROWS * EMBED];
    float grad_out[ROWS * EMBED], grad_prompt[N_PROMPT], grad_deep[ROWS * DEEPS];
};

static void begin(struct fixture *f, const char *options)
{
    memset(f, 0, sizeof *f);
    f->dir = check_folder();
    CHECK_OK(path_join(&f->path, f->dir, "m.safetensors"));
    generated_weights(f->path, options);
    CHECK_OK(weights_open(&f->weights, f->path));
    CHECK_OK(ops_open(&f->ops, "cpu", 1));
    for (size_t i = 0; i < N_PROMPT; i++)
        f->prompt[i] = 0.3F * rng_uniform(1, i);
    for (size_t i = 0; i < DEEPS; i++)
        f->deep[i] = 0.3F * rng_uniform(2, i);
    for (size_t i = 0; i < (size_t)ROWS * EMBED; i++)
        f->grad_out[i] = rng_uniform(3, i);
}

static void end(struct fixture *f)
{
    text_tower_free(&f->tower);
    ops_close(&f->ops);
    weights_free(&f->weights);
    MEM_FREE(f->path);
    check_drop_folder(f->dir);
}

static int forward(struct fixture *f, const int32_t *ends)
{
    return text_forward(f->tower, f->prompt, ends, ROWS, f->deep, f->out);
}

/* The mask is causal: what follows the end token changes nothing and gets no gradient. */
static void positions_after_the_end_do_not_matter(void **state)
{
    static const int32_t ends[ROWS] = {4, 6};
    const size_t after = 5 * (size_t)WIDTH; /* the first number behind the end of row 0 */
    const size_t row = POSITIONS * (size_t)WIDTH;
    float before[ROWS * EMBED], at_end = 0;
    struct fixture f;
    (void)state;
    begin(&f, SHAPE);
    CHECK_OK(text_tower_new(&f.tower, f.weights, f.ops, &usual));
    CHECK_OK(forward(&f, ends));
    CHECK_OK(text_backward(f.tower, f.grad_out, f.grad_prompt, f.grad_deep));
    for (size_t i = after; i < row; i++)
        assert_true(f.grad_prompt[i] == 0);
    for (size_t i = after - WIDTH; i < after; i++)
        at_end += f.grad_prompt[i] * f.grad_prompt[i];
    assert_true(at_end > 0);
    memcpy(before, f.out, sizeof before);
    for (size_t i = after; i < row; i++)
        f.prompt[i] += 1;
    CHECK_OK(forward(&f, ends));
    assert_memory_equal(before, f.out, sizeof before);
    f.prompt[after - 1] += 1; /* the end token itself matters */
    CHECK_OK(forward(&f, ends));
    assert_memory_not_equal(before, f.out, EMBED * sizeof *before);
    assert_memory_equal(before + EMBED, f.out + EMBED, EMBED * sizeof *before);
    end(&f);
}

/* A tower for more positions finds the same, up to the rounding of products of another size. */
static void more_positions_change_nothing(void **state)
{
    static const int32_t ends[ROWS] = {4, 3};
    struct text_options more = usual;
    float wide[ROWS * CONTEXT * WIDTH] = {0};
    float before[ROWS * EMBED];
    struct fixture f;
    (void)state;
    begin(&f, SHAPE);
    CHECK_OK(text_tower_new(&f.tower, f.weights, f.ops, &usual));
    CHECK_OK(forward(&f, ends));
    memcpy(before, f.out, sizeof before);
    text_tower_free(&f.tower);
    more.n_positions = CONTEXT;
    CHECK_OK(text_tower_new(&f.tower, f.weights, f.ops, &more));
    for (size_t r = 0; r < ROWS; r++)
        memcpy(wide + r * CONTEXT * WIDTH, f.prompt + r * POSITIONS * WIDTH,
               sizeof(float) * POSITIONS * WIDTH);
    CHECK_OK(text_forward(f.tower, wide, ends, ROWS, f.deep, f.out));
    CHECK_WITHIN("9 positions in place of 7", floats_distance(f.out, before, ROWS * EMBED), 1e-6);
    end(&f);
}

/* What deep prompts replace matters to the first layer alone; rounding is to fp16, or not at all. */
static void deep_prompts_are_rounded_to_fp16(void **state)
{
    static const int32_t ends[ROWS] = {6, 6};
    struct text_options exact = usual;
    float rounded[ROWS * EMBED], unrounded[ROWS * EMBED];
    struct fixture f;
    (void)state;
    begin(&f, SHAPE);
    CHECK_OK(text_tower_new(&f.tower, f.weights, f.ops, &usual));
    CHECK_OK(forward(&f, ends));
    memcpy(rounded, f.out, sizeof rounded);
    text_tower_free(&f.tower);
    exact.exact_deep = true;
    CHECK_OK(text_tower_new(&f.tower, f.weights, f.ops, &exact));
    CHECK_OK(forward(&f, ends));
    memcpy(unrounded, f.out, sizeof unrounded);
    assert_memory_not_equal(rounded, unrounded, sizeof rounded);
    for (size_t i = 0; i < DEEPS; i++)
        f.deep[i] = f16_to_f32(f32_to_f16(f.deep[i]));
    CHECK_OK(forward(&f, ends));
    assert_memory_equal(rounded, f.out, sizeof rounded);
    end(&f);
}

/* A gradient can be asked for again, and does not depend on what was there before. */
static void backward_can_be_repeated(void **state)
{
    static const int32_t ends[ROWS] = {6, 5};
    float first[N_PROMPT], first_deep[ROWS * DEEPS];
    struct fixture f;
    (void)state;
    begin(&f, SHAPE);
    CHECK_OK(text_tower_new(&f.tower, f.weights, f.ops, &usual));
    CHECK_OK(forward(&f, ends));
    CHECK_OK(text_backward(f.tower, f.grad_out, first, first_deep));
    CHECK_OK(text_backward(f.tower, f.grad_out, f.grad_prompt, f.grad_deep));
    assert_memory_equal(first, f.grad_prompt, sizeof first);
    assert_memory_equal(first_deep, f.grad_deep, sizeof first_deep);
    end(&f);
}

static int new_tower(struct fixture *f, struct text_options options)
{
    int rc = text_tower_new(&f->tower, f->weights, f->ops, &options);
    assert_true((f->tower == NULL) == (rc != ERR_OK));
    text_tower_free(&f->tower);
    return rc;
}

static void options_are_checked(void **state)
{
    struct fixture f;
    struct text_options o = usual;
    (void)state;
    begin(&f, SHAPE);
    o.n_positions = 0;
    CHECK_FAILS(new_tower(&f, o), ERR_CONFIG, "prompts of 0 positions; the model has 1 to 9");
    o.n_positions = 10;
    CHECK_FAILS(new_tower(&f, o), ERR_CONFIG, "prompts of 10 positions");
    o = usual;
    o.max_rows = 0;
    CHECK_FAILS(new_tower(&f, o), ERR_CONFIG, "no prompts");
    o = usual;
    o.n_deep = 2;
    CHECK_FAILS(new_tower(&f, o), ERR_CONFIG, "deep prompts for 2 layers; the text tower has 1");
    o = usual;
    o.deep_len = POSITIONS;
    CHECK_FAILS(new_tower(&f, o), ERR_CONFIG, "7 deep tokens");
    o.deep_len = POSITIONS - 1;
    CHECK_OK(new_tower(&f, o));
    CHECK_OK(new_tower(&f, (struct text_options){.n_positions = 1, .max_rows = 1}));
    end(&f);
}

static void ends_and_rows_are_checked(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, SHAPE);
    CHECK_OK(text_tower_new(&f.tower, f.weights, f.ops, &usual));
    CHECK_FAILS(forward(&f, (int32_t[]){6, 7}), ERR_SHAPE, "prompt 1 is at 7, not within 0 and 6");
    CHECK_FAILS(forward(&f, (int32_t[]){-1, 2}), ERR_SHAPE, "prompt 0 is at -1");
    CHECK_FAILS(text_forward(f.tower, f.prompt, (int32_t[]){1, 2, 3}, 3, f.deep, f.out), ERR_SHAPE,
                "3 prompts; it was made for 1 to 2");
    CHECK_FAILS(text_forward(f.tower, f.prompt, NULL, 0, f.deep, f.out), ERR_SHAPE, "0 prompts");
    end(&f);
}

/* Rows of the table in any order, in every type of file; the first and the last are in reach. */
static void token_embeddings_are_read_by_row(void **state)
{
    static const int32_t ids[] = {19, 0, 7, 7};
    float table[VOCAB * WIDTH], row[4 * WIDTH];
    char options[400];
    static const char *const types[] = {"f32", "f16", "bf16"};
    (void)state;
    for (size_t t = 0; t < 3; t++) {
        struct fixture f;
        (void)snprintf(options, sizeof options, "%s --dtype %s", SHAPE, types[t]);
        begin(&f, options);
        CHECK_OK(
            weights_read(f.weights, "token_embedding.weight", 2, (size_t[]){VOCAB, WIDTH}, table));
        CHECK_OK(weights_embed(f.weights, ids, 4, row));
        for (size_t i = 0; i < 4; i++)
            assert_memory_equal(row + i * WIDTH, table + (size_t)ids[i] * WIDTH,
                                WIDTH * sizeof *row);
        CHECK_FAILS(weights_embed(f.weights, (int32_t[]){20}, 1, row), ERR_SHAPE,
                    "token 20 is not among the 20 rows");
        CHECK_FAILS(weights_embed(f.weights, (int32_t[]){-1}, 1, row), ERR_SHAPE, "token -1");
        end(&f);
    }
}

/* A vision tower alone stays a good file; only asking for text fails. */
static void files_without_a_text_tower_are_valid(void **state)
{
    const struct tiny_model m = tiny_model();
    float row[WIDTH];
    struct fixture f;
    (void)state;
    begin(&f, SHAPE);
    weights_free(&f.weights);
    tiny_model_write(&m, f.path);
    CHECK_OK(weights_open(&f.weights, f.path));
    assert_int_equal(weights_shape(f.weights)->text_width, 0);
    assert_int_equal(weights_shape(f.weights)->text_layers, 0);
    assert_int_equal(weights_shape(f.weights)->vocab, 0);
    CHECK_FAILS(new_tower(&f, usual), ERR_FORMAT, "no text tower of a known form");
    CHECK_FAILS(weights_embed(f.weights, (int32_t[]){0}, 1, row), ERR_FORMAT,
                "tensor 'token_embedding.weight' is missing");
    end(&f);
}

/* A width that is no multiple of 64 is another kind of tower. */
static void other_text_towers_are_left_alone(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, "--shape patch=2,native_grid=2,width=64,layers=1,embed=8,text_width=96,"
              "text_layers=2,context=9,vocab=20");
    assert_int_equal(weights_shape(f.weights)->text_width, 0);
    CHECK_FAILS(new_tower(&f, usual), ERR_FORMAT, "no text tower of a known form");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_after_the_end_do_not_matter),
        cmocka_unit_test(more_positions_change_nothing),
        cmocka_unit_test(deep_prompts_are_rounded_to_fp16),
        cmocka_unit_test(backward_can_be_repeated),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(ends_and_rows_are_checked),
        cmocka_unit_test(token_embeddings_are_read_by_row),
        cmocka_unit_test(files_without_a_text_tower_are_valid),
        cmocka_unit_test(other_text_towers_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
