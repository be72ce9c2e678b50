/* simulate.c - how long a sweep would take on how many ranks: sweep_simulate and sweep_simulate_grid. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/sched_sim.h"
#include "sweep/sweep_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TRIES = 16 };

/* What the text says. */
struct spec {
    size_t ranks[MAX_TRIES]; /* [n_tries] */
    size_t n_tries;
    double grant_us, latency_us, noise, slow, lost;
};

static const struct field {
    const char *name;
    size_t offset;
    double most;
} fields[] = {
    {"grant_us", offsetof(struct spec, grant_us), 1e9},
    {"latency_us", offsetof(struct spec, latency_us), 1e9},
    {"noise", offsetof(struct spec, noise), 1},
    {"slow", offsetof(struct spec, slow), 1e6},
    {"lost", offsetof(struct spec, lost), 1e6},
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

static int read_ranks(struct spec *s, const char *text)
{
    int rc = ERR_OK;
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end || !(n >= 1) || n > 1e6 || n != floor(n))
        FAIL(ERR_USAGE, "--simulate: ranks=%s: wanted a whole number from 1 to 1000000", text);
    if (s->n_tries == MAX_TRIES)
        FAIL(ERR_USAGE, "--simulate: more than %d numbers of ranks", MAX_TRIES);
    s->ranks[s->n_tries++] = (size_t)n;
out:
    return rc;
}

static int read_field(struct spec *s, const char *key, const char *value)
{
    int rc = ERR_OK;
    char *end;
    double x = strtod(value, &end);
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (strcmp(fields[i].name, key) != 0)
            continue;
        if (end == value || *end || !(x >= 0) || x > fields[i].most)
            FAIL(ERR_USAGE, "--simulate: %s=%s: wanted a number from 0 to %g", key, value,
                 fields[i].most);
        *(double *)(void *)((char *)s + fields[i].offset) = x;
        return ERR_OK;
    }
    FAIL(ERR_USAGE, "--simulate: no key %s; known: ranks, grant_us, latency_us, noise, slow, lost",
         key);
out:
    return rc;
}

/* "ranks=8,64,noise=0.2": a number without a key is another number of ranks. */
static int read_spec(struct spec *s, const char *text)
{
    int rc = ERR_OK;
    char *copy = NULL;
    char *next = NULL;
    *s = (struct spec){.grant_us = 50, .latency_us = 20, .noise = 0.1};
    TRY(str_dup(&copy, text));
    for (char *one = copy; one; one = next) {
        char *value;
        next = strchr(one, ',');
        if (next)
            *next++ = '\0';
        value = strchr(one, '=');
        if (value)
            *value++ = '\0';
        if (!value || strcmp(one, "ranks") == 0)
            TRY(read_ranks(s, value ? value : one));
        else
            TRY(read_field(s, one, value));
    }
    if (s->n_tries == 0)
        FAIL(ERR_USAGE, "--simulate: \"%s\" has no ranks=N", text);
    for (size_t i = 0; i < s->n_tries; i++)
        if (s->slow + s->lost >= (double)s->ranks[i])
            FAIL(ERR_USAGE, "--simulate: of %zu ranks %.0f are slow and %.0f lost: none is left",
                 s->ranks[i], s->slow, s->lost);
out:
    MEM_FREE(copy);
    return rc;
}

static int add_try(struct str *out, const struct sched_graph *graph, const struct spec *spec,
                   size_t ranks, const double *load_s, const struct config *config)
{
    int rc = ERR_OK;
    struct sim_result r;
    struct sim_options o = {.sched = sweep_sched_options(config),
                            .grant_s = spec->grant_us * 1e-6,
                            .latency_s = spec->latency_us * 1e-6,
                            .noise = spec->noise,
                            .n_slow = (size_t)spec->slow,
                            .n_lost = (size_t)spec->lost,
                            .seed = 1,
                            .load_s = load_s};
    char makespan[32], bound[32];
    o.sched.n_workers = ranks;
    TRY(sched_simulate(&r, graph, &o));
    TRY(str_addf(out, "%7zu  %14s  %14s  %9.1f %%  %10.3f %%  %8zu  %6zu  %6zu\n", ranks,
                 clock_text(makespan, sizeof makespan, r.makespan),
                 clock_text(bound, sizeof bound, r.bound), 100 * r.efficiency, 100 * r.load,
                 r.n_messages, r.n_gangs, r.n_again));
out:
    return rc;
}

static int add_graph(struct str *out, const struct sched_graph *graph)
{
    int rc = ERR_OK;
    double cost[N_STAGES] = {0};
    size_t n[N_STAGES] = {0};
    char text[32];
    for (size_t i = 0; i < graph->n_items; i++) {
        cost[graph->item[i].stage] += (double)graph->item[i].cost;
        n[graph->item[i].stage]++;
    }
    TRY(str_addf(out,
                 "%zu items, %u edges; on one rank of two cores, as docs/PERFORMANCE.md has it:\n",
                 graph->n_items, graph->first[graph->n_items]));
    for (size_t i = 0; i < N_STAGES; i++)
        TRY(str_addf(out, "  %-8s %8zu %-15s %s\n", stage_name(i), n[i], stage_unit(i),
                     clock_text(text, sizeof text, cost[i])));
out:
    return rc;
}

int sweep_simulate(char **out, const struct sweep *sweep, const char *text)
{
    int rc = ERR_OK;
    struct spec spec;
    struct sweep_graph g = {0};
    double *load_s = NULL;
    struct str s = {0};
    TRY(read_spec(&spec, text));
    TRY(sweep_graph_new(&g, sweep));
    TRY(MEM_NEW(load_s, g.draft.graph.n_tools));
    for (size_t i = 0; i < g.draft.graph.n_tools; i++)
        load_s[i] = stage_load_s(sweep, i);
    TRY(add_graph(&s, &g.draft.graph));
    TRY(str_addf(&s, "\n%7s  %14s  %14s  %11s  %12s  %8s  %6s  %6s\n", "ranks", "time",
                 "lower bound", "efficiency", "coordinator", "messages", "gangs", "again"));
    for (size_t i = 0; i < spec.n_tries; i++)
        TRY(add_try(&s, &g.draft.graph, &spec, spec.ranks[i], load_s, sweep->config));
    *out = s.text;
    s.text = NULL;
out:
    sweep_graph_release(&g);
    MEM_FREE(load_s);
    str_free(&s);
    return rc;
}

int sweep_simulate_grid(char **out, const char *name, const char *text, const struct config *config)
{
    int rc = ERR_OK;
    struct grid *grid = NULL;
    if (strcmp(name, "benchmark") != 0)
        FAIL(ERR_USAGE, "--grid: no grid \"%s\"; known: benchmark", name);
    TRY(grid_new(&grid, config));
    TRY(sweep_simulate(out, grid_sweep(grid), text));
out:
    grid_free(&grid);
    return rc;
}
