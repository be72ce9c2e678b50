/* file.c - see file.h. */
#include "base/file.h"

#include "base/err.h"
#include "base/fault.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int file_temp(struct atomic_file *f, const char *path)
{
    static atomic_uint serial;
    int rc = ERR_OK;
    char *dir = NULL;
    char host[64];
    process_host(host, sizeof host);
    *f = (struct atomic_file){0};
    TRY(path_dir(&dir, path));
    TRY(path_mkdirs(dir));
    TRY(str_dup(&f->path, path));
    TRY(str_make(&f->temp, "%s" FILE_TEMP_MARK "%s.%ld.%u", path, host, (long)getpid(),
                 atomic_fetch_add(&serial, 1)));
out:
    MEM_FREE(dir);
    return rc;
}

int atomic_begin(struct atomic_file *f, const char *path)
{
    int rc = ERR_OK;
    *f = (struct atomic_file){0};
    if (fault_at(FAULT_BEFORE, path))
        FAIL(ERR_IO, "cannot create %s: %s", path, strerror(errno));
    TRY(file_temp(f, path));
out:
    return rc;
}

/* point, file: of the commit that this is a step of. */
static int sync_path(const char *path, int flags, enum fault_point point, const char *file)
{
    int rc = ERR_OK;
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0 || fault_at(point, file) || fsync(fd))
        FAIL(ERR_IO, "%s: cannot make %s durable: %s", file, path, strerror(errno));
out:
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

int atomic_commit(struct atomic_file *f)
{
    int rc = ERR_OK;
    char *dir = NULL;
    TRY(sync_path(f->temp, O_RDONLY, FAULT_SYNC, f->path));
    if (fault_at(FAULT_RENAME, f->temp) || rename(f->temp, f->path))
        FAIL(ERR_IO, "cannot rename %s to %s: %s", f->temp, f->path, strerror(errno));
    MEM_FREE(f->temp);
    TRY(path_dir(&dir, f->path));
    TRY(sync_path(dir, O_RDONLY | O_DIRECTORY, FAULT_AFTER, f->path));
out:
    MEM_FREE(dir);
    return rc;
}

void atomic_abort(struct atomic_file *f)
{
    if (f->temp)
        (void)unlink(f->temp);
    MEM_FREE(f->temp);
    MEM_FREE(f->path);
}

int file_write(const char *path, const char *text, size_t n)
{
    int rc = ERR_OK;
    struct atomic_file f = {0};
    FILE *out = NULL;
    TRY(atomic_begin(&f, path));
    out = fopen(f.temp, "wb");
    if (!out)
        FAIL(ERR_IO, "cannot write %s: %s", f.temp, strerror(errno));
    if (fwrite(text, 1, n / 2, out) != n / 2 || fault_at(FAULT_WRITE, f.temp) ||
        fwrite(text + n / 2, 1, n - n / 2, out) != n - n / 2)
        FAIL(ERR_IO, "cannot write %s: %s", path, strerror(errno));
    if (fclose(out)) {
        out = NULL;
        FAIL(ERR_IO, "cannot write %s: %s", path, strerror(errno));
    }
    out = NULL;
    TRY(atomic_commit(&f));
out:
    if (out)
        (void)fclose(out);
    atomic_abort(&f);
    return rc;
}

int file_read(const char *path, size_t max_bytes, char **out, size_t *n)
{
    int rc = ERR_OK;
    FILE *in = fopen(path, "rb");
    char *text = NULL;
    size_t cap = 0;
    size_t len = 0;
    *out = NULL;
    *n = 0;
    if (!in)
        FAIL(ERR_IO, "cannot open %s: %s", path, strerror(errno));
    for (;;) {
        size_t got;
        TRY(MEM_GROW(text, &cap, len + 65536 + 1));
        got = fread(text + len, 1, cap - len - 1, in);
        len += got;
        if (len > max_bytes)
            FAIL(ERR_FORMAT, "%s: larger than the %zu bytes that are read of such a file", path,
                 max_bytes);
        if (!got)
            break;
    }
    if (ferror(in))
        FAIL(ERR_IO, "cannot read %s: %s", path, strerror(errno));
    text[len] = '\0';
    *out = text;
    *n = len;
    text = NULL;
out:
    if (in)
        (void)fclose(in);
    MEM_FREE(text);
    return rc;
}

/* Temporary names end in .tmp.HOST.PID.SERIAL; is the process that made this one gone? */
static int writer_is_gone(const char *path, const char *mark)
{
    char host[64];
    struct stat st;
    const char *rest = mark + strlen(FILE_TEMP_MARK);
    size_t n;
    long pid;
    process_host(host, sizeof host);
    n = strlen(host);
    if (stat(path, &st) == 0 && time(NULL) - st.st_mtime > 24 * 3600)
        return 1;
    if (strncmp(rest, host, n) != 0 || rest[n] != '.')
        return 0;
    pid = strtol(rest + n + 1, NULL, 10);
    return pid > 0 && process_has_ended(pid);
}

bool file_temp_is_left(const char *path)
{
    const char *mark = strstr(path_base(path), FILE_TEMP_MARK);
    return mark && writer_is_gone(path, mark);
}

int file_clean_temp(const char *dir)
{
    int rc = ERR_OK;
    struct path_list list = {0};
    char *path = NULL;
    if (!path_is_dir(dir))
        return ERR_OK;
    TRY(path_list_dir(&list, dir));
    for (size_t i = 0; i < list.n; i++) {
        bool is_temp = strstr(list.name[i], FILE_TEMP_MARK);
        if (!is_temp && !lock_is_name(list.name[i]))
            continue;
        TRY(path_join(&path, dir, list.name[i]));
        if (!is_temp)
            lock_clean(path);
        else if (file_temp_is_left(path))
            (void)unlink(path);
        MEM_FREE(path);
    }
out:
    path_list_free(&list);
    MEM_FREE(path);
    return rc;
}

int file_map_open(struct file_map *map, const char *path)
{
    int rc = ERR_OK;
    struct stat st;
    void *data = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *map = (struct file_map){0};
    if (fd < 0 || fstat(fd, &st))
        FAIL(ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        FAIL(ERR_IO, "cannot map %s: not a regular file", path);
    if (st.st_size > 0) {
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            FAIL(ERR_IO, "cannot map %s: %s", path, strerror(errno));
    }
    map->data = data;
    map->size = (size_t)st.st_size;
out:
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

void file_map_close(struct file_map *map)
{
    if (map->data)
        (void)munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct file_map){0};
}
