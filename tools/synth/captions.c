/* captions.c - see captions.h. */
#include "synth/captions.h"

#include "base/err.h"

#include <string.h>

/* What stands around the thing; %-signs are read by add_caption: S state, T thing, D defect. */
static const char *const templates[] = {
    "a S T",
    "a photo of a S T",
    "a photo of the S T",
    "a close-up photo of a S T",
    "a cropped photo of the S T",
    "a good photo of a S T",
    "S T",
    "this is a S T",
    "there is a S T in the scene",
};

/* What may follow; D is the defect. Normal pictures use the first list. */
static const char *const good_ends[] = {
    "", "", "", " without defect", " without flaw", " without damage"};
static const char *const bad_ends[] = {" with D",      " with D",        " with D",     "",
                                       " with a flaw", " with a defect", " with damage"};
static const char *const good_states[] = {"flawless", "perfect",     "normal", "good",
                                          "intact",   "unblemished", ""};
static const char *const bad_states[] = {"damaged", "defective", "broken", "abnormal", "flawed"};

#define CHOOSE(list, seed, index) \
    ((list)[pick((seed), (index), 0, (int)(sizeof(list) / sizeof *(list)) - 1)])

static const char *article(const char *word)
{
    return strchr("aeiou", word[0]) ? "an" : "a";
}

static int add_defect(struct str *out, const char *name)
{
    int rc = ERR_OK;
    TRY(str_addf(out, "%s ", article(name)));
    for (const char *c = name; *c; c++)
        TRY(str_add_bytes(out, *c == '_' ? " " : c, 1));
out:
    return rc;
}

int add_caption(struct str *out, const struct family *family, const struct kind *kind,
                uint64_t seed)
{
    int rc = ERR_OK;
    const char *state = kind ? CHOOSE(bad_states, seed, 1) : CHOOSE(good_states, seed, 1);
    const char *thing = pick(seed, 2, 0, 2) ? family->phrase : "object";
    const char *end = kind ? CHOOSE(bad_ends, seed, 3) : CHOOSE(good_ends, seed, 3);
    const char *first = state[0] ? state : thing;
    const char *c = CHOOSE(templates, seed, 4);
    for (; *c; c++) {
        if (*c == 'S')
            TRY(str_addf(out, "%s%s", state, state[0] ? " " : ""));
        else if (*c == 'T')
            TRY(str_add(out, thing));
        else if (str_starts(c, "a S"))
            TRY(str_add(out, article(first)));
        else if (!(*c == ' ' && c[-1] == 'S'))
            TRY(str_add_bytes(out, c, 1));
    }
    for (c = end; *c; c++)
        TRY(*c == 'D' ? add_defect(out, kind->name) : str_add_bytes(out, c, 1));
out:
    return rc;
}
