/* generated.c - see generated.h. */
#include "generated.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void generated_weights(const char *path, const char *options)
{
    char command[1024];
    const char *mrad = getenv("MRAD");
    const char *slash = mrad ? strrchr(mrad, '/') : NULL;
    if (!slash)
        fail_msg("MRAD must name the program, as ctest does");
    (void)snprintf(command, sizeof command, "'%.*s/mrad-weights' --out '%s' %s",
                   (int)(slash - mrad), mrad, path, options);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}
