/* args.c - one table of options drives parsing and help. See cmd.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_kind {
    OPT_KEY,     /* stands for a configuration key */
    OPT_DATASET, /* NAME=ROOT */
    OPT_REDUCE,  /* METHOD or METHOD:N, for bank.reduce and bank.entries */
    OPT_SET,     /* key=value as it is */
    OPT_TEXT,    /* goes to the member at offset */
    OPT_COUNT,   /* a whole number of at least 1, to the long at offset */
    OPT_FLAG,    /* sets the bool at offset */
};

#define JOB_VERBS " extract bank train eval sweep plan "
#define ALL_VERBS " "

static const struct option {
    const char *name;
    const char *value; /* what follows, NULL for flags */
    enum option_kind kind;
    const char *key; /* for OPT_KEY */
    size_t offset;
    const char *verbs; /* names between blanks; " ": all */
    const char *help;
} options[] = {
    {"--weights", "FILE", OPT_KEY, "model.weights", 0, JOB_VERBS "bench doctor gc ",
     "CLIP weights (safetensors, PyTorch or index of several)"},
    {"--image-size", "N", OPT_KEY, "model.image_size", 0, JOB_VERBS "bench gc ",
     "side of the input in pixels"},
    {"--dataset", "NAME=ROOT", OPT_DATASET, NULL, 0, JOB_VERBS "gc ",
     "add a data set; ROOT/meta.json lists its images"},
    {"--store", "DIR", OPT_KEY, "store", 0, JOB_VERBS "gc ", "folder of artefacts"},
    {"--threads", "N", OPT_KEY, "run.threads", 0, JOB_VERBS "bench doctor ", "threads per rank"},
    {"--kernels", "NAME", OPT_KEY, "run.kernels", 0, JOB_VERBS "bench ", "auto, cpu or ref"},
    {"--on-bad-item", "stop|skip", OPT_KEY, "run.on_bad_item", 0, JOB_VERBS "gc ",
     "what an unreadable image does"},
    {"--max-attempts", "N", OPT_KEY, "run.attempts", 0, JOB_VERBS,
     "how often a piece of work is tried before it counts as failed"},
    {"--on-failure", "stop|go-on", OPT_KEY, "run.on_failure", 0, JOB_VERBS,
     "whether a failed piece of work ends the run, or all that does not need it is made first"},
    {"--retry-failed", NULL, OPT_FLAG, NULL, offsetof(struct args, retry_failed), " sweep ",
     "read again what --on-bad-item skip left out, and remake what was made without it"},
    {"--time-left", "S", OPT_KEY, "run.time_left", 0, JOB_VERBS,
     "stop after S seconds, exit 75; else before a Slurm job ends"},
    {"--part", "I/N", OPT_KEY, "run.part", 0, " sweep plan ",
     "every N-th pair from number I on, one of N jobs on one store"},
    {"--simulate", "ranks=N,...", OPT_TEXT, NULL, offsetof(struct args, simulate), " plan ",
     "how long it would take on N ranks; also grant_us=, latency_us=, noise=, slow=, lost="},
    {"--grid", "benchmark", OPT_TEXT, NULL, offsetof(struct args, grid), " plan ",
     "simulate the whole benchmark instead of a job"},
    {"--set", "KEY=VALUE", OPT_SET, NULL, 0, JOB_VERBS "bench doctor gc ",
     "any configuration key; 'mrad help config' lists them"},
    {"--init", "FILE:/GROUP", OPT_KEY, "train.ft.init", 0, " train ",
     "start values from an HDF5 file"},
    {"--order", "FILE:/DATASET", OPT_KEY, "train.ft.order", 0, " train ",
     "items of each step from an HDF5 file (steps, batch)"},
    {"--train", "NAME[+NAME]", OPT_TEXT, NULL, offsetof(struct args, train), " eval ",
     "data set whose bank is used, or several as one"},
    {"--train", "NAME[+NAME]", OPT_KEY, "auxiliary", 0, " bank train ",
     "only this data set, or several as one"},
    {"--test", "NAME", OPT_TEXT, NULL, offsetof(struct args, test), " eval ",
     "data set that is scored"},
    {"--dump", "FILE", OPT_TEXT, NULL, offsetof(struct args, dump), " eval ",
     "write y_cls, score, map and mask of every item (HDF5)"},
    {"--reduce", "METHOD:N", OPT_REDUCE, NULL, 0, " bank ",
     "keep N pixel entries: kmeans, random or farthest"},
    {"--info", "FILE", OPT_TEXT, NULL, offsetof(struct args, info), " bank ",
     "describe a bank file and do nothing else"},
    {"--out", "PATH", OPT_TEXT, NULL, offsetof(struct args, out),
     " index sweep plan metrics report eval bank import export ",
     "where results go; bank: file for the bank of --train"},
    {"--compare", "paper|DIR/", OPT_TEXT, NULL, offsetof(struct args, compare), " report ",
     "put the results beside published numbers, too"},
    {"--check", "paper|DIR/", OPT_TEXT, NULL, offsetof(struct args, check), " report ",
     "list what differs from published numbers; exit 3 if anything does, or nothing compares"},
    {"--tolerance", "PERCENT", OPT_TEXT, NULL, offsetof(struct args, tolerance), " report ",
     "largest difference that agrees; default: report.tolerance of the run"},
    {"--bank", "FILE", OPT_TEXT, NULL, offsetof(struct args, bank), " import ",
     "bank that an imported head was trained on; it is then refused on others"},
    {"--class", "NAME", OPT_TEXT, NULL, offsetof(struct args, class_name), " index ",
     "name of the class in layouts that hold one"},
    {"--variant", "NAME", OPT_TEXT, NULL, offsetof(struct args, variant), " index ",
     "counts to compare with; any: none. Else the nearest that is known"},
    {"--repeat", "N", OPT_COUNT, NULL, offsetof(struct args, repeat), " bench ",
     "measurements of each kind; the median counts"},
    {"--delete", NULL, OPT_FLAG, NULL, offsetof(struct args, deletes), " gc ",
     "remove it; without this option it is listed only"},
    {"--json", NULL, OPT_FLAG, NULL, offsetof(struct args, json),
     " eval metrics sweep gc status report datasets version doctor bank bench ",
     "JSON instead of a table"},
    {"--quiet", NULL, OPT_FLAG, NULL, offsetof(struct args, quiet), ALL_VERBS, "errors only"},
    {"--verbose", NULL, OPT_FLAG, NULL, offsetof(struct args, verbose), ALL_VERBS,
     "errors with the places they passed"},
    {"--help", NULL, OPT_FLAG, NULL, offsetof(struct args, help), ALL_VERBS, "this text"},
};

enum { N_OPTIONS = sizeof options / sizeof *options };

static bool takes(const struct option *o, const char *verb)
{
    char word[40];
    (void)snprintf(word, sizeof word, " %s ", verb);
    return strcmp(o->verbs, ALL_VERBS) == 0 || strstr(o->verbs, word);
}

static int unknown_option(const char *verb, const char *text)
{
    int rc = ERR_OK;
    const char *names[N_OPTIONS];
    size_t n = 0;
    const char *near;
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (takes(&options[i], verb))
            names[n++] = options[i].name;
    near = str_nearest(text, names, n);
    if (near)
        FAIL(ERR_USAGE, "%s: no option %s, did you mean %s?", verb, text, near);
    FAIL(ERR_USAGE, "%s: no option %s; 'mrad %s --help' lists them", verb, text, verb);
out:
    return rc;
}

static int add_set(struct args *a, const char *key, const char *value)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(a->set, &a->set_cap, a->n_set + 1));
    if (key)
        TRY(str_make(&a->set[a->n_set], "%s=%s", key, value));
    else
        TRY(str_dup(&a->set[a->n_set], value));
    a->n_set++;
out:
    return rc;
}

static int add_dataset(struct args *a, const char *value)
{
    int rc = ERR_OK;
    char *key = NULL;
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1])
        FAIL(ERR_USAGE, "--dataset: \"%s\": wanted NAME=ROOT", value);
    TRY(str_make(&key, "datasets.%.*s.root", (int)(equals - value), value));
    TRY(add_set(a, key, equals + 1));
out:
    MEM_FREE(key);
    return rc;
}

static int add_reduction(struct args *a, const char *value)
{
    int rc = ERR_OK;
    char *method = NULL;
    const char *colon = strchr(value, ':');
    TRY(str_make(&method, "%.*s", (int)(colon ? (size_t)(colon - value) : strlen(value)), value));
    TRY(add_set(a, "bank.reduce", method));
    if (colon)
        TRY(add_set(a, "bank.entries", colon + 1));
out:
    MEM_FREE(method);
    return rc;
}

static int apply(struct args *a, const struct option *o, const char *value)
{
    int rc = ERR_OK;
    char *at = (char *)a + o->offset;
    char *end;
    switch (o->kind) {
    case OPT_KEY:
        return add_set(a, o->key, value);
    case OPT_SET:
        return add_set(a, NULL, value);
    case OPT_REDUCE:
        return add_reduction(a, value);
    case OPT_DATASET:
        return add_dataset(a, value);
    case OPT_TEXT:
        *(const char **)(void *)at = value;
        break;
    case OPT_COUNT:
        *(long *)(void *)at = strtol(value, &end, 10);
        if (*end || end == value || *(long *)(void *)at < 1)
            FAIL(ERR_USAGE, "%s: \"%s\": wanted a whole number from 1", o->name, value);
        break;
    case OPT_FLAG:
        *(bool *)at = true;
        break;
    }
out:
    return rc;
}

/* The option that text names, alone or as --name=value. */
static const struct option *find_option(const char *verb, const char *text, const char **value)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        size_t n = strlen(options[i].name);
        *value = NULL;
        if (!takes(&options[i], verb) || strncmp(text, options[i].name, n) != 0)
            continue;
        if (text[n] == '=' && options[i].value)
            *value = text + n + 1;
        if (!text[n] || *value)
            return &options[i];
    }
    return NULL;
}

int args_parse(struct args *a, const char *verb, int argc, char **argv)
{
    int rc = ERR_OK;
    bool is_over = false; /* after "--" everything is an operand */
    a->verb = verb;
    TRY(MEM_NEW(a->operand, (size_t)argc + 1));
    for (int i = 0; i < argc; i++) {
        const struct option *o;
        const char *value;
        if (is_over || argv[i][0] != '-' || !argv[i][1]) {
            a->operand[a->n_operands++] = argv[i];
            continue;
        }
        is_over = strcmp(argv[i], "--") == 0;
        if (is_over)
            continue;
        o = find_option(verb, argv[i], &value);
        if (!o)
            TRY(unknown_option(verb, argv[i]));
        if (o->value && !value) {
            if (++i == argc)
                FAIL(ERR_USAGE, "%s: wants %s after it", o->name, o->value);
            value = argv[i];
        }
        TRY(apply(a, o, value));
    }
out:
    return rc;
}

void args_free(struct args *a)
{
    for (size_t i = 0; i < a->n_set; i++)
        MEM_FREE(a->set[i]);
    MEM_FREE(a->set);
    MEM_FREE(a->operand);
}

int args_help(char **out, const char *verb)
{
    int rc = ERR_OK;
    struct str s = {0};
    for (size_t i = 0; i < N_OPTIONS; i++) {
        char left[64];
        if (!takes(&options[i], verb))
            continue;
        (void)snprintf(left, sizeof left, "%s %s", options[i].name,
                       options[i].value ? options[i].value : "");
        TRY(str_addf(&s, "  %-24s %s\n", left, options[i].help));
    }
    *out = s.text;
    s.text = NULL;
out:
    str_free(&s);
    return rc;
}

int args_operands(const struct args *a, size_t least, size_t most, const char *wanted)
{
    int rc = ERR_OK;
    if (a->n_operands < least || a->n_operands > most)
        FAIL(ERR_USAGE, "%s: wanted %s, got %zu operand%s", a->verb, wanted, a->n_operands,
             a->n_operands == 1 ? "" : "s");
out:
    return rc;
}

const char *args_operand(const struct args *a, size_t i)
{
    return i < a->n_operands ? a->operand[i] : NULL;
}

int args_config(const struct args *a, const char *job, struct config **out)
{
    return config_read(out, job, (const char *const *)a->set, a->n_set);
}

int cmd_print(const struct args *a, const char *text)
{
    int rc = ERR_OK;
    if (a->comm && comm_rank(a->comm) != 0)
        return ERR_OK;
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
        FAIL(ERR_IO, "cannot write to standard output");
out:
    return rc;
}
