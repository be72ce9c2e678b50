/*
 * parity.h - a golden against the library, used as the program uses it.
 *
 * In:  a golden.h5 of the PyTorch specification (groups shape, A, B, bank, tf), the images it was made
 *      from, and its weights, or the sizes to generate them by.
 * The pipeline runs once, in the group's set-up; the tests below then compare one stage each. Limits
 * and their reasons are in tolerances.def and nowhere else.
 *
 *     static int start(void **state) { return parity_start(state, &source); }
 *     ... cmocka_unit_test(features_equal_the_golden), ...
 *     return cmocka_run_group_tests(tests, start, parity_stop);
 */
#ifndef SUPPORT_PARITY_H
#define SUPPORT_PARITY_H

#include "bank/bank.h"
#include "clip/clip.h"
#include "config/config.h"
#include "datasets/datasets.h"
#include "features/features.h"
#include "ops/ops.h"
#include "par/comm.h"
#include "scores/scores.h"
#include "tensor/h5.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tolerance {
#define TOLERANCE(name, limit, reason) TOLERANCE_##name,
#include "tolerances.def"
#undef TOLERANCE
};

/* Demand error <= the limit of TOLERANCE_NAME; a failure prints the limit's reason. NaN fails. */
#define CHECK_TOLERANCE(which, name, error) \
    parity_within((which), (name), (error), __FILE__, __LINE__)
void parity_within(enum tolerance which, const char *name, double error, const char *file,
                   int line);

/* The larger of two errors; NaN counts as the largest. */
double worse(double a, double b);

/*
 * Generate weights with mrad-weights, which lies beside $MRAD: sizes, and the seed if there is one, are
 * the attributes of `where`; options are more words for its command line, up to a NULL.
 */
void parity_weights(const char *path, struct h5 *golden, const char *where,
                    const char *const *options);

/* An encoder, the images it reads, and room for one result. */
struct bench {
    struct ops *ops;
    struct encoder *encoder;
    struct clip_shape shape;
    size_t side;  /* S */
    size_t n;     /* N */
    uint8_t *rgb; /* [S, S, 3] */
    float *input; /* [3, S, S] */
    float *cls;   /* [E] */
    float *patch; /* [N, D] */
    float *proj;  /* [N, E] */
};

/* Open with all cores of this process; close with bench_close. */
void bench_open(struct bench *b, const char *weights, const char *kernels, size_t side);
void bench_close(struct bench *b);

/* Decode an image into rgb and input; and encode it into cls, patch and proj. */
void bench_load(struct bench *b, const char *image);
void bench_run(struct bench *b, const char *image);

/* Where a golden and what it was made from lie. */
struct parity_source {
    const char *name;    /* for messages; under shared/golden when it is not here */
    const char *golden;  /* golden.h5; NULL: not here, every test is skipped */
    const char *weights; /* NULL: generate them */
    const char *root[2]; /* of the data sets A and B */
    const char *meta[2]; /* NULL: ROOT/meta.json */
};

/* The stages' products. */
struct parity {
    struct parity_source source;
    char *folder; /* temporary: store and generated weights */
    char *weights;
    struct comm *comm;
    struct config *config;
    struct h5 *golden;
    struct bench bench;
    struct model_info model;
    struct manifest *manifest[2]; /* A and B */
    struct features *features[2];
    struct bank_place *bank_place;
    struct bank *bank;
    struct score_place *score_place;
    struct scores *scores;
};

/* Group set-up: run all stages into a temporary store. Group teardown: remove it, demand balance. */
int parity_start(void **state, const struct parity_source *source);

/* The same for the golden among the fixtures. */
int parity_start_tiny(void **state);
int parity_stop(void **state);

/* What the set-up left for a test; skips the test when the golden is not here. */
const struct parity *parity_of(void **state, const char *test);

/*
 * Encode the first n images of A with other weights or kernels, and compare with cls, patch and
 * patch_proj of a group of a file.
 */
void parity_encode(const struct parity *p, const char *weights, const char *kernels, size_t n,
                   struct h5 *file, const char *group);

/*
 * Scores, maps and metrics of p->scores against a group of the golden, with the limits for what was
 * trained.
 */
void parity_trained_results(const struct parity *p, const char *group);

/* The tests. */
void pixels_equal_the_golden(void **state);
void labels_and_masks_equal_the_golden(void **state);
void features_equal_the_golden(void **state);
void the_bank_equals_the_golden(void **state);
void scores_and_maps_equal_the_golden(void **state);
void metrics_of_our_maps_equal_the_golden(void **state);
void metrics_of_the_golden_maps_equal_the_golden(void **state);

void training_equals_the_golden(void **state);

#endif /* SUPPORT_PARITY_H */
