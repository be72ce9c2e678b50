/* published_find.c - where a folder of published numbers lies. See published_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "report/published_int.h"

#include <string.h>

/* Take dir/middle/name if it holds an index; *tried lists what was looked at. */
static int try_folder(char **out, struct str *tried, const char *dir, const char *middle,
                      const char *name)
{
    int rc = ERR_OK;
    char *folder = NULL;
    char *index = NULL;
    TRY(str_make(&folder, "%s%s%s%s", dir, dir[0] ? "/" : "", middle, name));
    TRY(path_join(&index, folder, "index.json"));
    if (path_is_file(index)) {
        *out = folder;
        folder = NULL;
    } else {
        TRY(str_addf(tried, "%s%s", tried->len ? ", " : "", index));
    }
out:
    MEM_FREE(folder);
    MEM_FREE(index);
    return rc;
}

static int search(char **out, struct str *tried, const char *name)
{
    static const char *const beside[] = {"results/", "../results/", "../../results/",
                                         "../share/mrad/results/"};
    int rc = ERR_OK;
    char *program = NULL;
    TRY(try_folder(out, tried, "", "results/", name));
    TRY(process_folder(&program));
    for (size_t i = 0; !*out && i < sizeof beside / sizeof *beside; i++)
        TRY(try_folder(out, tried, program, beside[i], name));
out:
    MEM_FREE(program);
    return rc;
}

int published_folder(char **out, const char *source)
{
    int rc = ERR_OK;
    struct str tried = {0};
    *out = NULL;
    TRY(strchr(source, '/') ? try_folder(out, &tried, "", "", source)
                            : search(out, &tried, source));
    if (!*out)
        FAIL(ERR_CONFIG,
             "no published numbers \"%s\": there is no %s; give \"paper\" or a folder with a slash",
             source, tried.text);
out:
    str_free(&tried);
    return rc;
}
