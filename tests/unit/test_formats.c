/*
 * Unit test of docs/FORMATS.md: its tables and the files that are written name the same datasets and
 * attributes, of the same types and shapes.
 */
#include "check.h"
#include "tiny.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 40, MAX_CELL = 64 };

/* One row of a table. */
struct row {
    char is[MAX_CELL]; /* "dataset", "attribute" or "of datasets" */
    char name[MAX_CELL];
    char type[MAX_CELL];
    char shape[MAX_CELL];
    int n_seen; /* times it was met in the file */
};

struct table {
    struct row row[MAX_ROWS];
    size_t n;
};

/* What the letters of the shapes mean for one file. */
struct sizes {
    const char *float_type;
    size_t n, image, pixel;
};

/* The text between two bars, without blanks and back-quotes around it; returns what follows. */
static const char *take_cell(const char *at, char out[MAX_CELL])
{
    size_t n = 0;
    for (at += strspn(at, " `"); *at && *at != '|' && *at != '\n' && n + 1 < MAX_CELL; at++)
        out[n++] = *at;
    while (n && (out[n - 1] == ' ' || out[n - 1] == '`'))
        n--;
    out[n] = '\0';
    at += strcspn(at, "|\n");
    return *at == '|' ? at + 1 : at;
}

/* Add the table whose first column is headed by the kind of file. */
static void add_table(struct table *t, const char *kind)
{
    char head[MAX_CELL];
    char path[1024];
    char *text = NULL;
    const char *source = getenv("MRAD_SOURCE");
    const char *line;
    size_t n;
    (void)snprintf(path, sizeof path, "%s/docs/FORMATS.md", source ? source : ".");
    (void)snprintf(head, sizeof head, "\n| %s | name |", kind);
    CHECK_OK(file_read(path, (size_t)1 << 20, &text, &n));
    line = strstr(text, head);
    assert_non_null(line);
    line = strchr(strchr(line + 1, '\n') + 1, '\n') + 1; /* past the head and the line under it */
    for (; *line == '|'; line = strchr(line, '\n') + 1) {
        struct row *r = &t->row[t->n++];
        assert_true(t->n < MAX_ROWS);
        (void)take_cell(take_cell(take_cell(take_cell(line + 1, r->is), r->name), r->type),
                        r->shape);
    }
    MEM_FREE(text);
}

/* Find the row of a thing in the file; a thing without a row is undocumented. */
static struct row *find_row(struct table *t, const char *is, const char *name)
{
    const char *wanted = str_starts(name, "skipped.") ? "skipped.ROW" : name;
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->row[i].is, is) == 0 && strcmp(t->row[i].name, wanted) == 0)
            return &t->row[i];
    print_error("%s '%s' is not in docs/FORMATS.md\n", is, name);
    fail();
    return NULL;
}

static const char *float_name(hid_t type)
{
    size_t sign, exponent, n_exponent, mantissa, n_mantissa;
    assert_true(H5Tget_fields(type, &sign, &exponent, &n_exponent, &mantissa, &n_mantissa) >= 0);
    if (H5Tget_size(type) == 4)
        return H5Tequal(type, H5T_IEEE_F32LE) > 0 ? "f32" : "other";
    if (H5Tget_size(type) == 2 && sign == 15 && n_exponent == 5 && n_mantissa == 10)
        return H5Tget_ebias(type) == 15 ? "f16" : "other";
    if (H5Tget_size(type) == 2 && sign == 15 && n_exponent == 8 && n_mantissa == 7)
        return H5Tget_ebias(type) == 127 ? "bf16" : "other";
    return "other";
}

static const char *type_name(hid_t type)
{
    switch (H5Tget_class(type)) {
    case H5T_FLOAT:
        return float_name(type);
    case H5T_STRING:
        return H5Tget_cset(type) == H5T_CSET_UTF8 && H5Tis_variable_str(type) == 0 ? "text"
                                                                                   : "other";
    default:
        return H5Tequal(type, H5T_STD_U8LE) > 0    ? "u8"
               : H5Tequal(type, H5T_STD_I32LE) > 0 ? "i32"
               : H5Tequal(type, H5T_STD_I64LE) > 0 ? "i64"
                                                   : "other";
    }
}

/* The size that a letter or number of a shape stands for. */
static size_t size_of(const char *word, const struct sizes *z)
{
    switch (word[0]) {
    case 'n':
        return z->n;
    case 'E':
        return TINY_EMBED;
    case 'D':
        return TINY_WIDTH;
    case 'N':
        return TINY_PATCHES;
    case 'M':
        return TINY_SIDE * TINY_SIDE / 8;
    case 'I':
        return z->image;
    case 'P':
        return z->pixel;
    default:
        return (size_t)strtoul(word, NULL, 10);
    }
}

/* Compare "[n, N, D]" with a dataspace; "" is a scalar. */
static void check_shape(const char *shape, hid_t space, const struct sizes *z)
{
    hsize_t dim[8];
    int rank = H5Sget_simple_extent_dims(space, dim, NULL);
    int n = 0;
    for (const char *at = shape; at && *at && *at != ']'; at = strpbrk(at + 1, ",]")) {
        const char *word = at + strspn(at, "[, ");
        assert_true(n < rank);
        assert_int_equal(dim[n], size_of(word, z));
        n++;
    }
    assert_int_equal(n, rank);
}

static void check_thing(struct row *r, hid_t type, hid_t space, const struct sizes *z)
{
    const char *wanted = strcmp(r->type, "float") == 0 ? z->float_type : r->type;
    assert_string_equal(type_name(type), wanted);
    check_shape(r->shape, space, z);
    r->n_seen++;
    (void)H5Tclose(type);
    (void)H5Sclose(space);
}

static void check_attributes(hid_t object, const char *is, struct table *t, const struct sizes *z)
{
    H5O_info_t info;
    assert_true(H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) >= 0);
    for (hsize_t i = 0; i < info.num_attrs; i++) {
        char name[MAX_CELL];
        hid_t id =
            H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(id >= 0 && H5Aget_name(id, sizeof name, name) > 0);
        check_thing(find_row(t, is, name), H5Aget_type(id), H5Aget_space(id), z);
        (void)H5Aclose(id);
    }
}

static const char *const features_kind[2] = {"features"};
static const char *const bank_kind[2] = {"bank"};
static const char *const reduced_kind[2] = {"bank", "reduced bank"};
static const char *const scores_kind[2] = {"scores"};

/* Everything in the file has a row in its kinds' tables, every row (but the optional one) is in the file. */
static void check_file(const char *path, const char *const kind[2], const struct sizes *z,
                       bool has_skipped)
{
    struct table t = {0};
    H5G_info_t group;
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    int n_datasets = 0;
    assert_true(file >= 0);
    for (int i = 0; i < 2 && kind[i]; i++)
        add_table(&t, kind[i]);
    assert_true(t.n > 4);
    assert_true(H5Gget_info(file, &group) >= 0);
    for (hsize_t i = 0; i < group.nlinks; i++) {
        char name[MAX_CELL];
        hid_t id;
        assert_true(H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name,
                                       H5P_DEFAULT) > 0);
        id = H5Dopen2(file, name, H5P_DEFAULT);
        assert_true(id >= 0);
        check_thing(find_row(&t, "dataset", name), H5Dget_type(id), H5Dget_space(id), z);
        check_attributes(id, "of datasets", &t, z);
        (void)H5Dclose(id);
        n_datasets++;
    }
    check_attributes(file, "attribute", &t, z);
    (void)H5Fclose(file);
    for (size_t i = 0; i < t.n; i++) {
        int wanted = strcmp(t.row[i].is, "of datasets") == 0 ? n_datasets : 1;
        if (strcmp(t.row[i].name, "skipped.ROW") == 0)
            wanted = has_skipped;
        if (t.row[i].n_seen != wanted)
            print_error("%s: '%s' of docs/FORMATS.md\n", path, t.row[i].name);
        assert_int_equal(t.row[i].n_seen, wanted);
    }
}

static void feature_shards_are_as_documented(void **state)
{
    static const char *const types[] = {"f32", "f16", "bf16"};
    struct tiny_store s;
    struct sizes z = {0};
    char *path = NULL;
    char dtype[32];
    const char *const set[] = {dtype, "run.on_bad_item=skip", NULL};
    (void)state;
    (void)snprintf(dtype, sizeof dtype, "features.dtype=f32");
    tiny_store_open(&s, set);
    CHECK_OK(file_write(tiny_path(&s, "data/3.png"), "no picture", 10));
    for (size_t k = 0; k < 3; k++) {
        (void)snprintf(dtype, sizeof dtype, "features.dtype=%s", types[k]);
        tiny_store_plan(&s, set);
        tiny_extract(&s);
        z.float_type = types[k];
        for (size_t i = 0; i < TINY_SHARDS; i++) {
            z.n = i ? TINY_ITEMS - TINY_SHARD_ITEMS : TINY_SHARD_ITEMS;
            CHECK_OK(features_shard_path(&path, s.features, i));
            check_file(path, features_kind, &z, i == 0);
            MEM_FREE(path);
        }
    }
    tiny_store_close(&s);
}

/* Two of the six items have two regions, the others one: shard 0 holds items 0 to 3. */
static void banks_are_as_documented(void **state)
{
    static const char *const smaller[] = {"bank.reduce=kmeans", "bank.entries=3", NULL};
    struct tiny_store s;
    char *path = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    tiny_extract(&s);
    tiny_build_bank(&s);
    CHECK_OK(bank_path(&path, s.bank));
    check_file(path, bank_kind, &(struct sizes){.image = 6, .pixel = 8}, false);
    MEM_FREE(path);
    CHECK_OK(bank_shard_path(&path, s.bank, 0));
    check_file(path, bank_kind, &(struct sizes){.image = 4, .pixel = 6}, false);
    MEM_FREE(path);
    tiny_store_plan(&s, smaller);
    tiny_build_bank(&s);
    CHECK_OK(bank_path(&path, s.bank));
    check_file(path, reduced_kind, &(struct sizes){.image = 6, .pixel = 3}, false);
    MEM_FREE(path);
    tiny_store_close(&s);
}

static void scores_are_as_documented(void **state)
{
    struct tiny_store s;
    char *path = NULL;
    (void)state;
    tiny_store_open(&s, NULL);
    tiny_extract(&s);
    tiny_build_bank(&s);
    tiny_score(&s);
    CHECK_OK(scores_shard_path(&path, s.scores, 0));
    check_file(path, scores_kind, &(struct sizes){.n = TINY_SHARD_ITEMS}, false);
    MEM_FREE(path);
    CHECK_OK(scores_join(s.scores));
    CHECK_OK(scores_path(&path, s.scores));
    check_file(path, scores_kind, &(struct sizes){.n = TINY_ITEMS}, false);
    MEM_FREE(path);
    tiny_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feature_shards_are_as_documented),
        cmocka_unit_test(banks_are_as_documented),
        cmocka_unit_test(scores_are_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
