/* report_int.h - what the files of report/ share. */
#ifndef REPORT_REPORT_INT_H
#define REPORT_REPORT_INT_H

#include "report/report.h"

/* What stands above a table of spreads. */
#define SPREAD_TITLE "Mean ± sample standard deviation over seeds."

/* Are two rows of the same variant, pair and ablation? Class and seed may differ. */
bool report_same_setting(const struct row *a, const struct row *b);

#endif /* REPORT_REPORT_INT_H */
