/*
 * journal.h - DIR/journal.jsonl: what a sweep tried, one line of JSON an attempt, for people and scripts.
 *
 * It explains and decides nothing: what is done, the artefacts in the store say. Rank 0 appends to it, and
 * makes it durable about once a second and at the end; a run that was killed leaves its last lines out.
 */
#ifndef SWEEP_JOURNAL_H
#define SWEEP_JOURNAL_H

#include "base/str.h"
#include "par/comm.h"
#include "sweep/queue.h"

struct journal;

/*
 * Begin a run: appends a line with its name, ranks and number of items. Collective, for the names of the
 * hosts; on ranks other than 0 *out stays NULL. Free with journal_close. root: what is cut off the
 * front of products' paths.
 */
int journal_open(struct journal **out, const char *dir, const char *root, const char *run,
                 struct comm *comm);

/* End the run: "done", "stopped" or "failed", and why. Frees. */
void journal_close(struct journal **journal, const char *outcome, const char *why);

/* Note an attempt at a product. A journal that cannot be written is told once and given up. */
void journal_add(struct journal *journal, const char *stage, const char *path,
                 const struct attempt *attempt);

/* Lines for people: what the last run made, found and failed to make; nothing where there is no journal. */
int journal_describe(struct str *out, const char *dir);

#endif /* SWEEP_JOURNAL_H */
