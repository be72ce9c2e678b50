/* Unit tests of tensor/: 16-bit floats, comparison, HDF5 files. */
#include "check.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "tensor/h5.h"
#include "tensor/tensor.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void halves_convert_exactly(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = f16_to_f32((uint16_t)h);
        if (isnan(x))
            assert_true(isnan(f16_to_f32(f32_to_f16(x))));
        else
            assert_int_equal(f32_to_f16(x), h);
        x = bf16_to_f32((uint16_t)h);
        if (!isnan(x))
            assert_int_equal(f32_to_bf16(x), h);
    }
    assert_true(f16_to_f32(0x3c00) == 1.0F);
    assert_true(f16_to_f32(0x0001) == 0x1p-24F);
    assert_int_equal(f32_to_f16(1.0F + 0x1p-11F), 0x3c00); /* a tie goes to even */
    assert_int_equal(f32_to_f16(1.0F + 0x1.8p-10F), 0x3c02);
    assert_int_equal(f32_to_f16(65520.0F), 0x7c00);
    assert_int_equal(f32_to_bf16(1.0F + 0x1p-8F), 0x3f80);
}

static void distance_sees_nan(void **state)
{
    const float a[2] = {3, 4};
    const float b[2] = {3, 4.5F};
    const float c[2] = {NAN, 4};
    (void)state;
    assert_true(floats_distance(a, a, 2) == 0);
    assert_true(fabs(floats_distance(b, a, 2) - 0.1) < 1e-12);
    assert_false(floats_distance(c, a, 2) <= 1e300);
}

static void write_sample(const char *path)
{
    struct h5 *f = NULL;
    float x[6] = {1, 2, 3, 4, 5, 6};
    uint16_t half[2] = {0x3c00, 0xc000};
    size_t dim[2] = {3, 2};
    size_t two = 2;
    size_t none[2] = {0, 5};
    struct tensor t = tensor_view(DTYPE_F32, 2, dim, x);
    struct tensor th = tensor_view(DTYPE_F16, 1, &two, half);
    struct tensor te = tensor_view(DTYPE_F32, 2, none, x);
    CHECK_OK(h5_create(&f, path, "sample", 3));
    CHECK_OK(h5_write(f, "g/x", &t, "six numbers"));
    CHECK_OK(h5_write(f, "half", &th, "two halves"));
    CHECK_OK(h5_write(f, "empty", &te, "nothing"));
    CHECK_OK(h5_put_text(f, "/", "note", "gr\xc3\xbc\xc3\x9f"));
    CHECK_OK(h5_put_f64(f, "g", "value", 0.25));
    CHECK_OK(h5_commit(&f));
}

static void files_read_back(void **state)
{
    char *dir = check_folder();
    char *path = NULL;
    char *note = NULL;
    struct h5 *f = NULL;
    struct tensor t;
    float row[2];
    double value = 0;
    size_t want[2] = {3, H5_ANY};
    size_t wrong[2] = {4, 2};
    struct path_list list;
    (void)state;
    CHECK_OK(path_join(&path, dir, "a.h5"));
    write_sample(path);
    CHECK_FAILS(h5_open_schema(&f, path, "other", 3), ERR_FORMAT, "holds 'sample', wanted 'other'");
    CHECK_FAILS(h5_open_schema(&f, path, "sample", 4), ERR_FORMAT, "reads version 4");
    CHECK_OK(h5_open_schema(&f, path, "sample", 3));
    CHECK_OK(h5_read(f, "g/x", DTYPE_F32, &t));
    assert_true(((float *)t.data)[5] == 6.0F);
    tensor_free(&t);
    CHECK_OK(h5_read(f, "half", DTYPE_F32, &t));
    assert_true(((float *)t.data)[0] == 1.0F && ((float *)t.data)[1] == -2.0F);
    tensor_free(&t);
    CHECK_OK(h5_read(f, "empty", DTYPE_F32, &t));
    assert_int_equal(tensor_count(&t), 0);
    tensor_free(&t);
    CHECK_OK(h5_read_rows(f, "g/x", 2, 1, DTYPE_F32, row));
    assert_true(row[0] == 5.0F);
    CHECK_FAILS(h5_read_rows(f, "g/x", 2, 2, DTYPE_F32, row), ERR_SHAPE, "rows 2 to 4 wanted");
    CHECK_FAILS(h5_read(f, "nope", DTYPE_F32, &t), ERR_FORMAT, "has no dataset 'nope'");
    CHECK_FAILS(h5_read(f, "g/x", DTYPE_I32, &t), ERR_FORMAT, "does not hold integers");
    CHECK_OK(h5_expect_shape(f, "g/x", 2, want));
    CHECK_FAILS(h5_expect_shape(f, "g/x", 2, wrong), ERR_SHAPE, "has shape (3,2), wanted (4,2)");
    CHECK_OK(h5_get_text(f, "/", "note", &note));
    assert_string_equal(note, "gr\xc3\xbc\xc3\x9f");
    MEM_FREE(note);
    CHECK_OK(h5_get_f64(f, "g", "value", &value));
    assert_true(value == 0.25);
    CHECK_OK(h5_list(f, "/", true, &list));
    assert_int_equal(list.n, 1);
    path_list_free(&list);
    h5_close(&f);
    MEM_FREE(path);
    check_drop_folder(dir);
}

/* Written in another second, or times of day would go unseen. */
static void equal_content_gives_equal_bytes(void **state)
{
    char *dir = check_folder();
    char *path[2] = {NULL, NULL};
    char *bytes[2] = {NULL, NULL};
    size_t n[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(path_join(&path[i], dir, i ? "b.h5" : "a.h5"));
        clock_sleep(i ? 1.1 : 0); /* a time stamp, in whole seconds, would differ */
        write_sample(path[i]);
        CHECK_OK(file_read(path[i], 1 << 20, &bytes[i], &n[i]));
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    for (int i = 0; i < 2; i++) {
        MEM_FREE(path[i]);
        MEM_FREE(bytes[i]);
    }
    check_drop_folder(dir);
}

/* Every single flipped bit in the stored numbers is found by the checksum. */
static void damage_is_found(void **state)
{
    char *dir = check_folder();
    char *path = NULL;
    char *bytes = NULL;
    size_t n = 0;
    size_t at = 0;
    const float x[2] = {5, 6};
    struct h5 *f = NULL;
    struct tensor t;
    (void)state;
    CHECK_OK(path_join(&path, dir, "a.h5"));
    write_sample(path);
    CHECK_OK(file_read(path, 1 << 20, &bytes, &n));
    while (at + sizeof x < n && memcmp(bytes + at, x, sizeof x) != 0)
        at++;
    assert_true(at + sizeof x < n);
    bytes[at] ^= 4;
    CHECK_OK(file_write(path, bytes, n));
    CHECK_OK(h5_open(&f, path));
    CHECK_FAILS(h5_read(f, "g/x", DTYPE_F32, &t), ERR_FORMAT, "cannot read dataset 'g/x'");
    h5_close(&f);
    CHECK_OK(file_write(path, bytes, n / 2));
    CHECK_FAILS(h5_open(&f, path), ERR_FORMAT, "not a readable HDF5 file");
    MEM_FREE(bytes);
    MEM_FREE(path);
    check_drop_folder(dir);
}

/* Bytes that the library keeps back are written when a dataset is closed: that they were not must be told. */
static void a_write_that_fails_late_is_told(void **state)
{
    char *dir = check_folder();
    char *path = NULL;
    struct h5 *f = NULL;
    struct rlimit limit, none;
    static const float x[64] = {1};
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN); /* as the program does */
    CHECK_OK(path_join(&path, dir, "late.h5"));
    CHECK_OK(h5_create(&f, path, "sample", 3));
    CHECK_OK(h5_define(f, "x", DTYPE_F32, 1, (size_t[]){64}, 0, "numbers"));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    none = limit;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    CHECK_FAILS(h5_write_rows(f, "x", 0, 64, x), ERR_IO,
                "cannot write dataset 'x': File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    h5_close(&f);
    assert_false(path_is_file(path));
    MEM_FREE(path);
    check_drop_folder(dir);
}

/* Rows that are in no chunk would read as zeros. */
static void rows_that_were_never_written_are_refused(void **state)
{
    enum { ROWS = 3, WIDTH = 1 << 18 }; /* a chunk each */
    char *dir = check_folder();
    char *path = NULL;
    struct h5 *f = NULL;
    float *x = NULL;
    (void)state;
    CHECK_OK(MEM_NEW(x, WIDTH));
    CHECK_OK(path_join(&path, dir, "part.h5"));
    CHECK_OK(h5_create(&f, path, "sample", 3));
    CHECK_OK(h5_define(f, "part", DTYPE_F32, 2, (size_t[]){ROWS, WIDTH}, 0, "rows"));
    CHECK_OK(h5_define(f, "packed", DTYPE_F32, 2, (size_t[]){ROWS, WIDTH}, 1, "rows"));
    CHECK_OK(h5_define(f, "none", DTYPE_U8, 1, (size_t[]){8}, 1, "a few bytes"));
    for (size_t row = 0; row < ROWS; row++)
        CHECK_OK(h5_write_rows(f, "packed", row, 1, x));
    CHECK_OK(h5_write_rows(f, "part", 0, 1, x));
    CHECK_OK(h5_commit(&f));
    CHECK_OK(h5_open(&f, path));
    CHECK_OK(h5_read_rows(f, "packed", 1, 1, DTYPE_F32, x));
    CHECK_FAILS(h5_read_rows(f, "part", 0, 1, DTYPE_F32, x), ERR_FORMAT,
                "claims 3145728 bytes, but the file stores 10");
    CHECK_FAILS(h5_read_rows(f, "none", 0, 8, DTYPE_U8, x), ERR_FORMAT,
                "claims 8 bytes, but the file stores 0");
    h5_close(&f);
    MEM_FREE(x);
    MEM_FREE(path);
    check_drop_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_convert_exactly),
        cmocka_unit_test(distance_sees_nan),
        cmocka_unit_test(files_read_back),
        cmocka_unit_test(equal_content_gives_equal_bytes),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(a_write_that_fails_late_is_told),
        cmocka_unit_test(rows_that_were_never_written_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
