/* cmd.c - the dispatcher: finds a verb in cmd.def, meets its needs, runs it. */
#include "cmd/cmd.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "par/cores.h"

#include <fcntl.h>
#include <stdio.h>
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

static int run_verb(const struct verb *v, int argc, char **argv)
{
    int rc = ERR_OK;
    struct args args = {0};
    TRY(args_parse(&args, v->name, argc, argv));
    if (args.help) {
        TRY(help_verb(v));
        TRY(flush_stdout());
        goto out;
    }
    TRY(v->needs == RANKS ? comm_start(&args.comm) : comm_solo(&args.comm));
    log_setup(comm_rank(args.comm), comm_size(args.comm),
              args.quiet     ? LOG_QUIET
              : args.verbose ? LOG_DEBUG
                             : LOG_INFO);
    stop_watch();
    TRY(v->run(&args));
    TRY(flush_stdout());
out:
    if (rc && rc != ERR_PEER) /* the rank that failed tells why */
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
        return err_exit_status(rc);
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
