/*
 * cmd.h - the verbs of the command line: parse, call stages, print.
 *
 * To add a verb: one line in cmd.def and one file cmd_NAME.c with `int cmd_NAME(struct args *)`.
 * Options are one table (cmd_options in args.c); most of them only stand for a configuration key.
 * Nothing includes this folder.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "config/config.h"
#include "par/comm.h"

#include <stdbool.h>
#include <stddef.h>

struct results;

/* What was typed after the verb, and what the verb may use. */
struct args {
    struct comm *comm;
    const char *verb; /* borrowed */
    char **operand;   /* [n_operands], borrowed from argv */
    size_t n_operands;
    char **set; /* [n_set] "key=value", owned */
    size_t n_set, set_cap;
    const char *train, *test, *dump, *info, *out, *class_name, *meta, *bank; /* borrowed, or NULL */
    const char *simulate, *grid, *variant;                                   /* borrowed, or NULL */
    const char *compare, *check, *tolerance;                                 /* borrowed, or NULL */
    long repeat;
    bool json;
    bool deletes;
    bool retry_failed;
    bool help;
    bool quiet, verbose;
};

/* Run the program: find the verb, meet its needs, run it. Returns the exit status. */
int cmd_main(int argc, char **argv);

/* Parse what follows the verb. ERR_USAGE names the option. Release with args_free. */
int args_parse(struct args *args, const char *verb, int argc, char **argv);
void args_free(struct args *args);

/* The options a verb takes, as help text. Free with MEM_FREE. */
int args_help(char **out, const char *verb);

/* Demand a number of operands; ERR_USAGE tells what was wanted. */
int args_operands(const struct args *args, size_t least, size_t most, const char *wanted);

/* Configuration from a job file (NULL: none) and the options. */
int args_config(const struct args *args, const char *job, struct config **out);

/* The operand of that number, or NULL. */
const char *args_operand(const struct args *args, size_t i);

/* Print text to stdout (or nothing on ranks other than 0). ERR_IO when stdout cannot be written. */
int cmd_print(const struct args *args, const char *text);

/* Print results as tables of means, or as JSON. */
int cmd_print_results(const struct args *args, const struct results *r);

#define VERB(name, needs, operands, help) int cmd_##name(struct args *args);
#include "cmd/cmd.def"
#undef VERB

#endif /* CMD_CMD_H */
