/* fuzz.c - see fuzz.h: the driver. */
#include "fuzz.h"

#include "base/clock.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_INPUTS = 64, ROOM = 1 << 20 };

static struct fuzz_bytes corpus[MAX_INPUTS];
static size_t n_corpus;

/* What runs now; shared with the parent, which outlives a crash. */
static struct {
    size_t n;
    unsigned long long seed, index;
    uint8_t bytes[ROOM];
} * now;

void fuzz_add(const void *bytes, size_t n)
{
    uint8_t *copy = malloc(n + 1);
    if (!copy || n_corpus == MAX_INPUTS || n > ROOM / 2)
        abort();
    memcpy(copy, bytes, n);
    corpus[n_corpus++] = (struct fuzz_bytes){.bytes = copy, .n = n};
}

static bool save(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(bytes, 1, n, f) == n;
    return f && fclose(f) == 0 && ok;
}

static void tell(const char *program)
{
    char path[512];
    const char *dir = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/crash-%llu-%llu", dir ? dir : "/tmp", now->seed,
                   now->index);
    (void)fprintf(stderr, "fuzz: input %llu of seed %llu; again: %s --run %s\n", now->index,
                  now->seed, program,
                  save(path, now->bytes, now->n) ? path : "(it could not be saved)");
}

static void run_input(void)
{
    (void)alarm(30); /* an input that takes longer is a finding */
    (void)LLVMFuzzerTestOneInput(now->bytes, now->n);
    (void)alarm(0);
}

static int fuzz(double seconds, uint64_t seed)
{
    double end = clock_now() + seconds;
    for (size_t i = 0; i < n_corpus; i++) {
        now->n = corpus[i].n;
        memcpy(now->bytes, corpus[i].bytes, now->n);
        run_input();
    }
    for (now->index = 0; clock_now() < end; now->index++) {
        size_t one = (size_t)rng_below(~seed, 2 * now->index, n_corpus);
        size_t two = (size_t)rng_below(~seed, 2 * now->index + 1, n_corpus);
        now->n = fuzz_mutate(now->bytes, ROOM, corpus[one], corpus[two], seed, now->index);
        run_input();
    }
    (void)printf("%llu inputs, seed %llu: no crash\n", now->index, now->seed);
    (void)fflush(stdout);
    return now->index == 0;
}

/* In a child, so that there is someone left to tell which input it was. */
static int fuzz_apart(const char *program, double seconds, uint64_t seed)
{
    int status = 0;
    pid_t child;
    now->seed = seed;
    child = fork();
    if (child == 0)
        _exit(fuzz(seconds, seed));
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fuzz");
        return 1;
    }
    if (status == 0)
        return 0;
    tell(program);
    return 1;
}

static int write_corpus(const char *dir)
{
    char path[512];
    for (size_t i = 0; i < n_corpus; i++) {
        (void)snprintf(path, sizeof path, "%s/%02zu", dir, i);
        if (!save(path, corpus[i].bytes, corpus[i].n)) {
            perror(path);
            return 1;
        }
    }
    return 0;
}

static int run_files(char **paths, int n)
{
    for (int i = 0; i < n; i++) {
        FILE *f = fopen(paths[i], "rb");
        if (!f) {
            perror(paths[i]);
            return 1;
        }
        now->n = fread(now->bytes, 1, ROOM, f);
        (void)fclose(f);
        run_input();
    }
    return 0;
}

int fuzz_main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (now == MAP_FAILED) {
        perror("fuzz");
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "--run") == 0)
        return run_files(argv + 2, argc - 2);
    fuzz_corpus();
    if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
        return write_corpus(argv[2]);
    return fuzz_apart(argv[0], seconds, seed);
}
