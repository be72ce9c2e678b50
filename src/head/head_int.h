/* head_int.h - what the files of head/ share. */
#ifndef HEAD_HEAD_INT_H
#define HEAD_HEAD_INT_H

#include "head/core_int.h"
#include "head/head.h"
#include "tensor/h5.h"

#define HEAD_SCHEMA "mrad.head"
enum { HEAD_VERSION = 2 };

/* Parameters from other programs. */
#define PARAMETERS_SCHEMA "mrad.parameters"
enum { PARAMETERS_VERSION = 1 };
#define HEAD_UNBOUND "none"

/* What grows while training runs; a checkpoint is its image. */
struct training {
    struct head *head;   /* parameters */
    struct head *first;  /* Adam's running mean of gradients */
    struct head *second; /* and of their squares */
    size_t step;         /* steps done */
    size_t n_steps;
    float *loss; /* [n_steps] */
    double *lr;  /* [n_steps] */
};

/* Memory for a training of n_steps. */
int training_new(struct training **out, const struct head_form *form, size_t n_steps);
void training_free(struct training **t);

/* Write (checkpoint or final head) and read back. */
int training_write(const struct training *t, const char *path, const struct head_place *place);
int training_read(struct training *t, const char *path, const struct head_place *place);

/* Start values from "FILE:/group"; order from "FILE:/dataset" into the place. key: for messages. */
int head_read_init(struct head **out, const char *key, const char *text,
                   const struct head_form *form);
int head_read_order(struct head_place *place, const char *key, const char *text);

/*
 * A trained head from "FILE:/group" of a head.h5 or an imported file: init, origin, no steps. Refuses one
 * of another bank, other weights or another metric.
 */
int head_read_given(struct head_place *place, const char *key, const char *text);

/* All tensors of a head that have elements, under a group of a file. */
int head_write_tensors(struct h5 *f, const char *group, const struct head *h, const char *meaning);
int head_read_tensors(struct h5 *f, const char *group, struct head *h);

/*
 * The source of the prompts' bias that a file with prompts says; files from before there were others say
 * none, and have the published one.
 */
int head_read_bias(const struct bias_source **out, struct h5 *f);

/* The token ids of a prompt pair as the dataset `tokens`. */
int head_write_tokens(struct h5 *f, const struct prompt_tokens *tokens);

/* The parameters' hash: how prompts name a metric that has no key. */
int head_hash(char out[HASH_HEX], const struct head *head);

/* ERR_FORMAT names the tensor that holds NaN or infinity. */
int head_check_finite(const struct head *head, const char *path);

/* Sizes of ctx and deep in a "FILE:/group". */
int head_read_sizes(struct prompt_sizes *out, const char *key, const char *text);

/* Sizes of ctx and deep in a group of an open file. */
int head_sizes_of(struct prompt_sizes *out, struct h5 *f, const char *group);

/* "FILE:/tokens" beside "FILE:/group", or NULL where the file has none. Free with MEM_FREE. */
int head_find_tokens(char **out, const char *key, const char *text);

/* Token ids of the two prompts from "FILE:/dataset". */
int head_read_tokens(struct prompt_tokens *out, const char *key, const char *text);

/* Start values: maps as torch.nn.Linear draws them, prompts and queries normal, deviation 0.02. */
void head_draw(struct head *head, size_t seed);

/* One step of Adam (0.5, 0.999, 1e-8), as torch.optim.Adam in float32. step counts from 1. */
void adam_step(struct training *t, const struct head *grad, double lr, size_t step);

/* Learning rate of step (from 0): torch's CosineAnnealingLR to 1e-6, or constant. */
double learning_rate(const struct train_options *o, size_t step, size_t n_steps);

/* One training item, ready to use. */
struct sample {
    float *query;  /* [N, D] pooled unit patches */
    float *image;  /* [E] unit class token */
    uint8_t *mask; /* [S, S] */
    int label;
};

/* What one step of a variant does: loss and gradient of a batch. */
struct step_method {
    /* Free a state and set it to NULL. */
    void (*free)(void **state);
    /*
     * Loss and gradient of n items; grad has the form of head. Collective. The caller checks that both
     * are finite.
     */
    int (*run)(void *state, const struct head *head, const int64_t *item, size_t n,
               struct head *grad, double *loss);
};

extern const struct step_method ft_method;
extern const struct step_method clip_method;

/* ---- where the prompts' bias comes from ---- */

/* As published. */
#define BIAS_PUBLISHED "dual-prior"

/* What a source may look at, of one image. */
struct bias_view {
    size_t n_patch, embed;  /* N, E */
    const float *projected; /* [N, E] unit patches in the joint embedding */
    const float *mass;      /* [N] retrieved by MRAD-FT's metric; NULL unless needs_mass */
    const float *image;     /* [E] unit class token */
};

struct bias_source {
    const char *name; /* as in train.clip.bias */
    unsigned trains;  /* tensors besides ctx and deep, bits 1 << enum clip_tensor */
    bool needs_mass;
    /*
     * Priors [2, E] (normal, anomalous), the inputs of the prompt projections; weight [N, 2] is kept for
     * grad. NULL: there is no bias, so all images have the same two prompts. Local.
     */
    int (*prior)(const struct core_engine *engine, const struct head *head,
                 const struct bias_view *view, float *weight, float *prior);
    /*
     * From the gradient by the priors to that by the queries [2, E]; score [N, 2] is room. NULL: the
     * priors depend on no parameter. Local.
     */
    int (*grad)(const struct core_engine *engine, const struct bias_view *view, const float *weight,
                const float *grad_prior, float *score, float *grad_query);
};

/* Find a source by name; ERR_CONFIG lists the known ones. The result is static. */
int bias_find(const struct bias_source **out, const char *name);

struct ft_step;

int ft_step_new(struct ft_step **out, const struct head_place *place, const struct bank *bank,
                struct ops *ops, struct comm *comm);
void ft_step_free(struct ft_step **s);

/* Fix the metric for ft_step_masses: keys through the key maps. Local. */
int ft_step_project(struct ft_step *s, const struct head *head);

/* Load an item; *sample stays valid until the next is loaded. Local. */
int ft_step_load(struct ft_step *s, size_t item, const struct sample **sample);

/*
 * Retrieve the masses [N] of the loaded item's patches with similarity dropout, as the published loop
 * does while it forms the regional prior. *mass stays valid until the next call. Local.
 */
int ft_step_masses(struct ft_step *s, const struct head *head, const float **mass);

struct clip_step;

int clip_step_new(struct clip_step **out, const struct head_place *place, const struct bank *bank,
                  struct ops *ops, struct comm *comm);

/* Find the priors of all items again, as a training that begins. Local. */
void clip_step_forget(struct clip_step *s);

/* The kernels as the core's engine. */
struct core_engine engine_of(struct ops *ops);

/* Gather one row of n floats of each of the ranks that have one, add or place them by the caller. */
int gather_round(struct comm *comm, const void *mine, size_t bytes, size_t count, void *all);

/* ---- pieces of the prompter that training uses, too ---- */

/* Unit patches in the joint embedding: query [N, D] -> out [N, E]. */
int prompter_project(struct prompter *p, const float *query, float *out);

/*
 * Text features of n images' prompts: prior [n, 2, E] -> unit rows text [n, 2, E]. Without a bias prior is
 * not read.
 */
int prompter_text(struct prompter *p, const struct head *head, const float *prior, size_t n,
                  float *text);

/*
 * After prompter_text with the same n: gradient by the unit text features [n, 2, E] -> gradient of all
 * tensors of the head.
 */
int prompter_grad(struct prompter *p, const float *prior, const float *grad_text, size_t n,
                  struct head *grad);

/* After prompter_grad with the same n: gradient by the priors [n, 2, E]; both prompts have a bias. */
int prompter_prior_grad(struct prompter *p, const struct head *head, size_t n, float *grad_prior);

#endif /* HEAD_HEAD_INT_H */
