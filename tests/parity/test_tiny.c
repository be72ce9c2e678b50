/*
 * Generated pictures through the whole pipeline, compared with what the PyTorch specification gave
 * (tests/fixtures/tiny/golden.h5); then the encoder alone with other names, number formats and kernels.
 */
#include "check.h"
#include "parity.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Generate the model once more in another form; free the path with MEM_FREE. */
static char *other_weights(const struct parity *p, const char *name, const char *const *options)
{
    char *path = NULL;
    CHECK_OK(path_join(&path, p->folder, name));
    parity_weights(path, p->golden, "shape", options);
    return path;
}

static void ref_kernels_equal_the_golden(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    parity_encode(p, p->weights, "ref", 3, p->golden, "A");
}

static void hugging_face_names_equal_the_golden(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    char *path = other_weights(p, "hf", (const char *const[]){"--names", "hf", NULL});
    parity_encode(p, path, "cpu", 3, p->golden, "A");
    MEM_FREE(path);
}

/* The same tensors as a file that Python wrote. */
static void the_shared_hugging_face_file_equals_the_golden(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    const char *path = check_shared("golden/torch/hf.safetensors");
    if (!path)
        check_skip_shared(__func__, "golden/torch");
    parity_encode(p, path, "cpu", 3, p->golden, "A");
}

/* ---- 16-bit weights ---- */

/*
 * Nearest number with `bits` significant bits, ties to even; below 2^least the spacing stays as it is
 * there (subnormals). By arithmetic, where the program works on bits.
 */
static double nearest(double x, int bits, int least)
{
    int exponent = 0;
    double step;
    (void)frexp(x, &exponent); /* |x| in [2^(exponent-1), 2^exponent) */
    exponent = exponent - 1 < least ? least + 1 : exponent;
    step = ldexp(1, exponent - bits);
    return nearbyint(x / step) * step;
}

struct half {
    const char *name; /* for mrad-weights, and of the group in f16.h5 */
    int bits, least;
};

/* One tensor of the 16-bit file must be that of the 32-bit file, rounded. */
static void compare_tensor(const struct half *half, const struct weights *exact,
                           const struct weights *rounded, const char *name, size_t n_row,
                           size_t n_col)
{
    const size_t n = n_row * n_col;
    const size_t dim[] = {n_row, n_col};
    const int rank = n_col > 1 ? 2 : 1;
    size_t wrong = 0;
    float *want = NULL;
    float *got = NULL;
    CHECK_OK(MEM_NEW(want, n));
    CHECK_OK(MEM_NEW(got, n));
    CHECK_OK(weights_read(exact, name, rank, dim, want));
    CHECK_OK(weights_read(rounded, name, rank, dim, got));
    for (size_t i = 0; i < n; i++)
        wrong += (double)got[i] != nearest((double)want[i], half->bits, half->least);
    if (wrong)
        fail_msg("%s as %s: %zu of %zu numbers are not the nearest", name, half->name, wrong, n);
    MEM_FREE(want);
    MEM_FREE(got);
}

static void compare_tensors(const struct half *half, const char *exact_path, const char *path)
{
    struct weights *exact = NULL;
    struct weights *rounded = NULL;
    CHECK_OK(weights_open(&exact, exact_path));
    CHECK_OK(weights_open(&rounded, path));
    const struct clip_shape *s = weights_shape(exact);
    compare_tensor(half, exact, rounded, "visual.proj", s->width, s->embed);
    compare_tensor(half, exact, rounded, "visual.ln_pre.weight", s->width, 1);
    compare_tensor(half, exact, rounded, "visual.class_embedding", s->width, 1);
    compare_tensor(half, exact, rounded, "visual.positional_embedding",
                   s->native_grid * s->native_grid + 1, s->width);
    compare_tensor(half, exact, rounded, "visual.transformer.resblocks.1.attn.in_proj_weight",
                   3 * s->width, s->width);
    weights_free(&exact);
    weights_free(&rounded);
}

static void compare_half(const struct parity *p, const struct half *half)
{
    struct h5 *f = NULL;
    char *path = other_weights(p, half->name, (const char *const[]){"--dtype", half->name, NULL});
    compare_tensors(half, p->weights, path);
    CHECK_OK(h5_open(&f, check_fixture("tiny/f16.h5")));
    parity_encode(p, path, "cpu", 2, f, half->name);
    h5_close(&f);
    MEM_FREE(path);
}

static void half_precision_weights_equal_torch(void **state)
{
    const struct parity *p = parity_of(state, __func__);
    compare_half(p, &(struct half){"f16", 11, -14});
    compare_half(p, &(struct half){"bf16", 8, -126});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_equal_the_golden),
        cmocka_unit_test(labels_and_masks_equal_the_golden),
        cmocka_unit_test(features_equal_the_golden),
        cmocka_unit_test(the_bank_equals_the_golden),
        cmocka_unit_test(scores_and_maps_equal_the_golden),
        cmocka_unit_test(metrics_of_our_maps_equal_the_golden),
        cmocka_unit_test(metrics_of_the_golden_maps_equal_the_golden),
        cmocka_unit_test(training_equals_the_golden),
        cmocka_unit_test(ref_kernels_equal_the_golden),
        cmocka_unit_test(hugging_face_names_equal_the_golden),
        cmocka_unit_test(the_shared_hugging_face_file_equals_the_golden),
        cmocka_unit_test(half_precision_weights_equal_torch),
    };
    return cmocka_run_group_tests(tests, parity_start_tiny, parity_stop);
}
