/*
 * Unit tests of tensor/torch.h: the archive around the pickle, damaged and hostile ones, and files
 * that we write.
 */
#include "archive.h"
#include "check.h"
#include "fuzz.h"
#include "pickle.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "tensor/torch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BANK                      \
    "\x80\2}(" TEXT("\4", "keys") \
        TENSOR("FloatStorage", "0", "\14", "\0", "K\3K\4\x86", "K\4K\1\x86") "u."

static const float floats[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

static uint8_t *bank_archive(bool deflate, const char *order, size_t *n)
{
    const struct archive_part part[] = {
        {"My bank/data.pkl", BYTES(BANK), deflate},
        {"My bank/byteorder", order, strlen(order), false},
        {"My bank/data/0", floats, sizeof floats, deflate},
        {"My bank/data/1", floats, sizeof floats, false},
    };
    return archive_build(part, sizeof part / sizeof *part, n);
}

static void check_bank(const uint8_t *bytes, size_t n)
{
    struct torch_file *f = NULL;
    struct tensor t = {0};
    CHECK_OK(torch_open_bytes(&f, "file", bytes, n));
    CHECK_OK(torch_tensor_read(f, torch_get(torch_root(f), "keys"), DTYPE_F32, &t));
    assert_true(t.rank == 2 && t.dim[0] == 3 && t.dim[1] == 4);
    assert_memory_equal(t.data, floats, sizeof floats);
    tensor_free(&t);
    torch_close(&f);
}

static void stored_and_deflated_are_read(void **state)
{
    (void)state;
    for (int deflate = 0; deflate < 2; deflate++) {
        size_t n;
        uint8_t *bytes = bank_archive(deflate, "little", &n);
        check_bank(bytes, n);
        free(bytes);
    }
}

static void check_opening(const void *bytes, size_t n, const char *want)
{
    struct torch_file *f = NULL;
    CHECK_FAILS(torch_open_bytes(&f, "file", bytes, n), ERR_FORMAT, want);
    assert_null(f);
}

static void other_files_are_refused(void **state)
{
    static const char legacy[] =
        "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.";
    const struct archive_part other[] = {{"a/b/data.pkl", "N.", 2, false},
                                         {"data.pkl", "N.", 2, false}};
    struct torch_file *f = NULL;
    size_t n;
    uint8_t *bytes = archive_build(other, 2, &n);
    (void)state;
    assert_true(torch_is_file(BYTES(legacy)) && torch_is_file(bytes, n));
    assert_false(torch_is_file(BYTES("safetensors")) || torch_is_file("PK", 2));
    check_opening(BYTES(legacy), "file: written by torch.save before 1.6");
    check_opening("", 0, "it is no zip archive");
    check_opening(BYTES("safetensors"), "it is no zip archive");
    check_opening(BYTES("PK\3\4 and no more"), "the zip archive cannot be opened");
    check_opening(bytes, n, "it has no entry NAME/data.pkl");
    free(bytes);
    bytes = bank_archive(false, "big", &n);
    check_opening(bytes, n, "entry byteorder: only \"little\" is read");
    free(bytes);
    CHECK_FAILS(torch_open(&f, "/nowhere/at all"), ERR_IO, "/nowhere/at all");
}

static uint8_t *find(uint8_t *bytes, size_t n, const void *what, size_t n_what, int nth)
{
    uint8_t *at = bytes;
    for (int i = 0; at && i <= nth; i++, at += i <= nth)
        at = memmem(at, n - (size_t)(at - bytes), what, n_what);
    if (!at)
        abort();
    return at;
}

/* Every place where the name of one entry stands gets the name of another. */
static void twins_are_refused(void **state)
{
    size_t n;
    uint8_t *bytes = bank_archive(false, "little", &n);
    (void)state;
    for (int i = 0; i < 2; i++)
        find(bytes, n, BYTES("data/1"), 0)[5] = '0';
    check_opening(bytes, n, "two entries 'My bank/data/0'");
    free(bytes);
}

/* The directory's record of an entry: sizes at 20 and 24, the name at 46. */
static uint8_t *directory_of(uint8_t *bytes, size_t n, const char *name)
{
    uint8_t *at = find(bytes, n, name, strlen(name), 1) - 46;
    assert_memory_equal(at, "PK\1\2", 4);
    return at;
}

static void put_u32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

static int read_keys(const uint8_t *bytes, size_t n)
{
    int rc = ERR_OK;
    struct torch_file *f = NULL;
    struct tensor t = {0};
    TRY(torch_open_bytes(&f, "file", bytes, n));
    TRY(torch_tensor_read(f, torch_get(torch_root(f), "keys"), DTYPE_F32, &t));
out:
    tensor_free(&t);
    torch_close(&f);
    return rc;
}

static void claimed_sizes_are_not_believed(void **state)
{
    const char *name = "My bank/data/0";
    size_t n;
    uint8_t *bytes = bank_archive(true, "little", &n);
    (void)state;
    put_u32(directory_of(bytes, n, name) + 24, 40 << 20);
    CHECK_FAILS(read_keys(bytes, n), ERR_FORMAT, "are said to unpack to 41943040: refused");
    put_u32(directory_of(bytes, n, name) + 24, 4800);
    CHECK_FAILS(read_keys(bytes, n), ERR_FORMAT, "entry My bank/data/0");
    put_u32(directory_of(bytes, n, name) + 24, 40);
    CHECK_FAILS(read_keys(bytes, n), ERR_FORMAT, "12 elements, but its entry has 40 bytes");
    free(bytes);
    bytes = bank_archive(false, "little", &n);
    put_u32(directory_of(bytes, n, name) + 24, 4800);
    CHECK_FAILS(read_keys(bytes, n), ERR_FORMAT, "48 bytes are said to be 4800");
    put_u32(directory_of(bytes, n, name) + 20, 4800);
    CHECK_FAILS(read_keys(bytes, n), ERR_FORMAT, "4800 bytes are said to be in an archive of");
    free(bytes);
}

/* All that zero bytes compress to is fine; a large one is not. */
static void bombs_are_refused(void **state)
{
    size_t zeros = 80 << 20;
    char *zero = calloc(1, zeros);
    struct archive_part part[] = {{"a/data.pkl", BYTES(BANK), false},
                                  {"a/data/0", zero, zeros, true}};
    size_t n;
    uint8_t *bytes;
    (void)state;
    assert_non_null(zero);
    bytes = archive_build(part, 2, &n);
    check_opening(bytes, n, "are said to unpack to 83886080: refused");
    free(bytes);
    part[1].n = 1 << 20;
    bytes = archive_build(part, 2, &n);
    CHECK_OK(read_keys(bytes, n));
    free(bytes);
    free(zero);
}

/* No byte of what is read can change without being noticed. */
static void every_changed_byte_of_data_is_found(void **state)
{
    size_t n;
    uint8_t *bytes = bank_archive(false, "little", &n);
    uint8_t *data = find(bytes, n, floats, sizeof floats, 0);
    (void)state;
    for (size_t i = 0; i < sizeof floats; i++) {
        data[i] ^= 1;
        CHECK_FAILS(read_keys(bytes, n), ERR_FORMAT, "entry My bank/data/0");
        data[i] ^= 1;
    }
    CHECK_OK(read_keys(bytes, n));
    for (size_t cut = 1; cut < n; cut += 7)
        if (read_keys(bytes, n - cut) == ERR_OK)
            fail_msg("%zu bytes of %zu were enough", n - cut, n);
    err_clear();
    free(bytes);
}

/* Whatever the bytes are, the reader comes back and leaves no memory. */
static void changed_files_do_no_harm(void **state)
{
    enum { INPUTS = 4000, ROOM = 4096 };
    static uint8_t changed[ROOM];
    const struct fuzz_bytes pickle = {(const uint8_t *)BANK, sizeof BANK};
    size_t opened = 0;
    (void)state;
    for (uint64_t i = 0; i < INPUTS; i++) {
        size_t n;
        uint8_t *bytes = bank_archive(i % 2, "little", &n);
        size_t live = mem_live();
        n = fuzz_mutate(changed, ROOM, (struct fuzz_bytes){bytes, n}, pickle, 1, i);
        opened += read_keys(changed, n) == ERR_OK;
        assert_int_equal(mem_live(), live);
        free(bytes);
    }
    err_clear();
    print_message("    %zu of %d changed files were still readable\n", opened, INPUTS);
    assert_true(opened > 0 && opened < INPUTS / 2);
}

static void write_two(const char *path, float first)
{
    struct torch_writer *w = NULL;
    const float x[6] = {first, 2, 3, 4, 5, 6};
    const int64_t y[2] = {-1, INT64_MAX};
    struct tensor t = tensor_view(DTYPE_F32, 2, (size_t[]){3, 2}, x);
    CHECK_OK(torch_write_begin(&w, path));
    CHECK_OK(torch_write_tensor(w, "image_proj/mlp1.weight", &t));
    t = tensor_view(DTYPE_I64, 1, (size_t[]){2}, y);
    CHECK_OK(torch_write_tensor(w, "image_proj/deep/n", &t));
    t = tensor_view(DTYPE_F32, 2, (size_t[]){0, 70000}, x);
    CHECK_OK(torch_write_tensor(w, "none", &t));
    t = tensor_view(DTYPE_F32, 0, NULL, x);
    CHECK_OK(torch_write_tensor(w, "one", &t));
    CHECK_OK(torch_write_commit(&w));
    assert_null(w);
}

static int note(void *user, const char *name, const struct torch_value *t)
{
    int rc = str_addf(user, "%s", name);
    for (int i = 0; i < t->rank && !rc; i++)
        rc = str_addf(user, " %zu/%zu", t->dim[i], t->stride[i]);
    return rc ? rc : str_add(user, ";");
}

static void written_files_are_read(void **state)
{
    char *dir = check_folder();
    char path[600];
    struct torch_file *f = NULL;
    struct str names = {0};
    float x[6];
    int64_t y[2];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/new/heads.pth", dir);
    write_two(path, 1);
    write_two(path, 7);
    CHECK_OK(torch_open(&f, path));
    CHECK_OK(torch_walk(torch_root(f), note, &names));
    assert_string_equal(names.text, "image_proj.mlp1.weight 3/2 2/1;image_proj.deep.n 2/1;"
                                    "none 0/70000 70000/1;one;");
    CHECK_OK(torch_read(f, torch_get(torch_root(f), "image_proj.mlp1.weight"), DTYPE_F32, x));
    assert_true(x[0] == 7 && x[5] == 6);
    CHECK_OK(torch_read(f, torch_get(torch_root(f), "image_proj.deep.n"), DTYPE_I64, y));
    assert_true(y[0] == -1 && y[1] == INT64_MAX);
    CHECK_OK(torch_read(f, torch_get(torch_root(f), "one"), DTYPE_F32, x));
    assert_true(x[0] == 7);
    str_free(&names);
    torch_close(&f);
    check_drop_folder(dir);
}

static void check_names(const char *path, const char *first, const char *second, const char *third)
{
    struct torch_writer *w = NULL;
    const float x = 1;
    const struct tensor t = tensor_view(DTYPE_F32, 0, NULL, &x);
    CHECK_OK(torch_write_begin(&w, path));
    CHECK_OK(torch_write_tensor(w, first, &t));
    CHECK_OK(torch_write_tensor(w, second, &t));
    CHECK_OK(torch_write_tensor(w, third, &t));
    CHECK_FAILS(torch_write_commit(&w), ERR_FORMAT, third);
    assert_null(w);
}

static void bad_trees_are_not_written(void **state)
{
    static const char *const wrong[] = {"", "/a", "a/", "a//b", "1/2/3/4/5/6/7/8/9"};
    char *dir = check_folder();
    char path[600];
    struct torch_writer *w = NULL;
    const float x = 1;
    const struct tensor t = tensor_view(DTYPE_F32, 0, NULL, &x);
    const struct tensor half = tensor_view(DTYPE_F16, 0, NULL, &x);
    struct path_list left = {0};
    (void)state;
    (void)snprintf(path, sizeof path, "%s/x.pt", dir);
    check_names(path, "a/b", "c", "a/d");
    check_names(path, "a", "b", "a");
    check_names(path, "b", "a/b", "a");
    check_names(path, "b", "a", "a/b");
    check_names(path, "x/a/b", "x/c", "x/a/d");
    CHECK_OK(torch_write_begin(&w, path));
    CHECK_FAILS(torch_write_tensor(w, "a", &half), ERR_FORMAT, "tensor 'a' is f16");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_FAILS(torch_write_tensor(w, wrong[i], &t), ERR_FORMAT, "cannot name a tensor");
    CHECK_FAILS(torch_write_commit(&w), ERR_FORMAT, "no tensor to write");
    CHECK_OK(torch_write_begin(&w, path));
    CHECK_OK(torch_write_tensor(w, "a", &t));
    torch_write_abort(&w);
    CHECK_OK(path_list_dir(&left, dir));
    assert_int_equal(left.n, 0);
    path_list_free(&left);
    check_drop_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_and_deflated_are_read),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(twins_are_refused),
        cmocka_unit_test(claimed_sizes_are_not_believed),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(every_changed_byte_of_data_is_found),
        cmocka_unit_test(changed_files_do_no_harm),
        cmocka_unit_test(written_files_are_read),
        cmocka_unit_test(bad_trees_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
