/* sweep_int.h - what the files of sweep/ share. */
#ifndef SWEEP_SWEEP_INT_H
#define SWEEP_SWEEP_INT_H

#include "bank/bank.h"
#include "features/features.h"
#include "head/head.h"
#include "scores/scores.h"
#include "sweep/queue.h"
#include "sweep/sched.h"
#include "sweep/sweep.h"

#include <stdbool.h>
#include <stdint.h>

/* No memory or trainee. */
#define NONE SIZE_MAX

/* What is made under options of its own, each on top of the one before. */
enum level { LEVEL_FEATURES, LEVEL_BANK, LEVEL_METRIC, LEVEL_PROMPTS, N_LEVELS };

/* The job's configuration, or that of one of its ablations. */
struct setting {
    const char *label;           /* borrowed from the configuration; NULL: the job's own */
    const struct config *config; /* the sweep's, or `own` */
    struct config *own;          /* NULL: the job's own */
    char *metrics;               /* options of the metrics, JSON */
    size_t like[N_LEVELS];       /* the first setting with the same options up to that level */
    struct model_info model;     /* of a setting that is the first with its features */
    size_t n_omitted;            /* cells that would be copies of others */
};

/* The two ends of a cell; borrowed from the configuration or the sweep's merges. */
struct ends {
    const struct dataset_entry *train, *test;
};

/* One data set of the sweep, or several as one, for all settings with the same features. */
struct member {
    const struct dataset_entry *entry; /* borrowed, as those of the ends */
    size_t setting;                    /* the first with these features */
    struct manifest *manifest;
    struct features *features;
    size_t *part; /* [n_parts] members that are merged here, listed before; owned */
    size_t n_parts;
    bool is_goal; /* where cells are not: its features, bank or heads */
    uint8_t wants_features;
};

/* One bank: of a data set, for all settings whose options give the same one. */
struct memory {
    size_t member;
    struct bank_place *place;
    size_t *part; /* [n_parts] memories of the merged data sets, listed before; owned */
    size_t n_parts;
    uint8_t wants_bank;
};

/* One head to train: on a bank, with a seed; the metric of MRAD-FT, or prompts on it. */
struct trainee {
    size_t memory;
    size_t seed;
    size_t metric; /* trainee that prompts build on, listed before; NONE for a metric */
    struct head_place *place;
    uint8_t wants_head;
};

/* One (variant, train, test, setting, seed). */
struct cell {
    const char *variant; /* borrowed from the configuration */
    size_t train, test;  /* members */
    size_t setting;
    size_t seed;
    size_t memory;  /* whose bank is used */
    size_t trainee; /* whose head is used, or NONE */
    struct score_place *place;
    char *row_dir; /* store/metrics/<variant>/<train>/<test>/<key> */
    char row_key[HASH_HEX];
    size_t first_row; /* its classes are rows [first_row, first_row + n_classes) */
    uint8_t wants_scores;
};

struct str;
struct status; /* what status.json says; see status.c */

struct sweep {
    struct comm *comm;           /* borrowed */
    const struct config *config; /* borrowed */
    enum sweep_goal goal;
    struct setting *setting; /* [n_settings], the job's own first */
    size_t n_settings;
    struct dataset_entry **merge; /* [n_merges] that no data set of the configuration stands for */
    size_t n_merges, merge_cap;
    struct ends *pair; /* [n_pairs], each once; none where cells are not the goal */
    size_t n_pairs;
    struct member *member; /* [n_members] */
    size_t n_members, member_cap;
    struct memory *memory; /* [n_memories] */
    size_t n_memories, memory_cap;
    struct trainee *trainee; /* [n_trainees] */
    size_t n_trainees, trainee_cap;
    struct cell *cell; /* [n_cells], in the order of the rows */
    size_t n_cells, cell_cap;
    size_t *by_retriever; /* [n_cells] cells in the order of what they are scored with */
    size_t n_rows;
    uint8_t *wants_row; /* [n_rows] */
    int threads;

    /* a rank's tools, made when first needed */
    struct ops *ops;
    struct extractor *extractor;
    size_t extractor_of; /* setting */
    struct bank *bank;   /* the one in memory */
    size_t bank_of;      /* memory */
    struct retriever *retriever;
    size_t retriever_of[2]; /* memory and trainee */

    /* a run's account */
    char run[96]; /* its name */
    const char *status_dir;
    struct status *status;
    struct journal *journal;
    struct locks *locks;
};

/* One piece of work: of a member, memory, trainee or cell, and which part of it. */
struct piece {
    size_t stage;
    size_t owner;
    size_t part;
};

/* ---- planning ---- */

/*
 * The pairs that the configuration means. Local. ERR_CONFIG when there are none, and for a pair, a
 * variant or a seed that is listed twice: its rows would be copies.
 */
int pairs_open(struct sweep *sweep);

/* The data set of that name, or the merge of several ("visa+btad"). ERR_CONFIG: none, with the nearest. */
int merge_find(const struct dataset_entry **out, struct sweep *sweep, const char *name);

/* The merge of that name, added when it is not there yet. parts: names joined by '+'. */
int merge_add(const struct dataset_entry **out, struct sweep *sweep, const char *name,
              const char *parts);
void merges_close(struct sweep *sweep);

/* The configuration of every setting. Local. */
int settings_open(struct sweep *sweep);
void settings_close(struct sweep *sweep);

/*
 * Members: both ends of all pairs, or every data set where cells are not the goal; for each model and
 * options of features that a setting has. Local. ERR_CONFIG for a merge of what is no data set.
 */
int members_open(struct sweep *sweep);

/* Models, manifests and features of all members. Collective: images are hashed together. */
int members_load(struct sweep *sweep);
void members_close(struct sweep *sweep);

/* The member for an entry under a setting; it is there. */
size_t member_find(const struct sweep *sweep, const struct dataset_entry *entry, size_t setting);

/* Its features, or those of all its parts, are to be made. */
void member_want_features(struct sweep *sweep, size_t member);

/*
 * Where everything lies: banks, heads and cells of all settings. What has the same place is listed
 * once; a cell whose rows would be copies of an earlier setting's is left out and counted. Local.
 */
int cells_open(struct sweep *sweep);

/* Free pairs, banks, heads and cells. */
void cells_close(struct sweep *sweep);

/* Cells of all settings that were left out as copies. */
size_t sweep_n_omitted(const struct sweep *sweep);

/* Are heads, or banks, of all members a goal of their own? */
bool wants_heads(const struct sweep *sweep);
bool wants_banks(const struct sweep *sweep);

/* ---- rows ---- */

/* What a row's artefact is, part of its key. */
#define ROW_SCHEMA "mrad.row 2"

/* Path of a row's artefact; free with MEM_FREE. */
int row_path(char **out, const struct cell *cell, size_t class_id);

/* Is a readable row of this key there? */
bool row_exists(const struct cell *cell, size_t class_id);

/* Compute and write one row. Local. */
int row_build(struct sweep *sweep, struct cell *cell, size_t class_id);

/* Read a row's artefact and append what it says to results, under the setting's label. */
int row_collect(const struct sweep *sweep, const struct cell *cell, size_t class_id,
                struct results *out);

/* ---- what is made again ---- */

/*
 * Append lines for people: which products are to be made although the store has them made from other
 * inputs that no setting of this sweep uses, and which inputs differ. Products with the same reason
 * share a line. Local, on rank 0.
 */
int reasons_add(struct str *out, const struct sweep *sweep);

/* ---- stages ---- */

/* The stages in order; see stages.c. */
enum { N_STAGES = 7 };
const char *stage_name(size_t stage);
const char *stage_unit(size_t stage);

/*
 * Members, memories, trainees or cells that a stage makes something for, in which order, and how many
 * parts of one are wanted.
 */
size_t stage_owners(const struct sweep *sweep, size_t stage);
size_t stage_owner(const struct sweep *sweep, size_t stage, size_t i);
size_t stage_parts(const struct sweep *sweep, size_t stage, size_t owner);

/* Is this piece's artefact there, or not wanted? As it was when the sweep was opened, for rows. */
bool stage_exists(const struct sweep *sweep, const struct piece *piece);

/* Has it been made by now, maybe by another run, or used up by what is made of it? */
bool stage_is_made(const struct sweep *sweep, const struct piece *piece);

/* Where it lies; free with MEM_FREE. */
int stage_path(char **out, const struct sweep *sweep, const struct piece *piece);

/* A piece as the scheduler sees it, and how many tools its pieces name. */
struct sched_item stage_item(const struct sweep *sweep, const struct piece *piece);
size_t stage_tools(const struct sweep *sweep);

/* Seconds that a rank takes to load a tool, for planning. */
double stage_load_s(const struct sweep *sweep, size_t tool);

/* Make a piece. Collective over gang, which has more than one rank only where stage_item allows it. */
int stage_work(struct sweep *sweep, const struct piece *piece, struct comm *gang);

/* Are two cells of one variant and pair? All of these stand together in the list. */
bool is_same_pair(const struct sweep *sweep, const struct cell *a, const struct cell *b);

/* Do two banks have this shard in common? */
bool is_same_shard(const struct bank_place *a, const struct bank_place *b, size_t shard);

/* A piece was made again after what uses it up: what is not needed any more goes. */
int stage_tidy(const struct sweep *sweep, const struct piece *piece);

/*
 * Make a piece unless another run does or has: task->end tells. Collective over task->gang. Only one
 * rank of all runs on a store makes a piece at a time, but where a rank of the same run is overdue.
 */
int piece_run(struct sweep *sweep, const struct piece *piece, struct task *task);

/* End status and journal that sweep_claim began; the folder stays claimed until sweep_close. */
void run_end(struct sweep *sweep, int rc);

/* All pieces that are missing, as a graph. */
struct sweep_graph {
    struct sched_draft draft; /* draft.graph, once it is finished */
    struct piece *piece;      /* [n_items] */
    size_t cap_pieces;
};

/*
 * Find what is missing, on rank 0, and what waits for what. Collective. A sweep without a
 * communicator is taken to have nothing yet. Release with sweep_graph_release.
 */
int sweep_graph_new(struct sweep_graph *out, const struct sweep *sweep);
void sweep_graph_release(struct sweep_graph *graph);

/* How the pieces of a sweep are given out; n_workers is left open. */
struct sched_options sweep_sched_options(const struct config *config);

/* A sweep over the whole benchmark, for planning only; see grid.c. Free with grid_free. */
struct grid;
int grid_new(struct grid **out, const struct config *config);
const struct sweep *grid_sweep(const struct grid *grid);
void grid_free(struct grid **grid);

/* The kernels of this rank. */
int sweep_ops(struct sweep *sweep);

/*
 * Status of a run, kept on rank 0 and written to DIR/status.json. Local, errors are logged only. piece: of
 * the scheduler's items.
 */
int status_new(struct status **out, const char *dir, const struct comm *comm);
void status_free(struct status **status);
void status_update(struct status *status, const struct sched *sched, const struct sweep *sweep,
                   const struct piece *piece);
void status_end(struct status *status, const char *state, const char *message);

#endif /* SWEEP_SWEEP_INT_H */
