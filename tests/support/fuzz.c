/* fuzz.c - see fuzz.h: the main of a fuzz target where there is no libFuzzer. */
#include "fuzz.h"

#include "base/clock.h"
#include "base/rng.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_INPUTS = 64, ROOM = 1 << 20 };

static struct {
    uint8_t *bytes;
    size_t n;
} corpus[MAX_INPUTS];
static size_t n_corpus;

static struct {
    const char *program;
    uint8_t bytes[ROOM];
    size_t n;
    unsigned long long seed, index;
} now;

/* gcc's and clang's sanitizers call this; without them the address is NULL */
void __sanitizer_set_death_callback(void (*f)(void)) __attribute__((weak));

void fuzz_add(const void *bytes, size_t n)
{
    if (n_corpus == MAX_INPUTS || n == 0 || n > ROOM / 2)
        abort();
    corpus[n_corpus].bytes = malloc(n);
    if (!corpus[n_corpus].bytes)
        abort();
    memcpy(corpus[n_corpus].bytes, bytes, n);
    corpus[n_corpus++].n = n;
}

static bool save(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(bytes, 1, n, f) == n;
    return f && fclose(f) == 0 && ok;
}

/* Not safe in a signal handler by the letter; the process is lost anyway and the input is worth it. */
static void tell(void)
{
    char path[512];
    const char *dir = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/crash-%llu-%llu", dir ? dir : "/tmp", now.seed,
                   now.index);
    (void)fprintf(stderr, "fuzz: input %llu of seed %llu; again: %s --run %s\n", now.index,
                  now.seed, now.program,
                  save(path, now.bytes, now.n) ? path : "(it could not be saved)");
}

static void on_signal(int number)
{
    tell();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void listen(void)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(tell);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)signal(numbers[i], on_signal);
}

static void run_input(void)
{
    (void)alarm(30); /* an input that takes longer is a finding */
    (void)LLVMFuzzerTestOneInput(now.bytes, now.n);
    (void)alarm(0);
}

static int fuzz(double seconds, uint64_t seed)
{
    double end = clock_now() + seconds;
    now.seed = seed;
    for (size_t i = 0; i < n_corpus; i++) {
        memcpy(now.bytes, corpus[i].bytes, now.n = corpus[i].n);
        run_input();
    }
    for (now.index = 0; clock_now() < end; now.index++) {
        size_t one = (size_t)rng_below(~seed, 2 * now.index, n_corpus);
        size_t two = (size_t)rng_below(~seed, 2 * now.index + 1, n_corpus);
        now.n = fuzz_mutate(now.bytes, ROOM, corpus[one].bytes, corpus[one].n, corpus[two].bytes,
                            corpus[two].n, seed, now.index);
        run_input();
    }
    (void)printf("%llu inputs, seed %llu: no crash\n", now.index, now.seed);
    return now.index == 0;
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
        now.n = fread(now.bytes, 1, ROOM, f);
        (void)fclose(f);
        run_input();
    }
    return 0;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    now.program = argv[0];
    listen();
    if (argc > 1 && strcmp(argv[1], "--run") == 0)
        return run_files(argv + 2, argc - 2);
    fuzz_corpus();
    if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
        return write_corpus(argv[2]);
    return fuzz(seconds, seed);
}
