/* h5_int.h - what h5.c and h5_data.c share. */
#ifndef TENSOR_H5_INT_H
#define TENSOR_H5_INT_H

#include "base/file.h"

#include <hdf5.h>
#include <stddef.h>

struct h5 {
    hid_t id;
    char *path;                /* the final name, owned */
    struct atomic_file atomic; /* empty for files opened for reading */
};

/* HDF5's own account of the last failure, with the system's reason if there is one; clears it. */
const char *h5_reason(char *out, size_t n);

#endif /* TENSOR_H5_INT_H */
