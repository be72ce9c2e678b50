/* Unit tests of clip/safetensors: every check of the header, and files with bytes changed. */
#include "check.h"
#include "tiny.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "clip/clip.h"
#include "clip/safetensors_int.h"

#include <stdio.h>
#include <string.h>

/* The text of a header entry; kind, shape and offsets as they stand. */
#define ENTRY(name, kind, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" kind "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static int try_bytes(const char *bytes, size_t n)
{
    struct safetensors s;
    int rc = safetensors_open(&s, "m.safetensors", bytes, n);
    safetensors_close(&s);
    return rc;
}

static int try_header(const char *header, size_t n_data)
{
    char *dir = check_folder();
    char *path = NULL;
    char *bytes = NULL;
    size_t n = 0;
    int rc;
    CHECK_OK(path_join(&path, dir, "m.safetensors"));
    tiny_raw_write(path, header, NULL, n_data);
    CHECK_OK(file_read(path, (size_t)1 << 30, &bytes, &n));
    rc = try_bytes(bytes, n);
    MEM_FREE(bytes);
    MEM_FREE(path);
    check_drop_folder(dir);
    return rc;
}

static const struct safe_tensor *find(const struct safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->tensor[i].name, name) == 0)
            return &s->tensor[i];
    return NULL;
}

static void a_good_file_is_read(void **state)
{
    struct safetensors s;
    const struct safe_tensor *t;
    char *dir = check_folder();
    char *path = NULL;
    char *bytes = NULL;
    size_t n = 0;
    const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    (void)state;
    CHECK_OK(path_join(&path, dir, "m.safetensors"));
    /* out of order in the header, an empty tensor, a scalar, a comment of the writer, blanks behind */
    tiny_raw_write(
        path,
        "{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("b", "BF16", "[2,2]", "[4,12]") "," ENTRY(
            "a", "F32", "[]", "[0,4]") "," ENTRY("none", "F32", "[0,7]",
                                                 "[4,4]") "," ENTRY("c", "U8", "[3]",
                                                                    "[12,15]") "}   ",
        data, sizeof data);
    CHECK_OK(file_read(path, 1 << 20, &bytes, &n));
    CHECK_OK(safetensors_open(&s, path, bytes, n));
    assert_int_equal(s.n, 4);
    t = find(&s, "b");
    assert_non_null(t);
    assert_true(t->is_float && t->dtype == DTYPE_BF16 && t->rank == 2);
    assert_true(t->dim[0] == 2 && t->dim[1] == 2);
    assert_memory_equal(t->data, data + 4, 8);
    t = find(&s, "a");
    assert_true(t && t->is_float && t->rank == 0 && t->data[0] == 1);
    t = find(&s, "c");
    assert_true(t && !t->is_float && t->data[2] == 15);
    assert_non_null(find(&s, "none"));
    assert_null(find(&s, "__metadata__"));
    assert_null(find(&s, "d"));
    safetensors_close(&s);
    MEM_FREE(bytes);
    MEM_FREE(path);
    check_drop_folder(dir);
}

static void short_and_foreign_files_are_refused(void **state)
{
    static const char beyond[] = "\x03\0\0\0\0\0\0\0{}";
    static const char huge[] = "\xff\xff\xff\xff\xff\xff\xff\xff{}";
    static const char zero[] = "\x04\0\0\0\0\0\0\0{}\0 ";
    (void)state;
    CHECK_FAILS(try_bytes("", 0), ERR_FORMAT, "0 bytes are too few");
    CHECK_FAILS(try_bytes("\x02\0\0\0\0\0\0\0{", 9), ERR_FORMAT, "9 bytes are too few");
    CHECK_FAILS(try_bytes(beyond, 10), ERR_FORMAT, "header of 3 bytes in a file of 10");
    CHECK_FAILS(try_bytes(huge, 10), ERR_FORMAT, "not a safetensors file");
    CHECK_FAILS(try_bytes(zero, 12), ERR_FORMAT, "holds a zero byte");
}

struct refusal {
    const char *header;
    size_t n_data;
    const char *part; /* of the message */
};

static void expect_refusals(const struct refusal *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK_FAILS(try_header(cases[i].header, cases[i].n_data), ERR_FORMAT, cases[i].part);
}

static void headers_of_another_form_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"{]", 8, "not valid JSON"},
        {"{} x", 8, "not valid JSON"},
        {"[1]", 8, "the header is not a JSON object"},
        {"{}", 0, "holds no tensors"},
        {"{\"__metadata__\":{}}", 0, "holds no tensors"},
        {"{\"a\":5}", 8, "the header's entry 'a' is not an object"},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "tensor 'a' has no dtype"},
        {"{\"a\":{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
         "tensor 'a' has no dtype"},
        {"{" ENTRY("a", "F8", "[2]", "[0,8]") "}", 8, "tensor 'a' has the unknown dtype 'F8'"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "tensor 'a' has no shape"},
        {"{" ENTRY("a", "F32", "2", "[0,8]") "}", 8, "tensor 'a' has no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "tensor 'a' has no valid data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("a", "F32", "[2]", "[8,16]") "}", 16,
         "the key \"a\" occurs twice"},
    };
    (void)state;
    expect_refusals(cases, sizeof cases / sizeof *cases);
}

static void impossible_shapes_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"{" ENTRY("a", "F32", "[-2]", "[0,8]") "}", 8, "'a' has an impossible shape"},
        {"{" ENTRY("a", "F32", "[2.5]", "[0,10]") "}", 10, "'a' has an impossible shape"},
        {"{" ENTRY("a", "F32", "[\"2\"]", "[0,8]") "}", 8, "'a' has an impossible shape"},
        {"{" ENTRY("a", "F32", "[1e300]", "[0,8]") "}", 8, "'a' has an impossible shape"},
        {"{" ENTRY("a", "F32", "[1e16]", "[0,8]") "}", 8, "'a' has an impossible shape"},
        /* 4 * 2^31 * 2^31 is 2^64, which is 0 in 64 bits */
        {"{" ENTRY("a", "F32", "[2147483648,2147483648]", "[0,0]") "}", 0,
         "'a' has an impossible shape"},
        {"{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8,
         "'a' has more than 8 dimensions"},
        {"{" ENTRY("a", "F32", "[3]", "[0,8]") "}", 8,
         "'a' has 8 bytes, its shape and dtype demand 12"},
        {"{" ENTRY("a", "F16", "[2]", "[0,8]") "}", 8,
         "'a' has 8 bytes, its shape and dtype demand 4"},
    };
    (void)state;
    expect_refusals(cases, sizeof cases / sizeof *cases);
}

static void wrong_offsets_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"{" ENTRY("a", "F32", "[2]", "[8,0]") "}", 8, "'a' has no valid data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", "[0]") "}", 8, "'a' has no valid data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8,8]") "}", 8, "'a' has no valid data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", "[-8,0]") "}", 8, "'a' has no valid data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", "[0.5,8.5]") "}", 9, "'a' has no valid data_offsets"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 7,
         "'a' ends at byte 8, but the file holds 7: it is truncated"},
        {"{" ENTRY("a", "F32", "[2]", "[9007199254740984,9007199254740992]") "}", 8,
         "it is truncated"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[2]", "[4,12]") "}", 12,
         "'b' begins at byte 4 of the data, wanted 8"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[2]", "[0,8]") "}", 8,
         "begins at byte 0 of the data, wanted 8"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[1]", "[12,16]") "}", 16,
         "'b' begins at byte 12 of the data, wanted 8"},
        {"{" ENTRY("a", "F32", "[2]", "[4,12]") "}", 12,
         "'a' begins at byte 4 of the data, wanted 0"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 9,
         "the tensors end at byte 8 of the data, the file at 9"},
    };
    (void)state;
    expect_refusals(cases, sizeof cases / sizeof *cases);
}

/* Open a file as the program does and read one tensor of every form; only crashes would matter. */
static bool survives(const char *path)
{
    static const char *const names[] = {"visual.proj",
                                        "visual.transformer.resblocks.0.attn.in_proj_bias"};
    struct weights *w = NULL;
    float out[3 * TINY_WIDTH * TINY_EMBED];
    bool opened = weights_open(&w, path) == ERR_OK;
    if (opened) {
        (void)weights_read(w, names[0], 2, (size_t[]){TINY_WIDTH, TINY_EMBED}, out);
        (void)weights_read(w, names[1], 1, (size_t[]){3 * TINY_WIDTH}, out);
    }
    weights_free(&w);
    err_clear();
    return opened;
}

/* Write in place: a few thousand durable files would take minutes. */
static void overwrite(const char *path, const char *bytes, size_t n)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

static void changed_bytes_never_crash(void **state)
{
    char *dir = check_folder();
    char *path = NULL;
    char *good = NULL;
    char *bad = NULL;
    size_t n = 0;
    size_t header;
    size_t n_opened = 0;
    struct tiny_model m = tiny_model();
    (void)state;
    m.layers = 1;
    m.is_hugging_face = true;
    CHECK_OK(path_join(&path, dir, "m.safetensors"));
    tiny_model_write(&m, path);
    CHECK_OK(file_read(path, (size_t)1 << 20, &good, &n));
    CHECK_OK(MEM_NEW(bad, n));
    header = 8 + (size_t)(uint8_t)good[0] + 256 * (size_t)(uint8_t)good[1];
    for (uint64_t seed = 0; seed < 3000; seed++) {
        size_t n_changes = 1 + rng_below(seed, 0, 4);
        memcpy(bad, good, n);
        for (uint64_t i = 0; i < n_changes; i++)
            bad[rng_below(seed, 2 * i + 1, header)] = (char)rng_below(seed, 2 * i + 2, 256);
        /* every fourth file is cut as well */
        overwrite(path, bad, seed % 4 ? n : rng_below(seed, 99, n));
        n_opened += survives(path);
    }
    /* some changes are harmless, most are not: both paths were taken */
    assert_true(n_opened > 10 && n_opened < 2900);
    MEM_FREE(good);
    MEM_FREE(bad);
    MEM_FREE(path);
    check_drop_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_read),
        cmocka_unit_test(short_and_foreign_files_are_refused),
        cmocka_unit_test(headers_of_another_form_are_refused),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(wrong_offsets_are_refused),
        cmocka_unit_test(changed_bytes_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
