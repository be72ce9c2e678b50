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

/* Write out what the library holds of a file that was created. ERR_IO names the file and the reason. */
int h5_flush(const struct h5 *f);

/* Close a created file that will not be kept, whatever state its disk is in. */
void h5_abandon(hid_t id);

#endif /* TENSOR_H5_INT_H */
