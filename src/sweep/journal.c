/* journal.c - see journal.h. */
#include "sweep/journal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST = 64 };

struct journal {
    char *path;
    char *root;
    FILE *file;         /* NULL: given up */
    char (*host)[HOST]; /* [ranks] */
    double synced;
};

/* Milliseconds are enough. */
static double rounded(double seconds)
{
    return round(seconds * 1e3) / 1e3;
}

static const char *outcome_of(const struct attempt *a)
{
    if (a->how == SCHED_FAILED)
        return "failed";
    return a->how == SCHED_FOUND ? "found" : a->is_late ? "made again" : "made";
}

/* ---- writing ---- */

static void give_up(struct journal *j)
{
    log_warn("journal", "cannot write %s: %s; the run goes on without it", j->path,
             strerror(errno));
    (void)fclose(j->file);
    j->file = NULL;
}

static int write_line(struct journal *j, const cJSON *tree)
{
    int rc = ERR_OK;
    char *line = NULL;
    TRY(json_line(&line, tree));
    if (fprintf(j->file, "%s\n", line) < 0 || fflush(j->file)) {
        give_up(j);
        goto out;
    }
    if (clock_now() - j->synced < 1)
        goto out;
    j->synced = clock_now();
    if (fsync(fileno(j->file)))
        give_up(j);
out:
    MEM_FREE(line);
    return rc;
}

static int fill_attempt(cJSON *o, const struct journal *j, const char *stage, const char *path,
                        const struct attempt *a)
{
    int rc = ERR_OK;
    TRY(json_put_text(o, "item", path_below(path, j->root)));
    TRY(json_put_text(o, "stage", stage));
    TRY(json_put_number(o, "attempt", a->number));
    TRY(json_put_number(o, "rank", a->rank));
    TRY(json_put_text(o, "host", j->host[a->rank]));
    TRY(json_put_number(o, "start", rounded(a->begin)));
    TRY(json_put_number(o, "end", rounded(a->end)));
    TRY(json_put_number(o, "bytes", (double)a->bytes));
    TRY(json_put_text(o, "outcome", outcome_of(a)));
    if (a->how == SCHED_FAILED)
        TRY(json_put_text(o, "why", a->why));
out:
    return rc;
}

void journal_add(struct journal *j, const char *stage, const char *path, const struct attempt *a)
{
    int rc = ERR_OK;
    cJSON *o = NULL;
    if (!j || !j->file)
        return;
    TRY(json_new(&o));
    TRY(fill_attempt(o, j, stage, path, a));
    TRY(write_line(j, o));
out:
    json_free(&o);
    if (rc)
        err_clear(); /* no memory for a line: the run will tell */
}

/* A killed run may have left half a line. */
static void end_torn_line(FILE *file)
{
    if (fseek(file, -1, SEEK_END) == 0 && fgetc(file) != '\n') {
        (void)fseek(file, 0, SEEK_END);
        (void)fputc('\n', file);
    }
    (void)fseek(file, 0, SEEK_END);
}

static int begin(struct journal **out, const char *dir, const char *root, const char *run,
                 const char *hosts, int n_ranks)
{
    int rc = ERR_OK;
    struct journal *j = NULL;
    cJSON *o = NULL;
    TRY(MEM_NEW(j, 1));
    TRY(MEM_NEW(j->host, (size_t)n_ranks));
    memcpy(j->host, hosts, (size_t)n_ranks * HOST);
    TRY(str_dup(&j->root, root));
    TRY(path_join(&j->path, dir, "journal.jsonl"));
    TRY(path_mkdirs(dir));
    j->file = fopen(j->path, "a+");
    if (!j->file)
        FAIL(ERR_IO, "cannot write %s: %s", j->path, strerror(errno));
    end_torn_line(j->file);
    TRY(json_new(&o));
    TRY(json_put_text(o, "run", run));
    TRY(json_put_number(o, "ranks", n_ranks));
    TRY(json_put_number(o, "start", rounded(clock_unix())));
    TRY(write_line(j, o));
    *out = j;
    j = NULL;
out:
    json_free(&o);
    journal_close(&j, NULL, NULL);
    return rc;
}

int journal_open(struct journal **out, const char *dir, const char *root, const char *run,
                 struct comm *comm)
{
    int rc = ERR_OK;
    char own[HOST];
    char *hosts = NULL;
    *out = NULL;
    (void)snprintf(own, sizeof own, "%s", comm_host(comm));
    TRY(MEM_NEW(hosts, (size_t)comm_size(comm) * HOST));
    TRY(comm_allgather(comm, own, HOST, hosts));
    TRY_ALL(comm,
            comm_rank(comm) == 0 ? begin(out, dir, root, run, hosts, comm_size(comm)) : ERR_OK);
out:
    MEM_FREE(hosts);
    return rc;
}

static int write_end(struct journal *j, const char *outcome, const char *why)
{
    int rc = ERR_OK;
    cJSON *o = NULL;
    TRY(json_new(&o));
    TRY(json_put_number(o, "end", rounded(clock_unix())));
    TRY(json_put_text(o, "outcome", outcome));
    if (why[0])
        TRY(json_put_text(o, "why", why));
    j->synced = -INFINITY;
    TRY(write_line(j, o));
out:
    json_free(&o);
    return rc;
}

void journal_close(struct journal **journal, const char *outcome, const char *why)
{
    struct journal *j = *journal;
    if (!j)
        return;
    if (j->file && outcome)
        (void)write_end(j, outcome, why);
    if (j->file)
        (void)fclose(j->file);
    MEM_FREE(j->path);
    MEM_FREE(j->root);
    MEM_FREE(j->host);
    MEM_FREE(*journal);
}

/* ---- reading ---- */

/* What the last run of a journal did. */
struct account {
    size_t made, found, failed;
    double bytes;
    cJSON *failures; /* item -> why, of those not made since */
};

static const char *text_of(const cJSON *o, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return text ? text : "";
}

static int take_line(struct account *a, const cJSON *o)
{
    int rc = ERR_OK;
    const char *outcome = text_of(o, "outcome");
    const char *item = text_of(o, "item");
    if (cJSON_HasObjectItem(o, "run")) {
        a->made = a->found = a->failed = 0;
        a->bytes = 0;
    }
    if (!item[0])
        return ERR_OK;
    a->made += strncmp(outcome, "made", 4) == 0;
    a->found += strcmp(outcome, "found") == 0;
    a->failed += strcmp(outcome, "failed") == 0;
    if (strcmp(outcome, "made") == 0)
        a->bytes += cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(o, "bytes"));
    cJSON_DeleteItemFromObjectCaseSensitive(a->failures, item);
    if (strcmp(outcome, "failed") == 0)
        TRY(json_put_text(a->failures, item, text_of(o, "why")));
out:
    return rc;
}

static int read_all(struct account *a, FILE *file)
{
    int rc = ERR_OK;
    char *line = NULL;
    size_t cap = 0;
    cJSON *o = NULL;
    while (getline(&line, &cap, file) > 0) {
        o = cJSON_Parse(line);
        if (o) /* else the torn end of a killed run */
            TRY(take_line(a, o));
        json_free(&o);
    }
out:
    json_free(&o);
    free(line);
    return rc;
}

int journal_describe(struct str *out, const char *dir)
{
    enum { MOST = 20 };
    int rc = ERR_OK;
    struct account a = {0};
    char *path = NULL;
    FILE *file = NULL;
    const cJSON *o;
    int n = 0;
    TRY(path_join(&path, dir, "journal.jsonl"));
    file = fopen(path, "r");
    if (!file)
        goto out;
    TRY(json_new(&a.failures));
    TRY(read_all(&a, file));
    TRY(str_addf(
        out, "  last run: %zu made (%.1f MB), %zu found made by another run, %zu attempts failed\n",
        a.made, a.bytes / 1e6, a.found, a.failed));
    cJSON_ArrayForEach(o, a.failures)
    {
        if (n++ < MOST)
            TRY(str_addf(out, "  failed: %s: %s\n", o->string, o->valuestring));
    }
    if (n > MOST)
        TRY(str_addf(out, "  and %d more that failed: %s\n", n - MOST, path));
out:
    if (file)
        (void)fclose(file);
    json_free(&a.failures);
    MEM_FREE(path);
    return rc;
}
