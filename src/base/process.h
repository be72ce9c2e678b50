/* process.h - which process this is, and whether another one still lives. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Name of this host, cut to n bytes with the final zero; "unknown" where there is none. */
void process_host(char *out, size_t n);

/* The folder of the running program; caller frees *out. ERR_IO where the system does not tell. */
int process_folder(char **out);

/* Has this process of our host ended? One that nobody has waited for yet has. */
bool process_has_ended(long pid);

/* Number of the space in which pids of this process mean something; 0: not known. */
unsigned long process_space(void);

#endif /* BASE_PROCESS_H */
