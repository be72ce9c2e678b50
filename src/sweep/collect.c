/* collect.c - see collect.h. */
#include "sweep/collect.h"

#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"
#include "par/cores.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A lock that was renewed within so many seconds is held by somebody; base/lock.c renews far more often. */
enum { YOUNG_S = 120 };

enum { MOST_PATTERNS = 3, HEX_DIGITS = HASH_HEX - 1, NO_KEYS = -1 };

/* The layout of a store. In patterns # is a number and @ a key. */
static const struct area {
    const char *name;
    int depth; /* folders between the area and a key's folder; NO_KEYS: files lie in the area */
    const char *pattern[MOST_PATTERNS];
} areas[N_AREAS] = {
    {"features", 1, {"shard-#.h5"}},
    {"bank", 1, {"shard-#.h5", "bank.h5", "reduced-@.h5"}},
    {"head", 2, {"head.h5", "checkpoint.h5"}},
    {"scores", 3, {"shard-#.h5", "scores.h5"}},
    {"metrics", 3, {"class-#.json"}},
    {"hashes", NO_KEYS, {NULL}},
};

const char *area_name(size_t area)
{
    return areas[area].name;
}

/* ---- names ---- */

static bool is_hex(const char *text, size_t n)
{
    return strspn(text, "0123456789abcdef") >= n;
}

static bool is_key(const char *name)
{
    return strlen(name) == HEX_DIGITS && is_hex(name, HEX_DIGITS);
}

/* Does the text of n bytes have the form of a pattern? */
static bool has_form(const char *pattern, const char *text, size_t n)
{
    const char *end = text + n;
    for (; *pattern; pattern++) {
        if (*pattern == '#' && text < end && isdigit((unsigned char)*text)) {
            text += strspn(text, "0123456789");
        } else if (*pattern == '@' && is_hex(text, HEX_DIGITS)) {
            text += HEX_DIGITS;
        } else if (text < end && *pattern == *text) {
            text++;
        } else {
            return false;
        }
    }
    return text == end;
}

/* The number of bytes of a name before what temporary files and locks add to it. */
static size_t stem_length(const char *name)
{
    const char *temp = strstr(name, FILE_TEMP_MARK);
    size_t n = temp ? (size_t)(temp - name) : strlen(name);
    const size_t ext = strlen(LOCK_EXT);
    return n > ext && strncmp(name + n - ext, LOCK_EXT, ext) == 0 ? n - ext : n;
}

/* Is this a file of a key's folder, or what its making leaves? */
static bool is_product(const struct area *area, const char *name)
{
    size_t n = stem_length(name);
    for (size_t i = 0; i < MOST_PATTERNS && area->pattern[i]; i++)
        if (has_form(area->pattern[i], name, n))
            return true;
    return false;
}

/* Remembered hashes begin with a hash in a line of its own; other texts may have got there. */
static bool is_memory(const char *name, const char *path)
{
    char *text = NULL;
    size_t n = 0;
    size_t stem = stem_length(name);
    bool is_ours = stem > 4 && strncmp(name + stem - 4, ".txt", 4) == 0;
    if (is_ours && !name[stem]) {
        is_ours = file_read(path, (size_t)1 << 30, &text, &n) == ERR_OK && n >= HASH_HEX &&
                  is_hex(text, HEX_DIGITS) && text[HEX_DIGITS] == '\n';
        err_clear();
    }
    MEM_FREE(text);
    return is_ours;
}

/* ---- what a folder holds ---- */

/* An entry of a folder, as it is: links are not followed. */
struct entry {
    char *name; /* owned */
    struct stat st;
};

struct entries {
    struct entry *entry; /* [n] sorted by name, hidden ones too */
    size_t n, cap;
};

static void entries_release(struct entries *e)
{
    for (size_t i = 0; i < e->n; i++)
        MEM_FREE(e->entry[i].name);
    MEM_FREE(e->entry);
    *e = (struct entries){0};
}

static int add_entry(struct entries *e, const char *dir, const char *name)
{
    int rc = ERR_OK;
    char *path = NULL;
    struct entry one = {0};
    TRY(path_join(&path, dir, name));
    if (lstat(path, &one.st)) {
        if (errno == ENOENT) /* gone meanwhile */
            goto out;
        FAIL(ERR_IO, "cannot read %s: %s", path, strerror(errno));
    }
    TRY(MEM_GROW(e->entry, &e->cap, e->n + 1));
    TRY(str_dup(&one.name, name));
    e->entry[e->n++] = one;
out:
    MEM_FREE(path);
    return rc;
}

static int list_entries(struct entries *out, const char *dir)
{
    int rc = ERR_OK;
    struct dirent **list = NULL;
    int n = scandir(dir, &list, NULL, alphasort);
    *out = (struct entries){0};
    if (n < 0)
        FAIL(ERR_IO, "cannot open the folder %s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            TRY(add_entry(out, dir, name));
    }
out:
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    if (rc)
        entries_release(out);
    return rc;
}

/* What says that somebody works in a folder; NULL when nothing does. */
static const char *sign_of_life(const struct entries *e, const char *dir)
{
    const char *sign = NULL;
    for (size_t i = 0; i < e->n && !sign; i++) {
        const struct entry *one = &e->entry[i];
        char *path = NULL;
        if (strstr(one->name, FILE_TEMP_MARK)) {
            if (path_join(&path, dir, one->name) || !file_temp_is_left(path))
                sign = "somebody writes a file there";
        } else if (lock_is_name(one->name) && time(NULL) - one->st.st_mtime < YOUNG_S) {
            sign = "there is a lock of less than two minutes ago";
        }
        MEM_FREE(path);
    }
    return sign;
}

/* ---- the walk ---- */

struct walk {
    struct collection *c;
    const struct path_list *places;
    struct stat *named; /* [n_named] files that jobs name */
    size_t n_named;
    size_t area;
};

static bool is_referred_to(const struct walk *w, const char *place)
{
    return path_list_has(w->places, place);
}

static bool is_named(const struct walk *w, const struct stat *st)
{
    for (size_t i = 0; i < w->n_named; i++)
        if (w->named[i].st_dev == st->st_dev && w->named[i].st_ino == st->st_ino)
            return true;
    return false;
}

static int note(struct path_list *list, const char *dir, const char *name, const char *why)
{
    int rc = ERR_OK;
    char *text = NULL;
    TRY(str_make(&text, "%s%s%s%s%s", dir, dir[0] && name[0] ? "/" : "", name, why[0] ? ": " : "",
                 why));
    TRY(path_list_add(list, text));
out:
    MEM_FREE(text);
    return rc;
}

static int begin_item(struct walk *w, const char *dir, const char *why)
{
    int rc = ERR_OK;
    struct collection *c = w->c;
    TRY(MEM_GROW(c->item, &c->cap, c->n + 1));
    c->item[c->n] = (struct leftover){.area = w->area, .why = why};
    TRY(str_dup(&c->item[c->n].dir, dir));
    c->n++;
out:
    return rc;
}

/* Add a file to the last item, unless a job names it. */
static int add_file(struct walk *w, const char *dir, const struct entry *e)
{
    int rc = ERR_OK;
    struct leftover *item = &w->c->item[w->c->n - 1];
    if (is_named(w, &e->st))
        return note(&w->c->busy, dir, e->name, "a job names it");
    TRY(path_list_add(&item->file, e->name));
    item->bytes += (uint64_t)e->st.st_size;
out:
    return rc;
}

/* A key's folder that nobody refers to: all of ours goes, empty or not. */
static int take_folder(struct walk *w, const char *dir, const struct entries *list)
{
    int rc = ERR_OK;
    TRY(begin_item(w, dir, "no job refers to it"));
    for (size_t i = 0; i < list->n; i++) {
        const struct entry *e = &list->entry[i];
        if (S_ISREG(e->st.st_mode) && is_product(&areas[w->area], e->name))
            TRY(add_file(w, dir, e));
        else
            TRY(note(&w->c->foreign, dir, e->name, ""));
    }
out:
    return rc;
}

/* Why a file of a folder that is in use may go; NULL: it may not. */
static const char *why_left(const struct walk *w, const char *path, const char *place,
                            const char *name)
{
    if (strstr(name, FILE_TEMP_MARK))
        return file_temp_is_left(path) ? "left by a run that was killed" : NULL;
    if (lock_is_name(name))
        return NULL;
    if ((w->area == N_AREAS - 1 || str_starts(name, "reduced-")) && !is_referred_to(w, place))
        return "no job refers to it";
    return NULL;
}

/* A folder that is in use: what killed runs left, reduced banks and remembered hashes of nobody. */
static int take_files(struct walk *w, const char *dir, const struct entries *list, const char *sign)
{
    int rc = ERR_OK;
    char *place = NULL;
    char *path = NULL;
    for (size_t i = 0; i < list->n; i++) {
        const struct entry *e = &list->entry[i];
        const char *why;
        bool is_ours;
        TRY(path_join(&place, dir, e->name));
        TRY(path_join(&path, w->c->store, place));
        is_ours = areas[w->area].depth == NO_KEYS ? is_memory(e->name, path)
                                                  : is_product(&areas[w->area], e->name);
        if (!S_ISREG(e->st.st_mode) || !is_ours) {
            TRY(note(&w->c->foreign, place, "", ""));
        } else if ((why = why_left(w, path, place, e->name)) && sign) {
            TRY(note(&w->c->busy, place, "", sign));
        } else if (why) {
            TRY(begin_item(w, dir, why));
            TRY(add_file(w, dir, e));
        }
        MEM_FREE(place);
        MEM_FREE(path);
    }
out:
    MEM_FREE(place);
    MEM_FREE(path);
    return rc;
}

static int visit(struct walk *w, const char *dir, int depth);

static int visit_inner(struct walk *w, const char *dir, const struct entries *list, int depth)
{
    int rc = ERR_OK;
    char *place = NULL;
    for (size_t i = 0; i < list->n; i++) {
        const struct entry *e = &list->entry[i];
        TRY(path_join(&place, dir, e->name));
        if (S_ISDIR(e->st.st_mode) && (depth > 0 || is_key(e->name)))
            TRY(visit(w, place, depth - 1));
        else if (!lock_is_name(e->name))
            TRY(note(&w->c->foreign, place, "", ""));
        MEM_FREE(place);
    }
out:
    MEM_FREE(place);
    return rc;
}

/* dir: relative to the store; depth: folders above a key's folder, -1 in one. */
static int visit(struct walk *w, const char *dir, int depth)
{
    int rc = ERR_OK;
    struct entries list = {0};
    char *path = NULL;
    bool is_leaf = depth < 0;
    bool is_free = is_leaf && areas[w->area].depth != NO_KEYS && !is_referred_to(w, dir);
    const char *sign;
    TRY(path_join(&path, w->c->store, dir));
    TRY(list_entries(&list, path));
    sign = sign_of_life(&list, path);
    if (sign && (is_free || !is_leaf))
        TRY(note(&w->c->busy, dir, "", sign));
    else if (is_free)
        TRY(take_folder(w, dir, &list));
    else if (is_leaf)
        TRY(take_files(w, dir, &list, sign));
    else
        TRY(visit_inner(w, dir, &list, depth));
out:
    entries_release(&list);
    MEM_FREE(path);
    return rc;
}

/* What lies in the store itself: its areas, and what is not ours. */
static int visit_store(struct walk *w)
{
    int rc = ERR_OK;
    struct entries list = {0};
    TRY(list_entries(&list, w->c->store));
    for (size_t i = 0; i < list.n; i++) {
        const struct entry *e = &list.entry[i];
        w->area = 0;
        while (w->area < N_AREAS && strcmp(areas[w->area].name, e->name) != 0)
            w->area++;
        if (w->area < N_AREAS && S_ISDIR(e->st.st_mode))
            TRY(visit(w, e->name, areas[w->area].depth));
        else
            TRY(note(&w->c->foreign, e->name, "", ""));
    }
out:
    entries_release(&list);
    return rc;
}

/* Files that cannot be found are nowhere in the store. */
static int find_named(struct walk *w, const struct path_list *files)
{
    int rc = ERR_OK;
    TRY(MEM_NEW(w->named, files->n));
    for (size_t i = 0; i < files->n; i++)
        if (stat(files->name[i], &w->named[w->n_named]) == 0)
            w->n_named++;
out:
    return rc;
}

int collection_find(struct collection *out, const char *store, const struct path_list *places,
                    const struct path_list *files)
{
    int rc = ERR_OK;
    struct walk w = {.c = out, .places = places};
    *out = (struct collection){0};
    TRY(str_dup(&out->store, store));
    TRY(find_named(&w, files));
    TRY(visit_store(&w));
out:
    MEM_FREE(w.named);
    if (rc)
        collection_release(out);
    return rc;
}

void collection_release(struct collection *c)
{
    for (size_t i = 0; i < c->n; i++) {
        MEM_FREE(c->item[i].dir);
        path_list_free(&c->item[i].file);
    }
    MEM_FREE(c->item);
    MEM_FREE(c->store);
    path_list_free(&c->foreign);
    path_list_free(&c->busy);
    *c = (struct collection){0};
}

/* ---- removal ---- */

/* The folder if it is empty now, and those above it; the area itself stays. */
static int remove_folders(const char *store, const char *dir)
{
    int rc = ERR_OK;
    char *path = NULL;
    char *place = NULL;
    char *above = NULL;
    TRY(str_dup(&place, dir));
    while (strchr(place, '/')) {
        TRY(path_join(&path, store, place));
        if (rmdir(path) && errno != ENOENT)
            break; /* not empty: something stays there */
        MEM_FREE(path);
        TRY(path_dir(&above, place));
        MEM_FREE(place);
        place = above;
        above = NULL;
    }
out:
    MEM_FREE(path);
    MEM_FREE(place);
    MEM_FREE(above);
    return rc;
}

static int delete_item(struct collection *c, struct leftover *item)
{
    int rc = ERR_OK;
    struct entries list = {0};
    char *dir = NULL;
    char *path = NULL;
    const char *sign;
    TRY(path_join(&dir, c->store, item->dir));
    TRY(list_entries(&list, dir));
    sign = sign_of_life(&list, dir);
    if (sign) {
        item->is_kept = true;
        TRY(note(&c->busy, item->dir, "", sign));
        goto out;
    }
    for (size_t i = 0; i < item->file.n; i++) {
        TRY(path_join(&path, dir, item->file.name[i]));
        if (unlink(path) && errno != ENOENT)
            FAIL(ERR_IO, "cannot remove %s: %s", path, strerror(errno));
        MEM_FREE(path);
    }
    TRY(remove_folders(c->store, item->dir));
out:
    entries_release(&list);
    MEM_FREE(dir);
    MEM_FREE(path);
    return rc;
}

int collection_delete(struct collection *c)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < c->n; i++) {
        if (stop_requested())
            FAIL(ERR_STOPPED, "stopped while removing; what is left goes with the next run");
        TRY(delete_item(c, &c->item[i]));
    }
out:
    return rc;
}

void collection_sum(const struct collection *c, size_t area, size_t *files, uint64_t *bytes)
{
    *files = 0;
    *bytes = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct leftover *item = &c->item[i];
        if (item->is_kept || (area != N_AREAS && item->area != area))
            continue;
        *files += item->file.n;
        *bytes += item->bytes;
    }
}
