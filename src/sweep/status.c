/*
 * status.c - DIR/status.json: how far a run is, for `mrad status` and for scripts. Written by rank 0
 * at most about once a second; a failure to write it is logged and does not stop the work.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "config/json.h"
#include "sweep/journal.h"
#include "sweep/sweep_int.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SLOW = 20 };

struct status {
    char *path;
    const char *host; /* borrowed from the communicator */
    int n_ranks;
    char started[CLOCK_STAMP];
    double begin;
    double share; /* of the work that is done, by its expected time */
    struct sched_count count[N_STAGES];
    size_t n_put_off; /* pieces that wait for another run */
    struct slow {
        size_t rank;
        char *path; /* owned */
        double seconds, expected_s;
    } slow[MOST_SLOW]; /* [n_slow] pieces that take long */
    size_t n_slow;
};

static void forget_slow(struct status *s)
{
    for (size_t i = 0; i < s->n_slow; i++)
        MEM_FREE(s->slow[i].path);
    s->n_slow = 0;
}

int status_new(struct status **out, const char *dir, const struct comm *comm)
{
    int rc = ERR_OK;
    struct status *s = NULL;
    TRY(MEM_NEW(s, 1));
    s->host = comm_host(comm);
    s->n_ranks = comm_size(comm);
    s->begin = clock_now();
    clock_stamp(s->started);
    TRY(path_join(&s->path, dir, "status.json"));
out:
    if (rc)
        status_free(&s);
    *out = s;
    return rc;
}

void status_free(struct status **status)
{
    if (!*status)
        return;
    forget_slow(*status);
    MEM_FREE((*status)->path);
    MEM_FREE(*status);
}

static int add_stages(cJSON *tree, const struct status *s)
{
    int rc = ERR_OK;
    cJSON *list;
    cJSON *o;
    TRY(json_put_array(tree, "stages", &list));
    for (size_t i = 0; i < N_STAGES; i++) {
        TRY(json_push_object(list, &o));
        TRY(json_put_text(o, "stage", stage_name(i)));
        TRY(json_put_text(o, "unit", stage_unit(i)));
        TRY(json_put_number(o, "done", (double)s->count[i].done));
        TRY(json_put_number(o, "total", (double)s->count[i].total));
        TRY(json_put_number(o, "failed", (double)s->count[i].failed));
        TRY(json_put_number(o, "skipped", (double)s->count[i].skipped));
    }
out:
    return rc;
}

static int add_slow(cJSON *tree, const struct status *s)
{
    int rc = ERR_OK;
    cJSON *list;
    cJSON *o;
    TRY(json_put_array(tree, "slow", &list));
    for (size_t i = 0; i < s->n_slow; i++) {
        TRY(json_push_object(list, &o));
        TRY(json_put_text(o, "item", s->slow[i].path));
        TRY(json_put_number(o, "rank", (double)s->slow[i].rank));
        TRY(json_put_number(o, "seconds", s->slow[i].seconds));
        TRY(json_put_number(o, "expected_s", s->slow[i].expected_s));
    }
out:
    return rc;
}

static int write_file(const struct status *s, const char *state, const char *message)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    double seconds = clock_now() - s->begin;
    TRY(json_new(&tree));
    TRY(json_put_text(tree, "state", state));
    TRY(json_put_text(tree, "message", message));
    TRY(json_put_text(tree, "started", s->started));
    TRY(json_put_number(tree, "updated_unix_s", (double)time(NULL)));
    TRY(json_put_text(tree, "host", s->host));
    TRY(json_put_number(tree, "pid", (double)getpid()));
    TRY(json_put_number(tree, "ranks", s->n_ranks));
    TRY(json_put_number(tree, "share", s->share));
    if (s->share > 0)
        TRY(json_put_number(tree, "left_s", seconds * (1 - s->share) / s->share));
    TRY(add_stages(tree, s));
    TRY(json_put_number(tree, "put_off", (double)s->n_put_off));
    TRY(add_slow(tree, s));
    TRY(json_write(tree, s->path));
out:
    json_free(&tree);
    return rc;
}

static void write_or_log(const struct status *s, const char *state, const char *message)
{
    char kept[512];
    char before[2048]; /* the error that is being told, if any */
    (void)snprintf(kept, sizeof kept, "%s", message);
    (void)snprintf(before, sizeof before, "%s", err_message());
    if (write_file(s, state, kept)) {
        log_warn("status", "%s", err_message());
        err_clear();
        if (before[0])
            (void)err_set(ERR_IO, __FILE__, __LINE__, __func__, "%s", before);
    }
}

/* Pieces that take three times as long as expected. */
static void note_slow(struct status *s, const struct sched *sched, const struct sweep *sweep,
                      const struct piece *piece)
{
    struct sched_stint stint;
    double now = clock_now();
    forget_slow(s);
    for (size_t i = 0; i < (size_t)s->n_ranks && s->n_slow < MOST_SLOW; i++) {
        struct slow *slow = &s->slow[s->n_slow];
        if (!sched_working(sched, i, now, &stint) || !stint.is_slow)
            continue;
        if (stage_path(&slow->path, sweep, &piece[stint.item])) {
            err_clear();
            continue;
        }
        slow->rank = i;
        slow->seconds = now - stint.since;
        slow->expected_s = stint.expected_s;
        s->n_slow++;
    }
}

void status_update(struct status *s, const struct sched *sched, const struct sweep *sweep,
                   const struct piece *piece)
{
    if (!s)
        return;
    note_slow(s, sched, sweep, piece);
    s->n_put_off = sched_put_off(sched);
    for (size_t i = 0; i < N_STAGES; i++)
        s->count[i] = sched_count(sched, i);
    s->share = sched_share(sched);
    write_or_log(s, "running", "");
}

void status_end(struct status *s, const char *state, const char *message)
{
    if (s)
        write_or_log(s, state, message);
}

static const char *text_of(const cJSON *tree, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, key));
    return text ? text : "";
}

static double number_of(const cJSON *tree, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(tree, key);
    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

static int add_stage_text(struct str *s, const cJSON *o)
{
    int rc = ERR_OK;
    TRY(str_addf(s, "  %-8s %.0f of %.0f %s", text_of(o, "stage"), number_of(o, "done"),
                 number_of(o, "total"), text_of(o, "unit")));
    if (number_of(o, "failed") > 0)
        TRY(str_addf(s, ", %.0f failed", number_of(o, "failed")));
    if (number_of(o, "skipped") > 0)
        TRY(str_addf(s, ", %.0f left out because of that", number_of(o, "skipped")));
    TRY(str_add(s, "\n"));
out:
    return rc;
}

/* What goes on beside the counts of a run that has not ended. */
static int add_present(struct str *s, const cJSON *tree)
{
    int rc = ERR_OK;
    const cJSON *o;
    char left[32], took[32], usual[32];
    if (number_of(tree, "share") > 0)
        TRY(str_addf(s, "  %.1f %% of the work, about %s left\n", 100 * number_of(tree, "share"),
                     clock_text(left, sizeof left, number_of(tree, "left_s"))));
    if (number_of(tree, "put_off") > 0)
        TRY(str_addf(s, "  %.0f pieces are being made by another run\n",
                     number_of(tree, "put_off")));
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(tree, "slow"))
        TRY(str_addf(s, "  slow: rank %.0f, %s for %s, expected %s\n", number_of(o, "rank"),
                     text_of(o, "item"), clock_text(took, sizeof took, number_of(o, "seconds")),
                     clock_text(usual, sizeof usual, number_of(o, "expected_s"))));
out:
    return rc;
}

int sweep_status_text(char **out, const char *dir)
{
    int rc = ERR_OK;
    cJSON *tree = NULL;
    const cJSON *o;
    char *path = NULL;
    struct str s = {0};
    double age;
    int n_ranks;
    bool runs;
    TRY(path_join(&path, dir, "status.json"));
    TRY(json_read(&tree, path, 1 << 20));
    age = (double)time(NULL) - number_of(tree, "updated_unix_s");
    runs = strcmp(text_of(tree, "state"), "running") == 0;
    n_ranks = (int)number_of(tree, "ranks");
    TRY(str_addf(&s, "%s, started %s on %s, %d rank%s\n", text_of(tree, "state"),
                 text_of(tree, "started"), text_of(tree, "host"), n_ranks,
                 n_ranks == 1 ? "" : "s"));
    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(tree, "stages"))
        TRY(add_stage_text(&s, o));
    if (runs)
        TRY(add_present(&s, tree));
    TRY(journal_describe(&s, dir));
    if (runs && age > 120)
        TRY(str_addf(&s,
                     "  no sign of life for %.0f s: it may have been killed; run the same "
                     "command again to go on\n",
                     age));
    if (text_of(tree, "message")[0])
        TRY(str_addf(&s, "  %s\n", text_of(tree, "message")));
    *out = s.text;
    s.text = NULL;
out:
    json_free(&tree);
    MEM_FREE(path);
    str_free(&s);
    return rc;
}
