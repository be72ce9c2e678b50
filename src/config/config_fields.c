/* config_fields.c - the field table and the presets. See config_int.h. */
#include "config/config_int.h"

#include <stddef.h>
#include <string.h>

static const char *const presets[] = {"released", "paper", NULL};
static const char *const dtypes[] = {"f32", "f16", "bf16", NULL};
static const char *const fusions[] = {"weighted", "sum", NULL};
static const char *const bad_items[] = {"stop", "skip", NULL};
const char *const config_kernels[] = {"auto", "cpu", "ref", NULL};
const char *const config_gathers[] = {"mpi", NULL};

#define AT(member) offsetof(struct config, member)

const struct field config_fields[] = {
    {"preset", KIND_CHOICE, AT(preset), "\"released\"", 0, 0, presets, 0,
     "published code (released) or published text (paper) where the two differ"},

    {"model.weights", KIND_TEXT, AT(weights), NULL, 0, 0, NULL, 0,
     "safetensors or PyTorch file of a CLIP model (OpenAI, open_clip or Hugging Face names)"},
    {"model.image_size", KIND_SIZE, AT(image_size), "518", 1, 4096, NULL, IN_FEATURES,
     "side of the square input in pixels, a multiple of the model's patch"},
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
    {"bank.gather", KIND_CHOICE, AT(gather), "\"mpi\"", 0, 0, config_gathers, 0,
     "how bank shards reach all ranks"},

    {"retrieval.tau", KIND_REAL, AT(tau), "1.0", 1e-4, 1e4, NULL, IN_SCORES,
     "temperature of the retrieval softmax"},
    {"score.top", KIND_REAL, AT(top), "0.01", 1e-9, 1, NULL, IN_SCORES,
     "share of the map's pixels whose mean is the pixel part of the image score"},
    {"score.k", KIND_REAL, AT(k), "0.7", 0, 1, NULL, IN_SCORES,
     "weight of the image-level retrieval in the image score"},
    {"score.fusion", KIND_CHOICE, AT(fusion), "\"weighted\"", 0, 0, fusions, IN_SCORES,
     "(1-k) top + k retrieval (weighted), or their plain sum"},
    {"score.sigma", KIND_REAL, AT(sigma), "4.0", 0, 100, NULL, IN_SCORES,
     "Gaussian smoothing of the anomaly map in pixels; 0: none"},

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
    {"run.time_left", KIND_REAL, AT(time_left), "0", 0, 1e9, NULL, 0,
     "stop with exit code 75 after this many seconds; 0: no limit"},

    {"datasets", KIND_DATASETS, AT(dataset), NULL, 0, 0, NULL, 0,
     "object: name -> {\"root\": folder, \"meta\": file, default root/meta.json}"},
    {"pairs", KIND_PAIRS, AT(pair), "\"protocol\"", 0, 0, NULL, 0,
     "\"protocol\" (train on visa, test on the others; for visa train on mvtec), \"all\", or "
     "[[train, test], ...]"},
    {"variants", KIND_TEXTS, AT(variant), "[\"mrad-tf\"]", 0, 0, NULL, 0,
     "list of methods: mrad-tf"},
    {"seeds", KIND_SIZES, AT(seed), "[111]", 0, 0x1p53, NULL, 0,
     "list of seeds; mrad-tf draws no random numbers"},
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
};

const size_t config_n_presets = sizeof config_presets / sizeof *config_presets;

const struct field *config_field(const char *key)
{
    for (size_t i = 0; i < config_n_fields; i++)
        if (strcmp(config_fields[i].key, key) == 0)
            return &config_fields[i];
    return NULL;
}
