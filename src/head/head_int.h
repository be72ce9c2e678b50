/* head_int.h - what the files of head/ share. */
#ifndef HEAD_HEAD_INT_H
#define HEAD_HEAD_INT_H

#include "head/head.h"

#define HEAD_SCHEMA "mrad.head"
enum { HEAD_VERSION = 1 };

extern const char *const ft_names[FT_TENSORS];

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
int training_new(struct training **out, size_t width, size_t embed, size_t n_steps);
void training_free(struct training **t);

/* Write (checkpoint or final head) and read back. */
int training_write(const struct training *t, const char *path, const struct head_place *place);
int training_read(struct training *t, const char *path, const struct head_place *place);

/* Start values from "FILE:/group"; order from "FILE:/dataset" into the place. */
int head_read_init(struct head **out, const char *text, size_t width, size_t embed);
int head_read_order(struct head_place *place, const char *text);

/* Start values drawn as torch.nn.Linear does. */
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

/* The batch gradient, before the maps of the keys are applied to it. */
struct ft_step;

int ft_step_new(struct ft_step **out, const struct head_place *place, const struct bank *bank,
                struct ops *ops, struct comm *comm);
void ft_step_free(struct ft_step **s);

/*
 * Loss and gradient of one batch of n items. Collective. grad has the shape of head. ERR_FORMAT names
 * the tensor that is not finite.
 */
int ft_step_run(struct ft_step *s, const struct head *head, const int64_t *item, size_t n,
                struct head *grad, double *loss);

#endif /* HEAD_HEAD_INT_H */
