/* h5.c - see h5.h: files, attributes and listing; datasets are in h5_data.c. */
#include "tensor/h5.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/h5_int.h"
#include "version.h"

#include <errno.h>
#include <hdf5.h>
#include <string.h>
#include <unistd.h>

/* What an error stack says: the outermost entry reads best; the system's reason lies further in. */
struct account {
    const char *outermost;
    const char *system; /* "No space left on device', buf = ..." */
};

/* Called for the innermost entry first. */
static herr_t note_entry(unsigned n, const H5E_error2_t *e, void *payload)
{
    static const char mark[] = "error message = '";
    struct account *a = payload;
    const char *found = e->desc ? strstr(e->desc, mark) : NULL;
    (void)n;
    a->outermost = e->desc;
    if (found && !a->system)
        a->system = found + strlen(mark);
    return 0;
}

const char *h5_reason(char *out, size_t n)
{
    struct account a = {0};
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_entry, &a);
    if (a.system)
        (void)snprintf(out, n, "%.*s (%s)", (int)strcspn(a.system, "'"), a.system, a.outermost);
    else
        (void)snprintf(out, n, "%s",
                       a.outermost && a.outermost[0] ? a.outermost : "HDF5 gives no reason");
    (void)H5Eclear2(H5E_DEFAULT);
    return out;
}

static int file_new(struct h5 **out, const char *path)
{
    int rc = ERR_OK;
    *out = NULL;
    (void)H5dont_atexit(); /* it would close what a full disk kept open once more, and crash */
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* messages are ours, not the library's */
    TRY(MEM_NEW(*out, 1));
    (*out)->id = -1;
    TRY(str_dup(&(*out)->path, path));
out:
    return rc;
}

int h5_create(struct h5 **out, const char *path, const char *schema, int version)
{
    int rc = ERR_OK;
    char why[160];
    struct h5 *f = NULL;
    hid_t plist = -1;
    hid_t access = -1;
    TRY(file_new(&f, path));
    TRY(atomic_begin(&f->atomic, path));
    plist = H5Pcreate(H5P_FILE_CREATE);
    (void)H5Pset_obj_track_times(plist, 0);
    /* From this format on the library checksums what describes the data too, attributes included. */
    access = H5Pcreate(H5P_FILE_ACCESS);
    (void)H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    f->id = H5Fcreate(f->atomic.temp, H5F_ACC_TRUNC, plist, access);
    if (f->id < 0)
        FAIL(ERR_IO, "cannot create %s: %s", f->atomic.temp, h5_reason(why, sizeof why));
    TRY(h5_put_text(f, "/", "schema", schema));
    TRY(h5_put_i64(f, "/", "schema_version", version));
    TRY(h5_put_text(f, "/", "program", "mrad " MRAD_VERSION));
out:
    if (plist >= 0)
        (void)H5Pclose(plist);
    if (access >= 0)
        (void)H5Pclose(access);
    if (rc)
        h5_close(&f);
    *out = f;
    return rc;
}

int h5_commit(struct h5 **f)
{
    int rc = ERR_OK;
    char why[160];
    hid_t id = (*f)->id;
    TRY(h5_flush(*f));
    (*f)->id = -1;
    if (H5Fclose(id) < 0)
        FAIL(ERR_IO, "cannot close %s: %s", (*f)->path, h5_reason(why, sizeof why));
    TRY(atomic_commit(&(*f)->atomic));
out:
    h5_close(f);
    return rc;
}

int h5_open(struct h5 **out, const char *path)
{
    int rc = ERR_OK;
    char why[160];
    struct h5 *f = NULL;
    TRY(file_new(&f, path));
    if (!path_is_file(path))
        FAIL(ERR_IO, "cannot open %s: %s", path,
             access(path, F_OK) ? strerror(errno) : "it is no file");
    f->id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (f->id < 0)
        FAIL(ERR_FORMAT, "%s: not a readable HDF5 file (%s)", path, h5_reason(why, sizeof why));
out:
    if (rc)
        h5_close(&f);
    *out = f;
    return rc;
}

int h5_open_schema(struct h5 **out, const char *path, const char *schema, int version)
{
    int rc = ERR_OK;
    char *found = NULL;
    int64_t number = 0;
    TRY(h5_open(out, path));
    if (!h5_has(*out, "/", "schema") || !h5_has(*out, "/", "schema_version"))
        FAIL(ERR_FORMAT, "%s: has no schema attribute, so mrad did not write it; '%s' wanted", path,
             schema);
    TRY(h5_get_text(*out, "/", "schema", &found));
    TRY(h5_get_i64(*out, "/", "schema_version", &number));
    if (strcmp(found, schema) != 0)
        FAIL(ERR_FORMAT, "%s: holds '%s', wanted '%s'", path, found, schema);
    if (number != version)
        FAIL(ERR_FORMAT, "%s: version %lld of '%s', this program reads version %d", path,
             (long long)number, schema, version);
out:
    MEM_FREE(found);
    if (rc)
        h5_close(out);
    return rc;
}

void h5_close(struct h5 **f)
{
    if (!*f)
        return;
    if ((*f)->id >= 0 && (*f)->atomic.temp)
        h5_abandon((*f)->id);
    else if ((*f)->id >= 0)
        (void)H5Fclose((*f)->id);
    atomic_abort(&(*f)->atomic);
    MEM_FREE((*f)->path);
    MEM_FREE(*f);
}

const char *h5_path(const struct h5 *f)
{
    return f->path;
}

static int attr_write(struct h5 *f, const char *where, const char *key, hid_t type,
                      const void *value)
{
    int rc = ERR_OK;
    char why[160];
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attr =
        H5Acreate_by_name(f->id, where, key, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (attr < 0 || H5Awrite(attr, type, value) < 0)
        FAIL(ERR_IO, "%s: cannot write attribute '%s' of '%s': %s", f->path, key, where,
             h5_reason(why, sizeof why));
out:
    if (attr >= 0)
        (void)H5Aclose(attr);
    (void)H5Sclose(space);
    return rc;
}

int h5_put_text(struct h5 *f, const char *where, const char *key, const char *text)
{
    int rc;
    hid_t type = H5Tcopy(H5T_C_S1);
    (void)H5Tset_size(type, strlen(text) + 1);
    (void)H5Tset_cset(type, H5T_CSET_UTF8);
    rc = attr_write(f, where, key, type, text);
    (void)H5Tclose(type);
    return rc;
}

int h5_put_i64(struct h5 *f, const char *where, const char *key, int64_t value)
{
    return attr_write(f, where, key, H5T_NATIVE_INT64, &value);
}

int h5_put_f64(struct h5 *f, const char *where, const char *key, double value)
{
    return attr_write(f, where, key, H5T_NATIVE_DOUBLE, &value);
}

bool h5_has(struct h5 *f, const char *where, const char *key)
{
    bool found = H5Aexists_by_name(f->id, where, key, H5P_DEFAULT) > 0;
    (void)H5Eclear2(H5E_DEFAULT);
    return found;
}

/* Open a scalar attribute of a class; on success both ids are the caller's. */
static int attr_open(struct h5 *f, const char *where, const char *key, hid_t *attr, hid_t *type)
{
    int rc = ERR_OK;
    hid_t space = -1;
    *type = -1;
    *attr = H5Aopen_by_name(f->id, where, key, H5P_DEFAULT, H5P_DEFAULT);
    if (*attr < 0) {
        (void)H5Eclear2(H5E_DEFAULT);
        FAIL(ERR_FORMAT, "%s: '%s' has no attribute '%s'", f->path, where, key);
    }
    *type = H5Aget_type(*attr);
    space = H5Aget_space(*attr);
    if (H5Sget_simple_extent_npoints(space) != 1)
        FAIL(ERR_FORMAT, "%s: attribute '%s' of '%s' is not one value", f->path, key, where);
out:
    if (space >= 0)
        (void)H5Sclose(space);
    return rc;
}

static void attr_close(hid_t attr, hid_t type)
{
    if (type >= 0)
        (void)H5Tclose(type);
    if (attr >= 0)
        (void)H5Aclose(attr);
}

static int read_variable_text(hid_t attr, hid_t type, char **out)
{
    int rc = ERR_OK;
    char *raw = NULL;
    hid_t mem = H5Tcopy(H5T_C_S1);
    (void)H5Tset_size(mem, H5T_VARIABLE);
    (void)H5Tset_cset(mem, H5Tget_cset(type));
    if (H5Aread(attr, mem, (void *)&raw) < 0)
        FAIL(ERR_FORMAT, "a text attribute cannot be read");
    TRY(str_dup(out, raw ? raw : ""));
out:
    if (raw)
        (void)H5free_memory(raw);
    (void)H5Tclose(mem);
    return rc;
}

int h5_get_text(struct h5 *f, const char *where, const char *key, char **out)
{
    int rc = ERR_OK;
    hid_t attr = -1;
    hid_t type = -1;
    *out = NULL;
    TRY(attr_open(f, where, key, &attr, &type));
    if (H5Tget_class(type) != H5T_STRING)
        FAIL(ERR_FORMAT, "%s: attribute '%s' of '%s' is not text", f->path, key, where);
    if (H5Tis_variable_str(type) > 0) {
        TRY(read_variable_text(attr, type, out));
    } else {
        TRY(mem_get(out, H5Tget_size(type) + 1, 1));
        if (H5Aread(attr, type, *out) < 0)
            FAIL(ERR_FORMAT, "%s: attribute '%s' of '%s' cannot be read", f->path, key, where);
    }
out:
    attr_close(attr, type);
    if (rc)
        MEM_FREE(*out);
    return rc;
}

static int get_number(struct h5 *f, const char *where, const char *key, hid_t mem, void *out)
{
    int rc = ERR_OK;
    hid_t attr = -1;
    hid_t type = -1;
    TRY(attr_open(f, where, key, &attr, &type));
    if (H5Tget_class(type) == H5T_STRING || H5Aread(attr, mem, out) < 0) {
        (void)H5Eclear2(H5E_DEFAULT);
        FAIL(ERR_FORMAT, "%s: attribute '%s' of '%s' is not a number", f->path, key, where);
    }
out:
    attr_close(attr, type);
    return rc;
}

int h5_get_i64(struct h5 *f, const char *where, const char *key, int64_t *out)
{
    return get_number(f, where, key, H5T_NATIVE_INT64, out);
}

int h5_get_f64(struct h5 *f, const char *where, const char *key, double *out)
{
    return get_number(f, where, key, H5T_NATIVE_DOUBLE, out);
}

int h5_expect_text(struct h5 *f, const char *key, const char *want, const char *what)
{
    int rc = ERR_OK;
    char *found = NULL;
    TRY(h5_get_text(f, "/", key, &found));
    if (strcmp(found, want) != 0)
        FAIL(ERR_SHAPE, "%s: was made from %s %s, but %s is in use", f->path, what, found, want);
out:
    MEM_FREE(found);
    return rc;
}

struct listing {
    struct path_list *out;
    bool groups_only;
    int rc;
};

static herr_t add_link(hid_t group, const char *name, const H5L_info_t *info, void *payload)
{
    struct listing *list = payload;
    H5O_info_t object;
    (void)info;
    if (H5Oget_info_by_name2(group, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
        return 0; /* a dangling link is not content */
    if (!list->groups_only || object.type == H5O_TYPE_GROUP)
        list->rc = path_list_add(list->out, name);
    return list->rc ? -1 : 0;
}

int h5_list(struct h5 *f, const char *group, bool groups_only, struct path_list *out)
{
    int rc = ERR_OK;
    struct listing list = {.out = out, .groups_only = groups_only};
    hid_t id = H5Gopen2(f->id, group, H5P_DEFAULT);
    *out = (struct path_list){0};
    if (id < 0) {
        (void)H5Eclear2(H5E_DEFAULT);
        FAIL(ERR_FORMAT, "%s: has no group '%s'", f->path, group);
    }
    (void)H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_link, &list);
    TRY(list.rc);
    path_list_sort(out);
out:
    if (id >= 0)
        (void)H5Gclose(id);
    if (rc)
        path_list_free(out);
    return rc;
}

const char *h5_library(void)
{
    return H5_VERS_INFO;
}
