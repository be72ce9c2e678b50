/*
 * file.h - whole files: read, map, and write so that a file appears whole or not at all.
 *
 *     struct atomic_file f = {0};
 *     TRY(atomic_begin(&f, "store/bank.h5"));
 *     ... write to f.temp ...
 *     TRY(atomic_commit(&f));          (fsync, rename, fsync of the folder)
 *   out:
 *     atomic_abort(&f);                (removes f.temp unless committed)
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct atomic_file {
    char *path; /* the final name, owned */
    char *temp; /* where to write, in the same folder, owned */
};

/*
 * Choose a temporary name beside path, which no other process and no other call of this one gets; makes
 * the folder. Nothing is created yet.
 */
int file_temp(struct atomic_file *f, const char *path);

/* The same for a file that is to be committed: a step at which faults may be asked for. */
int atomic_begin(struct atomic_file *f, const char *path);

/* Make the temporary file durable and give it its final name. */
int atomic_commit(struct atomic_file *f);

/* Remove the temporary file if there is one and release f. After a commit it only releases. */
void atomic_abort(struct atomic_file *f);

/* Write text to path atomically. */
int file_write(const char *path, const char *text, size_t n);

/*
 * Read a whole file; *out ends in an extra '\0' and belongs to the caller (MEM_FREE).
 * Files larger than max_bytes are refused with ERR_FORMAT.
 */
int file_read(const char *path, size_t max_bytes, char **out, size_t *n);

/*
 * Remove temporary files that atomic_begin named in dir and whose writer is gone: it ran on this
 * host and its process no longer exists, or the file is older than a day; and locks of processes that
 * have ended. A missing dir is fine.
 */
int file_clean_temp(const char *dir);

/* Is this the path of such a temporary file whose writer is gone? FILE_TEMP_MARK is part of its name. */
#define FILE_TEMP_MARK ".tmp."
bool file_temp_is_left(const char *path);

/* A read-only memory map of a whole file. */
struct file_map {
    const uint8_t *data; /* [size], borrowed from the kernel; NULL for an empty file */
    size_t size;
};

int file_map_open(struct file_map *map, const char *path);
void file_map_close(struct file_map *map);

#endif /* BASE_FILE_H */
