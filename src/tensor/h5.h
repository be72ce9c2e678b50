/*
 * h5.h - HDF5 files. Every HDF5 call of the program is in h5.c.
 *
 * Written files appear whole or not at all, carry `schema`, `schema_version` and `program` as
 * attributes of the root, have Fletcher32 checksums on every dataset, hold no time stamps, and are
 * therefore byte-identical for equal content.
 *
 * Local; one thread at a time (the serial HDF5 library is not thread-safe).
 */
#ifndef TENSOR_H5_H
#define TENSOR_H5_H

#include "base/path.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h5;

/* Start a new file; it gets its name in h5_commit. Free with h5_close. */
int h5_create(struct h5 **out, const char *path, const char *schema, int version);

/* Close a file that was created and give it its name, durably. Frees *f. */
int h5_commit(struct h5 **f);

/* Open an existing file for reading. Free with h5_close. */
int h5_open(struct h5 **out, const char *path);

/* Open and demand the schema; ERR_FORMAT names the file, what it is and what was wanted. */
int h5_open_schema(struct h5 **out, const char *path, const char *schema, int version);

/* Close; an uncommitted new file vanishes. NULL is fine. */
void h5_close(struct h5 **f);

/* The path given to h5_create or h5_open; belongs to f. */
const char *h5_path(const struct h5 *f);

/* Attributes. `where` is "/" or the name of a group or dataset. */
int h5_put_text(struct h5 *f, const char *where, const char *key, const char *text);
int h5_put_i64(struct h5 *f, const char *where, const char *key, int64_t value);
int h5_put_f64(struct h5 *f, const char *where, const char *key, double value);
bool h5_has(struct h5 *f, const char *where, const char *key);
int h5_get_text(struct h5 *f, const char *where, const char *key, char **out); /* MEM_FREE */
int h5_get_i64(struct h5 *f, const char *where, const char *key, int64_t *out);
int h5_get_f64(struct h5 *f, const char *where, const char *key, double *out);

/* Demand that text attribute `key` of the root equals want; `what` names it for the message. */
int h5_expect_text(struct h5 *f, const char *key, const char *want, const char *what);

/* Write a whole dataset; groups in its name are made. `meaning` becomes an attribute. */
int h5_write(struct h5 *f, const char *name, const struct tensor *t, const char *meaning);

/* Make an empty dataset that h5_write_rows fills; deflate > 0 compresses with that gzip level. */
int h5_define(struct h5 *f, const char *name, enum dtype dtype, int rank, const size_t *dim,
              int deflate, const char *meaning);

/* Write rows [first, first+n) of the first dimension; data is of the dataset's own type. */
int h5_write_rows(struct h5 *f, const char *name, size_t first, size_t n, const void *data);

/* Does a dataset (not a group) of that name exist? */
bool h5_has_dataset(struct h5 *f, const char *name);

/* Rank and dimensions of a dataset. */
int h5_shape(struct h5 *f, const char *name, int *rank, size_t dim[TENSOR_MAX_RANK]);

/* Demand rank and dimensions. A wanted dimension of H5_ANY is not checked. */
#define H5_ANY SIZE_MAX
int h5_expect_shape(struct h5 *f, const char *name, int rank, const size_t *dim);

/*
 * Read a whole dataset, converted to dtype (F32 from any float, I32/I64/U8 from any integer).
 * Refuses files whose header claims more than their storage can hold. Free with tensor_free.
 */
int h5_read(struct h5 *f, const char *name, enum dtype dtype, struct tensor *out);

/* Read rows [first, first+n) into memory that holds them, converted to dtype. */
int h5_read_rows(struct h5 *f, const char *name, size_t first, size_t n, enum dtype dtype,
                 void *data);

/* Names inside a group ("/" for the root), sorted; only groups when groups_only. */
int h5_list(struct h5 *f, const char *group, bool groups_only, struct path_list *out);

/* Name and version of the HDF5 library; static storage. */
const char *h5_library(void);

#endif /* TENSOR_H5_H */
