/*
 * path.h - names of files and folders.
 *
 * Returned strings are fresh and belong to the caller (MEM_FREE).
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* dir/name; name alone when it is absolute or dir is "" or NULL. */
int path_join(char **out, const char *dir, const char *name);

/* Everything before the last '/', "." when there is none. */
int path_dir(char **out, const char *path);

/* The part after the last '/'; points into path. */
const char *path_base(const char *path);

/*
 * What of path lies below the folder root (with or without a slash at its end); path itself when it does
 * not. Points into path; only texts are compared.
 */
const char *path_below(const char *path, const char *root);

/* The extension of the last part with its dot (".png"), or "" when it has none; points into path. */
const char *path_ext(const char *path);

/* The last part without its extension. */
int path_stem(char **out, const char *path);

/* Make a folder and all folders above it; existing ones are fine. ERR_IO names the one that failed. */
int path_mkdirs(const char *path);

bool path_is_file(const char *path);
bool path_is_dir(const char *path);

/* Size in bytes and modification time in ns; ERR_IO when there is no such file. */
int path_stat(const char *path, uint64_t *size, int64_t *mtime_ns);

/* A list of names, sorted by byte value. */
struct path_list {
    char **name; /* [n], owned */
    size_t n;
    size_t cap;
};

/* Entries of a folder without "." and "..", sorted by byte value, hidden ones left out. */
int path_list_dir(struct path_list *out, const char *dir);

/* Append a copy of name. */
int path_list_add(struct path_list *list, const char *name);

/* Sort by byte value. */
void path_list_sort(struct path_list *list);

/* Is the name in a sorted list? */
bool path_list_has(const struct path_list *list, const char *name);

/* Release the names. */
void path_list_free(struct path_list *list);

#endif /* BASE_PATH_H */
