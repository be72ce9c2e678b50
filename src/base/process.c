/* process.c - see process.h. */
#include "base/process.h"

#include "base/err.h"
#include "base/path.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void process_host(char *out, size_t n)
{
    if (gethostname(out, n))
        (void)snprintf(out, n, "unknown");
    out[n - 1] = '\0';
}

int process_folder(char **out)
{
    int rc = ERR_OK;
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    *out = NULL;
    if (n <= 0)
        FAIL(ERR_IO, "/proc/self/exe cannot be read: %s", strerror(errno));
    path[n] = '\0';
    TRY(path_dir(out, path));
out:
    return rc;
}

bool process_has_ended(long pid)
{
    char path[64];
    char stat_line[512];
    const char *state;
    FILE *in;
    size_t n;
    if (kill((pid_t)pid, 0) != 0)
        return errno == ESRCH;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    in = fopen(path, "r");
    if (!in)
        return errno == ENOENT;
    n = fread(stat_line, 1, sizeof stat_line - 1, in);
    (void)fclose(in);
    stat_line[n] = '\0';
    state = strrchr(stat_line, ')'); /* the name before it may hold anything */
    return state && (state[2] == 'Z' || state[2] == 'X');
}

unsigned long process_space(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long)st.st_ino : 0;
}
