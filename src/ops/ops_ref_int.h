/* ops_ref_int.h - what the files of the ref variant share. */
#ifndef OPS_OPS_REF_INT_H
#define OPS_OPS_REF_INT_H

#include "ops/ops_int.h"

/* Turn n scores into weights that sum to 1. */
void ops_ref_softmax(double *score, size_t n);

double ops_ref_dot(const real *a, const real *b, size_t n);

/* Attention weights [n_key] of one query row of one head; 0 where the mask is. */
void ops_ref_attention_row(const struct attention *a, size_t head, size_t row, double *weight);

int ops_ref_layer_norm_grad(void *state, const struct norm_grad *g);
int ops_ref_activate(void *state, enum activation act, const real *x, size_t n, real *y);
int ops_ref_activate_grad(void *state, enum activation act, const real *x, size_t n, real *grad);

/* act(x) of one number. */
double ops_ref_activated(enum activation act, double x);
int ops_ref_attend_grad(void *state, const struct attention *a, const struct attention_grad *g);

#endif /* OPS_OPS_REF_INT_H */
