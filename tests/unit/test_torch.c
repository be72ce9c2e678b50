/*
 * Unit tests of tensor/torch.h: what each opcode and global makes, and what is refused by name.
 * Pickles are written out; values come back as text, as Python would print them.
 */
#include "check.h"
#include "pickle.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/torch.h"
#include "tensor/torch_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *around; /* the archive beside every pickle */
static size_t n_around;

static int open_pickle(struct torch_file **f, const char *pickle, size_t n)
{
    return torch_open_pickle(f, "file", around, n_around, pickle, n);
}

/* Elements in their own sort; a tensor reads as "<dim,dim: element element>". */
static void show_tensor(struct str *out, struct torch_file *f, const struct torch_value *v)
{
    struct tensor t = {0};
    CHECK_OK(str_add(out, "<"));
    for (int i = 0; i < v->rank; i++)
        CHECK_OK(str_addf(out, "%s%zu", i ? "," : "", v->dim[i]));
    CHECK_OK(torch_tensor_read(f, v, v->is_float ? DTYPE_F32 : DTYPE_I64, &t));
    assert_int_equal(tensor_count(&t), torch_count(v));
    for (size_t i = 0; i < tensor_count(&t); i++)
        if (v->is_float)
            CHECK_OK(str_addf(out, "%s%g", i ? " " : ": ", (double)((float *)t.data)[i]));
        else
            CHECK_OK(str_addf(out, "%s%lld", i ? " " : ": ", (long long)((int64_t *)t.data)[i]));
    CHECK_OK(str_add(out, ">"));
    tensor_free(&t);
}

static void show(struct str *out, struct torch_file *f, const struct torch_value *v)
{
    static const char *const words[] = {"False", "True"};
    bool is_dict = v->kind == TORCH_DICT;
    switch (v->kind) {
    case TORCH_NONE:
        CHECK_OK(str_add(out, "None"));
        break;
    case TORCH_BOOL:
        CHECK_OK(str_add(out, words[v->integer]));
        break;
    case TORCH_INT:
        CHECK_OK(str_addf(out, "%lld", (long long)v->integer));
        break;
    case TORCH_FLOAT:
        CHECK_OK(str_addf(out, "%g", v->real));
        break;
    case TORCH_TEXT:
        CHECK_OK(str_addf(out, "'%s'", v->text));
        break;
    case TORCH_TENSOR:
        show_tensor(out, f, v);
        break;
    default:
        CHECK_OK(str_add(out, is_dict ? "{" : "["));
        for (size_t i = 0; i < v->n; i++) {
            CHECK_OK(str_add(out, i ? ", " : ""));
            if (is_dict) {
                show(out, f, v->key[i]);
                CHECK_OK(str_add(out, ": "));
            }
            show(out, f, v->item[i]);
        }
        CHECK_OK(str_add(out, is_dict ? "}" : "]"));
    }
}

struct sample {
    const char *pickle;
    size_t n;
    const char *want; /* the value, or a part of the message */
};

static void check_values(const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct torch_file *f = NULL;
        struct str text = {0};
        CHECK_OK(open_pickle(&f, s[i].pickle, s[i].n));
        show(&text, f, torch_root(f));
        assert_string_equal(text.text, s[i].want);
        str_free(&text);
        torch_close(&f);
    }
}

static void check_refusals(const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct torch_file *f = NULL;
        CHECK_FAILS(open_pickle(&f, s[i].pickle, s[i].n), ERR_FORMAT, s[i].want);
        assert_null(f);
    }
}

#define CHECK_VALUES(samples)   check_values(samples, sizeof(samples) / sizeof *(samples))
#define CHECK_REFUSALS(samples) check_refusals(samples, sizeof(samples) / sizeof *(samples))

static void opcodes_make_values(void **state)
{
    static const struct sample samples[] = {
        {BYTES("\x80\2N."), "None"},
        {BYTES("\x80\2\x88."), "True"},
        {BYTES("\x80\2\x89."), "False"},
        {BYTES("\x80\2K\xff."), "255"},
        {BYTES("\x80\2M\xfe\xff."), "65534"},
        {BYTES("\x80\2J\xfe\xff\xff\xff."), "-2"},
        {BYTES("\x80\2J\0\0\0\x80."), "-2147483648"},
        {BYTES("\x80\2\x8a\0."), "0"},
        {BYTES("\x80\2\x8a\1\x80."), "-128"},
        {BYTES("\x80\2\x8a\5\0\0\0\0\1."), "4294967296"},
        {BYTES("\x80\2\x8a\10\xff\xff\xff\xff\xff\xff\xff\x7f."), "9223372036854775807"},
        {BYTES("\x80\2G\xbf\xf8\0\0\0\0\0\0."), "-1.5"},
        {BYTES("\x80\2" TEXT("\4", "keys") "."), "'keys'"},
        {BYTES("\x80\2" TEXT("\0", "") "."), "''"},
        {BYTES("\x80\2]."), "[]"},
        {BYTES("\x80\2)."), "[]"},
        {BYTES("\x80\2}."), "{}"},
        {BYTES("\x80\2]K\1aK\2a."), "[1, 2]"},
        {BYTES("\x80\2](K\1K\2e."), "[1, 2]"},
        {BYTES("\x80\2](e."), "[]"},
        {BYTES("\x80\2(K\1]K\2at."), "[1, [2]]"},
        {BYTES("\x80\2K\1\x85."), "[1]"},
        {BYTES("\x80\2K\1K\2\x86."), "[1, 2]"},
        {BYTES("\x80\2K\1K\2K\3\x87."), "[1, 2, 3]"},
        {BYTES("\x80\2}" ONE_OF("b") "K\1s" ONE_OF("a") "K\2s."), "{'b': 1, 'a': 2}"},
        {BYTES("\x80\2}(K\5" ONE_OF("x") "K\4}u."), "{5: 'x', 4: {}}"},
        {BYTES("\x80\2}(u."), "{}"},
        {BYTES("\x80\2](K\7q\5h\5r\6\0\0\0j\6\0\0\0e."), "[7, 7, 7]"},
        {BYTES("\x80\2]q\0K\1ah\0\x86."), "[[1], [1]]"},
        {BYTES("N."), "None"}, /* PROTO may be missing */
    };
    (void)state;
    CHECK_VALUES(samples);
}

static void globals_make_values(void **state)
{
    static const struct sample samples[] = {
        {BYTES("\x80\2" HOOKS "(" ONE_OF("w") "K\1u."), "{'w': 1}"},
        {BYTES("\x80\2" HOOKS ONE_OF("w") "K\1s}" TEXT("\11", "_metadata") "}sb."), "{'w': 1}"},
        {BYTES("\x80\2"
               "ctorch\nSize\n(K\2K\3t\x85R."),
         "[2, 3]"},
        {BYTES("\x80\2"
               "c__torch__.a.b\nNode\n)\x81}" ONE_OF("w") "K\1sb."),
         "{'w': 1}"},
        {BYTES("\x80\2"
               "c__torch__\nNode\n)\x81}b."),
         "{}"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "K\2K\3\x86", "K\3K\1\x86") "."),
         "<2,3: 0 1 2 3 4 5>"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\1", "K\3K\2\x86", "K\1K\3\x86") "."),
         "<3,2: 1 4 2 5 3 6>"}, /* turned, from the second element */
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\13", ")", ")") "."), "<: 11>"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "(K\2K\1K\2K\2t",
                               "(K\6K\7K\2K\1t") "."),
         "<2,1,2,2: 0 1 2 3 6 7 8 9>"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\2", "(K\2K\2K\2t", "(K\1K\2K\5t") "."),
         "<2,2,2: 2 7 4 9 3 8 5 10>"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\3", "K\2K\2\x86", "K\0K\1\x86") "."),
         "<2,2: 3 4 3 4>"}, /* a row repeated by expand() */
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\14", "K\0K\3\x86", "K\3K\1\x86") "."),
         "<0,3>"},
        {BYTES("\x80\2" TENSOR("LongStorage", "1", "\3", "\0", "K\3\x85", "K\1\x85") "."),
         "<3: 5 -6 1099511627776>"},
        {BYTES("\x80\2" TENSOR("HalfStorage", "2", "\3", "\0", "K\3\x85", "K\1\x85") "."),
         "<3: 1 -2 0.5>"},
        {BYTES("\x80\2" TENSOR("BFloat16Storage", "2", "\3", "\2", "K\1\x85", "K\1\x85") "."),
         "<1: 3.05176e-05>"}, /* 0x3800 read as bfloat16: 2^-15 */
        {BYTES("\x80\2" TENSOR("DoubleStorage", "4", "\2", "\0", "K\2\x85", "K\1\x85") "."),
         "<2: 0.1 2>"},
        {BYTES("\x80\2" TENSOR("ByteStorage", "3", "\377", "\376", "K\1\x85", "K\1\x85") "."),
         "<1: 254>"},
        {BYTES("\x80\2" TENSOR("CharStorage", "3", "\377", "\376", "K\1\x85", "K\1\x85") "."),
         "<1: -2>"},
        {BYTES("\x80\2" TENSOR("ShortStorage", "3", "\177", "\176", "K\1\x85", "K\1\x85") "."),
         "<1: -516>"}, /* bytes fc fd */
        {BYTES("\x80\2" TENSOR("IntStorage", "3", "\77", "\1", "K\1\x85", "K\1\x85") "."),
         "<1: 117835012>"},
        {BYTES("\x80\2" TENSOR("BoolStorage", "3", "\2", "\0", "K\2\x85", "K\1\x85") "."),
         "<2: 0 1>"},
        {BYTES("\x80\2"
               "ctorch._utils\n_rebuild_parameter\n(" TENSOR(
                   "FloatStorage", "0", "\14", "\5", "K\2\x85", "K\5\x85") "\x88" HOOKS "tR."),
         "<2: 5 10>"},
    };
    (void)state;
    CHECK_VALUES(samples);
}

static void refusals_name_what_they_refuse(void **state)
{
    static const struct sample samples[] = {
        {BYTES("\x80\2cos\nsystem\n" TEXT("\2", "ls") "\x85R."),
         "file: entry data.pkl, byte 2, pickle opcode GLOBAL: global os.system is refused"},
        {BYTES("\x80\2cbuiltins\neval\n."), "global builtins.eval is refused"},
        {BYTES("\x80\2ctorch._utils\n_rebuild_qtensor\n."),
         "torch._utils._rebuild_qtensor is refused"},
        {BYTES("\x80\2ctorch\nFloatStorage.x\n."), "global torch.FloatStorage.x is refused"},
        {BYTES("\x80\2c\x1b[2J\nx\n."), "global ?[2J.x is refused"},
        {BYTES("\x80\2(S'ls'\nios\nsystem\n."), "byte 3: pickle opcode STRING is refused"},
        {BYTES("\x80\2(ios\nsystem\n."), "byte 3: pickle opcode INST is refused"},
        {BYTES("\x80\2(\x8c\2os\x8c\6system\x93."), "pickle opcode SHORT_BINUNICODE is refused"},
        {BYTES("\x80\2\x93."), "pickle opcode STACK_GLOBAL is refused"},
        {BYTES("\x80\2}2."), "pickle opcode DUP is refused"},
        {BYTES("\x80\2\xfe."), "no pickle opcode is 0xfe"},
        {BYTES("\x80\4N."), "pickle opcode PROTO: protocol 4, only 2 is read"},
        {BYTES("\x80\2}}b."), "pickle opcode BUILD: of something other than a module"},
        {BYTES("\x80\2" HOOKS "K\1b."), "pickle opcode BUILD: a state is an integer"},
        {BYTES("\x80\2"
               "c__torch__\nN\n)\x81"
               "c__torch__\nN\n)\x81"
               "b."),
         "a state is a module"},
        {BYTES("\x80\2"
               "c__torch__\nN\n)\x81."),
         "a module without its state"},
        {BYTES("\x80\2"
               "c__torch__\nN\n)\x81" ONE_OF("a") "Ns."),
         "items are set in a module"},
        {BYTES("\x80\2"
               "c__torch__\nN\nK\1\x85\x81."),
         "the arguments of a module has 1 items"},
        {BYTES("\x80\2"
               "ccollections\nOrderedDict\n)\x81."),
         "other than a TorchScript class"},
        {BYTES("\x80\2"
               "c__torch__\nN\n)R."),
         "what is called is not a function"},
        {BYTES("\x80\2K\1)R."), "what is called is not a function"},
        {BYTES("\x80\2ctorch\nSize\n."), "the tree holds a global"},
        {BYTES("\x80\2ctorch\nSize\nK\1\x85R."), "torch.Size is an integer, wanted a list"},
        {BYTES("\x80\2" STORAGE("FloatStorage", "0", "\14") "."),
         "the tree holds a global, a storage"},
        {BYTES("\x80\2"
               "c__torch__\nN\n)\x81}q\1b"
               "c__torch__\nN\n)\x81h\1b\x86."),
         "a state is no plain value"}, /* one state for two modules */
        {BYTES("\x80\2"
               "c__torch__\nN\n)\x81}q\1bh\1\x86."),
         "the tree holds"},
    };
    (void)state;
    CHECK_REFUSALS(samples);
}

static void damage_is_found(void **state)
{
    static const struct sample samples[] = {
        {BYTES(""), "ends at byte 0 without STOP"},
        {BYTES("\x80\2N"), "ends at byte 3 without STOP"},
        {BYTES("\x80"), "pickle opcode PROTO: 1 bytes wanted, 0 are left"},
        {BYTES("\x80\2."), "0 values and 0 marks are left"},
        {BYTES("\x80\2NN."), "2 values and 0 marks are left"},
        {BYTES("\x80\2N(."), "1 values and 1 marks are left"},
        {BYTES("\x80\2N.N"), "pickle opcode STOP: 1 bytes follow"},
        {BYTES("\x80\2M\1"), "2 bytes wanted, 1 are left"},
        {BYTES("\x80\2J\1\2\3"), "4 bytes wanted, 3 are left"},
        {BYTES("\x80\2G\1\2\3"), "8 bytes wanted, 3 are left"},
        {BYTES("\x80\2\x8a\11\1\1\1\1\1\1\1\1\1."), "an integer of 9 bytes"},
        {BYTES("\x80\2\x8a\4\1"), "4 bytes wanted, 1 are left"},
        {BYTES("\x80\2X\xff\xff\xff\xff"
               "abc."),
         "4294967295 bytes wanted, 4 are left"},
        {BYTES("\x80\2X\3\0\0\0"
               "a\0b."),
         "text with a zero byte"},
        {BYTES("\x80\2t."), "no MARK is on the stack"},
        {BYTES("\x80\2e."), "no MARK is on the stack"},
        {BYTES("\x80\2\x85."), "the stack is empty"},
        {BYTES("\x80\2K\1\x86."), "the stack is empty"},
        {BYTES("\x80\2K\1(\x85."), "the stack is empty"}, /* not below the mark */
        {BYTES("\x80\2K\1K\2a."), "what is appended to is an integer, wanted a list"},
        {BYTES("\x80\2)K\2a."), "what is appended to is a tuple"},
        {BYTES("\x80\2(K\1e."), "the stack is empty"},
        {BYTES("\x80\2]K\1K\2s."), "what items are set in is a list, wanted a dict"},
        {BYTES("\x80\2}(K\1u."), "a key without a value"},
        {BYTES("\x80\2})K\2s."), "a key is a list, wanted a text"},
        {BYTES("\x80\2}NK\2s."), "a key is None, wanted a text"},
        {BYTES("\x80\2}(K\1NK\1Nu."), "a dict has the key '(a number)' twice"},
        {BYTES("\x80\2}" ONE_OF("a") "Ns" ONE_OF("a") "Ns."), "a dict has the key 'a' twice"},
        {BYTES("\x80\2h\0."), "memo 0 was never put"},
        {BYTES("\x80\2Nr\xff\xff\xff\x7f."), "memo 2147483647 in a pickle of 9 bytes"},
        {BYTES("\x80\2Nj\xff\xff\xff\xff."), "memo 4294967295 was never put"},
        {BYTES("\x80\2q\0."), "the stack is empty"},
        {BYTES("\x80\2]q\0h\0a."), "a value holds itself"},
        {BYTES("\x80\2}q\0" ONE_OF("a") "h\0\x85s."), "a value holds itself"},
        {BYTES("\x80\2cos"), "a line without its end"},
        {BYTES("\x80\2cos\nsystem"), "a line without its end"},
    };
    (void)state;
    CHECK_REFUSALS(samples);
}

static void tensors_stay_in_their_storage(void **state)
{
    static const struct sample samples[] = {
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\1", "K\3K\4\x86", "K\4K\1\x86") "."),
         "reaches outside of its storage of 12 elements"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\14", ")", ")") "."),
         "reaches outside"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "K\2\x85", "K\14\x85") "."),
         "reaches outside"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "K\3\x8a\10\0\0\0\0\0\0\0\x40\x86",
                               "K\0K\0\x86") "."),
         "refused"}, /* 3 << 62 elements */
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0",
                               "K\x09\x8a\10\0\0\0\0\0\0\0\x40\x86", "K\0K\0\x86") "."),
         "reaches outside"}, /* more than 64 bits count */
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "K\3\x85",
                               "\x8a\10\0\0\0\0\0\0\0\x40\x85") "."),
         "reaches outside"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "J\0\0\0\x10\x85", "K\0\x85") "."),
         "repeats a storage of 12 elements to 268435456"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "J\xff\xff\xff\xff\x85",
                               "K\1\x85") "."),
         "the size of a tensor is -1"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "K\1\x85",
                               "J\xff\xff\xff\xff\x85") "."),
         "the stride of a tensor is -1"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "K\1\x85", ")") "."),
         "the stride of a tensor has 0 items, wanted 1"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\14", "\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t",
                               ")") "."),
         "a tensor of 9 dimensions, at most 8"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "0", "\15", "\0", ")", ")") "."),
         "a torch.FloatStorage of 13 elements, but its entry has 48 bytes"},
        {BYTES("\x80\2" TENSOR("FloatStorage", "9", "\14", "\0", ")", ")") "."),
         "no entry NAME/data/9"},
        {BYTES("\x80\2" TENSOR("ComplexFloatStorage", "0", "\1", "\0", ")", ")") "."),
         "global torch.ComplexFloatStorage is refused"},
        {BYTES("\x80\2" TENSOR("Size", "0", "\1", "\0", ")", ")") "."),
         "the type of a storage is not one"},
        {BYTES("\x80\2N\x85Q."), "a persistent id has 1 items"},
        {BYTES("\x80\2NQ."), "a persistent id is None, wanted a list"},
        {BYTES("\x80\2"
               "ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR."),
         "the storage of a tensor is not one"},
        {BYTES("\x80\2"
               "ctorch._utils\n_rebuild_tensor_v2\nNR."),
         "_rebuild_tensor_v2 is None"},
        {BYTES("\x80\2"
               "ctorch._utils\n_rebuild_parameter\n(NNNtR."),
         "a parameter is None, wanted a tensor"},
    };
    (void)state;
    CHECK_REFUSALS(samples);
}

/* A pickle of n times `each` between the ends; want is NULL where it must be read. */
static void check_repeated(const char *head, const char *each, size_t n, const char *tail,
                           const char *want)
{
    struct torch_file *f = NULL;
    struct str pickle = {0};
    CHECK_OK(str_add(&pickle, head));
    for (size_t i = 0; i < n; i++)
        CHECK_OK(str_add(&pickle, each));
    CHECK_OK(str_add(&pickle, tail));
    if (want)
        CHECK_FAILS(open_pickle(&f, pickle.text, pickle.len), ERR_FORMAT, want);
    else
        CHECK_OK(open_pickle(&f, pickle.text, pickle.len));
    torch_close(&f);
    str_free(&pickle);
}

#define TEN_DEEP "\x85\x85\x85\x85\x85\x85\x85\x85\x85\x85"

static void limits_hold(void **state)
{
    (void)state;
    check_repeated("\x80\2N", "\x85", 63, ".", NULL);
    check_repeated("\x80\2N", "\x85", 64, ".", "nested more than 64 deep");
    check_repeated("\x80\2N", "\x85", 100000, ".", "nested more than 64 deep");
    /* met first on its own, then at the end of a chain */
    check_repeated("\x80\2](N" TEN_DEEP TEN_DEEP TEN_DEEP "q\1h\1", "\x85", 32, "e.", NULL);
    check_repeated("\x80\2](N" TEN_DEEP TEN_DEEP TEN_DEEP "q\1h\1", "\x85", 33, "e.",
                   "nested more than 64 deep");
    check_repeated("\x80\2", "(", 1025, ".", "more than 1024 marks");
    check_repeated("\x80\2](", "N", 262144, "e.", "more than 262144 values");
    check_repeated("\x80\2Nq\1", "h\1", 262144, ".", "the stack grows above 262144 values");
}

/* A pair of a pair of a pair ..., each twice the same: small in the file, 2^40 values to walk. */
static void shared_values_do_not_multiply(void **state)
{
    (void)state;
    check_repeated("\x80\2K\1\x85", "q\1h\1\x86", 10, ".", NULL);
    check_repeated("\x80\2K\1\x85", "q\1h\1\x86", 40, ".", "shared ones counted each time");
}

static int note(void *user, const char *name, const struct torch_value *tensor)
{
    struct str *out = user;
    assert_int_equal(tensor->kind, TORCH_TENSOR);
    return str_addf(out, "%s;", name);
}

#define FOUR TENSOR("FloatStorage", "0", "\14", "\4", ")", ")")

static void names_join_keys(void **state)
{
    static const char pickle[] = "\x80\2}(" ONE_OF("a") "c__torch__\nN\n)\x81}(" TEXT("\3", "b.c")
        FOUR ONE_OF("d") "](" FOUR "NK\1" FOUR
                         "eub" ONE_OF("e") "NK\7" FOUR TEXT("\0", "") "}" ONE_OF("z") FOUR "su.";
    struct torch_file *f = NULL;
    struct str names = {0};
    const struct torch_value *root;
    (void)state;
    CHECK_OK(open_pickle(&f, BYTES(pickle)));
    root = torch_root(f);
    CHECK_OK(torch_walk(root, note, &names));
    assert_string_equal(names.text, "a.b.c;a.d.0;a.d.3;7;z;");
    assert_int_equal(torch_get(root, "a.b.c")->kind, TORCH_TENSOR);
    assert_int_equal(torch_get(root, "a.d.3")->kind, TORCH_TENSOR);
    assert_int_equal(torch_get(root, "a.d.2")->kind, TORCH_INT);
    assert_int_equal(torch_get(root, "7")->kind, TORCH_TENSOR);
    assert_int_equal(torch_get(root, "e")->kind, TORCH_NONE);
    assert_null(torch_get(root, "a.b"));
    assert_null(torch_get(root, "a.b.c.d"));
    assert_null(torch_get(root, "a.d.4"));
    assert_null(torch_get(root, "b"));
    assert_null(torch_get(torch_get(root, "e"), "x"));
    assert_null(torch_get(NULL, "x"));
    str_free(&names);
    torch_close(&f);
}

static void reads_are_checked(void **state)
{
    static const char pickle[] = "\x80\2}(" ONE_OF("f") FOUR ONE_OF("i")
        TENSOR("LongStorage", "1", "\3", "\0", "K\3\x85", "K\1\x85") ONE_OF("r")
            TENSOR("FloatStorage", "0", "\14", "\0", "(K\1K\1K\1K\2K\2t", "(K\1K\1K\1K\2K\1t")
                ONE_OF("n") "Nu.";
    struct torch_file *f = NULL;
    struct tensor t = {0};
    const struct torch_value *root;
    float x[4];
    int32_t small[3];
    (void)state;
    CHECK_OK(open_pickle(&f, BYTES(pickle)));
    root = torch_root(f);
    CHECK_FAILS(torch_tensor_read(f, torch_get(root, "f"), DTYPE_I64, &t), ERR_FORMAT,
                "a tensor of torch.FloatStorage where i64 is wanted");
    CHECK_FAILS(torch_tensor_read(f, torch_get(root, "i"), DTYPE_F32, &t), ERR_FORMAT,
                "a tensor of torch.LongStorage where f32 is wanted");
    CHECK_FAILS(torch_tensor_read(f, torch_get(root, "n"), DTYPE_F32, &t), ERR_FORMAT,
                "None where a tensor is wanted");
    CHECK_FAILS(torch_tensor_read(f, torch_get(root, "q"), DTYPE_F32, &t), ERR_FORMAT,
                "nothing where a tensor is wanted");
    CHECK_FAILS(torch_tensor_read(f, torch_get(root, "r"), DTYPE_F32, &t), ERR_FORMAT,
                "a tensor of 5 dimensions");
    CHECK_FAILS(torch_read(f, torch_get(root, "i"), DTYPE_I32, small), ERR_FORMAT,
                "element 2 is 1099511627776, too large for 32 bits");
    assert_true(small[0] == 5 && small[1] == -6);
    CHECK_OK(torch_read(f, torch_get(root, "r"), DTYPE_F32, x));
    assert_true(x[0] == 0 && x[1] == 1 && x[2] == 2 && x[3] == 3);
    torch_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opcodes_make_values),
        cmocka_unit_test(globals_make_values),
        cmocka_unit_test(refusals_name_what_they_refuse),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(tensors_stay_in_their_storage),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(shared_values_do_not_multiply),
        cmocka_unit_test(names_join_keys),
        cmocka_unit_test(reads_are_checked),
    };
    int failed;
    around = pickle_archive(&n_around);
    failed = cmocka_run_group_tests(tests, NULL, check_balance);
    free(around);
    return failed;
}
