/*
 * config.h - the configuration: one field table drives reading, --set, checks, help and used.json.
 *
 * Order of precedence: defaults, preset, file, --set. Unknown keys, wrong types, values out of range
 * and NaN are ERR_CONFIG with the file, the JSON path, what was found and what is wanted.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>

enum model_activation { MODEL_ACTIVATION_AUTO, MODEL_QUICK_GELU, MODEL_GELU };
enum model_scale { MODEL_SCALE_AUTO, MODEL_SCALE_CLIP, MODEL_SCALE_IMAGENET };
enum dtype_choice { FEATURES_F32, FEATURES_F16, FEATURES_BF16 };
enum reduce { REDUCE_FULL, REDUCE_KMEANS, REDUCE_RANDOM, REDUCE_FARTHEST };
enum retrieve_by { RETRIEVE_MASS, RETRIEVE_NEAREST };
enum fusion { FUSION_WEIGHTED, FUSION_SUM };
enum schedule { SCHEDULE_COSINE, SCHEDULE_CONSTANT };
enum class_loss { CLASS_LOSS_CE, CLASS_LOSS_BCE };
enum bad_item { BAD_ITEM_STOP, BAD_ITEM_SKIP };
enum on_failure { FAILURE_STOPS, FAILURE_GOES_ON };
enum pairing {
    PAIRS_PROTOCOL,
    PAIRS_ALL,
    PAIRS_LEAVE_ONE_OUT,
    PAIRS_LEAVE_ONE_DOMAIN_OUT,
    PAIRS_LISTED
};

struct dataset_entry {
    char *name;
    char *root;   /* NULL where others are merged */
    char *meta;   /* NULL: root/meta.json */
    char *bank;   /* a bank file in place of one that is built, or NULL */
    char *domain; /* NULL: the catalog's */
    char *merge;  /* names of the data sets that this one stands for, joined by '+', or NULL */
};

struct pair {
    char *train; /* a data set, or several joined by '+' */
    char *test;
};

/* A setting beside the configuration itself: some of its keys with other values. */
struct ablation {
    char *
        label; /* "bank.neighbour_pool=false score.k=0", made from keys and values; no two are equal */
    char *values; /* one line of JSON, {"key": value, ...} */
};

/* Every field is explained in the table (mrad help config). Texts are owned. */
struct config {
    int preset;

    char *weights;
    int activation; /* enum model_activation */
    int normalise;  /* enum model_scale */
    size_t head_size;
    size_t image_size;
    size_t vv_start;
    bool class_ln_post;

    size_t shard_items;
    int dtype; /* enum dtype_choice */
    bool neighbour_pool;
    int reduce; /* enum reduce */
    size_t reduce_entries, reduce_image_entries, reduce_seed;
    double tau;
    int retrieve_by; /* enum retrieve_by */
    double top;
    double k;
    int fusion; /* enum fusion */
    double sigma;
    double pro_limit;
    size_t pro_steps;

    size_t batch;
    double dropout_image, dropout_pixel;
    int class_loss; /* enum class_loss */
    double class_tau;
    size_t checkpoint_steps;
    char *ft_head, *clip_head;
    char *ft_init, *ft_order;
    double ft_lr;
    size_t ft_epochs;
    int ft_schedule; /* enum schedule */
    char *clip_init, *clip_order, *clip_tokens;
    char *tokenizer;
    char *normal_words, *anomalous_words;
    double clip_lr;
    size_t clip_epochs;
    size_t n_ctx, n_deep, deep_len;
    int bias; /* index into config_biases */
    double text_tau;

    int kernels; /* index into config_kernels */
    size_t threads;
    int on_bad_item; /* enum bad_item */
    int on_failure;  /* enum on_failure */
    size_t attempts;
    double time_left;
    double time_margin;
    char *part; /* "I/N", or NULL */
    int gather; /* index into config_gathers */

    char *store;
    char *out;
    char *compare; /* published numbers, "paper" or a folder, or NULL */
    double compare_tolerance;

    char *auxiliary; /* what banks and heads are made of, or NULL: of every data set */
    char **variant;
    size_t n_variants;
    size_t *seed;
    size_t n_seeds;
    struct dataset_entry *dataset;
    size_t n_datasets;
    int pairing; /* enum pairing */
    struct pair *pair;
    size_t n_pairs; /* only for PAIRS_LISTED */
    struct ablation *ablation;
    size_t n_ablations;
};

/* The names behind the indices `bias`, `kernels` and `gather`. */
extern const char *const config_biases[];
extern const char *const config_kernels[];
extern const char *const config_gathers[];

/* Which artefact a field is part of; keys of artefacts are hashes over these. */
enum stage_flag {
    IN_FEATURES = 1,
    IN_BANK = 2,
    IN_SCORES = 4,
    IN_METRICS = 8,
    IN_HEAD = 16,
    IN_PROMPTS = 32,
    IN_REDUCTION = 64, /* of a bank, whose shards and whole do not depend on it */
    IN_MODEL = 128,    /* a file of the model: keys have the hash of what it holds */
    IN_GIVEN = 256,    /* a file in the place of a head, or of what is drawn for it: likewise */
};

/*
 * Read a configuration. path may be NULL (defaults only); set holds n_set texts "key=value", whose
 * value is JSON or, where that does not parse, a plain string. Free with config_free.
 */
int config_read(struct config **out, const char *path, const char *const *set, size_t n_set);
void config_free(struct config **config);

/* The complete configuration as JSON text, defaults filled in. Free with MEM_FREE. */
int config_text(char **out, const struct config *config);

/*
 * The fields that are part of a stage, as one line of JSON in table order: what artefacts carry and
 * what their keys are made of. stages: an enum stage_flag, or several or-ed. Free with MEM_FREE.
 */
int config_stage_text(char **out, const struct config *config, int stages);

/* The configuration with the values of an ablation in their place, and no ablations. config_free. */
int config_ablate(struct config **out, const struct config *config,
                  const struct ablation *ablation);

/*
 * The folder NAME of the program's own configs/: under MRAD_CONFIGS where that is set, else configs/ or
 * share/mrad/configs/ in the folder of the program or one above it. Caller frees *out. ERR_IO: not found.
 */
int config_find(char **out, const char *name);

/* Print the field table for people: key, kind, range, default, help. */
int config_help(char **out);

/* The data set of that name, or NULL. */
const struct dataset_entry *config_dataset(const struct config *config, const char *name);

/* ERR_CONFIG unless model.weights is set. */
int config_need_weights(const struct config *config);

#endif /* CONFIG_CONFIG_H */
