/* h5_fail.c - HDF5 files that cannot be written: closing them, and making them so for tests. */
#include "base/err.h"
#include "base/fault.h"
#include "tensor/h5_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Whatever the library writes to this file from now on goes to a device instead. */
static bool divert(hid_t id, const char *device)
{
    void *fd = NULL; /* the library's own descriptor */
    int other = open(device, O_RDWR | O_CLOEXEC);
    bool is_done = other >= 0 && H5Fget_vfd_handle(id, H5P_DEFAULT, &fd) >= 0 && fd &&
                   dup2(other, *(const int *)fd) >= 0;
    if (other >= 0)
        (void)close(other);
    return is_done;
}

/* No file of this process may be longer than so many bytes; RLIM_INFINITY: than it may at most. */
static bool limit_files(rlim_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit))
        return false;
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

/*
 * A close that cannot write what the library still holds fails, keeps the file open for good, and the
 * next attempt crashes (HDF5 1.10). So let it write into nothing.
 */
void h5_abandon(hid_t id)
{
    if (divert(id, "/dev/null"))
        (void)H5Fclose(id);
    (void)H5Eclear2(H5E_DEFAULT);
}

/* An injected fault is the system's own refusal where it can be had: a full device, a size limit. */
int h5_flush(const struct h5 *f)
{
    int rc = ERR_OK;
    char why[160];
    bool is_short = false;
    if (fault_at(FAULT_WRITE, f->atomic.temp)) {
        is_short = errno == EFBIG;
        if (!(is_short ? limit_files(1) : errno == ENOSPC && divert(f->id, "/dev/full")))
            FAIL(ERR_IO, "cannot write %s: %s", f->path, strerror(errno));
    }
    if (H5Fflush(f->id, H5F_SCOPE_LOCAL) < 0)
        FAIL(ERR_IO, "cannot write %s: %s", f->path, h5_reason(why, sizeof why));
out:
    if (is_short)
        (void)limit_files(RLIM_INFINITY);
    return rc;
}
