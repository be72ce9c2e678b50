/* provenance.c - see about.h: used.json and run.json. */
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "cmd/about.h"
#include "config/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HOST = 256 };

struct provenance {
    char *path;
    cJSON *tree;
};

/* The allowed part of the environment: what explains a run, nothing that could be a secret. */
static const char *const recorded_env[] = {
    "SLURM_JOB_ID",       "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT",
    "SLURM_JOB_NODELIST", "SLURM_NTASKS",       "OMP_NUM_THREADS",     "CUDA_VISIBLE_DEVICES"};

static int put_environment(cJSON *tree)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < sizeof recorded_env / sizeof *recorded_env; i++)
        if (getenv(recorded_env[i]))
            TRY(json_put_text(tree, recorded_env[i], getenv(recorded_env[i])));
out:
    return rc;
}

/* The entry of a host in a list, made when it is not there. */
static int find_host(cJSON *list, const char *host, cJSON **out)
{
    int rc = ERR_OK;
    cJSON *o;
    *out = NULL;
    cJSON_ArrayForEach(o, list)
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "host")), host) == 0)
            *out = o;
    }
    if (!*out) {
        TRY(json_push_object(list, out));
        TRY(json_put_text(*out, "host", host));
        TRY(json_put_array(*out, "ranks", &o));
    }
out:
    return rc;
}

/* host: [n], of each rank. */
static int put_hosts(cJSON *tree, const char (*host)[MAX_HOST], int n)
{
    int rc = ERR_OK;
    cJSON *list;
    cJSON *o;
    TRY(json_put_array(tree, "hosts", &list));
    for (int i = 0; i < n; i++) {
        TRY(find_host(list, host[i], &o));
        if (!cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(o, "ranks"),
                                  cJSON_CreateNumber(i)))
            FAIL(ERR_MEMORY, "out of memory: list of hosts");
    }
out:
    return rc;
}

static int put_all(cJSON *tree, const struct args *a, const struct sweep *sweep,
                   const char (*host)[MAX_HOST], const char *start)
{
    int rc = ERR_OK;
    cJSON *libraries;
    TRY(about_program(tree));
    TRY(json_put_object(tree, "libraries", &libraries));
    TRY(about_libraries(libraries));
    TRY(json_put_text(tree, "host", comm_host(a->comm)));
    TRY(json_put_number(tree, "ranks", comm_size(a->comm)));
    TRY(put_hosts(tree, host, comm_size(a->comm)));
    TRY(put_environment(tree));
    TRY(sweep_put_inputs(tree, sweep));
    TRY(json_put_text(tree, "start", start));
    TRY(json_put_text(tree, "end", NULL));
    TRY(json_put_text(tree, "state", "running"));
out:
    return rc;
}

static int write_used(const struct config *c)
{
    int rc = ERR_OK;
    char *text = NULL;
    char *path = NULL;
    TRY(config_text(&text, c));
    TRY(path_join(&path, c->out, "used.json"));
    TRY(file_write(path, text, strlen(text)));
out:
    MEM_FREE(text);
    MEM_FREE(path);
    return rc;
}

static int begin(struct provenance **out, const struct args *a, const struct config *c,
                 const struct sweep *sweep, const char (*host)[MAX_HOST], const char *start)
{
    int rc = ERR_OK;
    struct provenance *p = NULL;
    TRY(MEM_NEW(p, 1));
    *out = p;
    TRY(write_used(c));
    TRY(path_join(&p->path, c->out, "run.json"));
    TRY(json_new(&p->tree));
    TRY(put_all(p->tree, a, sweep, host, start));
    TRY(json_write(p->tree, p->path));
out:
    return rc;
}

int provenance_begin(struct provenance **out, const struct args *a, const struct config *c,
                     const struct sweep *sweep, const char *start)
{
    int rc = ERR_OK;
    char mine[MAX_HOST] = "";
    char(*host)[MAX_HOST] = NULL;
    (void)snprintf(mine, sizeof mine, "%s", comm_host(a->comm));
    TRY_ALL(a->comm, MEM_NEW(host, (size_t)comm_size(a->comm)));
    TRY(comm_allgather(a->comm, mine, sizeof mine, host));
    TRY_ALL(a->comm, comm_rank(a->comm) == 0
                         ? begin(out, a, c, sweep, (const char(*)[MAX_HOST])host, start)
                         : ERR_OK);
out:
    MEM_FREE(host);
    return rc;
}

static int write_end(struct provenance *p, const char *state)
{
    int rc = ERR_OK;
    char stamp[CLOCK_STAMP];
    clock_stamp(stamp);
    cJSON_DeleteItemFromObjectCaseSensitive(p->tree, "end");
    cJSON_DeleteItemFromObjectCaseSensitive(p->tree, "state");
    TRY(json_put_text(p->tree, "end", stamp));
    TRY(json_put_text(p->tree, "state", state));
    TRY(json_write(p->tree, p->path));
out:
    return rc;
}

void provenance_end(struct provenance **provenance, int rc)
{
    struct provenance *p = *provenance;
    char before[2048]; /* the error that ended the run, if any */
    if (!p)
        return;
    (void)snprintf(before, sizeof before, "%s", err_message());
    if (p->tree && write_end(p, rc == ERR_OK ? "done" : rc == ERR_STOPPED ? "stopped" : "failed")) {
        log_warn("sweep", "%s", err_message());
        err_clear();
        if (rc)
            (void)err_set((enum err)rc, __FILE__, __LINE__, __func__, "%s", before);
    }
    json_free(&p->tree);
    MEM_FREE(p->path);
    MEM_FREE(*provenance);
}
