/* h5_data.c - see h5.h: datasets. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/h5.h"
#include "tensor/h5_int.h"

#include <hdf5.h>
#include <stdio.h>
#include <string.h>

/* A 16-bit float type: HDF5 1.10 has none of its own; h5py shows the first as float16. */
static hid_t small_float(size_t exponent_bits, size_t bias)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    size_t mantissa = 15 - exponent_bits;
    (void)H5Tset_fields(type, 15, mantissa, exponent_bits, 0, mantissa);
    (void)H5Tset_size(type, 2);
    (void)H5Tset_ebias(type, bias);
    return type;
}

/* The HDF5 type of a dtype, the same on disk and in memory; the caller closes it. */
static hid_t type_of(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case DTYPE_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case DTYPE_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case DTYPE_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case DTYPE_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case DTYPE_F16:
        return small_float(5, 15);
    case DTYPE_BF16:
        return small_float(8, 127);
    }
    return -1;
}

/* Chunks of whole rows, about 1 MiB, so that a row range is read without its neighbours. */
static hid_t creation_list(size_t size, int rank, const hsize_t *dim, int deflate)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[TENSOR_MAX_RANK];
    hsize_t row = size;
    hsize_t n_rows;
    (void)H5Pset_obj_track_times(plist, 0);
    for (int i = 0; i < rank; i++) {
        chunk[i] = dim[i];
        if (dim[i] == 0)
            return plist; /* nothing to check, and a chunk may not be empty */
        if (i > 0)
            row *= dim[i];
    }
    if (rank == 0)
        return plist;
    n_rows = ((hsize_t)1 << 20) / row;
    if (n_rows < 1)
        n_rows = 1;
    if (n_rows < chunk[0])
        chunk[0] = n_rows;
    (void)H5Pset_chunk(plist, rank, chunk);
    if (deflate > 0)
        (void)H5Pset_deflate(plist, (unsigned)deflate);
    (void)H5Pset_fletcher32(plist);
    return plist;
}

/* Make the groups of a dataset's name. Those that HDF5 makes by itself hold the time of day. */
static int make_groups(struct h5 *f, const char *name)
{
    int rc = ERR_OK;
    char why[160];
    char *group = NULL;
    hid_t plist = H5Pcreate(H5P_GROUP_CREATE);
    (void)H5Pset_obj_track_times(plist, 0);
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        hid_t id;
        if (slash == name)
            continue;
        TRY(str_make(&group, "%.*s", (int)(slash - name), name));
        if (H5Lexists(f->id, group, H5P_DEFAULT) <= 0) {
            id = H5Gcreate2(f->id, group, H5P_DEFAULT, plist, H5P_DEFAULT);
            if (id < 0)
                FAIL(ERR_IO, "%s: cannot make group '%s': %s", f->path, group,
                     h5_reason(why, sizeof why));
            (void)H5Gclose(id);
        }
        MEM_FREE(group);
    }
out:
    MEM_FREE(group);
    (void)H5Pclose(plist);
    return rc;
}

int h5_define(struct h5 *f, const char *name, enum dtype dtype, int rank, const size_t *dim,
              int deflate, const char *meaning)
{
    int rc = ERR_OK;
    char why[160];
    hsize_t size[TENSOR_MAX_RANK] = {0};
    hid_t type = type_of(dtype);
    hid_t space = -1;
    hid_t plist = -1;
    hid_t id = -1;
    for (int i = 0; i < rank; i++)
        size[i] = dim[i];
    space = rank ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
    plist = creation_list(dtype_size(dtype), rank, size, deflate);
    TRY(make_groups(f, name));
    id = H5Dcreate2(f->id, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    if (id < 0)
        FAIL(ERR_IO, "%s: cannot make dataset '%s': %s", f->path, name, h5_reason(why, sizeof why));
    TRY(h5_put_text(f, name, "meaning", meaning));
out:
    if (id >= 0)
        (void)H5Dclose(id);
    (void)H5Pclose(plist);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
    return rc;
}

struct dataset {
    hid_t id;
    hid_t space;
    int rank;
    hsize_t dim[TENSOR_MAX_RANK];
};

/* False when what the library still held of the dataset could not be written: then it is lost. */
static bool dataset_close(struct dataset *d)
{
    bool is_done;
    if (d->space >= 0)
        (void)H5Sclose(d->space);
    is_done = d->id < 0 || H5Dclose(d->id) >= 0; /* last: any call forgets the reason */
    d->id = d->space = -1;
    return is_done;
}

static int dataset_open(struct dataset *d, struct h5 *f, const char *name)
{
    int rc = ERR_OK;
    int rank;
    *d = (struct dataset){.id = -1, .space = -1};
    if (!h5_has_dataset(f, name))
        FAIL(ERR_FORMAT, "%s: has no dataset '%s'", f->path, name);
    d->id = H5Dopen2(f->id, name, H5P_DEFAULT);
    if (d->id < 0) {
        (void)H5Eclear2(H5E_DEFAULT);
        FAIL(ERR_FORMAT, "%s: dataset '%s' cannot be opened", f->path, name);
    }
    d->space = H5Dget_space(d->id);
    rank = H5Sget_simple_extent_ndims(d->space);
    if (rank < 0 || rank > TENSOR_MAX_RANK)
        FAIL(ERR_FORMAT, "%s: dataset '%s' has %d dimensions, at most %d can be read", f->path,
             name, rank, TENSOR_MAX_RANK);
    d->rank = rank;
    if (rank > 0)
        (void)H5Sget_simple_extent_dims(d->space, d->dim, NULL);
out:
    if (rc)
        (void)dataset_close(d);
    return rc;
}

bool h5_has_dataset(struct h5 *f, const char *name)
{
    H5O_info_t info;
    bool found = H5Oget_info_by_name2(f->id, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
                 info.type == H5O_TYPE_DATASET;
    (void)H5Eclear2(H5E_DEFAULT);
    return found;
}

int h5_shape(struct h5 *f, const char *name, int *rank, size_t dim[TENSOR_MAX_RANK])
{
    int rc = ERR_OK;
    struct dataset d;
    TRY(dataset_open(&d, f, name));
    *rank = d.rank;
    for (int i = 0; i < TENSOR_MAX_RANK; i++)
        dim[i] = i < d.rank ? (size_t)d.dim[i] : 0;
    (void)dataset_close(&d);
out:
    return rc;
}

static void print_shape(char *out, size_t n, int rank, const size_t *dim)
{
    size_t used = (size_t)snprintf(out, n, "(");
    for (int i = 0; i < rank && used < n; i++) {
        if (dim[i] == H5_ANY)
            used += (size_t)snprintf(out + used, n - used, "%s*", i ? "," : "");
        else
            used += (size_t)snprintf(out + used, n - used, "%s%zu", i ? "," : "", dim[i]);
    }
    if (used < n)
        (void)snprintf(out + used, n - used, ")");
}

int h5_expect_shape(struct h5 *f, const char *name, int rank, const size_t *dim)
{
    int rc = ERR_OK;
    int found_rank = 0;
    size_t found[TENSOR_MAX_RANK];
    char want_text[96];
    char found_text[96];
    bool same;
    TRY(h5_shape(f, name, &found_rank, found));
    same = found_rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = dim[i] == H5_ANY || dim[i] == found[i];
    if (!same) {
        print_shape(want_text, sizeof want_text, rank, dim);
        print_shape(found_text, sizeof found_text, found_rank, found);
        FAIL(ERR_SHAPE, "%s: dataset '%s' has shape %s, wanted %s", f->path, name, found_text,
             want_text);
    }
out:
    return rc;
}

/* Can less be stored than is read? Checksums do not shrink data. */
static bool is_packed(const struct dataset *d)
{
    hid_t plist = H5Dget_create_plist(d->id);
    int n = H5Pget_nfilters(plist);
    bool found = false;
    for (int i = 0; i < n; i++) {
        unsigned flags;
        size_t n_values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, NULL, 0, NULL, NULL);
        found = found || filter != H5Z_FILTER_FLETCHER32;
    }
    (void)H5Pclose(plist);
    return found;
}

/*
 * A header may claim any size; gzip makes at most 1032 bytes of one. What is claimed beyond that is a
 * broken or hostile file, or one whose writing was cut off, not data: HDF5 would read zeros.
 */
static int check_claim(const struct dataset *d, const struct h5 *f, const char *name)
{
    int rc = ERR_OK;
    hid_t type = H5Dget_type(d->id);
    hsize_t claim = H5Tget_size(type);
    hsize_t stored = H5Dget_storage_size(d->id);
    for (int i = 0; i < d->rank; i++)
        if (__builtin_mul_overflow(claim, d->dim[i], &claim))
            FAIL(ERR_FORMAT, "%s: dataset '%s' claims an impossible size", f->path, name);
    if (stored < claim && (stored == 0 || !is_packed(d) || claim / 1032 > stored))
        FAIL(ERR_FORMAT, "%s: dataset '%s' claims %llu bytes, but the file stores %llu for it",
             f->path, name, (unsigned long long)claim, (unsigned long long)stored);
out:
    (void)H5Tclose(type);
    return rc;
}

/* A number of one kind may not be read as another: a float label is a mistake, not a label. */
static int check_class(const struct dataset *d, const struct h5 *f, const char *name,
                       enum dtype dtype)
{
    int rc = ERR_OK;
    hid_t type = H5Dget_type(d->id);
    H5T_class_t class = H5Tget_class(type);
    bool wants_float = dtype == DTYPE_F32 || dtype == DTYPE_F64;
    (void)H5Tclose(type);
    if (wants_float ? class != H5T_FLOAT && class != H5T_INTEGER
                    : class != H5T_INTEGER && class != H5T_ENUM)
        FAIL(ERR_FORMAT, "%s: dataset '%s' does not hold %s", f->path, name,
             wants_float ? "numbers" : "integers");
out:
    return rc;
}

static int transfer(struct h5 *f, const char *name, size_t first, size_t n, hid_t type, void *data,
                    bool write)
{
    int rc = ERR_OK;
    char why[160];
    struct dataset d;
    hsize_t start[TENSOR_MAX_RANK] = {first};
    hsize_t count[TENSOR_MAX_RANK];
    hid_t mem = -1;
    herr_t done;
    TRY(dataset_open(&d, f, name));
    if (d.rank == 0) {
        mem = H5Screate(H5S_SCALAR);
    } else {
        if (first > d.dim[0] || n > d.dim[0] - first)
            FAIL(ERR_SHAPE, "%s: dataset '%s' has %llu rows, rows %zu to %zu wanted", f->path, name,
                 (unsigned long long)d.dim[0], first, first + n);
        for (int i = 0; i < d.rank; i++)
            count[i] = i ? d.dim[i] : n;
        mem = H5Screate_simple(d.rank, count, NULL);
        if (n == 0)
            goto out;
        (void)H5Sselect_hyperslab(d.space, H5S_SELECT_SET, start, NULL, count, NULL);
    }
    done = write ? H5Dwrite(d.id, type, mem, d.space, H5P_DEFAULT, data)
                 : H5Dread(d.id, type, mem, d.space, H5P_DEFAULT, data);
    if (done < 0)
        FAIL(write ? ERR_IO : ERR_FORMAT, "%s: cannot %s dataset '%s': %s", f->path,
             write ? "write" : "read", name, h5_reason(why, sizeof why));
out:
    if (mem >= 0)
        (void)H5Sclose(mem);
    if (!dataset_close(&d) && !rc) /* chunks go to the file now; no later call would report it */
        rc = err_set(ERR_IO, __FILE__, __LINE__, __func__, "%s: cannot write dataset '%s': %s",
                     f->path, name, h5_reason(why, sizeof why));
    return rc;
}

int h5_write_rows(struct h5 *f, const char *name, size_t first, size_t n, const void *data)
{
    int rc = ERR_OK;
    struct dataset d;
    hid_t type;
    TRY(dataset_open(&d, f, name));
    type = H5Dget_type(d.id);
    (void)dataset_close(&d);
    rc = transfer(f, name, first, n, type, (void *)(uintptr_t)data, true);
    (void)H5Tclose(type);
out:
    return rc;
}

int h5_write(struct h5 *f, const char *name, const struct tensor *t, const char *meaning)
{
    int rc = ERR_OK;
    TRY(h5_define(f, name, t->dtype, t->rank, t->dim, 0, meaning));
    TRY(h5_write_rows(f, name, 0, t->rank ? t->dim[0] : 1, t->data));
out:
    return rc;
}

int h5_read_rows(struct h5 *f, const char *name, size_t first, size_t n, enum dtype dtype,
                 void *data)
{
    int rc = ERR_OK;
    struct dataset d;
    hid_t type = type_of(dtype);
    TRY(dataset_open(&d, f, name));
    rc = check_class(&d, f, name, dtype);
    if (!rc)
        rc = check_claim(&d, f, name);
    (void)dataset_close(&d);
    TRY(rc);
    TRY(transfer(f, name, first, n, type, data, false));
out:
    (void)H5Tclose(type);
    return rc;
}

int h5_read(struct h5 *f, const char *name, enum dtype dtype, struct tensor *out)
{
    int rc = ERR_OK;
    struct dataset d;
    size_t dim[TENSOR_MAX_RANK] = {0};
    *out = (struct tensor){0};
    TRY(dataset_open(&d, f, name));
    rc = check_claim(&d, f, name);
    for (int i = 0; i < d.rank; i++)
        dim[i] = (size_t)d.dim[i];
    (void)dataset_close(&d);
    TRY(rc);
    TRY(tensor_new(out, dtype, d.rank, dim));
    TRY(h5_read_rows(f, name, 0, d.rank ? dim[0] : 1, dtype, out->data));
out:
    if (rc)
        tensor_free(out);
    return rc;
}
