/* report_int.h - what the files of report/ share. */
#ifndef REPORT_REPORT_INT_H
#define REPORT_REPORT_INT_H

#include "report/report.h"

/* What stands above a table of spreads. */
#define SPREAD_TITLE "Mean ± sample standard deviation over seeds."

/* Are two rows of the same variant, pair and ablation? Class and seed may differ. */
bool report_same_setting(const struct row *a, const struct row *b);

/* Cells of a Markdown table, line by line, the titles first; the first n_left columns are flush left. */
struct report_grid {
    size_t n_columns, n_left;
    char **cell; /* [n], owned */
    size_t n, cap;
};

/* Append a cell; text is copied. */
int report_grid_add(struct report_grid *g, const char *text);

/* The table, every column as wide as its widest cell; free with MEM_FREE. */
int report_grid_text(char **out, const struct report_grid *g);

void report_grid_free(struct report_grid *g);

/* A number in per cent with one decimal, or "-". */
enum { REPORT_CELL = 24 };
void report_percent(char out[REPORT_CELL], bool defined, double fraction);

#endif /* REPORT_REPORT_INT_H */
