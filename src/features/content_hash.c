/*
 * content_hash.c - what a data set's files hold, as hashes, without reading unchanged files again.
 *
 * The memory is a text file: its own hash, then "size mtime_ns hash path" per line, the images in item
 * order, then the masks. A file changed within the last two seconds is not remembered: it could change again
 * within the clock's resolution.
 */
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "features/features_int.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct known {
    uint64_t size;
    int64_t mtime;
    struct hash hash;
    const char *path; /* inside the text that was read */
};

struct memory {
    char *text;
    struct known *entry; /* [n], sorted by path */
    size_t n;
    size_t cap;
};

/* What one rank finds out about one file. */
struct finding {
    struct hash hash;
    uint64_t size;
    int64_t mtime;
    int64_t is_missing;
};

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->path, ((const struct known *)b)->path);
}

static int parse_line(struct known *out, char *line)
{
    char hex[HASH_HEX];
    int at = 0;
    if (sscanf(line, "%" SCNu64 " %" SCNd64 " %32s %n", &out->size, &out->mtime, hex, &at) != 3 ||
        !at || hash_parse(&out->hash, hex))
        return ERR_FORMAT;
    out->path = line + at;
    return ERR_OK;
}

/* Is the first line the hash of all that follows? */
static bool is_whole(const char *text, size_t n)
{
    char hex[HASH_HEX];
    if (n < HASH_HEX || text[HASH_HEX - 1] != '\n')
        return false;
    hash_hex(hex, hash_bytes(text + HASH_HEX, n - HASH_HEX));
    return memcmp(text, hex, HASH_HEX - 1) == 0;
}

/* A missing or damaged memory is an empty one: it only saves time. */
static int recall(struct memory *m, const char *path)
{
    int rc = ERR_OK;
    size_t n;
    char *line;
    char *rest;
    if (!path_is_file(path))
        return ERR_OK;
    TRY(file_read(path, (size_t)1 << 30, &m->text, &n));
    if (!is_whole(m->text, n))
        return ERR_OK;
    for (line = strtok_r(m->text + HASH_HEX, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        TRY(MEM_GROW(m->entry, &m->cap, m->n + 1));
        if (parse_line(&m->entry[m->n], line) == ERR_OK)
            m->n++;
        else
            err_clear();
    }
    if (m->n)
        qsort(m->entry, m->n, sizeof *m->entry, by_path);
out:
    return rc;
}

static int examine(struct finding *out, const struct memory *memory, const char *path, bool lenient)
{
    int rc = ERR_OK;
    struct known key = {.path = path};
    const struct known *hit;
    *out = (struct finding){0};
    if (path_stat(path, &out->size, &out->mtime)) {
        err_clear();
        out->is_missing = 1;
        return ERR_OK;
    }
    hit = memory->n ? bsearch(&key, memory->entry, memory->n, sizeof key, by_path) : NULL;
    if (hit && hit->size == out->size && hit->mtime == out->mtime) {
        out->hash = hit->hash;
        return ERR_OK;
    }
    rc = hash_file(&out->hash, path);
    if (rc == ERR_IO && lenient) { /* there, but unreadable: as good as missing */
        err_clear();
        *out = (struct finding){.is_missing = 1};
        return ERR_OK;
    }
    TRY(rc);
out:
    return rc;
}

/* Paths of all images, then of all masks ("" without one), in item order. */
static int list_paths(char **path, const struct manifest *m)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < m->n_items; i++) {
        TRY(manifest_image_path(&path[i], m, i));
        TRY(manifest_mask_path(&path[m->n_items + i], m, i));
    }
out:
    return rc;
}

/* This rank's files: every size-th. */
static int examine_share(struct finding *mine, struct comm *comm, const struct memory *memory,
                         char *const *path, size_t n, bool lenient)
{
    int rc = ERR_OK;
    size_t step = (size_t)comm_size(comm);
    for (size_t i = (size_t)comm_rank(comm), j = 0; i < n; i += step, j++)
        if (path[i][0])
            TRY(examine(&mine[j], memory, path[i], lenient));
out:
    return rc;
}

static int remember(const char *file, char *const *path, const struct finding *found, size_t n)
{
    int rc = ERR_OK;
    struct str lines = {0};
    struct str text = {0};
    char hex[HASH_HEX];
    char *dir = NULL;
    const char *former = fault_stage("hashes");
    int64_t newest = ((int64_t)time(NULL) - 2) * 1000000000;
    for (size_t i = 0; i < n; i++) {
        if (!path[i][0] || found[i].is_missing || found[i].mtime > newest || strchr(path[i], '\n'))
            continue;
        hash_hex(hex, found[i].hash);
        TRY(str_addf(&lines, "%" PRIu64 " %" PRId64 " %s %s\n", found[i].size, found[i].mtime, hex,
                     path[i]));
    }
    TRY(path_dir(&dir, file));
    TRY(file_clean_temp(dir));
    hash_hex(hex, hash_bytes(lines.text, lines.len));
    TRY(str_addf(&text, "%s\n", hex));
    TRY(str_add_bytes(&text, lines.text, lines.len));
    TRY(file_write(file, text.text, text.len));
out:
    (void)fault_stage(former);
    MEM_FREE(dir);
    str_free(&lines);
    str_free(&text);
    return rc;
}

static int all_present(const struct manifest *m, char *const *path, const struct finding *found)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < 2 * m->n_items; i++)
        if (path[i][0] && found[i].is_missing)
            FAIL(ERR_IO, "data set %s, item %zu: %s is missing: %s", m->name, i % m->n_items,
                 i < m->n_items ? "image" : "mask", path[i]);
out:
    return rc;
}

int content_hashes(struct hash *out, struct comm *comm, const char *store, const struct manifest *m,
                   bool lenient)
{
    int rc = ERR_OK;
    size_t n = 2 * m->n_items;
    size_t size = (size_t)comm_size(comm);
    size_t share = (n + size - 1) / size;
    char **path = NULL;
    char *file = NULL;
    struct memory memory = {0};
    struct finding *mine = NULL;
    struct finding *dealt = NULL;
    struct finding *found = NULL;
    TRY(MEM_NEW(path, n));
    TRY(MEM_NEW(mine, share));
    TRY(MEM_NEW(dealt, share * size));
    TRY(MEM_NEW(found, n));
    TRY(str_make(&file, "%s/hashes/%s.txt", store, m->name));
    TRY(list_paths(path, m));
    TRY_ALL(comm, recall(&memory, file));
    TRY_ALL(comm, examine_share(mine, comm, &memory, path, n, lenient));
    TRY(comm_allgather(comm, mine, share * sizeof *mine, dealt));
    for (size_t i = 0; i < n; i++)
        found[i] = dealt[i % size * share + i / size];
    if (!lenient)
        TRY(all_present(m, path, found));
    TRY_ALL(comm, comm_rank(comm) == 0 ? remember(file, path, found, n) : ERR_OK);
    for (size_t i = 0; i < m->n_items; i++) {
        const struct hash both[2] = {found[i].hash, found[m->n_items + i].hash};
        out[i] = hash_bytes(both, sizeof both);
    }
out:
    for (size_t i = 0; path && i < n; i++)
        MEM_FREE(path[i]);
    MEM_FREE(path);
    MEM_FREE(file);
    MEM_FREE(memory.text);
    MEM_FREE(memory.entry);
    MEM_FREE(mine);
    MEM_FREE(dealt);
    MEM_FREE(found);
    return rc;
}
