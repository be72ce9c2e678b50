/* sweep.c - running the stages as one graph of work, results and dumps. See sweep.h. */
#include "sweep/sweep.h"

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "par/cores.h"
#include "sweep/journal.h"
#include "sweep/queue.h"
#include "sweep/sweep_int.h"
#include "tensor/h5.h"

#include <stdio.h>
#include <string.h>

int sweep_ops(struct sweep *s)
{
    if (s->ops)
        return ERR_OK;
    return ops_open(&s->ops, config_kernels[s->config->kernels], s->threads);
}

/* What queue_run needs to know about a sweep. */
struct run {
    struct sweep *sweep;
    struct sweep_graph graph;
    size_t *late; /* [n_late] items that were made twice, on rank 0 */
    size_t n_late, cap_late;
};

static int run_task(void *context, struct task *task)
{
    struct run *run = context;
    return piece_run(run->sweep, &run->graph.piece[task->item], task);
}

static void report_progress(void *context, const struct sched *sched, size_t ended,
                            size_t peak_bytes)
{
    struct run *run = context;
    status_update(run->sweep->status, sched, run->sweep, run->graph.piece);
    if (ended < N_STAGES)
        log_root(stage_name(ended), "%zu %s made, peak memory %zu MiB a rank",
                 sched_count(sched, ended).done, stage_unit(ended), peak_bytes >> 20);
}

static void note_attempt(void *context, const struct attempt *a)
{
    struct run *run = context;
    const struct piece *piece = &run->graph.piece[a->item];
    char *path = NULL;
    if (a->is_late && MEM_GROW(run->late, &run->cap_late, run->n_late + 1) == ERR_OK)
        run->late[run->n_late++] = a->item;
    if (stage_path(&path, run->sweep, piece) == ERR_OK)
        journal_add(run->sweep->journal, stage_name(piece->stage), path, a);
    MEM_FREE(path);
}

struct sched_options sweep_sched_options(const struct config *config)
{
    return (struct sched_options){
        .max_attempts = (unsigned)config->attempts,
        .goes_on = config->on_failure == FAILURE_GOES_ON,
        .batch_s = 20e-3, /* messages of smaller items must not matter */
        .overdue_s = 20,  /* what another rank does again must be worth its time */
        .put_off_s = 0.5, /* what another run makes may be there then */
    };
}

static int run_graph(struct sweep *s)
{
    int rc = ERR_OK;
    struct run run = {.sweep = s};
    const char *names[N_STAGES];
    for (size_t i = 0; i < N_STAGES; i++)
        names[i] = stage_name(i);
    TRY(sweep_graph_new(&run.graph, s));
    TRY(queue_run(s->comm, &(struct queue){.graph = &run.graph.draft.graph,
                                           .stage = names,
                                           .options = sweep_sched_options(s->config),
                                           .work = run_task,
                                           .on_progress = report_progress,
                                           .on_attempt = note_attempt,
                                           .context = &run}));
    for (size_t i = 0; i < run.n_late; i++)
        TRY(stage_tidy(s, &run.graph.piece[run.late[i]]));
out:
    sweep_graph_release(&run.graph);
    MEM_FREE(run.late);
    return rc;
}

/* What killed runs left, in every folder this sweep writes to. */
static int tidy(const struct sweep *s)
{
    int rc = ERR_OK;
    if (s->status_dir)
        TRY(file_clean_temp(s->status_dir));
    for (size_t i = 0; i < s->n_members; i++)
        if (s->member[i].n_parts == 0)
            TRY(file_clean_temp(s->member[i].features->dir));
    for (size_t i = 0; i < s->n_memories; i++)
        TRY(file_clean_temp(s->memory[i].place->dir));
    for (size_t i = 0; i < s->n_trainees; i++)
        TRY(head_tidy(s->trainee[i].place));
    for (size_t i = 0; i < s->n_cells; i++) {
        TRY(scores_tidy(s->cell[i].place));
        TRY(file_clean_temp(s->cell[i].row_dir));
    }
out:
    return rc;
}

static int run_all(struct sweep *s)
{
    int rc = ERR_OK;
    size_t n_omitted = sweep_n_omitted(s);
    if (n_omitted)
        log_root("sweep", "%zu cell%s omitted: the ablation makes no difference there", n_omitted,
                 n_omitted == 1 ? "" : "s");
    TRY(cores_per_rank(s->comm, (int)s->config->threads, &s->threads));
    TRY_ALL(s->comm, comm_rank(s->comm) == 0 ? tidy(s) : ERR_OK);
    TRY(run_graph(s));
out:
    return rc;
}

int sweep_run(struct sweep *s, const char *status_dir)
{
    int rc = ERR_OK;
    if (!s->locks)
        TRY(sweep_claim(s, status_dir));
    rc = run_all(s);
out:
    run_end(s, rc);
    return rc;
}

int sweep_results(const struct sweep *s, struct results *out)
{
    int rc = ERR_OK;
    *out = (struct results){0};
    for (size_t i = 0; i < s->n_cells; i++)
        for (size_t c = 0; c < s->member[s->cell[i].test].manifest->n_classes; c++)
            TRY(row_collect(s, &s->cell[i], c, out));
    TRY(results_average(out));
out:
    if (rc)
        results_free(out);
    return rc;
}

const char *sweep_writer(size_t i)
{
    static const char *const beside[] = {"hashes", "checkpoint", "results"};
    if (i < N_STAGES)
        return stage_name(i);
    i -= N_STAGES;
    return i < sizeof beside / sizeof *beside ? beside[i] : NULL;
}

int sweep_save_bank(const struct sweep *s, const char *path)
{
    int rc = ERR_OK;
    const struct memory *only = NULL;
    for (size_t i = 0; i < s->n_memories; i++)
        if (s->member[s->memory[i].member].is_goal) {
            BUG_ON(only);
            only = &s->memory[i];
        }
    BUG_ON(!only);
    TRY(bank_save(only->place, path));
out:
    return rc;
}

/* ---- dump ---- */

struct dump {
    struct h5 *file;
    struct scores *scores;
    float *map;
    uint8_t *mask;
};

static int dump_shard(struct sweep *s, struct dump *d, const struct cell *cell, size_t shard)
{
    int rc = ERR_OK;
    struct feature_shard fs = {0};
    const struct features *f = s->member[cell->test].features;
    TRY(feature_shard_open(&fs, f, shard));
    for (size_t row = 0; row < fs.n; row++) {
        size_t i = fs.first + row;
        TRY(score_map(s->ops, d->scores->mass + i * d->scores->n_patch, f->grid, f->image_size,
                      cell->place->options.sigma, d->map));
        TRY(feature_shard_mask(&fs, row, NULL, d->mask));
        TRY(h5_write_rows(d->file, "map", i, 1, d->map));
        TRY(h5_write_rows(d->file, "mask", i, 1, d->mask));
    }
out:
    feature_shard_close(&fs);
    return rc;
}

static int dump_labels(struct h5 *file, const struct manifest *m)
{
    int rc = ERR_OK;
    uint8_t *flag = NULL;
    int32_t *class_id = NULL;
    struct tensor t;
    char key[32];
    TRY(MEM_NEW(flag, m->n_items));
    TRY(MEM_NEW(class_id, m->n_items));
    for (size_t i = 0; i < m->n_items; i++)
        flag[i] = m->item[i].is_anomalous;
    t = tensor_view(DTYPE_U8, 1, &m->n_items, flag);
    TRY(h5_write(file, "label", &t, "1: anomalous, 0: normal"));
    for (size_t i = 0; i < m->n_items; i++)
        flag[i] = !m->item[i].is_anomalous || m->item[i].mask[0];
    TRY(h5_write(file, "has_mask", &t, "0: an anomalous image without a mask file"));
    for (size_t i = 0; i < m->n_items; i++)
        class_id[i] = (int32_t)m->item[i].class_id;
    t = tensor_view(DTYPE_I32, 1, &m->n_items, class_id);
    TRY(h5_write(file, "class", &t, "class of the item; names are attributes class.N"));
    for (size_t c = 0; c < m->n_classes; c++) {
        (void)snprintf(key, sizeof key, "class.%zu", c);
        TRY(h5_put_text(file, "/", key, m->class_name[c]));
    }
out:
    MEM_FREE(flag);
    MEM_FREE(class_id);
    return rc;
}

int sweep_dump(struct sweep *s, const char *path)
{
    int rc = ERR_OK;
    const struct cell *cell = &s->cell[0];
    const struct features *f = s->member[cell->test].features;
    const size_t dim[3] = {f->manifest->n_items, f->image_size, f->image_size};
    struct dump d = {0};
    struct tensor t;
    BUG_ON(s->n_cells != 1);
    TRY(sweep_ops(s));
    TRY(scores_open(&d.scores, cell->place));
    TRY(MEM_NEW(d.map, dim[1] * dim[2]));
    TRY(MEM_NEW(d.mask, dim[1] * dim[2]));
    TRY(h5_create(&d.file, path, "mrad.dump", 1));
    t = tensor_view(DTYPE_F32, 1, dim, d.scores->y_cls);
    TRY(h5_write(d.file, "y_cls", &t, "image-level retrieval"));
    t = tensor_view(DTYPE_F32, 1, dim, d.scores->score);
    TRY(h5_write(d.file, "score", &t, "image score"));
    t = tensor_view(DTYPE_U8, 1, dim, d.scores->skipped);
    TRY(h5_write(d.file, "skipped", &t, "1: the item could not be read"));
    TRY(dump_labels(d.file, f->manifest));
    TRY(h5_define(d.file, "map", DTYPE_F32, 3, dim, 4, "anomaly map, smoothed"));
    TRY(h5_define(d.file, "mask", DTYPE_U8, 3, dim, 4, "1: defect, 0: normal"));
    for (size_t shard = 0; shard < f->n_shards; shard++)
        TRY(dump_shard(s, &d, cell, shard));
    TRY(h5_commit(&d.file));
out:
    h5_close(&d.file);
    scores_free(&d.scores);
    MEM_FREE(d.map);
    MEM_FREE(d.mask);
    return rc;
}
