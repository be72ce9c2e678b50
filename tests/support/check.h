/*
 * check.h - what every test program shares: the cmocka includes in the order they need, comparisons
 * that print the share of the tolerance used, temporary folders, fixture and shared paths.
 */
#ifndef SUPPORT_CHECK_H
#define SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fail the test with the error message unless the call returns ERR_OK. */
#define CHECK_OK(call) check_ok((call), #call, __FILE__, __LINE__)

/* Demand a code other than ERR_OK, and that the message contains a text. Clears the error. */
#define CHECK_FAILS(call, code, part) check_fails((call), (code), (part), #call, __FILE__, __LINE__)

/* Demand error <= limit; NaN fails. Prints "name: error (N % of the limit)". */
#define CHECK_WITHIN(name, error, limit) \
    check_within((name), (double)(error), (double)(limit), __FILE__, __LINE__)

void check_ok(int rc, const char *call, const char *file, int line);
void check_fails(int rc, int code, const char *part, const char *call, const char *file, int line);
void check_within(const char *name, double error, double limit, const char *file, int line);

/* Group teardown for cmocka_run_group_tests: fails when memory is not balanced. */
int check_balance(void **state);

/* A fresh folder under $TMPDIR; removed with everything in it by check_drop_folder. */
char *check_folder(void);
void check_drop_folder(char *folder);

/* tests/fixtures/NAME; static storage, good until the next call. */
const char *check_fixture(const char *name);

/*
 * shared/NAME from $MRAD_SHARED or ../shared beside the source tree; NULL when that folder does not
 * exist, and then the test must call check_skip_shared().
 */
const char *check_shared(const char *name);

/* Print "skipped: TEST (needs shared/NAME)" and skip the current test. */
_Noreturn void check_skip_shared(const char *test, const char *name);

#endif /* SUPPORT_CHECK_H */
