/* compare_json.c - comparison.json, and the files of a comparison. See compare_int.h. */
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/json.h"
#include "report/compare_int.h"

#include <cjson/cJSON.h>
#include <string.h>

static int put_number_or_null(cJSON *o, const char *key, bool has, double value)
{
    return has ? json_put_number(o, key, value) : json_put_text(o, key, NULL);
}

static int add_entry(cJSON *list, const struct compared *e)
{
    static const char *const verdict[] = {
        [NOT_COMPARED] = "not compared", [WITHIN] = "within", [BEYOND] = "beyond"};
    int rc = ERR_OK;
    cJSON *o;
    enum metric m = published_metrics[e->metric];
    const struct published_row *theirs = e->theirs;
    bool is_number = theirs && theirs->figure[e->metric] == FIGURE_NUMBER;
    TRY(json_push_object(list, &o));
    TRY(json_put_text(o, "variant", e->ours->variant));
    TRY(json_put_text(o, "train", e->ours->train));
    TRY(json_put_text(o, "test", e->ours->test));
    if (e->ours->class_name)
        TRY(json_put_text(o, "class", e->ours->class_name));
    if (e->ours->ablation)
        TRY(json_put_text(o, "ablation", e->ours->ablation));
    TRY(json_put_number(o, "seed", (double)e->ours->seed));
    TRY(json_put_text(o, "metric", metric_info(m)->name));
    TRY(put_number_or_null(o, "ours", e->ours->defined[m], 100 * e->ours->value[m]));
    TRY(put_number_or_null(o, "published", is_number, is_number ? theirs->value[e->metric] : 0));
    TRY(put_number_or_null(o, "difference", e->is_shown, e->difference));
    TRY(json_put_text(o, "verdict", verdict[e->verdict]));
    TRY(json_put_text(o, "why", e->why));
    TRY(json_put_text(o, "source", theirs ? theirs->source : NULL));
    TRY(json_put_text(o, "confidence", theirs ? theirs->confidence : NULL));
out:
    return rc;
}

int comparison_json(char **out, const struct comparison *c)
{
    int rc = ERR_OK;
    struct comparison_counts n = compare_count(c);
    cJSON *tree = NULL;
    cJSON *list;
    *out = NULL;
    TRY(json_new(&tree));
    TRY(json_put_text(tree, "unit", "per cent"));
    TRY(json_put_number(tree, "tolerance", c->tolerance));
    TRY(json_put_number(tree, "compared", (double)n.compared));
    TRY(json_put_number(tree, "beyond", (double)n.beyond));
    TRY(json_put_number(tree, "not_compared", (double)n.not_compared));
    TRY(json_put_number(tree, "rows_compared", (double)n.rows_compared));
    TRY(json_put_number(tree, "rows_not_compared", (double)n.rows_not_compared));
    TRY(json_put_array(tree, "entries", &list));
    for (size_t i = 0; i < c->n; i++)
        TRY(add_entry(list, &c->entry[i]));
    TRY(json_text(out, tree));
out:
    json_free(&tree);
    return rc;
}

int comparison_write(const struct comparison *c, const char *dir)
{
    static const struct {
        const char *name;
        int (*make)(char **out, const struct comparison *c);
    } files[] = {{"comparison.md", comparison_markdown}, {"comparison.json", comparison_json}};
    int rc = ERR_OK;
    char *path = NULL;
    char *text = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        TRY(files[i].make(&text, c));
        TRY(path_join(&path, dir, files[i].name));
        TRY(file_write(path, text, strlen(text)));
        MEM_FREE(text);
        MEM_FREE(path);
    }
out:
    MEM_FREE(text);
    MEM_FREE(path);
    return rc;
}
