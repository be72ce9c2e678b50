/* Unit tests of metrics_of_file: both layouts give the rows of the collector, and every bad file is named. */
#include "check.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "metrics/metrics.h"
#include "tensor/h5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 8, SIDE = 5, PX = SIDE * SIDE };

/* Eight items of two classes, interleaved. The tests break one thing at a time. */
struct content {
    int32_t label[N];
    float score[N];
    int32_t class_id[N];
    uint8_t flag[N];
    uint8_t skipped[N];
    float map[N * PX];
    uint8_t mask[N * PX];
};

static void fill(struct content *c)
{
    for (size_t i = 0; i < N; i++) {
        c->label[i] = i % 4 > 1;
        c->class_id[i] = i % 2;
        c->score[i] = (float)rng_below(3, i, 10);
        c->flag[i] = (uint8_t)c->label[i];
        c->skipped[i] = 0;
        for (size_t p = 0; p < PX; p++) {
            c->mask[i * PX + p] = c->label[i] && p % 7 < 2;
            c->map[i * PX + p] = rng_uniform(4, i * PX + p) + (float)c->mask[i * PX + p];
        }
    }
}

static void put(struct h5 *f, const char *name, enum dtype dtype, int rank, size_t n,
                const void *data)
{
    const size_t dim[3] = {n, SIDE, SIDE};
    struct tensor t = tensor_view(dtype, rank, dim, data);
    CHECK_OK(h5_write(f, name, &t, "test"));
}

/* Layout (b): everything in the root. `without` names a dataset to leave out. */
static void write_root(const char *path, const struct content *c, const char *without)
{
    struct h5 *f = NULL;
    CHECK_OK(h5_create(&f, path, "dump", 1));
    put(f, "label", DTYPE_I32, 1, N, c->label);
    put(f, "class", DTYPE_I32, 1, N, c->class_id);
    if (strcmp(without, "score") != 0)
        put(f, "score", DTYPE_F32, 1, N, c->score);
    if (strcmp(without, "has_mask") != 0)
        put(f, "has_mask", DTYPE_U8, 1, N, c->flag);
    if (strcmp(without, "skipped") != 0)
        put(f, "skipped", DTYPE_U8, 1, N, c->skipped);
    if (strcmp(without, "map") != 0)
        put(f, "map", DTYPE_F32, 3, N, c->map);
    if (strcmp(without, "mask") != 0)
        put(f, "mask", DTYPE_U8, 3, N, c->mask);
    CHECK_OK(h5_put_text(f, "/", "class.0", "bottle"));
    CHECK_OK(h5_put_text(f, "/", "class.1", "cable"));
    CHECK_OK(h5_commit(&f));
}

/* The items of class k, gathered at the start of out; returns their number. */
static size_t gather(struct content *out, const struct content *c, int32_t k)
{
    size_t n = 0;
    for (size_t i = 0; i < N; i++) {
        if (c->class_id[i] != k || c->skipped[i])
            continue;
        out->label[n] = c->label[i];
        out->score[n] = c->score[i];
        memcpy(out->map + n * PX, c->map + i * PX, PX * sizeof *c->map);
        memcpy(out->mask + n * PX, c->mask + i * PX, PX);
        n++;
    }
    return n;
}

/* Layout (a): a group per class. */
static void write_groups(const char *path, const struct content *c)
{
    const char *const names[2] = {"bottle", "cable"};
    struct h5 *f = NULL;
    CHECK_OK(h5_create(&f, path, "groups", 1));
    for (int32_t k = 0; k < 2; k++) {
        struct content part;
        char name[32];
        size_t n = gather(&part, c, k);
        (void)snprintf(name, sizeof name, "%s/label", names[k]);
        put(f, name, DTYPE_I32, 1, n, part.label);
        (void)snprintf(name, sizeof name, "%s/score", names[k]);
        put(f, name, DTYPE_F32, 1, n, part.score);
        (void)snprintf(name, sizeof name, "%s/map", names[k]);
        put(f, name, DTYPE_F32, 3, n, part.map);
        (void)snprintf(name, sizeof name, "%s/mask", names[k]);
        put(f, name, DTYPE_U8, 3, n, part.mask);
    }
    CHECK_OK(h5_commit(&f));
}

struct place {
    char *dir;
    char *path;
};

static int setup(void **state)
{
    static struct place place;
    place.dir = check_folder();
    CHECK_OK(path_join(&place.path, place.dir, "a.h5"));
    *state = &place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    MEM_FREE(place->path);
    check_drop_folder(place->dir);
    return 0;
}

static void rows_of(struct metric_results *out, const char *path)
{
    struct metric_options options = METRIC_OPTIONS;
    CHECK_OK(metrics_of_file(path, &options, out));
}

static void refused(const char *path, int code, const char *part)
{
    struct metric_options options = METRIC_OPTIONS;
    struct metric_results results;
    int rc = metrics_of_file(path, &options, &results);
    assert_true(rc == ERR_OK || strstr(err_message(), path));
    metric_results_free(&results);
    CHECK_FAILS(rc, code, part);
}

static void both_layouts_agree(void **state)
{
    const struct place *place = *state;
    struct content c;
    struct metric_results a;
    struct metric_results b;
    fill(&c);
    write_root(place->path, &c, "");
    rows_of(&b, place->path);
    write_groups(place->path, &c);
    rows_of(&a, place->path);
    assert_int_equal(a.n, 2);
    assert_int_equal(b.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(a.item[i].name, i ? "cable" : "bottle");
        assert_string_equal(b.item[i].name, a.item[i].name);
        assert_int_equal(a.item[i].row.n_anomalous, 2);
        for (enum metric m = 0; m < METRIC_COUNT; m++) {
            assert_true(a.item[i].row.defined[m] && b.item[i].row.defined[m]);
            assert_true(a.item[i].row.value[m] == b.item[i].row.value[m]);
        }
    }
    assert_true(a.item[0].row.value[METRIC_P_AP] != a.item[1].row.value[METRIC_P_AP]);
    metric_results_free(&a);
    metric_results_free(&b);
}

/* What a sweep could not read has no scores: its zeros must not count as a normal-looking image. */
static void skipped_items_are_left_out(void **state)
{
    const struct place *place = *state;
    struct content c;
    struct metric_results with, without;
    fill(&c);
    c.skipped[6] = 1;
    c.score[6] = 0;
    memset(c.map + 6 * PX, 0, PX * sizeof *c.map);
    write_root(place->path, &c, "");
    rows_of(&with, place->path);
    write_groups(place->path, &c);
    rows_of(&without, place->path);
    assert_int_equal(with.item[0].row.n_anomalous, 1);
    assert_int_equal(with.item[1].row.n_anomalous, 2);
    for (enum metric m = 0; m < METRIC_COUNT; m++)
        assert_true(with.item[0].row.value[m] == without.item[0].row.value[m]);
    metric_results_free(&with);
    metric_results_free(&without);
}

static void missing_maps_or_masks_are_reasons(void **state)
{
    const struct place *place = *state;
    struct content c;
    struct metric_results r;
    fill(&c);
    write_root(place->path, &c, "map");
    rows_of(&r, place->path);
    assert_true(r.item[0].row.defined[METRIC_I_AUROC]);
    assert_string_equal(r.item[0].row.why[METRIC_PRO], "no map given");
    metric_results_free(&r);
    write_root(place->path, &c, "mask");
    rows_of(&r, place->path);
    assert_string_equal(r.item[1].row.why[METRIC_P_AP], "no masks");
    metric_results_free(&r);
    write_root(place->path, &c, "has_mask");
    rows_of(&r, place->path);
    assert_true(r.item[1].row.defined[METRIC_P_AP]);
    metric_results_free(&r);
    c.flag[2] = 0; /* an anomalous item of class 0 */
    write_root(place->path, &c, "");
    rows_of(&r, place->path);
    assert_string_equal(r.item[0].row.why[METRIC_P_AP], "an anomalous image has no mask");
    assert_true(r.item[1].row.defined[METRIC_P_AP]);
    metric_results_free(&r);
}

static void bad_values_are_named(void **state)
{
    const struct place *place = *state;
    struct content c;
    fill(&c);
    c.mask[3 * PX + 7] = 2;
    write_root(place->path, &c, "");
    refused(place->path, ERR_FORMAT, "item 3: image 1: the mask is 2 at row 1, column 2");
    fill(&c);
    c.map[6 * PX] = NAN;
    write_root(place->path, &c, "");
    refused(place->path, ERR_FORMAT, "group '/', item 6: image 3: the map is NaN");
    write_groups(place->path, &c);
    refused(place->path, ERR_FORMAT, "group 'bottle', item 3: image 3: the map is NaN");
    fill(&c);
    c.label[5] = -1;
    write_root(place->path, &c, "");
    refused(place->path, ERR_FORMAT, "'label' of item 5 is -1, wanted 0 or 1");
    fill(&c);
    c.flag[4] = 7;
    write_root(place->path, &c, "");
    refused(place->path, ERR_FORMAT, "'has_mask' of item 4 is 7");
    fill(&c);
    c.class_id[1] = 2;
    write_root(place->path, &c, "");
    refused(place->path, ERR_FORMAT,
            "'class' of item 1 is 2, but the root has no attribute class.2");
}

static void bad_files_are_named(void **state)
{
    const struct place *place = *state;
    struct content c;
    struct h5 *f = NULL;
    fill(&c);
    write_root(place->path, &c, "score");
    refused(place->path, ERR_FORMAT, "has no dataset 'score'");
    CHECK_OK(h5_create(&f, place->path, "x", 1));
    CHECK_OK(h5_commit(&f));
    refused(place->path, ERR_FORMAT, "neither groups (one per class) nor a dataset 'label'");
    CHECK_OK(h5_create(&f, place->path, "x", 1));
    put(f, "screw/score", DTYPE_F32, 1, N, c.score);
    CHECK_OK(h5_commit(&f));
    refused(place->path, ERR_FORMAT, "has no dataset 'screw/label'");
    CHECK_OK(h5_create(&f, place->path, "x", 1));
    put(f, "screw/label", DTYPE_I32, 1, N, c.label);
    put(f, "screw/score", DTYPE_F32, 1, N - 1, c.score);
    CHECK_OK(h5_commit(&f));
    refused(place->path, ERR_SHAPE, "'screw/score' has shape (7), wanted (8)");
    CHECK_OK(h5_create(&f, place->path, "x", 1));
    put(f, "screw/label", DTYPE_I32, 1, N, c.label);
    put(f, "screw/score", DTYPE_F32, 1, N, c.score);
    put(f, "screw/map", DTYPE_F32, 3, N, c.map);
    put(f, "screw/mask", DTYPE_U8, 3, N - 1, c.mask);
    CHECK_OK(h5_commit(&f));
    refused(place->path, ERR_SHAPE, "'screw/mask' has shape (7,5,5), wanted (8,5,5)");
    CHECK_OK(h5_create(&f, place->path, "x", 1));
    put(f, "screw/label", DTYPE_F32, 1, N, c.score);
    CHECK_OK(h5_commit(&f));
    refused(place->path, ERR_FORMAT, "'screw/label' does not hold integers");
}

static void masks_of_other_types_are_not_cut_to_bytes(void **state)
{
    const struct place *place = *state;
    struct content c;
    struct h5 *f = NULL;
    int32_t mask[N * PX] = {0};
    fill(&c);
    for (int turn = 0; turn < 2; turn++) {
        mask[2 * PX + 6] = turn ? 256 : -1; /* as bytes these could pass for 0 */
        CHECK_OK(h5_create(&f, place->path, "x", 1));
        put(f, "screw/label", DTYPE_I32, 1, N, c.label);
        put(f, "screw/score", DTYPE_F32, 1, N, c.score);
        put(f, "screw/mask", DTYPE_I32, 3, N, mask);
        CHECK_OK(h5_commit(&f));
        refused(place->path, ERR_FORMAT, "item 2: image 2: the mask is 255 at row 1, column 1");
    }
}

/* More images than are held at a time. */
static void long_files_are_read_in_parts(void **state)
{
    enum { IMAGES = 40, LONG = 400 };
    const struct place *place = *state;
    const size_t dim[3] = {IMAGES, LONG, LONG};
    struct h5 *f = NULL;
    float *map = NULL;
    int32_t label[IMAGES] = {1, 1};
    float score[IMAGES];
    struct metric_results r;
    struct metric_set *set = NULL;
    struct metric_options options = METRIC_OPTIONS;
    struct metric_row row;
    uint8_t *mask = NULL;
    CHECK_OK(MEM_NEW(map, LONG * LONG));
    CHECK_OK(MEM_NEW(mask, LONG * LONG));
    CHECK_OK(metric_set_new(&set, LONG, LONG));
    CHECK_OK(h5_create(&f, place->path, "x", 1));
    CHECK_OK(h5_define(f, "c/map", DTYPE_F32, 3, dim, 0, "test"));
    CHECK_OK(h5_define(f, "c/mask", DTYPE_U8, 3, dim, 0, "test"));
    for (size_t i = 0; i < IMAGES; i++) {
        score[i] = (float)i;
        mask[1000] = (uint8_t)label[i];
        for (size_t p = 0; p < LONG * LONG; p++)
            map[p] = rng_uniform(i, p / 50) + (float)mask[p];
        CHECK_OK(h5_write_rows(f, "c/map", i, 1, map));
        CHECK_OK(h5_write_rows(f, "c/mask", i, 1, mask));
        CHECK_OK(metric_set_add(set, (uint8_t)label[i], score[i], map, mask));
    }
    put(f, "c/label", DTYPE_I32, 1, IMAGES, label);
    put(f, "c/score", DTYPE_F32, 1, IMAGES, score);
    CHECK_OK(h5_commit(&f));
    CHECK_OK(metric_set_compute(set, &options, &row));
    rows_of(&r, place->path);
    assert_memory_equal(&r.item[0].row.value, &row.value, sizeof row.value);
    metric_results_free(&r);
    metric_set_free(&set);
    MEM_FREE(map);
    MEM_FREE(mask);
}

static void impossible_sizes_are_refused(void **state)
{
    const struct place *place = *state;
    const size_t wide[3] = {1, 30000, 30000};
    const size_t flat[3] = {1, 0, 5};
    struct content c;
    struct h5 *f = NULL;
    fill(&c);
    CHECK_OK(h5_create(&f, place->path, "x", 1));
    put(f, "screw/label", DTYPE_I32, 1, 1, c.label);
    put(f, "screw/score", DTYPE_F32, 1, 1, c.score);
    CHECK_OK(h5_define(f, "screw/map", DTYPE_U8, 3, flat, 0, "no pixels"));
    CHECK_OK(h5_commit(&f));
    refused(place->path, ERR_FORMAT, "images of 'screw/map' are 0 x 5, wanted sides from 1");
    CHECK_OK(h5_create(&f, place->path, "x", 1));
    put(f, "screw/label", DTYPE_I32, 1, 1, c.label);
    put(f, "screw/score", DTYPE_F32, 1, 1, c.score);
    CHECK_OK(h5_define(f, "screw/map", DTYPE_U8, 3, wide, 0, "never written"));
    CHECK_OK(h5_commit(&f));
    refused(place->path, ERR_FORMAT, "images of 'screw/map' are 30000 x 30000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_layouts_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(skipped_items_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_maps_or_masks_are_reasons, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_values_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_files_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(masks_of_other_types_are_not_cut_to_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(long_files_are_read_in_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(impossible_sizes_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
