/* Unit tests of base/fault and of the writers under faults: text files and HDF5 files. */
#include "check.h"

#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/json.h"
#include "tensor/h5.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { N_STAGES = 2 };
static const char *const stage[N_STAGES] = {"bank", "score"};

static int setup(const char *text, int rank)
{
    return fault_setup(text,
                       &(struct fault_context){.stage = stage, .n_stages = N_STAGES, .rank = rank});
}

static int forget(void **state)
{
    (void)state;
    (void)fault_stage(NULL);
    return setup(NULL, 0);
}

static void wrong_texts_are_refused(void **state)
{
    static const struct {
        const char *text, *part;
    } wrong[] = {
        {"", "wanted STAGE:POINT:NTH:KIND"},
        {"bank", "wanted STAGE:POINT:NTH:KIND"},
        {"bank:sync:1", "wanted STAGE:POINT:NTH:KIND"},
        {"bank:sync:1:eio:rank=1:x", "wanted STAGE:POINT:NTH:KIND"},
        {"bnak:sync:1:eio", "no stage \"bnak\", wanted one of bank, score"},
        {"bank:synk:1:eio", "no point \"synk\", wanted one of before, write, sync, rename, after"},
        {"bank:sync:0:eio", "\"0\" is no count"},
        {"bank:sync:1x:eio", "\"1x\" is no count"},
        {"bank:sync:99999999999999999999:eio", "is no count"},
        {"bank:sync:1:eoi",
         "no kind \"eoi\", wanted one of abort, kill, hang, enospc, eio, short, flip"},
        {"bank:sync:1:short", "short happens at point write only, not at sync"},
        {"bank:write:1:flip", "flip happens at point after only, not at write"},
        {"bank:sync:1:eio:1", "\"1\", wanted rank=R"},
        {"bank:sync:1:eio:rank=-1", "\"-1\" is no rank"},
        {"bank:sync:1:eio,", "wanted STAGE:POINT:NTH:KIND"},
        {"bank:sync:1:eio,bank:sync", "MRAD_FAULT=bank:sync:1:eio,bank:sync: wanted"},
    };
    char many[17 * 16 + 1] = "";
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_FAILS(setup(wrong[i].text, 0), ERR_CONFIG, wrong[i].part);
    for (int i = 0; i < 17; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "%sbank:sync:1:eio",
                       i ? "," : "");
    CHECK_FAILS(setup(many, 0), ERR_CONFIG, "more than 16 faults");
    (void)fault_stage("bank");
    for (int i = 0; i < 3; i++) /* a text that was refused does nothing */
        assert_false(fault_at(FAULT_SYNC, "x"));
}

/* Which of five passings of a point, each in both stages, are hit? A digit for each hit in order. */
static void strikes(char out[16], enum fault_point point)
{
    size_t n = 0;
    for (int i = 1; i <= 5; i++)
        for (int k = 0; k < N_STAGES; k++) {
            (void)fault_stage(stage[k]);
            errno = 0;
            if (!fault_at(point, "x"))
                continue;
            assert_int_equal(errno, k ? ENOSPC : EIO);
            out[n++] = (char)('0' + i);
        }
    out[n] = '\0';
}

static void faults_strike_once_at_their_place(void **state)
{
    char seen[16];
    (void)state;
    CHECK_OK(setup("bank:sync:2:eio,score:rename:3:enospc,bank:sync:4:eio:rank=1", 0));
    strikes(seen, FAULT_SYNC);
    assert_string_equal(seen, "2");
    strikes(seen, FAULT_RENAME);
    assert_string_equal(seen, "3");
    strikes(seen, FAULT_BEFORE);
    assert_string_equal(seen, "");
    CHECK_OK(setup("bank:sync:2:eio,score:sync:2:enospc,bank:sync:4:eio:rank=1", 1));
    strikes(seen, FAULT_SYNC);
    assert_string_equal(seen, "224");
    CHECK_OK(setup("bank:sync:1:eio", 0));
    (void)fault_stage(NULL);
    assert_false(fault_at(FAULT_SYNC, "x"));
    assert_null(fault_stage("bank"));
    assert_true(fault_at(FAULT_SYNC, "x"));
    assert_string_equal(fault_stage(NULL), "bank");
}

/* ---- writers ---- */

static int write_text(const char *path)
{
    return file_write(path, "some text", 9);
}

static int write_h5(const char *path)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    static float value[30 * 1000];
    struct tensor t = tensor_view(DTYPE_F32, 2, (size_t[]){30, 1000}, value);
    for (size_t i = 0; i < sizeof value / sizeof *value; i++)
        value[i] = (float)i;
    TRY(h5_create(&f, path, "sample", 1));
    TRY(h5_write(f, "x", &t, "numbers"));
    TRY(h5_commit(&f));
out:
    h5_close(&f);
    return rc;
}

static size_t count_entries(const char *dir)
{
    struct path_list list = {0};
    size_t n;
    CHECK_OK(path_list_dir(&list, dir));
    n = list.n;
    path_list_free(&list);
    return n;
}

/* A writer that a fault stops names the file and the reason, leaves nothing, and can go on after that. */
static void check_writer(int (*write)(const char *path))
{
    static const struct {
        const char *fault, *reason;
        size_t left; /* files: a fault after the renaming comes too late */
    } faults[] = {
        {"bank:before:1:enospc", "No space left on device", 0},
        {"bank:before:1:eio", "Input/output error", 0},
        {"bank:write:1:abort", "Operation canceled", 0},
        {"bank:write:1:enospc", "No space left on device", 0},
        {"bank:write:1:eio", "Input/output error", 0},
        {"bank:write:1:short", "File too large", 0},
        {"bank:sync:1:eio", "Input/output error", 0},
        {"bank:rename:1:enospc", "No space left on device", 0},
        {"bank:after:1:eio", "Input/output error", 1},
    };
    char *dir = check_folder();
    char *path = NULL;
    CHECK_OK(path_join(&path, dir, "file"));
    (void)fault_stage("bank");
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
            size_t open_files = count_entries("/proc/self/fd");
            int rc;
            CHECK_OK(setup(faults[i].fault, 0));
            rc = write(path);
            assert_non_null(strstr(err_message(), path));
            CHECK_FAILS(rc, ERR_IO, faults[i].reason);
            assert_int_equal(count_entries(dir), faults[i].left);
            assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
            assert_int_equal(count_entries("/proc/self/fd"), open_files);
            CHECK_OK(write(path)); /* the fault is over */
            assert_int_equal(count_entries(dir), 1);
            (void)remove(path);
        }
    MEM_FREE(path);
    check_drop_folder(dir);
}

static void text_files_survive_faults(void **state)
{
    (void)state;
    check_writer(write_text);
}

static void hdf5_files_survive_faults(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN); /* as the program does */
    check_writer(write_h5);
}

static void flipped_bits_are_found(void **state)
{
    char *dir = check_folder();
    char *path = NULL;
    struct h5 *f = NULL;
    struct tensor t = {0};
    (void)state;
    CHECK_OK(path_join(&path, dir, "file"));
    CHECK_OK(setup("bank:after:1:flip", 0));
    (void)fault_stage("bank");
    CHECK_OK(write_h5(path));
    CHECK_OK(h5_open(&f, path));
    CHECK_FAILS(h5_read(f, "x", DTYPE_F32, &t), ERR_FORMAT, path);
    h5_close(&f);
    MEM_FREE(path);
    check_drop_folder(dir);
}

/* Not durably: thousands of times. */
static void overwrite(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Any bit of a file that carries its own hash. */
static void sealed_files_tell_every_bit(void **state)
{
    char *dir = check_folder();
    char *path = NULL;
    char *text = NULL;
    cJSON *tree = NULL;
    size_t n;
    (void)state;
    CHECK_OK(path_join(&path, dir, "row.json"));
    CHECK_OK(json_parse(&tree, "{\"hash\": 3, \"rows\": [{\"x\": 0.1, \"hash\": \"no\"}]}", "t"));
    cJSON_DeleteItemFromObject(tree, "hash");
    CHECK_OK(json_write_sealed(tree, path));
    json_free(&tree);
    CHECK_OK(json_read_sealed(&tree, path, 1000));
    assert_true(cJSON_IsArray(cJSON_GetObjectItem(tree, "rows")));
    json_free(&tree);
    CHECK_OK(file_read(path, 1000, &text, &n));
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            overwrite(path, text, n);
            CHECK_FAILS(json_read_sealed(&tree, path, 1000), ERR_FORMAT, "is damaged");
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    overwrite(path, text, n - 1);
    CHECK_FAILS(json_read_sealed(&tree, path, 1000), ERR_FORMAT, "is damaged");
    overwrite(path, "", 0);
    CHECK_FAILS(json_read_sealed(&tree, path, 1000), ERR_FORMAT, "is damaged");
    MEM_FREE(text);
    MEM_FREE(path);
    check_drop_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(wrong_texts_are_refused, forget),
        cmocka_unit_test_teardown(faults_strike_once_at_their_place, forget),
        cmocka_unit_test_teardown(text_files_survive_faults, forget),
        cmocka_unit_test_teardown(hdf5_files_survive_faults, forget),
        cmocka_unit_test_teardown(flipped_bits_are_found, forget),
        cmocka_unit_test_teardown(sealed_files_tell_every_bit, forget),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
