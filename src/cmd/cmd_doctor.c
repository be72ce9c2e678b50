/* cmd_doctor.c - mrad doctor and version: what this machine offers. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "clip/clip.h"
#include "cmd/about.h"
#include "config/json.h"
#include "par/cores.h"
#include "par/slurm.h"

#include <cjson/cJSON.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The findings in the order they are printed, as a JSON object of texts. */
static int find_machine(cJSON *o, struct comm *comm, int threads)
{
    int rc = ERR_OK;
    struct str s = {0};
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    TRY(str_addf(&s, "%d, %d on this node", comm_size(comm), comm_local_size(comm)));
    TRY(json_put_text(o, "ranks", s.text));
    str_reset(&s);
    TRY(str_addf(&s, "%d a rank, of %ld cores", threads, sysconf(_SC_NPROCESSORS_ONLN)));
    if (threads == 1 && sysconf(_SC_NPROCESSORS_ONLN) > comm_local_size(comm))
        TRY(str_add(&s, "; cores lie idle: mpirun binds ranks to one core each, "
                        "--bind-to none lets them share all"));
    TRY(json_put_text(o, "threads", s.text));
    str_reset(&s);
    TRY(str_addf(&s, "%.1f GiB", memory / (1 << 30)));
    TRY(json_put_text(o, "memory", s.text));
out:
    str_free(&s);
    return rc;
}

/* Inside a Slurm job only. */
static int find_slurm(cJSON *o, const struct comm *comm)
{
    int rc = ERR_OK;
    char *text = NULL;
    TRY(slurm_job_text(&text, comm));
    if (text)
        TRY(json_put_text(o, "slurm", text));
out:
    MEM_FREE(text);
    return rc;
}

static int find_weights(cJSON *o, const struct config *c)
{
    int rc = ERR_OK;
    struct weights *w = NULL;
    struct str s = {0};
    char *about = NULL;
    const struct clip_shape *shape;
    if (!c->weights) {
        TRY(str_add(&s, "none given; --weights FILE checks one. OpenAI's ViT-L/14-336 in Hugging "
                        "Face form is openai/clip-vit-large-patch14-336, file model.safetensors"));
    } else if (weights_open_chosen(&w, c)) {
        TRY(str_addf(&s, "cannot be used: %s", err_message()));
        err_clear();
    } else {
        shape = weights_shape(w);
        TRY(weights_about(&about, w));
        TRY(str_addf(&s, "%s names, ViT of width %zu, %zu blocks, patch %zu, joint width %zu; %s%s",
                     weights_family(w), shape->width, shape->layers, shape->patch, shape->embed,
                     about, shape->text_width ? "" : "; no text tower, so no mrad-clip"));
    }
    TRY(json_put_text(o, "weights", s.text));
out:
    MEM_FREE(about);
    weights_free(&w);
    str_free(&s);
    return rc;
}

static int find_store(cJSON *o, const struct config *c)
{
    int rc = ERR_OK;
    struct statvfs fs;
    struct str s = {0};
    const char *dir = path_is_dir(c->store) ? c->store : ".";
    if (statvfs(dir, &fs))
        TRY(str_addf(&s, "%s cannot be examined", dir));
    else
        TRY(str_addf(&s, "%s, %.1f GiB free", c->store,
                     (double)fs.f_bavail * (double)fs.f_frsize / (1 << 30)));
    TRY(json_put_text(o, "store", s.text));
out:
    str_free(&s);
    return rc;
}

/* An object of texts as aligned lines, or as JSON. */
static int print_findings(const struct args *a, const cJSON *o)
{
    int rc = ERR_OK;
    struct str s = {0};
    char *json = NULL;
    const cJSON *one;
    if (a->json) {
        TRY(json_text(&json, o));
        TRY(cmd_print(a, json));
        goto out;
    }
    cJSON_ArrayForEach(one, o) TRY(str_addf(&s, "%-12s %s\n", one->string, one->valuestring));
    TRY(cmd_print(a, s.text));
out:
    MEM_FREE(json);
    str_free(&s);
    return rc;
}

int cmd_doctor(struct args *a)
{
    int rc = ERR_OK;
    int threads = 0;
    struct config *c = NULL;
    cJSON *o = NULL;
    TRY(args_operands(a, 0, 0, "no operand"));
    TRY(comm_agree(a->comm, args_config(a, NULL, &c)));
    TRY(cores_per_rank(a->comm, (int)c->threads, &threads));
    TRY(json_new(&o));
    TRY(about_libraries(o));
    TRY(find_machine(o, a->comm, threads));
    TRY(find_slurm(o, a->comm));
    TRY(find_weights(o, c));
    TRY(find_store(o, c));
    TRY(print_findings(a, o));
out:
    json_free(&o);
    config_free(&c);
    return rc;
}

int cmd_version(struct args *a)
{
    int rc = ERR_OK;
    cJSON *o = NULL;
    TRY(args_operands(a, 0, 0, "no operand"));
    TRY(json_new(&o));
    TRY(about_program(o));
    TRY(about_libraries(o));
    TRY(print_findings(a, o));
out:
    json_free(&o);
    return rc;
}
