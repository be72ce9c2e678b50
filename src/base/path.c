/* path.c - see path.h. */
#include "base/path.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int path_join(char **out, const char *dir, const char *name)
{
    if (!dir || !dir[0] || name[0] == '/')
        return str_dup(out, name);
    if (!name[0])
        return str_dup(out, dir);
    return str_make(out, "%s%s%s", dir, str_ends(dir, "/") ? "" : "/", name);
}

int path_dir(char **out, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return str_dup(out, ".");
    if (slash == path)
        return str_dup(out, "/");
    return str_make(out, "%.*s", (int)(slash - path), path);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *path_below(const char *path, const char *root)
{
    size_t n = strlen(root);
    while (n > 0 && root[n - 1] == '/')
        n--;
    if (strncmp(path, root, n) != 0 || path[n] != '/')
        return path;
    return path + n + strspn(path + n, "/");
}

const char *path_ext(const char *path)
{
    const char *base = path_base(path);
    const char *dot = strrchr(base, '.');
    return dot && dot != base ? dot : base + strlen(base);
}

int path_stem(char **out, const char *path)
{
    const char *base = path_base(path);
    return str_make(out, "%.*s", (int)(path_ext(path) - base), base);
}

static int make_dir(const char *path)
{
    int rc = ERR_OK;
    if (mkdir(path, 0777) && !(errno == EEXIST && path_is_dir(path)))
        FAIL(ERR_IO, "cannot make the folder %s: %s", path, strerror(errno));
out:
    return rc;
}

int path_mkdirs(const char *path)
{
    int rc = ERR_OK;
    char *copy = NULL;
    if (path_is_dir(path))
        return ERR_OK;
    TRY(str_dup(&copy, path));
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        TRY(make_dir(copy));
        *p = '/';
    }
    TRY(make_dir(copy));
out:
    MEM_FREE(copy);
    return rc;
}

bool path_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int path_stat(const char *path, uint64_t *size, int64_t *mtime_ns)
{
    int rc = ERR_OK;
    struct stat st;
    if (stat(path, &st))
        FAIL(ERR_IO, "cannot read %s: %s", path, strerror(errno));
    *size = (uint64_t)st.st_size;
    *mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
out:
    return rc;
}

int path_list_add(struct path_list *list, const char *name)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(list->name, &list->cap, list->n + 1));
    TRY(str_dup(&list->name[list->n], name));
    list->n++;
out:
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void path_list_sort(struct path_list *list)
{
    if (list->n)
        qsort(list->name, list->n, sizeof *list->name, by_bytes);
}

bool path_list_has(const struct path_list *list, const char *name)
{
    return list->n && bsearch(&name, list->name, list->n, sizeof *list->name, by_bytes);
}

int path_list_dir(struct path_list *out, const char *dir)
{
    int rc = ERR_OK;
    DIR *d = opendir(dir);
    struct dirent *entry;
    *out = (struct path_list){0};
    if (!d)
        FAIL(ERR_IO, "cannot open the folder %s: %s", dir, strerror(errno));
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.')
            TRY(path_list_add(out, entry->d_name));
    path_list_sort(out);
out:
    if (d)
        (void)closedir(d);
    if (rc)
        path_list_free(out);
    return rc;
}

void path_list_free(struct path_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        MEM_FREE(list->name[i]);
    MEM_FREE(list->name);
    list->n = list->cap = 0;
}
