/* Unit tests of base/: memory, strings, paths, files, hashes, random numbers, errors. */
#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void memory_is_zeroed_aligned_and_checked(void **state)
{
    double *p = NULL;
    size_t cap = 0;
    (void)state;
    CHECK_OK(MEM_NEW(p, 1000));
    assert_int_equal((uintptr_t)p % 64, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(p[i] == 0.0);
    MEM_FREE(p);
    assert_null(p);
    CHECK_FAILS(MEM_NEW(p, SIZE_MAX / 2), ERR_MEMORY, "cannot allocate");
    assert_null(p);
    CHECK_OK(MEM_GROW(p, &cap, 3));
    p[2] = 7;
    CHECK_OK(MEM_GROW(p, &cap, 1000));
    assert_true(p[2] == 7.0 && p[999] == 0.0);
    MEM_FREE(p);
}

static void strings_grow_and_find_neighbours(void **state)
{
    struct str s = {0};
    const char *const names[] = {"tau", "sigma", "image_size"};
    (void)state;
    CHECK_OK(str_add(&s, "a"));
    for (int i = 0; i < 100; i++)
        CHECK_OK(str_addf(&s, "%d,", i));
    assert_string_equal(s.text + s.len - 3, "99,");
    str_free(&s);
    assert_int_equal(str_distance("kitten", "sitting"), 3);
    assert_string_equal(str_nearest("imagesize", names, 3), "image_size");
    assert_null(str_nearest("quantile", names, 3));
}

static void paths_split_and_join(void **state)
{
    char *p = NULL;
    (void)state;
    CHECK_OK(path_join(&p, "a/b", "c"));
    assert_string_equal(p, "a/b/c");
    MEM_FREE(p);
    CHECK_OK(path_join(&p, "a", "/c"));
    assert_string_equal(p, "/c");
    MEM_FREE(p);
    CHECK_OK(path_stem(&p, "x/1 no.tar.gz"));
    assert_string_equal(p, "1 no.tar");
    MEM_FREE(p);
    CHECK_OK(path_dir(&p, "/c"));
    assert_string_equal(p, "/");
    MEM_FREE(p);
    assert_string_equal(path_ext("a.b/c"), "");
    assert_string_equal(path_ext(".hidden"), "");
    assert_string_equal(path_ext("a/c.PNG"), ".PNG");
    assert_string_equal(path_below("store/bank/x", "store"), "bank/x");
    assert_string_equal(path_below("store/bank/x", "store/"), "bank/x");
    assert_string_equal(path_below("store//bank", "store//"), "bank");
    assert_string_equal(path_below("store2/bank", "store"), "store2/bank");
    assert_string_equal(path_below("/bank", "/"), "bank");
    assert_string_equal(path_below("bank", "store"), "bank");
}

static void files_appear_whole_or_not_at_all(void **state)
{
    struct atomic_file f = {0};
    char *dir = check_folder();
    char *path = NULL;
    char *text = NULL;
    size_t n = 0;
    struct file_map map;
    FILE *out;
    struct path_list list;
    (void)state;
    CHECK_OK(path_join(&path, dir, "deep/er/x"));
    CHECK_OK(file_write(path, "hello", 5));
    CHECK_OK(file_read(path, 100, &text, &n));
    assert_int_equal(n, 5);
    assert_string_equal(text, "hello");
    MEM_FREE(text);
    CHECK_FAILS(file_read(path, 4, &text, &n), ERR_FORMAT, "larger than the 4 bytes");
    CHECK_OK(atomic_begin(&f, path));
    out = fopen(f.temp, "w");
    assert_non_null(out);
    (void)fputs("half", out);
    (void)fclose(out);
    atomic_abort(&f);
    CHECK_OK(file_map_open(&map, path));
    assert_int_equal(map.size, 5);
    assert_memory_equal(map.data, "hello", 5);
    file_map_close(&map);
    MEM_FREE(path);
    CHECK_OK(path_join(&path, dir, "deep/er"));
    CHECK_OK(path_list_dir(&list, path));
    assert_int_equal(list.n, 1);
    path_list_free(&list);
    MEM_FREE(path);
    check_drop_folder(dir);
}

static void stale_temporary_files_are_removed(void **state)
{
    char *dir = check_folder();
    char host[64] = "";
    char name[256];
    FILE *out;
    pid_t child;
    siginfo_t ended;
    (void)state;
    (void)gethostname(host, sizeof host - 1);
    /* no process has the number 2^22 + 1 on Linux */
    (void)snprintf(name, sizeof name, "%s/a.h5.tmp.%s.4194305.0", dir, host);
    out = fopen(name, "w");
    assert_non_null(out);
    (void)fclose(out);
    CHECK_OK(file_clean_temp(dir));
    assert_false(path_is_file(name));
    /* a process that has ended but was not waited for is gone, too */
    child = fork();
    if (child == 0)
        _exit(0);
    assert_true(child > 0);
    assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
    (void)snprintf(name, sizeof name, "%s/a.h5.tmp.%s.%ld.0", dir, host, (long)child);
    out = fopen(name, "w");
    assert_non_null(out);
    (void)fclose(out);
    CHECK_OK(file_clean_temp(dir));
    assert_false(path_is_file(name));
    (void)waitpid(child, NULL, 0);
    (void)snprintf(name, sizeof name, "%s/a.h5.tmp.%s.%ld.0", dir, host, (long)getpid());
    out = fopen(name, "w");
    assert_non_null(out);
    (void)fclose(out);
    CHECK_OK(file_clean_temp(dir));
    assert_true(path_is_file(name));
    check_drop_folder(dir);
}

static void hashes_have_known_values(void **state)
{
    char hex[HASH_HEX];
    struct hasher *h = NULL;
    struct hash back;
    (void)state;
    /* published test vector: XXH3_128bits of the empty input */
    hash_hex(hex, hash_bytes("", 0));
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    CHECK_OK(hash_parse(&back, hex));
    assert_true(hash_equal(back, hash_bytes("", 0)));
    CHECK_FAILS(hash_parse(&back, "99aa"), ERR_FORMAT, "not a hash");
    CHECK_OK(hasher_new(&h));
    hasher_add(h, "ab", 2);
    hasher_add(h, "c", 1);
    assert_true(hash_equal(hasher_finish(&h), hash_bytes("abc", 3)));
}

static void random_numbers_follow_splitmix64(void **state)
{
    (void)state;
    /* SplitMix64 of Vigna's reference, state 0: its first outputs */
    assert_true(rng_u64(0, 0) == UINT64_C(0xE220A8397B1DCDAF));
    assert_true(rng_u64(0, 1) == UINT64_C(0x6E789E6AA1B965F4));
    assert_true(rng_u64(0, 2) == UINT64_C(0x06C45D188009454F));
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(rng_uniform(5, i) >= -1.0F && rng_uniform(5, i) < 1.0F);
        assert_true(rng_below(5, i, 7) < 7);
    }
}

static int inner(void)
{
    int rc = ERR_OK;
    FAIL(ERR_IO, "file %s is bad", "x.h5");
out:
    return rc;
}

static int outer(void)
{
    int rc = ERR_OK;
    TRY(inner());
out:
    return rc;
}

static void errors_carry_message_and_trace(void **state)
{
    (void)state;
    assert_int_equal(outer(), ERR_IO);
    err_prefix("store: ");
    assert_string_equal(err_message(), "store: file x.h5 is bad");
    assert_non_null(strstr(err_trace(), "inner()"));
    assert_non_null(strstr(err_trace(), "outer()"));
    err_clear();
    assert_string_equal(err_message(), "");
    assert_int_equal(err_exit_status(ERR_CONFIG), 2);
    assert_int_equal(err_exit_status(ERR_CHECK), 3);
    assert_int_equal(err_exit_status(ERR_STOPPED), 75);
    assert_int_equal(err_exit_status(ERR_IO), 1);
}

static void sorted_lists_know_their_names(void **state)
{
    struct path_list list = {0};
    (void)state;
    assert_false(path_list_has(&list, "a"));
    for (size_t i = 0; i < 3; i++)
        CHECK_OK(path_list_add(&list, (const char *[]){"b", "a/c", "a"}[i]));
    path_list_sort(&list);
    assert_true(path_list_has(&list, "a") && path_list_has(&list, "b") &&
                path_list_has(&list, "a/c"));
    assert_false(path_list_has(&list, "c") || path_list_has(&list, "a/"));
    path_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_checked),
        cmocka_unit_test(strings_grow_and_find_neighbours),
        cmocka_unit_test(paths_split_and_join),
        cmocka_unit_test(sorted_lists_know_their_names),
        cmocka_unit_test(files_appear_whole_or_not_at_all),
        cmocka_unit_test(stale_temporary_files_are_removed),
        cmocka_unit_test(hashes_have_known_values),
        cmocka_unit_test(random_numbers_follow_splitmix64),
        cmocka_unit_test(errors_carry_message_and_trace),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
