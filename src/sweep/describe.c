/* describe.c - what is there and what a sweep would make, for people. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/sweep_int.h"

static int describe_member(struct str *s, const struct member *m)
{
    int rc = ERR_OK;
    size_t there = 0;
    const char *why = "";
    if (m->n_parts)
        return str_addf(s, "merged    %s  %s (%zu images)\n", m->entry->name, m->entry->merge,
                        m->manifest->n_items);
    for (size_t i = 0; i < m->features->n_shards; i++) {
        const char *reason;
        if (features_has_shard(m->features, i, &reason))
            there++;
        else
            why = reason;
    }
    TRY(str_addf(s, "features  %s  %zu of %zu shards (%zu images)%s%s%s\n", m->entry->name, there,
                 m->features->n_shards, m->manifest->n_items,
                 m->wants_features && there < m->features->n_shards ? ": to make" : "",
                 why[0] ? ", " : "", why));
    TRY(str_addf(s, "          %s\n", m->features->dir));
out:
    return rc;
}

static int describe_memory(struct str *s, const struct sweep *sweep, const struct memory *m)
{
    int rc = ERR_OK;
    char *path = NULL;
    if (bank_has_file(m->place))
        TRY(bank_path(&path, m->place));
    else
        TRY(str_dup(&path, "put together from those of the merged data sets"));
    TRY(str_addf(s, "bank      %s  %s\n          %s\n", sweep->member[m->member].entry->name,
                 bank_is_whole(m->place) ? "there"
                 : m->wants_bank         ? "to make"
                                         : "missing, not needed",
                 path));
out:
    MEM_FREE(path);
    return rc;
}

static int describe_trainee(struct str *s, const struct sweep *sweep, const struct trainee *t)
{
    return str_addf(s, "head      %s  %s, seed %zu, %zu steps  %s\n          %s\n",
                    t->place->variant, sweep->member[sweep->memory[t->memory].member].entry->name,
                    t->seed, t->place->n_steps,
                    head_exists(t->place) ? "there"
                    : t->wants_head       ? "to train"
                                          : "missing, not needed",
                    t->place->dir);
}

static int describe_cell(struct str *s, const struct sweep *sweep, const struct cell *cell)
{
    int rc = ERR_OK;
    size_t n = sweep->member[cell->test].manifest->n_classes;
    size_t missing = 0;
    for (size_t c = 0; c < n; c++)
        missing += sweep->wants_row[cell->first_row + c];
    TRY(str_addf(s, "cell      %s", cell->variant));
    if (sweep->config->n_seeds > 1)
        TRY(str_addf(s, ", seed %zu", cell->seed));
    if (sweep->setting[cell->setting].label)
        TRY(str_addf(s, ", %s", sweep->setting[cell->setting].label));
    TRY(str_addf(s, "  %s -> %s  scores %s, %zu of %zu rows there%s\n          %s\n",
                 sweep->member[cell->train].entry->name, sweep->member[cell->test].entry->name,
                 cell->wants_scores ? "to make"
                 : missing          ? "there"
                                    : "not needed",
                 n - missing, n, missing ? ": to make" : "", cell->row_dir));
out:
    return rc;
}

static int describe_settings(struct str *s, const struct sweep *sweep)
{
    int rc = ERR_OK;
    size_t n_omitted = sweep_n_omitted(sweep);
    TRY(str_add(s, "seeds    "));
    for (size_t i = 0; i < sweep->config->n_seeds; i++)
        TRY(str_addf(s, " %zu", sweep->config->seed[i]));
    TRY(str_add(s, "\n"));
    for (size_t i = 1; i < sweep->n_settings; i++) {
        const struct setting *setting = &sweep->setting[i];
        TRY(str_addf(s, "ablation  %s", setting->label));
        if (setting->n_omitted)
            TRY(str_addf(s, "  %zu cell%s omitted", setting->n_omitted,
                         setting->n_omitted == 1 ? "" : "s"));
        TRY(str_add(s, "\n"));
    }
    if (n_omitted)
        TRY(str_addf(s, "omitted   %zu cell%s: the ablation makes no difference there\n", n_omitted,
                     n_omitted == 1 ? "" : "s"));
out:
    return rc;
}

int sweep_describe(char **out, const struct sweep *sweep)
{
    int rc = ERR_OK;
    struct str s = {0};
    for (size_t i = 0; i < sweep->n_settings; i++)
        if (sweep->setting[i].like[LEVEL_FEATURES] == i)
            TRY(str_addf(&s, "weights   %s  hash %s\n          %s\n",
                         sweep->setting[i].config->weights, sweep->setting[i].model.hash,
                         sweep->setting[i].model.about));
    TRY(describe_settings(&s, sweep));
    for (size_t i = 0; i < sweep->n_members; i++)
        TRY(describe_member(&s, &sweep->member[i]));
    for (size_t i = 0; i < sweep->n_memories; i++)
        TRY(describe_memory(&s, sweep, &sweep->memory[i]));
    for (size_t i = 0; i < sweep->n_trainees; i++)
        TRY(describe_trainee(&s, sweep, &sweep->trainee[i]));
    for (size_t i = 0; i < sweep->n_cells; i++)
        TRY(describe_cell(&s, sweep, &sweep->cell[i]));
    TRY(reasons_add(&s, sweep));
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}
