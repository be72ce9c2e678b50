/* train.c - places of heads, order of items, optimiser, checkpoints. See head.h. */
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"
#include "clip/clip.h"
#include "head/head_int.h"
#include "par/cores.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* ---- the place ---- */

static void set_options(struct train_options *o, const struct config *c)
{
    *o = (struct train_options){.batch = c->batch,
                                .dropout_image = c->dropout_image,
                                .dropout_pixel = c->dropout_pixel,
                                .is_binary = c->class_loss == CLASS_LOSS_BCE,
                                .class_tau = c->class_tau,
                                .checkpoint_steps = c->checkpoint_steps};
}

static int make_key(struct head_place *p)
{
    int rc = ERR_OK;
    struct hasher *h = NULL;
    TRY(hasher_new(&h));
    hasher_add_text(h, HEAD_SCHEMA);
    hasher_add(h, &(int){HEAD_VERSION}, sizeof(int));
    hasher_add_text(h, p->variant);
    hasher_add_text(h, p->metric ? p->metric->key : p->bank->key);
    hasher_add_text(h, p->options_text);
    if (p->tokens.ids)
        hasher_add(h, p->tokens.ids, 2 * p->tokens.context * sizeof *p->tokens.ids);
    hasher_add(h, &p->seed, sizeof p->seed);
    if (p->is_given)
        hasher_add_text(h, "given");
    if (p->init)
        hasher_add(h, p->init->values, p->init->n_values * sizeof(float));
    if (p->order) {
        hasher_add(h, &p->order_batch, sizeof p->order_batch);
        hasher_add(h, p->order, p->n_steps * p->order_batch * sizeof *p->order);
    }
    hash_hex(p->key, hasher_finish(&h));
out:
    return rc;
}

/* Number of steps without an order from a file. */
static size_t count_steps(const struct head_place *p)
{
    size_t n_items = p->bank->features->manifest->n_items;
    return p->options.epochs * ((n_items + p->options.batch - 1) / p->options.batch);
}

/* The key and the folder, once everything else is known. */
static int finish_place(struct head_place *p, const struct config *config)
{
    int rc = ERR_OK;
    if (!p->order && !p->is_given)
        p->n_steps = count_steps(p);
    TRY(make_key(p));
    TRY(str_make(&p->dir, "%s/head/%s/%s/%s", config->store, p->variant,
                 p->bank->features->manifest->name, p->key));
out:
    return rc;
}

int head_plan_ft(struct head_place **out, const struct config *config,
                 const struct bank_place *bank, size_t seed)
{
    int rc = ERR_OK;
    struct head_place *p = NULL;
    const struct clip_shape *shape = &bank->features->model.shape;
    TRY(MEM_NEW(p, 1));
    p->variant = "mrad-ft";
    p->bank = bank;
    p->seed = seed;
    p->form = head_form_ft(shape->width, shape->embed);
    set_options(&p->options, config);
    p->options.epochs = config->ft_epochs;
    p->options.lr = config->ft_lr;
    p->options.is_cosine = config->ft_schedule == SCHEDULE_COSINE;
    TRY(config_stage_text(&p->options_text, config, IN_HEAD));
    if (config->ft_head)
        TRY(head_read_given(p, "head.ft", config->ft_head));
    else if (config->ft_init)
        TRY(head_read_init(&p->init, "train.ft.init", config->ft_init, &p->form));
    if (config->ft_order && !p->is_given)
        TRY(head_read_order(p, "train.ft.order", config->ft_order));
    TRY(finish_place(p, config));
out:
    if (rc)
        head_place_free(&p);
    *out = p;
    return rc;
}

/* "X X X words": an X for each context token, whose embedding is then replaced. */
static int make_prompt(struct str *out, size_t n_ctx, const char *words)
{
    int rc = ERR_OK;
    str_reset(out);
    for (size_t i = 0; i < n_ctx; i++)
        TRY(str_add(out, "X "));
    TRY(str_add(out, words));
out:
    return rc;
}

static int write_prompts(struct prompt_tokens *t, const struct config *c, size_t context,
                         const struct prompt_sizes *sizes)
{
    int rc = ERR_OK;
    struct tokenizer *tokenizer = NULL;
    struct str prompt = {0};
    char *folder = NULL;
    t->context = context;
    TRY(MEM_NEW(t->ids, 2 * context));
    TRY(c->tokenizer ? str_dup(&folder, c->tokenizer) : path_dir(&folder, c->weights));
    TRY(tokenizer_open(&tokenizer, folder));
    for (size_t r = 0; r < 2; r++) {
        TRY(make_prompt(&prompt, sizes->n_ctx, r ? c->anomalous_words : c->normal_words));
        TRY(tokenizer_prompt(tokenizer, prompt.text, context, t->ids + r * context));
    }
out:
    tokenizer_free(&tokenizer);
    str_free(&prompt);
    MEM_FREE(folder);
    return rc;
}

/* Is every id in the vocabulary, and does the prompt end after its context? */
static int check_prompt(struct prompt_tokens *t, size_t r, const struct clip_shape *shape,
                        const struct prompt_sizes *sizes)
{
    int rc = ERR_OK;
    const int32_t *row = t->ids + r * t->context;
    for (size_t i = 0; i < t->context; i++) {
        if (row[i] < 0 || (size_t)row[i] >= shape->vocab)
            FAIL(ERR_CONFIG, "train.clip.tokens: id %d is not among the model's %zu", row[i],
                 shape->vocab);
        if (row[i] > row[t->end[r]])
            t->end[r] = (int32_t)i; /* the end token has the largest id, as in CLIP */
    }
    if ((size_t)t->end[r] <= sizes->n_ctx)
        FAIL(ERR_CONFIG,
             "train.clip.tokens: prompt %zu ends at position %d, within its %zu context "
             "tokens",
             r, t->end[r], sizes->n_ctx);
out:
    return rc;
}

/* Ids of the prompts from a file, or from the words and the tokenizer beside the weights. */
static int find_tokens(struct prompt_tokens *t, const struct config *c,
                       const struct clip_shape *shape, const struct prompt_sizes *sizes)
{
    int rc = ERR_OK;
    char *beside = NULL; /* a trained prompt's own */
    if (!c->clip_tokens && c->clip_head)
        TRY(head_find_tokens(&beside, "head.clip", c->clip_head));
    if (c->clip_tokens || beside)
        TRY(head_read_tokens(t, "train.clip.tokens", beside ? beside : c->clip_tokens));
    else
        TRY(write_prompts(t, c, shape->context, sizes));
    if (t->context > shape->context)
        FAIL(ERR_CONFIG, "train.clip.tokens: prompts of %zu tokens, the model has a context of %zu",
             t->context, shape->context);
    for (size_t r = 0; r < 2; r++)
        TRY(check_prompt(t, r, shape, sizes));
out:
    MEM_FREE(beside);
    return rc;
}

int head_plan_clip(struct head_place **out, const struct config *config,
                   const struct head_place *metric)
{
    int rc = ERR_OK;
    struct head_place *p = NULL;
    const struct clip_shape *shape = &metric->bank->features->model.shape;
    struct prompt_sizes sizes = {config->n_ctx, config->n_deep, config->deep_len};
    TRY(MEM_NEW(p, 1));
    p->variant = "mrad-clip";
    p->bank = metric->bank;
    p->metric = metric;
    p->seed = metric->seed;
    p->model = config;
    p->text_tau = config->text_tau;
    if (!shape->text_layers)
        FAIL(ERR_CONFIG, "%s: has no text tower, which mrad-clip needs", config->weights);
    set_options(&p->options, config);
    p->options.epochs = config->clip_epochs;
    p->options.lr = config->clip_lr;
    TRY(config_stage_text(&p->options_text, config, IN_PROMPTS));
    TRY(bias_find(&p->bias, config_biases[config->bias]));
    if (config->clip_head)
        TRY(head_read_sizes(&sizes, "head.clip", config->clip_head));
    else if (config->clip_init)
        TRY(head_read_sizes(&sizes, "train.clip.init", config->clip_init));
    p->form = head_form_clip(p->bias, shape->text_width, shape->embed, &sizes);
    if (config->clip_head)
        TRY(head_read_given(p, "head.clip", config->clip_head));
    else if (config->clip_init)
        TRY(head_read_init(&p->init, "train.clip.init", config->clip_init, &p->form));
    TRY(find_tokens(&p->tokens, config, shape, &sizes));
    if (config->clip_order && !p->is_given)
        TRY(head_read_order(p, "train.clip.order", config->clip_order));
    TRY(finish_place(p, config));
out:
    if (rc)
        head_place_free(&p);
    *out = p;
    return rc;
}

void head_place_free(struct head_place **place)
{
    if (!*place)
        return;
    head_free(&(*place)->init);
    MEM_FREE((*place)->order);
    MEM_FREE((*place)->tokens.ids);
    MEM_FREE((*place)->options_text);
    MEM_FREE((*place)->dir);
    MEM_FREE(*place);
}

int head_path(char **out, const struct head_place *place)
{
    return str_make(out, "%s/head.h5", place->dir);
}

/* ---- order ---- */

/* Items of one epoch, shuffled by seed and epoch (Fisher and Yates). */
static void shuffle(int64_t *item, size_t n, size_t seed, size_t epoch)
{
    for (size_t i = 0; i < n; i++)
        item[i] = (int64_t)i;
    for (size_t i = n; i > 1; i--) {
        size_t j = rng_below(seed * 1024 + epoch, i, i);
        int64_t swap = item[i - 1];
        item[i - 1] = item[j];
        item[j] = swap;
    }
}

/* The items of a step: from the file, or from this epoch's shuffle; the last batch may be short. */
static size_t batch_of(const struct head_place *p, size_t step, int64_t *epoch_items,
                       const int64_t **item)
{
    size_t n_items = p->bank->features->manifest->n_items;
    size_t per_epoch = (n_items + p->options.batch - 1) / p->options.batch;
    size_t first;
    if (p->order) {
        *item = p->order + step * p->order_batch;
        return p->order_batch;
    }
    shuffle(epoch_items, n_items, p->seed, step / per_epoch);
    first = step % per_epoch * p->options.batch;
    *item = epoch_items + first;
    return n_items - first < p->options.batch ? n_items - first : p->options.batch;
}

/* ---- optimiser ---- */

double learning_rate(const struct train_options *o, size_t step, size_t n_steps)
{
    const double least = 1e-6;
    const double pi = 3.14159265358979323846;
    if (!o->is_cosine)
        return o->lr;
    return least + (o->lr - least) * (1 + cos(pi * (double)step / (double)n_steps)) / 2;
}

void adam_step(struct training *t, const struct head *grad, double lr, size_t step)
{
    const float beta1 = 0.5F;
    const float beta2 = 0.999F;
    float size = (float)(lr / (1 - pow(0.5, (double)step)));
    float root = (float)sqrt(1 - pow(0.999, (double)step));
    float *w = t->head->values;
    float *m = t->first->values;
    float *v = t->second->values;
    for (size_t i = 0; i < grad->n_values; i++) {
        float g = grad->values[i];
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        w[i] -= size * m[i] / (sqrtf(v[i]) / root + 1e-8F);
    }
}

/* ---- the loop ---- */

static int checkpoint_path(char **out, const struct head_place *place)
{
    return str_make(out, "%s/checkpoint.h5", place->dir);
}

/* Rank 0 reads the last checkpoint, or lays the start; a damaged checkpoint is a missing one. */
static int begin(struct training *t, const struct head_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(checkpoint_path(&path, place));
    if (path_is_file(path) && training_read(t, path, place) == ERR_OK) {
        log_rank("train", "going on from step %zu of %zu", t->step, t->n_steps);
        goto out;
    }
    err_clear();
    t->step = 0;
    memset(t->first->values, 0, t->first->n_values * sizeof(float));
    memset(t->second->values, 0, t->second->n_values * sizeof(float));
    if (place->init)
        memcpy(t->head->values, place->init->values, t->head->n_values * sizeof(float));
    else
        head_draw(t->head, place->seed);
out:
    MEM_FREE(path);
    return rc;
}

static int share(struct training *t, struct comm *comm)
{
    int rc = ERR_OK;
    struct head *const heads[] = {t->head, t->first, t->second};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        TRY(comm_bcast(comm, heads[i]->values, heads[i]->n_values * sizeof(float), 0));
    TRY(comm_bcast(comm, &t->step, sizeof t->step, 0));
    TRY(comm_bcast(comm, t->loss, t->n_steps * sizeof *t->loss, 0));
    TRY(comm_bcast(comm, t->lr, t->n_steps * sizeof *t->lr, 0));
out:
    return rc;
}

static int save_checkpoint(const struct training *t, const struct head_place *place,
                           struct comm *comm)
{
    int rc = ERR_OK;
    char *path = NULL;
    const char *former = fault_stage("checkpoint");
    if (comm_rank(comm) == 0) {
        rc = checkpoint_path(&path, place);
        if (!rc)
            rc = training_write(t, path, place);
    }
    TRY_ALL(comm, rc);
out:
    (void)fault_stage(former);
    MEM_FREE(path);
    return rc;
}

static int check_finite(const struct head *grad, double loss)
{
    int rc = ERR_OK;
    if (!isfinite(loss))
        FAIL(ERR_FORMAT, "the loss is not finite");
    for (size_t i = 0; i < grad->form.n; i++)
        for (size_t j = 0; j < grad->count[i]; j++)
            if (!isfinite(grad->tensor[i][j]))
                FAIL(ERR_FORMAT, "the gradient by %s is not finite", grad->form.name[i]);
out:
    return rc;
}

/* A variant's method and its state. */
struct stepper {
    const struct step_method *method;
    void *state;
};

static int run_step(struct training *t, const struct head_place *place, struct stepper *step,
                    struct head *grad, int64_t *epoch_items)
{
    int rc = ERR_OK;
    const int64_t *item;
    double loss = 0;
    size_t n = batch_of(place, t->step, epoch_items, &item);
    struct str items = {0};
    rc = step->method->run(step->state, t->head, item, n, grad, &loss);
    if (!rc)
        rc = check_finite(grad, loss);
    if (rc && rc != ERR_PEER) {
        for (size_t i = 0; i < n; i++)
            (void)str_addf(&items, " %lld", (long long)item[i]);
        err_prefix("training on %s, step %zu, items%s: ", place->bank->features->manifest->name,
                   t->step, items.text ? items.text : "");
    }
    TRY(rc);
    t->loss[t->step] = (float)loss;
    t->lr[t->step] = learning_rate(&place->options, t->step, t->n_steps);
    adam_step(t, grad, t->lr[t->step], t->step + 1);
    t->step++;
out:
    str_free(&items);
    return rc;
}

static int run_steps(struct training *t, const struct head_place *place, struct stepper *step,
                     struct head *grad, struct comm *comm)
{
    int rc = ERR_OK;
    struct progress progress;
    int64_t *epoch_items = NULL;
    TRY(MEM_NEW(epoch_items, place->bank->features->manifest->n_items));
    progress_begin(&progress, "train", "steps", t->step, t->n_steps);
    while (t->step < t->n_steps) {
        int stop = comm_agree(comm, stop_requested() ? err_set(ERR_STOPPED, __FILE__, __LINE__,
                                                               __func__, "stopped while training")
                                                     : ERR_OK);
        if (stop)
            TRY(save_checkpoint(t, place, comm));
        TRY(stop);
        TRY(run_step(t, place, step, grad, epoch_items));
        if (t->step % place->options.checkpoint_steps == 0 && t->step < t->n_steps)
            TRY(save_checkpoint(t, place, comm));
        progress_step(&progress, t->step);
    }
    progress_end(&progress, t->step);
out:
    MEM_FREE(epoch_items);
    return rc;
}

static int drop_checkpoint(const struct head_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(checkpoint_path(&path, place));
    (void)unlink(path);
out:
    MEM_FREE(path);
    return rc;
}

int head_forget(const struct head_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(head_path(&path, place));
    if (unlink(path) && errno != ENOENT)
        FAIL(ERR_IO, "cannot remove %s: %s", path, strerror(errno));
    TRY(drop_checkpoint(place));
out:
    MEM_FREE(path);
    return rc;
}

int head_tidy(const struct head_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(checkpoint_path(&path, place));
    if (path_is_file(path) && head_exists(place))
        TRY(drop_checkpoint(place));
    TRY(file_clean_temp(place->dir));
out:
    MEM_FREE(path);
    return rc;
}

static int finish(const struct training *t, const struct head_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(head_path(&path, place));
    TRY(training_write(t, path, place));
    TRY(drop_checkpoint(place));
out:
    MEM_FREE(path);
    return rc;
}

static int make_stepper(struct stepper *out, const struct head_place *place,
                        const struct bank *bank, struct ops *ops, struct comm *comm)
{
    int rc = ERR_OK;
    struct clip_step *clip = NULL;
    struct ft_step *ft = NULL;
    out->method = place->metric ? &clip_method : &ft_method;
    if (place->metric)
        TRY(clip_step_new(&clip, place, bank, ops, comm));
    else
        TRY(ft_step_new(&ft, place, bank, ops, comm));
    out->state = clip ? (void *)clip : (void *)ft;
out:
    return rc;
}

int head_train(const struct head_place *place, const struct bank *bank, struct ops *ops,
               struct comm *comm)
{
    int rc = ERR_OK;
    struct training *t = NULL;
    struct head *grad = NULL;
    struct stepper step = {0};
    TRY_ALL(comm, training_new(&t, &place->form, place->n_steps));
    TRY_ALL(comm, head_new(&grad, &place->form));
    if (!place->is_given)
        TRY_ALL(comm, make_stepper(&step, place, bank, ops, comm));
    TRY_ALL(comm, comm_rank(comm) == 0 ? begin(t, place) : ERR_OK);
    TRY(share(t, comm));
    if (!place->is_given)
        TRY(run_steps(t, place, &step, grad, comm));
    TRY_ALL(comm, comm_rank(comm) == 0 ? finish(t, place) : ERR_OK);
out:
    training_free(&t);
    head_free(&grad);
    if (step.state)
        step.method->free(&step.state);
    return rc;
}
