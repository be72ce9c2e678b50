/* about.h - what this program was built from, and who runs it: `mrad version` and a sweep's run.json. */
#ifndef CMD_ABOUT_H
#define CMD_ABOUT_H

#include "cmd/cmd.h"
#include "sweep/sweep.h"

struct cJSON;

/* Add version, commit, build type, compiler and flags as texts. Local. */
int about_program(struct cJSON *object);

/* Add what is computed and stored with: names and versions of the libraries, as texts. Local. */
int about_libraries(struct cJSON *object);

/* Where a sweep came from, kept on rank 0 and written to OUT/run.json. */
struct provenance;

/*
 * Write run.json: program, libraries, hosts with their ranks, Slurm's numbers, weights and data sets, and
 * `start`, the moment the command began; `end` is null. Collective. Free with provenance_end.
 */
int provenance_begin(struct provenance **out, const struct args *args, const struct config *config,
                     const struct sweep *sweep, const char *start);

/* Write it again with the end, and how the run ended: rc. Errors are logged only. NULL is fine. Local. */
void provenance_end(struct provenance **p, int rc);

#endif /* CMD_ABOUT_H */
