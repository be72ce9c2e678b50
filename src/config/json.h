/*
 * json.h - JSON text in and out: cJSON plus comments, exact positions and refused duplicates.
 *
 * Comments (// to the end of the line, and slash-star) are allowed wherever white space is. Trees are
 * cJSON's own (cjson/cJSON.h) and are freed with json_free.
 */
#ifndef CONFIG_JSON_H
#define CONFIG_JSON_H

#include <stddef.h>

struct cJSON;

/*
 * Parse text; `name` stands for it in messages, "NAME:LINE:COLUMN: ...". ERR_CONFIG for a syntax
 * error or for a key that occurs twice in one object. Free *out with json_free.
 */
int json_parse(struct cJSON **out, const char *text, const char *name);

/* Read and parse a file of at most max_bytes. */
int json_read(struct cJSON **out, const char *path, size_t max_bytes);

/*
 * Indented text of a tree, ending in a newline; free with MEM_FREE. Numbers have the digits they need:
 * reading gives the same double again.
 */
int json_text(char **out, const struct cJSON *tree);

/* The same on one line, without a newline at the end. */
int json_line(char **out, const struct cJSON *tree);

/* Write indented text to a file, atomically. */
int json_write(const struct cJSON *tree, const char *path);

/*
 * The same with a last member "hash" added to the tree: the hash of the file's bytes with the hash's own
 * digits as zeros. Reading demands it: ERR_FORMAT for a file with any changed byte.
 */
int json_write_sealed(struct cJSON *tree, const char *path);
int json_read_sealed(struct cJSON **out, const char *path, size_t max_bytes);

/* Free and set to NULL. */
void json_free(struct cJSON **tree);

/* Add to an object, checking for memory. value may be NULL in json_put_text: then null is added. */
int json_put_text(struct cJSON *object, const char *key, const char *value);
int json_put_number(struct cJSON *object, const char *key, double value);

/* A new empty object or array under key; it belongs to the tree. */
int json_put_object(struct cJSON *object, const char *key, struct cJSON **out);
int json_put_array(struct cJSON *object, const char *key, struct cJSON **out);

/* A new empty object at the end of an array; it belongs to the tree. */
int json_push_object(struct cJSON *array, struct cJSON **out);

/* A new, empty object that belongs to the caller (json_free). */
int json_new(struct cJSON **out);

#endif /* CONFIG_JSON_H */
