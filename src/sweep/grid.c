/*
 * grid.c - the whole benchmark without any data: data sets of the sizes in the catalog, every variant on
 * every ordered pair, nothing made yet. For planning only: nothing in it lies anywhere.
 */
#include "base/err.h"
#include "base/mem.h"
#include "datasets/datasets.h"
#include "sweep/sweep_int.h"

enum { N_SETS = 16 };

/* A test split that the method reads. */
struct size {
    size_t n_images, n_classes;
};

static const char *const variants[] = {"mrad-tf", "mrad-ft", "mrad-clip"};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

/* A sweep and what its parts point to. */
struct grid {
    struct sweep sweep;
    struct dataset_entry entry[N_SETS]; /* told apart, not read */
    struct member member[N_SETS];
    struct manifest manifest[N_SETS];
    struct features features[N_SETS];
    struct memory memory[N_SETS];
    struct bank_place bank[N_SETS];
    struct trainee trainee[2 * N_SETS]; /* metrics, then prompts on them */
    struct head_place head[2 * N_SETS];
    struct cell cell[N_VARIANTS * N_SETS * N_SETS];
    size_t order[N_VARIANTS * N_SETS * N_SETS];
};

/* The first variant whose classes are known: the official one but for DAGM, there the cut of 2700 images. */
static int size_of(struct size *out, const struct dataset_info *set)
{
    int rc = ERR_OK;
    const struct variant *v = set->variant;
    while (v < set->variant + set->n_variants && v->n_classes == 0)
        v++;
    if (v == set->variant + set->n_variants || v->total.normal < 0 || v->total.anomalous < 0)
        FAIL(ERR_FORMAT, "configs/datasets: nobody counted the images of %s", set->name);
    *out = (struct size){(size_t)(v->total.normal + v->total.anomalous), v->n_classes};
out:
    return rc;
}

/* sizes [N_SETS] of the sets of the benchmark, in the catalog's order. */
static int read_sizes(struct size *sizes)
{
    int rc = ERR_OK;
    size_t n = 0;
    struct catalog *catalog = NULL;
    TRY(catalog_load(&catalog, NULL));
    for (size_t i = 0; i < catalog->n_sets; i++) {
        const struct dataset_info *set = &catalog->set[i];
        if (set->is_in_benchmark && n < N_SETS)
            TRY(size_of(&sizes[n], set));
        n += set->is_in_benchmark;
    }
    if (n != N_SETS)
        FAIL(ERR_FORMAT, "configs/datasets: %zu sets are in the benchmark, wanted %d", n, N_SETS);
out:
    catalog_free(&catalog);
    return rc;
}

static int fill_set(struct grid *g, size_t i, const struct size *set, const struct config *c)
{
    int rc = ERR_OK;
    struct manifest *m = &g->manifest[i];
    m->n_items = set->n_images;
    m->n_classes = set->n_classes;
    TRY(MEM_NEW(m->item, m->n_items));
    for (size_t k = 0; k < m->n_items; k++) /* classes of equal size, as far as that goes */
        m->item[k].class_id = (uint32_t)(k * set->n_classes / set->n_images);
    g->features[i] =
        (struct features){.manifest = m,
                          .shard_items = c->shard_items,
                          .n_shards = (m->n_items + c->shard_items - 1) / c->shard_items};
    g->member[i] = (struct member){
        .entry = &g->entry[i], .manifest = m, .features = &g->features[i], .wants_features = 1};
    g->bank[i] = (struct bank_place){.features = &g->features[i]};
    g->memory[i] = (struct memory){.member = i, .place = &g->bank[i], .wants_bank = 1};
    for (size_t k = 0; k < 2; k++) {
        struct head_place *head = &g->head[k * N_SETS + i];
        head->options.batch = c->batch;
        head->n_steps =
            (m->n_items + c->batch - 1) / c->batch * (k ? c->clip_epochs : c->ft_epochs);
        g->trainee[k * N_SETS + i] =
            (struct trainee){.memory = i, .metric = k ? i : NONE, .place = head, .wants_head = 1};
    }
out:
    return rc;
}

static void fill_cells(struct grid *g)
{
    struct sweep *s = &g->sweep;
    for (size_t v = 0; v < N_VARIANTS; v++)
        for (size_t train = 0; train < N_SETS; train++)
            for (size_t test = 0; test < N_SETS; test++) {
                if (train == test)
                    continue;
                g->order[s->n_cells] = s->n_cells;
                g->cell[s->n_cells++] =
                    (struct cell){.variant = variants[v],
                                  .train = train,
                                  .test = test,
                                  .memory = train,
                                  .trainee = v ? (v - 1) * N_SETS + train : NONE,
                                  .first_row = s->n_rows,
                                  .wants_scores = 1};
                s->n_rows += g->manifest[test].n_classes;
            }
}

int grid_new(struct grid **out, const struct config *config)
{
    int rc = ERR_OK;
    struct grid *g = NULL;
    struct size sizes[N_SETS] = {0};
    TRY(MEM_NEW(g, 1));
    TRY(read_sizes(sizes));
    for (size_t i = 0; i < N_SETS; i++)
        TRY(fill_set(g, i, &sizes[i], config));
    g->sweep = (struct sweep){.config = config,
                              .goal = SWEEP_ALL,
                              .n_settings = 1,
                              .member = g->member,
                              .n_members = N_SETS,
                              .memory = g->memory,
                              .n_memories = N_SETS,
                              .trainee = g->trainee,
                              .n_trainees = 2 * (size_t)N_SETS,
                              .cell = g->cell,
                              .by_retriever = g->order};
    fill_cells(g);
out:
    if (rc)
        grid_free(&g);
    *out = g;
    return rc;
}

const struct sweep *grid_sweep(const struct grid *g)
{
    return &g->sweep;
}

void grid_free(struct grid **grid)
{
    for (size_t i = 0; *grid && i < N_SETS; i++)
        MEM_FREE((*grid)->manifest[i].item);
    MEM_FREE(*grid);
}
