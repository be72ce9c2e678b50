/* config_fields.c - the field table and the presets. See config_int.h. */
#include "config/config_int.h"

#include <stddef.h>
#include <string.h>

static const char *const presets[] = {"released", "paper", NULL};
static const char *const activations[] = {"auto", "quick-gelu", "gelu", NULL};
static const char *const scales[] = {"auto", "clip", "imagenet", NULL};
static const char *const dtypes[] = {"f32", "f16", "bf16", NULL};
static const char *const reductions[] = {"full", "kmeans", "random", "farthest", NULL};
static const char *const retrievals[] = {"mass", "nearest", NULL};
static const char *const fusions[] = {"weighted", "sum", NULL};
static const char *const schedules[] = {"cosine", "constant", NULL};
static const char *const class_losses[] = {"ce", "bce", NULL};
static const char *const bad_items[] = {"stop", "skip", NULL};
static const char *const failures[] = {"stop", "go-on", NULL};
const char *const config_biases[] = {"static",        "class-token", "cross-patch",
                                     "anomaly-prior", "dual-prior",  NULL};
const char *const config_kernels[] = {"auto", "cpu", "ref", NULL};
const char *const config_gathers[] = {"mpi", NULL};

#define AT(member) offsetof(struct config, member)

const struct field config_fields[] = {
    {"preset", KIND_CHOICE, AT(preset), "\"released\"", 0, 0, presets, 0,
     "published code (released) or published text (paper) where the two differ"},

    {"model.weights", KIND_TEXT, AT(weights), NULL, 0, 0, NULL, IN_MODEL,
     "safetensors or PyTorch file of a CLIP model (OpenAI, open_clip or Hugging Face names) or of DINOv2"},
    {"model.activation", KIND_CHOICE, AT(activation), "\"auto\"", 0, 0, activations, IN_MODEL,
     "of its MLPs; auto: as config.json or open_clip_config.json beside the weights says, else what is "
     "usual: quick-gelu for CLIPs below a width of 1280, gelu for all others"},
    {"model.head_size", KIND_SIZE, AT(head_size), "0", 0, 1024, NULL, IN_MODEL,
     "columns of an attention head of the vision tower; 0: as that file says, else what is usual: 64, "
     "80, 88 and 104 at widths of 1280, 1408 and 1664"},
    {"model.normalise", KIND_CHOICE, AT(normalise), "\"auto\"", 0, 0, scales, IN_MODEL,
     "mean and deviation of the pixels; auto: as the kind of model was trained"},
    {"model.image_size", KIND_SIZE, AT(image_size), "518", 1, 4096, NULL, IN_FEATURES,
     "side of the square input in pixels, a multiple of the model's patch"},
    {"model.tokenizer", KIND_TEXT, AT(tokenizer), NULL, 0, 0, NULL, IN_MODEL,
     "tokenizer of mrad-clip: folder or file (tokenizer.json, vocab.json with merges.txt, or "
     "bpe_simple_vocab_16e6.txt.gz); none: the folder of the weights"},
    {"encoder.vv_start", KIND_SIZE, AT(vv_start), "1", 1, 1024, NULL, IN_FEATURES,
     "first block with V-V attention, counted from 0"},
    {"encoder.class_ln_post", KIND_BOOL, AT(class_ln_post), "false", 0, 0, NULL, IN_FEATURES,
     "apply ln_post to the class token before its projection"},

    {"features.shard_items", KIND_SIZE, AT(shard_items), "32", 1, 4096, NULL, IN_FEATURES,
     "images in one feature shard"},
    {"features.dtype", KIND_CHOICE, AT(dtype), "\"f32\"", 0, 0, dtypes, IN_FEATURES,
     "number format of stored features"},

    {"bank.neighbour_pool", KIND_BOOL, AT(neighbour_pool), "true", 0, 0, NULL, IN_BANK | IN_SCORES,
     "average patches with their neighbours (1x1, 3x3, 5x5) in bank and queries"},
    {"bank.reduce", KIND_CHOICE, AT(reduce), "\"full\"", 0, 0, reductions, IN_REDUCTION,
     "entries that are kept: all, k-means centroids, a random draw, or farthest points by cosine"},
    {"bank.entries", KIND_SIZE, AT(reduce_entries), "100", 2, 1e9, NULL, IN_REDUCTION,
     "pixel-level entries of a reduced bank, shared between the labels in proportion"},
    {"bank.image_entries", KIND_SIZE, AT(reduce_image_entries), "0", 0, 1e9, NULL, IN_REDUCTION,
     "image-level entries of a reduced bank; 0: all"},
    {"bank.seed", KIND_SIZE, AT(reduce_seed), "111", 0, 0x1p53, NULL, IN_REDUCTION,
     "seed of the reduction"},
    {"bank.gather", KIND_CHOICE, AT(gather), "\"mpi\"", 0, 0, config_gathers, 0,
     "how bank shards reach all ranks"},

    {"retrieval.tau", KIND_REAL, AT(tau), "1.0", 1e-4, 1e4, NULL, IN_SCORES,
     "temperature of the retrieval softmax"},
    {"retrieval.by", KIND_CHOICE, AT(retrieve_by), "\"mass\"", 0, 0, retrievals, IN_SCORES,
     "softmax over all entries (mass), or over the nearest entry of each label"},
    {"score.top", KIND_REAL, AT(top), "0.01", 1e-9, 1, NULL, IN_SCORES,
     "share of the map's pixels whose mean is the pixel part of the image score"},
    {"score.k", KIND_REAL, AT(k), "0.7", 0, 1, NULL, IN_SCORES,
     "weight of the image-level retrieval in the image score"},
    {"score.fusion", KIND_CHOICE, AT(fusion), "\"weighted\"", 0, 0, fusions, IN_SCORES,
     "(1-k) top + k retrieval (weighted), or their plain sum"},
    {"score.sigma", KIND_REAL, AT(sigma), "4.0", 0, 100, NULL, IN_SCORES,
     "Gaussian smoothing of the anomaly map in pixels; 0: none"},

    {"train.batch", KIND_SIZE, AT(batch), "8", 1, 4096, NULL, IN_HEAD,
     "items in one training step"},
    {"train.dropout_image", KIND_REAL, AT(dropout_image), "0.95", 0, 1, NULL, IN_HEAD,
     "similarity dropout of the image level: quantile above which entries are hidden; 1: off"},
    {"train.dropout_pixel", KIND_REAL, AT(dropout_pixel), "0.8", 0, 1, NULL, IN_HEAD,
     "similarity dropout of the patch level"},
    {"train.class_loss", KIND_CHOICE, AT(class_loss), "\"ce\"", 0, 0, class_losses, IN_HEAD,
     "image loss: softmax over probabilities / class_tau (ce), or binary cross-entropy (bce)"},
    {"train.class_tau", KIND_REAL, AT(class_tau), "0.07", 1e-4, 1e4, NULL, IN_HEAD,
     "temperature of the image loss ce"},
    {"train.checkpoint_steps", KIND_SIZE, AT(checkpoint_steps), "50", 1, 1e9, NULL, 0,
     "steps between checkpoints"},
    {"head.ft", KIND_TEXT, AT(ft_head), NULL, 0, 0, NULL, IN_GIVEN,
     "MRAD-FT as it was trained elsewhere, FILE:/group (mrad import, or a head.h5); none: train it"},
    {"head.clip", KIND_TEXT, AT(clip_head), NULL, 0, 0, NULL, IN_GIVEN,
     "MRAD-CLIP as it was trained elsewhere, FILE:/group; its prompts are FILE:/tokens if there"},
    {"train.ft.init", KIND_TEXT, AT(ft_init), NULL, 0, 0, NULL, IN_GIVEN,
     "start values of MRAD-FT, FILE:/group of an HDF5 file; none: drawn from the seed"},
    {"train.ft.order", KIND_TEXT, AT(ft_order), NULL, 0, 0, NULL, IN_GIVEN,
     "items of each step, FILE:/dataset (steps, batch); none: shuffled by the seed"},
    {"train.ft.lr", KIND_REAL, AT(ft_lr), "4e-4", 0, 10, NULL, IN_HEAD, "learning rate of MRAD-FT"},
    {"train.ft.epochs", KIND_SIZE, AT(ft_epochs), "1", 1, 10000, NULL, IN_HEAD,
     "passes over the auxiliary data set"},
    {"train.ft.schedule", KIND_CHOICE, AT(ft_schedule), "\"cosine\"", 0, 0, schedules, IN_HEAD,
     "learning rate over the steps: cosine to 1e-6, or constant"},

    {"train.clip.init", KIND_TEXT, AT(clip_init), NULL, 0, 0, NULL, IN_GIVEN,
     "start values of MRAD-CLIP, FILE:/group; sizes of the prompts follow from it"},
    {"train.clip.order", KIND_TEXT, AT(clip_order), NULL, 0, 0, NULL, IN_GIVEN,
     "items of each step, FILE:/dataset (steps, batch); none: shuffled by the seed"},
    {"train.clip.tokens", KIND_TEXT, AT(clip_tokens), NULL, 0, 0, NULL, IN_GIVEN,
     "token ids of the normal and the anomalous prompt, FILE:/dataset (2, context); none: from the "
     "words below and the tokenizer"},
    {"train.clip.normal", KIND_TEXT, AT(normal_words), "\"object.\"", 0, 0, NULL, IN_PROMPTS,
     "words of the normal prompt after its learnable context"},
    {"train.clip.anomalous", KIND_TEXT, AT(anomalous_words), "\"damaged object.\"", 0, 0, NULL,
     IN_PROMPTS, "words of the anomalous prompt after its learnable context"},
    {"train.clip.lr", KIND_REAL, AT(clip_lr), "4e-4", 0, 10, NULL, IN_PROMPTS,
     "learning rate of MRAD-CLIP, constant"},
    {"train.clip.epochs", KIND_SIZE, AT(clip_epochs), "5", 1, 10000, NULL, IN_PROMPTS,
     "passes over the auxiliary data set"},
    {"train.clip.n_ctx", KIND_SIZE, AT(n_ctx), "12", 1, 75, NULL, IN_PROMPTS,
     "learnable context tokens of a prompt"},
    {"train.clip.deep_layers", KIND_SIZE, AT(n_deep), "8", 1, 64, NULL, IN_PROMPTS,
     "text layers, from the second on, that get deep prompts"},
    {"train.clip.deep_len", KIND_SIZE, AT(deep_len), "4", 1, 75, NULL, IN_PROMPTS,
     "tokens of a deep prompt"},
    {"train.clip.tau", KIND_REAL, AT(text_tau), "0.07", 1e-4, 1e4, NULL, IN_PROMPTS,
     "temperature of the text map"},
    {"train.clip.bias", KIND_CHOICE, AT(bias), "\"dual-prior\"", 0, 0, config_biases, IN_PROMPTS,
     "what biases the prompts: nothing (static), the image's class feature, patches by learnable "
     "attention, or regional priors: anomalous only, or both as published"},

    {"metrics.pro_limit", KIND_REAL, AT(pro_limit), "0.3", 1e-6, 1, NULL, IN_METRICS,
     "largest false positive rate that PRO integrates to"},
    {"metrics.pro_steps", KIND_SIZE, AT(pro_steps), "200", 2, 100000, NULL, IN_METRICS,
     "thresholds of the published PRO"},

    {"run.kernels", KIND_CHOICE, AT(kernels), "\"auto\"", 0, 0, config_kernels, 0,
     "variant of the compute kernels"},
    {"run.threads", KIND_SIZE, AT(threads), "0", 0, 1024, NULL, 0,
     "threads per rank; 0: this rank's share of the cores"},
    {"run.on_bad_item", KIND_CHOICE, AT(on_bad_item), "\"stop\"", 0, 0, bad_items, 0,
     "an unreadable image or mask stops the run, or is skipped and listed"},
    {"run.attempts", KIND_SIZE, AT(attempts), "1", 1, 100, NULL, 0,
     "how often a piece of work is tried before it counts as failed"},
    {"run.on_failure", KIND_CHOICE, AT(on_failure), "\"stop\"", 0, 0, failures, 0,
     "a failed piece of work stops the run, or all that does not need it is made before the run fails"},
    {"run.time_left", KIND_REAL, AT(time_left), "0", 0, 1e9, NULL, 0,
     "stop with exit code 75 after this many seconds; 0: no limit, in a Slurm job its end"},
    {"run.time_margin", KIND_REAL, AT(time_margin), "60", 0, 1e9, NULL, 0,
     "in a Slurm job, stop so many seconds before SLURM_JOB_END_TIME"},
    {"run.part", KIND_TEXT, AT(part), NULL, 0, 0, NULL, 0,
     "I/N: of a sweep's pairs only numbers I, I + N, I + 2 N, ... from 0, results in out/part-I-of-N"},

    {"report.compare", KIND_TEXT, AT(compare), NULL, 0, 0, NULL, 0,
     "published numbers that a sweep's results are put beside, in comparison.md and comparison.json: "
     "paper, or a folder with a slash"},
    {"report.tolerance", KIND_REAL, AT(compare_tolerance), "0.5", 0, 100, NULL, 0,
     "largest difference, in per cent, of a number that agrees with the published one"},

    {"datasets", KIND_DATASETS, AT(dataset), NULL, 0, 0, NULL, 0,
     "object: name -> {\"root\": folder, \"meta\": file, default root/meta.json, \"bank\": bank file, "
     "default: built, \"domain\": default: the catalog's}, or name -> {\"merge\": [names]}, several as "
     "one to train on"},
    {"auxiliary", KIND_TEXT, AT(auxiliary), NULL, 0, 0, NULL, 0,
     "what mrad bank and mrad train work on: a data set, or several as NAME+NAME; none: each data set"},
    {"pairs", KIND_PAIRS, AT(pair), "\"protocol\"", 0, 0, NULL, 0,
     "\"protocol\" (train on visa, test on the others; for visa train on mvtec), \"all\", "
     "\"leave-one-out\" (train on all others together), \"leave-one-domain-out\" (on all of other "
     "domains), or [[train, test], ...], where train may be a list of data sets"},
    {"variants", KIND_TEXTS, AT(variant), "[\"mrad-tf\"]", 0, 0, NULL, 0,
     "list of methods: mrad-tf, mrad-ft, mrad-clip"},
    {"seeds", KIND_SIZES, AT(seed), "[111]", 0, 0x1p53, NULL, 0,
     "list of seeds; mrad-tf draws no random numbers"},
    {"ablations", KIND_ABLATIONS, AT(ablation), "[]", 0, 0, NULL, 0,
     "settings beside the job's own: list of objects {\"key\": value or list of values, ...}, each of "
     "which stands for all combinations; keys of the model, features, banks, heads, scores and "
     "metrics"},
    {"store", KIND_TEXT, AT(store), "\"store\"", 0, 0, NULL, 0,
     "folder of artefacts, shared by all runs"},
    {"out", KIND_TEXT, AT(out), "\"results/run\"", 0, 0, NULL, 0, "folder of this run's results"},
};

const size_t config_n_fields = sizeof config_fields / sizeof *config_fields;

/*
 * Where the published text states something else than the published code does. What the text leaves
 * open (tau, top, sigma, pooling) stays as in the code.
 */
const struct preset_value config_presets[] = {
    {1, "score.fusion", "\"sum\""},
    {1, "train.class_loss", "\"bce\""},
};

const size_t config_n_presets = sizeof config_presets / sizeof *config_presets;

const struct field *config_field(const char *key)
{
    for (size_t i = 0; i < config_n_fields; i++)
        if (strcmp(config_fields[i].key, key) == 0)
            return &config_fields[i];
    return NULL;
}
