/* config_int.h - the field table. To add an option: a member of struct config and one line here. */
#ifndef CONFIG_CONFIG_INT_H
#define CONFIG_CONFIG_INT_H

#include "config/config.h"

#include <cjson/cJSON.h>

enum kind {
    KIND_TEXT,   /* char * */
    KIND_SIZE,   /* size_t */
    KIND_REAL,   /* double */
    KIND_BOOL,   /* bool */
    KIND_CHOICE, /* int, index into choices */
    KIND_TEXTS,  /* char **, count in the following size_t */
    KIND_SIZES,  /* size_t *, count in the following size_t */
    KIND_DATASETS,
    KIND_PAIRS,
    KIND_ABLATIONS,
};

struct field {
    const char *key;
    enum kind kind;
    size_t offset;
    const char *fallback;       /* JSON text; NULL: unset */
    double low, high;           /* inclusive, for numbers */
    const char *const *choices; /* NULL-terminated */
    int stages;                 /* enum stage_flag, or-ed */
    const char *help;           /* with the unit */
};

extern const struct field config_fields[];
extern const size_t config_n_fields;

/* What a preset sets beyond the defaults. */
struct preset_value {
    int preset;
    const char *key;
    const char *value; /* JSON text */
};

extern const struct preset_value config_presets[];
extern const size_t config_n_presets;

/* The field of that key, or NULL. */
const struct field *config_field(const char *key);

/* Store a JSON value in the member a field stands for. `from` names the source for messages. */
int config_assign(struct config *config, const struct field *field, const cJSON *value,
                  const char *from);

/* The fields with a structure of their own. */
int config_assign_datasets(struct config *config, const cJSON *value, const char *from);
int config_assign_pairs(struct config *config, const cJSON *value, const char *from);
int config_assign_ablations(struct config *config, const cJSON *value, const char *from);

/* ERR_CONFIG for a key that is none, with the nearest one. */
int config_unknown_key(const char *from, const char *key);

/* A short account of a JSON value for messages, in out. */
enum { DESCRIPTION = 48 };
const char *config_describe(char out[DESCRIPTION], const cJSON *value);

/* A JSON value for the member a field stands for; the caller owns it. */
int config_value(cJSON **out, const struct config *config, const struct field *field);

/* The fields with a structure of their own as JSON; NULL without memory. */
cJSON *config_datasets_value(const struct config *config);
cJSON *config_pairs_value(const struct config *config);
cJSON *config_ablations_value(const struct config *config); /* a list of objects, one a setting */

/* Release the lists a new value replaces. */
void config_drop_texts(char ***list, size_t *n);
void config_drop_datasets(struct config *config);
void config_drop_pairs(struct config *config);
void config_drop_ablations(struct config *config);

#endif /* CONFIG_CONFIG_INT_H */
