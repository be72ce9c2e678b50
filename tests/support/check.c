/* check.c - see check.h. */
#include "check.h"

#include "base/err.h"
#include "base/mem.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void check_ok(int rc, const char *call, const char *file, int line)
{
    if (rc == ERR_OK)
        return;
    print_error("%s: %s\n%s", call, err_message(), err_trace());
    _fail(file, line);
}

void check_fails(int rc, int code, const char *part, const char *call, const char *file, int line)
{
    if (rc != code) {
        print_error("%s: returned %d, wanted %d (%s)\n", call, rc, code, err_message());
        _fail(file, line);
    }
    if (!strstr(err_message(), part)) {
        print_error("%s: message \"%s\" does not contain \"%s\"\n", call, err_message(), part);
        _fail(file, line);
    }
    err_clear();
}

void check_within(const char *name, double error, double limit, const char *file, int line)
{
    print_message("    %s: %.3g (%.1f %% of %.3g)\n", name, error, 100 * error / limit, limit);
    if (!(error <= limit)) {
        print_error("%s: error %g is above %g\n", name, error, limit);
        _fail(file, line);
    }
}

int check_balance(void **state)
{
    (void)state;
    if (mem_live() != 0) {
        print_error("%zu blocks of memory were not freed\n", mem_live());
        exit(EXIT_FAILURE); /* cmocka only prints that a group teardown failed */
    }
    return 0;
}

char *check_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *path = malloc(512);
    if (!path)
        abort();
    (void)snprintf(path, 512, "%s/mrad-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        abort();
    return path;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void check_drop_folder(char *folder)
{
    (void)nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

const char *check_fixture(const char *name)
{
    static char path[1024];
    const char *dir = getenv("MRAD_FIXTURES");
    (void)snprintf(path, sizeof path, "%s/%s", dir ? dir : "tests/fixtures", name);
    return path;
}

const char *check_shared(const char *name)
{
    static char path[1024];
    struct stat st;
    const char *dir = getenv("MRAD_SHARED");
    const char *source = getenv("MRAD_SOURCE");
    if (dir)
        (void)snprintf(path, sizeof path, "%s", dir);
    else
        (void)snprintf(path, sizeof path, "%s/../shared", source ? source : ".");
    if (stat(path, &st) != 0)
        return NULL;
    (void)snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", name);
    return path;
}

_Noreturn void check_skip_shared(const char *test, const char *name)
{
    print_message("skipped: %s (needs shared/%s; set MRAD_SHARED)\n", test, name);
    skip();
    abort(); /* skip() does not return */
}
