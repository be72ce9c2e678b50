/* cmd_stage.c - mrad extract, bank and eval: parts of a sweep on their own. */
#include "bank/bank.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "config/json.h"
#include "par/slurm.h"
#include "report/report.h"
#include "sweep/sweep.h"

#include <cjson/cJSON.h>
#include <string.h>

/* The job file, if any, is operand number `first`. */
static int read_config(const struct args *a, size_t first, struct config **out)
{
    int rc = ERR_OK;
    TRY(args_operands(a, first, first + 1, "at most one job file"));
    TRY(args_config(a, args_operand(a, first), out));
    TRY(slurm_stop_in_time((*out)->time_left, (*out)->time_margin));
out:
    return rc;
}

static int run_to(struct args *a, size_t first, enum sweep_goal goal)
{
    int rc = ERR_OK;
    struct config *c = NULL;
    struct sweep *sweep = NULL;
    char *text = NULL;
    TRY(comm_agree(a->comm, read_config(a, first, &c)));
    if (a->out && (c->n_ablations || (!c->auxiliary && c->n_datasets != 1)))
        FAIL(ERR_USAGE,
             "%s: --out is for one bank: found %s, wanted one data set (--train) and no "
             "ablations",
             a->verb, c->n_ablations ? "ablations" : "several data sets");
    TRY(sweep_open(&sweep, a->comm, c, goal));
    TRY(sweep_run(sweep, NULL));
    TRY_ALL(a->comm, a->out && comm_rank(a->comm) == 0 ? sweep_save_bank(sweep, a->out) : ERR_OK);
    if (comm_rank(a->comm) == 0) {
        TRY(sweep_describe(&text, sweep));
        TRY(cmd_print(a, text));
    }
out:
    MEM_FREE(text);
    sweep_close(&sweep);
    config_free(&c);
    return rc;
}

int cmd_extract(struct args *a)
{
    return run_to(a, 0, SWEEP_FEATURES);
}

static int describe_bank(const struct args *a)
{
    int rc = ERR_OK;
    struct bank *b = NULL;
    char *text = NULL;
    char *reduction = NULL;
    char content[HASH_HEX];
    struct hash hash;
    size_t image;
    size_t pixel;
    TRY(bank_load(&b, a->info));
    TRY(bank_reduction_of(&reduction, a->info));
    TRY(bank_content(&hash, b));
    hash_hex(content, hash);
    image = bank_anomalous(b->image_labels, b->n_image);
    pixel = bank_anomalous(b->pixel_labels, b->n_pixel);
    if (a->json)
        TRY(str_make(
            &text,
            "{\"image_keys\": %zu, \"image_anomalous\": %zu, \"embed\": %zu, "
            "\"pixel_keys\": %zu, \"pixel_anomalous\": %zu, \"width\": %zu, \"reduction\": %s, "
            "\"content\": \"%s\"}\n",
            b->n_image, image, b->embed, b->n_pixel, pixel, b->width,
            reduction ? reduction : "null", content));
    else
        TRY(str_make(&text,
                     "image keys: %zu of %zu columns, %zu anomalous\n"
                     "pixel keys: %zu of %zu columns, %zu anomalous\n"
                     "reduction: %s\n"
                     "content: %s\n",
                     b->n_image, b->embed, image, b->n_pixel, b->width, pixel,
                     reduction ? reduction : "none", content));
    TRY(cmd_print(a, text));
out:
    bank_free(&b);
    MEM_FREE(reduction);
    MEM_FREE(text);
    return rc;
}

int cmd_bank(struct args *a)
{
    return a->info ? describe_bank(a) : run_to(a, 0, SWEEP_BANKS);
}

int cmd_train(struct args *a)
{
    int rc = ERR_OK;
    const char *what = args_operand(a, 0);
    bool is_clip = what && strcmp(what, "clip") == 0;
    if (!is_clip && !(what && strcmp(what, "ft") == 0))
        FAIL(ERR_USAGE, "train: wanted what to train first: ft or clip");
    TRY(run_to(a, 1, is_clip ? SWEEP_PROMPTS : SWEEP_HEADS));
out:
    return rc;
}

/* Put --train and --test in the place of the configuration's pairs. */
static int choose_pair(struct args *a, struct config **out)
{
    int rc = ERR_OK;
    const char *const names[2] = {a->train, a->test};
    cJSON *pair = NULL;
    char *text = NULL;
    if (!a->train || !a->test)
        FAIL(ERR_USAGE, "eval: wants --train NAME and --test NAME");
    pair = cJSON_CreateStringArray(names, 2);
    TRY(json_line(&text, pair)); /* names may hold quotes */
    TRY(MEM_GROW(a->set, &a->set_cap, a->n_set + 1));
    TRY(str_make(&a->set[a->n_set], "pairs=[%s]", text));
    a->n_set++;
    TRY(read_config(a, 0, out));
    if ((*out)->n_variants != 1 || (*out)->n_seeds != 1 || (*out)->n_ablations != 0)
        FAIL(ERR_CONFIG,
             "eval: one variant and one seed wanted, and no ablations; use sweep for more");
out:
    json_free(&pair);
    MEM_FREE(text);
    return rc;
}

static int show_results(const struct args *a, struct sweep *sweep)
{
    int rc = ERR_OK;
    struct results r = {0};
    char *text = NULL;
    if (comm_rank(a->comm) != 0)
        return ERR_OK;
    TRY(sweep_results(sweep, &r));
    if (a->out)
        TRY(results_write(&r, a->out));
    TRY(a->json ? results_json(&text, &r) : results_text(&text, &r, true));
    TRY(cmd_print(a, text));
    if (a->dump) {
        TRY(sweep_dump(sweep, a->dump));
        log_root("eval", "maps and scores: %s", a->dump);
    }
out:
    results_free(&r);
    MEM_FREE(text);
    return rc;
}

int cmd_eval(struct args *a)
{
    int rc = ERR_OK;
    struct config *c = NULL;
    struct sweep *sweep = NULL;
    TRY(comm_agree(a->comm, choose_pair(a, &c)));
    TRY(sweep_open(&sweep, a->comm, c, SWEEP_ALL));
    TRY(sweep_run(sweep, NULL));
    TRY_ALL(a->comm, show_results(a, sweep));
out:
    sweep_close(&sweep);
    config_free(&c);
    return rc;
}
