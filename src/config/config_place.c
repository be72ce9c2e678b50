/* config_place.c - where the program's own folder configs/ lies. See config.h. */
#include "config/config.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* BASE/configs/NAME if it is a folder, else *out stays NULL. */
static int try_place(char **out, const char *base, const char *configs, const char *name)
{
    int rc = ERR_OK;
    TRY(str_make(out, "%s/%s/%s", base, configs, name));
    if (!path_is_dir(*out))
        MEM_FREE(*out);
out:
    return rc;
}

int config_find(char **out, const char *name)
{
    int rc = ERR_OK;
    const char *given = getenv("MRAD_CONFIGS");
    char *start = NULL;
    char *base = NULL;
    char *above = NULL;
    *out = NULL;
    if (given && given[0]) {
        TRY(path_join(out, given, name));
        goto out;
    }
    TRY(process_folder(&start));
    TRY(str_dup(&base, start));
    while (!*out && strcmp(base, "/") != 0 && strcmp(base, ".") != 0) {
        TRY(try_place(out, base, "share/mrad/configs", name));
        if (!*out)
            TRY(try_place(out, base, "configs", name));
        TRY(path_dir(&above, base));
        MEM_FREE(base);
        base = above;
        above = NULL;
    }
    if (!*out)
        FAIL(ERR_IO,
             "found no folder configs/%s or share/mrad/configs/%s in %s or above; MRAD_CONFIGS "
             "can name the folder configs",
             name, name, start);
out:
    MEM_FREE(above);
    MEM_FREE(base);
    MEM_FREE(start);
    return rc;
}
