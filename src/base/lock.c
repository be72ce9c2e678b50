/* lock.c - see lock.h. */
#include "base/lock.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RENEW_S = 10, DEAD_S = 60, MAX_NAME = 128, MAX_TEXT = 512 };

/* A lock that is held. */
struct held {
    char *file; /* owned */
    ino_t inode;
};

struct locks {
    char owner[MAX_NAME];
    pthread_t thread;
    bool has_thread, has_guard;
    pthread_mutex_t guard; /* for all below */
    pthread_cond_t ending;
    bool is_ending;
    struct held *held; /* [n] */
    size_t n, cap;
};

/* What a lock file says. */
struct holder {
    char text[MAX_TEXT]; /* all of it; no two locks have the same */
    char owner[MAX_NAME], host[MAX_NAME];
    long pid;
    unsigned long space;
    struct timespec time; /* of the file */
};

/* ---- renewing ---- */

static void renew_all(const struct locks *l)
{
    struct stat st;
    for (size_t i = 0; i < l->n; i++)
        if (stat(l->held[i].file, &st) == 0 && st.st_ino == l->held[i].inode)
            (void)utimensat(AT_FDCWD, l->held[i].file, NULL, 0);
}

static void *renew(void *argument)
{
    struct locks *l = argument;
    struct timespec next;
    (void)pthread_mutex_lock(&l->guard);
    while (!l->is_ending) {
        (void)clock_gettime(CLOCK_REALTIME, &next);
        next.tv_sec += RENEW_S;
        (void)pthread_cond_timedwait(&l->ending, &l->guard, &next);
        renew_all(l);
    }
    (void)pthread_mutex_unlock(&l->guard);
    return NULL;
}

int locks_open(struct locks **out, const char *owner)
{
    int rc = ERR_OK;
    struct locks *l = NULL;
    TRY(MEM_NEW(l, 1));
    (void)snprintf(l->owner, sizeof l->owner, "%s", owner);
    if (pthread_mutex_init(&l->guard, NULL) || pthread_cond_init(&l->ending, NULL))
        FAIL(ERR_MEMORY, "cannot make a thread's lock");
    l->has_guard = true;
    if (pthread_create(&l->thread, NULL, renew, l))
        FAIL(ERR_MEMORY, "cannot start the thread that renews locks");
    l->has_thread = true;
out:
    if (rc)
        locks_close(&l);
    *out = l;
    return rc;
}

void locks_close(struct locks **locks)
{
    struct locks *l = *locks;
    if (!l)
        return;
    if (l->has_thread) {
        (void)pthread_mutex_lock(&l->guard);
        l->is_ending = true;
        (void)pthread_cond_signal(&l->ending);
        (void)pthread_mutex_unlock(&l->guard);
        (void)pthread_join(l->thread, NULL);
    }
    for (size_t i = 0; i < l->n; i++) {
        (void)unlink(l->held[i].file);
        MEM_FREE(l->held[i].file);
    }
    if (l->has_guard) {
        (void)pthread_cond_destroy(&l->ending);
        (void)pthread_mutex_destroy(&l->guard);
    }
    MEM_FREE(l->held);
    MEM_FREE(*locks);
}

/* ---- the file ---- */

static int lock_file(char **out, const char *path)
{
    return str_make(out, "%s" LOCK_EXT, path);
}

bool lock_is_name(const char *name)
{
    return str_ends(name, LOCK_EXT);
}

/* Read a lock file; false when it is gone. One that says nothing has no owner, host or process. */
static bool read_holder(struct holder *h, const char *file)
{
    struct stat st;
    ssize_t n = -1;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    *h = (struct holder){0};
    if (fd >= 0 && fstat(fd, &st) == 0)
        n = read(fd, h->text, sizeof h->text - 1);
    if (fd >= 0)
        (void)close(fd);
    if (n < 0)
        return false;
    h->time = st.st_mtim;
    if (sscanf(h->text, "mrad.lock 1 %127s %127s %ld %lu", h->owner, h->host, &h->pid, &h->space) !=
        4)
        h->owner[0] = h->host[0] = '\0';
    return true;
}

static bool process_is_gone(const struct holder *h)
{
    char host[MAX_NAME];
    process_host(host, sizeof host);
    return strcmp(h->host, host) == 0 && h->space == process_space() && process_has_ended(h->pid);
}

/* present: the time of a file that was made just now on the same file system. */
static bool is_dead(const struct holder *h, const struct timespec *present)
{
    return present->tv_sec - h->time.tv_sec > DEAD_S || process_is_gone(h);
}

void lock_clean(const char *file)
{
    struct holder h;
    if (read_holder(&h, file) && process_is_gone(&h))
        (void)unlink(file);
}

const char *lock_holder(char *out, size_t n, const char *path, bool *is_here)
{
    struct holder h = {0};
    char *file = NULL;
    char host[MAX_NAME];
    bool is_held = lock_file(&file, path) == ERR_OK && read_holder(&h, file);
    process_host(host, sizeof host);
    *is_here = is_held && strcmp(h.host, host) == 0;
    if (is_held)
        (void)snprintf(out, n, "%s, process %ld", h.host[0] ? h.host : "an unknown host", h.pid);
    else
        (void)snprintf(out, n, "nobody");
    MEM_FREE(file);
    return out;
}

static int write_text(const char *path, const char *text)
{
    int rc = ERR_OK;
    size_t n = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        FAIL(ERR_IO, "cannot write the lock %s: %s", path, strerror(errno));
out:
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/*
 * Take a dead lock away. It is renamed first; if meanwhile somebody else had taken it, it is given back.
 */
static void break_lock(const char *file, const struct holder *dead, const char *aside)
{
    struct holder h;
    if (rename(file, aside))
        return; /* another was quicker */
    if (read_holder(&h, aside) && strcmp(h.text, dead->text) != 0)
        (void)link(aside, file);
    (void)unlink(aside);
}

/* Does the file system know no links? */
static bool cannot_link(int error)
{
    return error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK;
}

/* Give the lock its name; 0 or errno. Without links the name itself is made, which old NFS does not do safely. */
static int claim(const char *temp, const char *file, const char *text)
{
    int fd, error;
    if (link(temp, file) == 0)
        return 0;
    if (!cannot_link(errno))
        return errno;
    fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno;
    error = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : EIO;
    (void)close(fd);
    return error;
}

/* One try: *is_settled when *outcome is known, else a dead lock was in the way and is gone. */
static int try_once(const struct locks *l, const char *file, const struct atomic_file *temp,
                    const char *text, enum lock_outcome *outcome, bool *is_settled)
{
    int rc = ERR_OK;
    struct holder h;
    struct stat st;
    char *aside = NULL;
    int error;
    *is_settled = true;
    *outcome = LOCK_TAKEN;
    error = claim(temp->temp, file, text);
    if (error == 0)
        return ERR_OK;
    if (error != EEXIST)
        FAIL(ERR_IO, "cannot make the lock %s: %s", file, strerror(error));
    if (stat(temp->temp, &st))
        FAIL(ERR_IO, "cannot read %s: %s", temp->temp, strerror(errno));
    if (st.st_nlink == 2) /* over NFS: it went well and the answer was lost */
        return ERR_OK;
    *is_settled = false;
    if (!read_holder(&h, file))
        return ERR_OK;
    if (is_dead(&h, &st.st_mtim)) {
        TRY(str_make(&aside, "%s.dead", temp->temp));
        break_lock(file, &h, aside);
        goto out;
    }
    *is_settled = true;
    *outcome = strcmp(h.owner, l->owner) == 0 ? LOCK_OURS : LOCK_BUSY;
out:
    MEM_FREE(aside);
    return rc;
}

static int remember(struct locks *l, char **file)
{
    int rc = ERR_OK;
    struct stat st;
    (void)pthread_mutex_lock(&l->guard);
    TRY(MEM_GROW(l->held, &l->cap, l->n + 1));
    l->held[l->n] = (struct held){.file = *file, .inode = stat(*file, &st) == 0 ? st.st_ino : 0};
    l->n++;
    *file = NULL;
out:
    (void)pthread_mutex_unlock(&l->guard);
    return rc;
}

int lock_take(struct locks *l, const char *path, enum lock_outcome *outcome)
{
    enum { TRIES = 8 };
    int rc = ERR_OK;
    struct atomic_file temp = {0};
    char *file = NULL;
    char *text = NULL;
    char host[MAX_NAME];
    bool is_settled = false;
    *outcome = LOCK_BUSY;
    process_host(host, sizeof host);
    TRY(lock_file(&file, path));
    TRY(file_temp(&temp, file));
    TRY(str_make(&text, "mrad.lock 1 %s %s %ld %lu %s\n", l->owner, host, (long)getpid(),
                 process_space(), path_base(temp.temp)));
    TRY(write_text(temp.temp, text));
    for (int i = 0; i < TRIES && !is_settled; i++)
        TRY(try_once(l, file, &temp, text, outcome, &is_settled));
    if (!is_settled)
        *outcome = LOCK_BUSY;
    else if (*outcome == LOCK_TAKEN)
        TRY(remember(l, &file));
out:
    if (rc && *outcome == LOCK_TAKEN && file)
        (void)unlink(file); /* taken, and there was no memory to remember it */
    atomic_abort(&temp);
    MEM_FREE(file);
    MEM_FREE(text);
    return rc;
}

void lock_drop(struct locks *l, const char *path)
{
    size_t n = strlen(path);
    (void)pthread_mutex_lock(&l->guard);
    for (size_t i = 0; i < l->n; i++) {
        if (strncmp(l->held[i].file, path, n) != 0 || strcmp(l->held[i].file + n, LOCK_EXT) != 0)
            continue;
        (void)unlink(l->held[i].file);
        MEM_FREE(l->held[i].file);
        l->held[i] = l->held[--l->n];
        break;
    }
    (void)pthread_mutex_unlock(&l->guard);
}
