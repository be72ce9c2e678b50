/*
 * lock.h - which run makes an artefact, where several work on one store; also over NFS.
 *
 * The lock of PATH is the file PATH.lock with its holder's name. It is written under a temporary name and
 * then linked, which a file system grants to one only. While it is held, a thread renews its time. It is
 * dead when its process has ended (as far as this host can tell), or when its time lies a minute behind
 * that of a file made just now beside it: both times are the file system's, so that clocks may differ.
 *
 * Locks only save work. What they guard is the same whoever makes it and appears whole, so that the two
 * holders there may be for a moment while a dead lock is broken do no harm.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>
#include <stddef.h>

/* The locks that a process holds. */
struct locks;

enum lock_outcome {
    LOCK_TAKEN,
    LOCK_OURS, /* another process of the same owner has it */
    LOCK_BUSY, /* somebody else has it */
};

/*
 * Begin; starts the thread that renews. owner: one name for all processes that may share a lock, without
 * blanks. Free with locks_close, which drops what is still held.
 */
int locks_open(struct locks **out, const char *owner);
void locks_close(struct locks **locks);

/*
 * Try to take the lock of a path; makes its folder. A dead lock is broken. Does not wait. Local.
 * ERR_IO when the file system refuses a lock file.
 */
int lock_take(struct locks *locks, const char *path, enum lock_outcome *outcome);

/* Drop a lock that was taken. */
void lock_drop(struct locks *locks, const char *path);

/* Who holds the lock of a path, for messages: "HOST, process PID"; "nobody". On this host? Returns out. */
const char *lock_holder(char *out, size_t n, const char *path, bool *is_here);

/* Is this the name of a lock file? It ends in LOCK_EXT. */
#define LOCK_EXT ".lock"
bool lock_is_name(const char *name);

/* Remove a lock file if its process has ended; what cannot be told from here stays. */
void lock_clean(const char *file);

#endif /* BASE_LOCK_H */
