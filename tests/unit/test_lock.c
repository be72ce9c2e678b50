/* Unit tests of base/lock: who gets a lock, and when it may be broken. */
#include "check.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static enum lock_outcome take(struct locks *l, const char *path)
{
    enum lock_outcome outcome;
    CHECK_OK(lock_take(l, path, &outcome));
    return outcome;
}

static size_t entries(const char *dir)
{
    struct path_list list;
    size_t n;
    CHECK_OK(path_list_dir(&list, dir));
    n = list.n;
    path_list_free(&list);
    return n;
}

/* A lock file that says what is given; as old as wanted. */
static void plant(const char *path, const char *owner, const char *host, long pid, long age_s)
{
    char *file, *text;
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = time(NULL) - age_s}};
    CHECK_OK(str_make(&file, "%s.lock", path));
    CHECK_OK(
        str_make(&text, "mrad.lock 1 %s %s %ld %lu planted\n", owner, host, pid, process_space()));
    CHECK_OK(file_write(file, text, strlen(text)));
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
    MEM_FREE(file);
    MEM_FREE(text);
}

/* A number that no process of this host has. */
static long ended_process(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void one_owner_at_a_time(void **state)
{
    char *dir = check_folder(), *path;
    char who[256], host[128], wanted[256];
    struct locks *a, *b, *c;
    bool is_here = true;
    (void)state;
    CHECK_OK(str_make(&path, "%s/deep/x.h5", dir));
    CHECK_OK(locks_open(&a, "run-1"));
    CHECK_OK(locks_open(&b, "run-2"));
    CHECK_OK(locks_open(&c, "run-1"));
    assert_string_equal(lock_holder(who, sizeof who, path, &is_here), "nobody");
    assert_false(is_here);
    assert_int_equal(take(a, path), LOCK_TAKEN);
    assert_int_equal(take(b, path), LOCK_BUSY);
    assert_int_equal(take(c, path), LOCK_OURS);
    process_host(host, sizeof host);
    (void)snprintf(wanted, sizeof wanted, "%s, process %ld", host, (long)getpid());
    assert_string_equal(lock_holder(who, sizeof who, path, &is_here), wanted);
    assert_true(is_here);
    lock_drop(b, path); /* not its own */
    assert_int_equal(take(b, path), LOCK_BUSY);
    lock_drop(a, path);
    assert_int_equal(take(b, path), LOCK_TAKEN);
    locks_close(&b); /* drops what is held */
    assert_int_equal(take(a, path), LOCK_TAKEN);
    locks_close(&a);
    locks_close(&c);
    MEM_FREE(path);
    CHECK_OK(str_make(&path, "%s/deep", dir));
    assert_int_equal(entries(path), 0);
    MEM_FREE(path);
    check_drop_folder(dir);
}

static void a_dead_lock_is_broken(void **state)
{
    char *dir = check_folder(), *path;
    char host[128], who[256];
    bool is_here;
    struct locks *l;
    (void)state;
    process_host(host, sizeof host);
    CHECK_OK(str_make(&path, "%s/x", dir));
    CHECK_OK(locks_open(&l, "run"));

    plant(path, "other", host, ended_process(), 0);
    assert_int_equal(take(l, path), LOCK_TAKEN);
    lock_drop(l, path);
    plant(path, "other", "elsewhere", ended_process(), 30); /* a process of another host */
    assert_int_equal(take(l, path), LOCK_BUSY);
    (void)lock_holder(who, sizeof who, path, &is_here);
    assert_false(is_here);
    plant(path, "other", host, getpid(), 30);
    assert_int_equal(take(l, path), LOCK_BUSY);
    plant(path, "other", "elsewhere", 1, 90); /* not renewed for more than a minute */
    assert_int_equal(take(l, path), LOCK_TAKEN);
    lock_drop(l, path);
    plant(path, "other", host, getpid(), 90);
    assert_int_equal(take(l, path), LOCK_TAKEN);
    locks_close(&l);
    assert_int_equal(entries(dir), 0);
    MEM_FREE(path);
    check_drop_folder(dir);
}

static void cleaning_removes_what_is_known_to_be_dead(void **state)
{
    char *dir = check_folder(), *dead, *alive, *away;
    char host[128];
    (void)state;
    process_host(host, sizeof host);
    CHECK_OK(str_make(&dead, "%s/dead", dir));
    CHECK_OK(str_make(&alive, "%s/alive", dir));
    CHECK_OK(str_make(&away, "%s/away", dir));
    plant(dead, "other", host, ended_process(), 0);
    plant(alive, "other", host, getpid(), 0);
    plant(away, "other", "elsewhere", 1, 90);
    CHECK_OK(file_clean_temp(dir));
    assert_int_equal(entries(dir), 2);
    MEM_FREE(dead);
    MEM_FREE(alive);
    MEM_FREE(away);
    check_drop_folder(dir);
}

enum { CROWD = 8, ROUNDS = 40 };

/* Take and drop the lock many times; with `inside`, nobody else may have it meanwhile. Never returns. */
static _Noreturn void take_often(int number, const char *path, const char *inside)
{
    char owner[16];
    struct locks *l;
    enum lock_outcome outcome;
    bool is_bad;
    (void)snprintf(owner, sizeof owner, "run-%d", number);
    is_bad = locks_open(&l, owner) != ERR_OK;
    for (int n = 0; n < ROUNDS && !is_bad;) {
        is_bad = lock_take(l, path, &outcome) != ERR_OK;
        if (outcome != LOCK_TAKEN)
            continue;
        if (inside)
            is_bad = mkdir(inside, 0777) != 0 || rmdir(inside) != 0;
        lock_drop(l, path);
        n++;
    }
    locks_close(&l);
    _exit(is_bad);
}

static void crowd(const char *path, const char *inside)
{
    pid_t pid[CROWD];
    for (int i = 0; i < CROWD; i++) {
        pid[i] = fork();
        assert_true(pid[i] >= 0);
        if (pid[i] == 0)
            take_often(i, path, inside);
    }
    for (int i = 0; i < CROWD; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void of_a_crowd_one_has_it(void **state)
{
    char *dir = check_folder(), *path, *inside;
    char host[128];
    (void)state;
    process_host(host, sizeof host);
    CHECK_OK(str_make(&path, "%s/x", dir));
    CHECK_OK(str_make(&inside, "%s/inside", dir));
    crowd(path, inside);
    plant(path, "other", host, ended_process(), 0);
    crowd(path, NULL); /* while a dead lock is broken two may have it: all get it in the end */
    assert_int_equal(entries(dir), 0);
    MEM_FREE(path);
    MEM_FREE(inside);
    check_drop_folder(dir);
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
    enum lock_outcome outcome;
    struct locks *l;
    (void)state;
    CHECK_OK(locks_open(&l, "run"));
    CHECK_FAILS(lock_take(l, "/proc/none/x", &outcome), ERR_IO, "/proc/none");
    locks_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_owner_at_a_time),
        cmocka_unit_test(a_dead_lock_is_broken),
        cmocka_unit_test(cleaning_removes_what_is_known_to_be_dead),
        cmocka_unit_test(of_a_crowd_one_has_it),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
