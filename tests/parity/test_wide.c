/*
 * The encoder at the real size, ViT-L/14 at 518 px with 2 and with 24 layers, on generated weights and
 * photographs (PNG, so that no decoder's rounding comes in), against the PyTorch specification. Needs
 * golden/wide and data/mvtec in shared.
 */
#include "check.h"
#include "parity.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#define IS_SANITIZED __has_feature(address_sanitizer)
#else
#define IS_SANITIZED false
#endif

/*
 * What the goldens were made from, in their order. They do not name their images; of all shared
 * pictures these alone have the stored means and deviations, which the tests demand again.
 */
static const char *const wide2_images[] = {
    "bottle/test/good/001.png", "bottle/test/good/002.png", "bottle/test/good/003.png",
    "bottle/test/good/004.png", "bottle/test/good/006.png", "metal_nut/test/flip/022.png"};
static const char *const wide24_images[] = {"metal_nut/test/flip/022.png"};

struct wide {
    struct h5 *golden;
    struct bench bench;
    size_t n_rows;                           /* patches that the golden keeps of every image */
    int64_t *row;                            /* [n_rows] which */
    double cls, patch, proj, moments, input; /* errors so far */
};

static double mean_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum / (double)n;
}

/* torch's std: divided by n - 1. */
static double deviation_of(const float *x, size_t n)
{
    double mean = mean_of(x, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

static double stored(struct wide *w, const char *what, const char *moment, size_t image)
{
    char path[32];
    float value = NAN;
    (void)snprintf(path, sizeof path, "%s_%s", what, moment);
    CHECK_OK(h5_read_rows(w->golden, path, image, 1, DTYPE_F32, &value));
    return (double)value;
}

/* Mean and deviation against the stored ones, in units of the deviation: a mean may be near zero. */
static double moment_error(struct wide *w, const char *what, size_t image, const float *x, size_t n)
{
    double std = stored(w, what, "std", image);
    return worse(fabs(mean_of(x, n) - stored(w, what, "mean", image)) / std,
                 fabs(deviation_of(x, n) - std) / std);
}

/* The kept rows of one image: got [N, dim]. */
static double rows_error(struct wide *w, const char *name, size_t image, const float *got,
                         size_t dim)
{
    float *want = NULL;
    float *kept = NULL;
    double error;
    CHECK_OK(MEM_NEW(want, w->n_rows * dim));
    CHECK_OK(MEM_NEW(kept, w->n_rows * dim));
    CHECK_OK(h5_read_rows(w->golden, name, image, 1, DTYPE_F32, want));
    for (size_t i = 0; i < w->n_rows; i++)
        memcpy(kept + i * dim, got + (size_t)w->row[i] * dim, dim * sizeof *kept);
    error = floats_distance(kept, want, w->n_rows * dim);
    MEM_FREE(want);
    MEM_FREE(kept);
    return error;
}

static void compare_image(struct wide *w, const char *name, size_t image)
{
    struct bench *b = &w->bench;
    char path[1200];
    double began = clock_now();
    float *cls = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", check_shared("data/mvtec"), name);
    bench_run(b, path);
    print_message("    %s: %.1f s\n", name, clock_now() - began);
    CHECK_OK(MEM_NEW(cls, b->shape.embed));
    CHECK_OK(h5_read_rows(w->golden, "cls", image, 1, DTYPE_F32, cls));
    w->cls = worse(w->cls, floats_distance(b->cls, cls, b->shape.embed));
    w->patch = worse(w->patch, rows_error(w, "patch", image, b->patch, b->shape.width));
    w->proj = worse(w->proj, rows_error(w, "patch_proj", image, b->proj, b->shape.embed));
    w->moments =
        worse(w->moments, moment_error(w, "patch", image, b->patch, b->n * b->shape.width));
    w->input = worse(w->input, moment_error(w, "input", image, b->input, 3 * b->side * b->side));
    MEM_FREE(cls);
}

static void open_golden(struct wide *w, const char *path, size_t n_images)
{
    struct tensor row = {0};
    int64_t side = 0;
    char *weights = NULL;
    char *folder = check_folder();
    CHECK_OK(h5_open(&w->golden, path));
    CHECK_OK(h5_get_i64(w->golden, "/", "image", &side));
    CHECK_OK(path_join(&weights, folder, "wide.safetensors"));
    parity_weights(weights, w->golden, "/", NULL);
    bench_open(&w->bench, weights, "cpu", (size_t)side);
    MEM_FREE(weights);
    check_drop_folder(folder); /* up to 1.2 GB */
    CHECK_OK(h5_expect_shape(w->golden, "cls", 2, (size_t[]){n_images, w->bench.shape.embed}));
    CHECK_OK(h5_read(w->golden, "row", DTYPE_I64, &row));
    w->n_rows = tensor_count(&row);
    w->row = row.data;
}

static void run_wide(const char *test, const char *golden, const char *const *image, size_t n)
{
    struct wide w = {0};
    const char *path = check_shared(golden);
    if (!path)
        check_skip_shared(test, golden);
    open_golden(&w, path, n);
    for (size_t i = 0; i < n; i++)
        compare_image(&w, image[i], i);
    bench_close(&w.bench);
    h5_close(&w.golden);
    MEM_FREE(w.row);
    CHECK_TOLERANCE(TOLERANCE_WIDE, "input mean and std", w.input);
    CHECK_TOLERANCE(TOLERANCE_WIDE, "cls", w.cls);
    CHECK_TOLERANCE(TOLERANCE_WIDE, "patch", w.patch);
    CHECK_TOLERANCE(TOLERANCE_WIDE, "patch_proj", w.proj);
    CHECK_TOLERANCE(TOLERANCE_WIDE, "patch mean and std", w.moments);
}

static void two_layers_equal_the_golden(void **state)
{
    (void)state;
    run_wide(__func__, "golden/wide/wide2.h5", wide2_images,
             sizeof wide2_images / sizeof *wide2_images);
}

static void all_layers_equal_the_golden(void **state)
{
    (void)state;
    if (IS_SANITIZED) {
        print_message(
            "skipped: %s (24 layers take 3 GB and minutes under the sanitizers, and run no "
            "line that 2 layers do not)\n",
            __func__);
        skip();
    }
    run_wide(__func__, "golden/wide/wide24.h5", wide24_images, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_layers_equal_the_golden),
        cmocka_unit_test(all_layers_equal_the_golden),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
