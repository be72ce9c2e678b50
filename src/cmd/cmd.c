/* cmd.c - the dispatcher: finds a verb in cmd.def, meets its needs, runs it. */
#include "cmd/cmd.h"

#include "base/err.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "par/cores.h"
#include "sweep/sweep.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum needs { SOLO, RANKS };

static const struct verb {
    const char *name;
    enum needs needs;
    const char *operands;
    const char *help;
    int (*run)(struct args *args);
} verbs[] = {
#define VERB(name, needs, operands, help) {#name, needs, operands, help, cmd_##name},
#include "cmd/cmd.def"
#undef VERB
};

enum { N_VERBS = sizeof verbs / sizeof *verbs };

static const char intro[] =
    "mrad - anomaly detection by memory retrieval, evaluated train-on-A / test-on-B\n\n"
    "usage: mrad VERB [operands] [options]        alone, under mpirun, or under srun\n"
    "       mrad help VERB | mrad VERB --help     what a verb takes\n"
    "       mrad help config                      every configuration key\n\n";

static const char outro[] =
    "\nData goes to stdout, text for people to stderr. Exit status: 0 done, 1 failed, 2 usage or\n"
    "configuration, 3 finished but a check failed, 75 stopped by a signal or the clock: run the\n"
    "same command again to go on.\n";

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int unknown_verb(const char *name)
{
    int rc = ERR_OK;
    const char *names[N_VERBS];
    const char *near;
    for (size_t i = 0; i < N_VERBS; i++)
        names[i] = verbs[i].name;
    near = str_nearest(name, names, N_VERBS);
    if (near)
        FAIL(ERR_USAGE, "no verb \"%s\", did you mean \"%s\"?", name, near);
    FAIL(ERR_USAGE, "no verb \"%s\"; 'mrad help' lists them", name);
out:
    return rc;
}

/* printf and puts may only have filled a buffer. */
static int flush_stdout(void)
{
    int rc = ERR_OK;
    if (fflush(stdout) == EOF || ferror(stdout))
        FAIL(ERR_IO, "cannot write to standard output");
out:
    return rc;
}

static int help_verb(const struct verb *v)
{
    int rc = ERR_OK;
    char *text = NULL;
    TRY(args_help(&text, v->name));
    (void)printf("usage: mrad %s %s%s[options]\n\n%s\n\n%s", v->name, v->operands,
                 v->operands[0] ? " " : "", v->help, text);
out:
    MEM_FREE(text);
    return rc;
}

static int print_verbs(void)
{
    (void)fputs(intro, stdout);
    for (size_t i = 0; i < N_VERBS; i++)
        (void)printf("  %-9s %-28s %s\n", verbs[i].name, verbs[i].operands, verbs[i].help);
    (void)fputs(outro, stdout);
    return flush_stdout();
}

static int help(int n_topics, char **topics)
{
    int rc = ERR_OK;
    char *text = NULL;
    const char *topic = n_topics > 0 ? topics[0] : NULL;
    if (n_topics > 1)
        FAIL(ERR_USAGE, "help: wanted at most one verb, or config, got %d operands", n_topics);
    if (!topic)
        return print_verbs();
    if (strcmp(topic, "config") == 0) {
        TRY(config_help(&text));
        (void)printf("Configuration keys, in job files as nested objects, with --set as "
                     "KEY=VALUE:\n\n%s",
                     text);
    } else {
        const struct verb *v = find_verb(topic);
        TRY(v ? help_verb(v) : unknown_verb(topic));
    }
    TRY(flush_stdout());
out:
    MEM_FREE(text);
    return rc;
}

/* How a rank ends, for the others. */
struct ending {
    int64_t rc;
    struct hash message;
};

/* Of ranks that say the same only the first speaks. A stop is one event, whatever it interrupted. */
static bool is_said_before(const struct ending *all, int rank)
{
    for (int r = 0; r < rank; r++)
        if (all[r].rc == all[rank].rc &&
            (all[r].rc == ERR_STOPPED || hash_equal(all[r].message, all[rank].message)))
            return true;
    return false;
}

/*
 * Tell each failure once, and give every rank the exit status of the first that failed: those that
 * fail because of another one have ERR_PEER. Collective.
 */
static int end_together(struct comm *comm, int rc)
{
    int cause = rc;
    struct ending mine = {rc, hash_bytes(err_message(), strlen(err_message()))};
    struct ending *all = NULL;
    if (MEM_NEW(all, (size_t)comm_size(comm)) || comm_allgather(comm, &mine, sizeof mine, all)) {
        log_error();
        goto out;
    }
    for (int r = comm_size(comm) - 1; (rc == ERR_OK || rc == ERR_PEER) && r >= 0; r--)
        if (all[r].rc != ERR_OK && all[r].rc != ERR_PEER)
            cause = (int)all[r].rc;
    if (rc && rc != ERR_PEER && !is_said_before(all, comm_rank(comm)))
        log_error();
out:
    MEM_FREE(all);
    return cause;
}

/* What MRAD_FAULT asks for, see base/fault.h. */
static int read_faults(const struct comm *comm)
{
    enum { MOST = 16 };
    const char *writer[MOST];
    struct fault_context context = {
        .stage = writer, .rank = comm_rank(comm), .is_stopping = stop_requested};
    while (context.n_stages < MOST && sweep_writer(context.n_stages)) {
        writer[context.n_stages] = sweep_writer(context.n_stages);
        context.n_stages++;
    }
    return fault_setup(getenv("MRAD_FAULT"), &context);
}

static int run_verb(const struct verb *v, int argc, char **argv)
{
    int rc = ERR_OK;
    struct args args = {0};
    TRY(v->needs == RANKS ? comm_start(&args.comm) : comm_solo(&args.comm));
    log_setup(comm_rank(args.comm), comm_size(args.comm), LOG_INFO);
    TRY(read_faults(args.comm));
    TRY(args_parse(&args, v->name, argc, argv));
    if (args.help) {
        if (comm_rank(args.comm) == 0) {
            TRY(help_verb(v));
            TRY(flush_stdout());
        }
        goto out;
    }
    log_setup(comm_rank(args.comm), comm_size(args.comm),
              args.quiet     ? LOG_QUIET
              : args.verbose ? LOG_DEBUG
                             : LOG_INFO);
    stop_watch();
    TRY(v->run(&args));
    TRY(flush_stdout());
out:
    if (args.comm)
        rc = end_together(args.comm, rc);
    else
        log_error();
    comm_stop(&args.comm);
    args_free(&args);
    return rc;
}

/*
 * A standard stream that was closed would be the next file or socket that is opened, and text would go
 * into it. Opened for the wrong direction, reading and writing it fails as it should.
 */
static void hold_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int cmd_main(int argc, char **argv)
{
    int rc;
    const struct verb *v;
    const char *name = argc > 1 ? argv[1] : NULL;
    hold_streams();
    if (!name || strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 ||
        strcmp(name, "-h") == 0) {
        rc = help(argc - 2, argv + 2);
        if (rc)
            log_error();
        /* no verb at all is a mistake: a script whose variable is empty must not seem to succeed */
        return err_exit_status(rc || name ? rc : ERR_USAGE);
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    v = find_verb(name);
    if (!v) {
        rc = unknown_verb(name);
        log_error();
        return err_exit_status(rc);
    }
    return err_exit_status(run_verb(v, argc - 2, argv + 2));
}
