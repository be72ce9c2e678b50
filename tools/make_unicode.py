#!/usr/bin/env python3
"""Unicode tables of the tokenizer -> src/clip/tokenizer_tables.c.

    tools/make_unicode.py > src/clip/tokenizer_tables.c

Every table is asked of the function that CLIP's own tokenizer calls, not of a property's name:
letters, numbers and white space of the `regex` package, lower case of str.lower. The
two tables for the final sigma are found by what str.lower makes of a sigma beside the character.
"""
import sys
import textwrap
import unicodedata

import regex

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(wanted):
    """Code points that `wanted` accepts, as [first, last]."""
    out = []
    for c in CODES:
        if wanted(chr(c)):
            if out and out[-1][1] == c - 1:
                out[-1][1] = c
            else:
                out.append([c, c])
    return out


def lower_runs():
    """Simple mappings as [first, last, step, delta]; every step-th character moves by delta."""
    pairs = [(c, ord(low)) for c in CODES if len(low := chr(c).lower()) == 1 and ord(low) != c]
    out = []
    for c, low in pairs:
        run = out[-1] if out else None
        if run and run[3] == low - c and c - run[1] in (1, 2) and (run[0] == run[1] or run[2] == c - run[1]):
            run[1], run[2] = c, c - run[1]
        else:
            out.append([c, c, 1, low - c])
    return out


def sigma_after(text):
    return (text + "\u03a3").lower()[-1] == "\u03c2"


def table(kind, name, why, rows):
    print(f"\n/* {why} */\nconst struct {kind} {name}[] = {{")
    text = ["{" + ",~".join(f"0x{v:X}" if i < 2 else str(v) for i, v in enumerate(r)) + "}" for r in rows]
    # A tilde keeps a row on one line while the text is wrapped.
    print("\n".join(textwrap.wrap(", ".join(text) + ",", 100, initial_indent="    ", subsequent_indent="    ",
                                  break_long_words=False)).replace("~", " "))
    print(f"}};\nconst size_t n_{name} = sizeof {name} / sizeof *{name};")


def main():
    letter = regex.compile(r"[\p{L}]", regex.IGNORECASE)
    number = regex.compile(r"[\p{N}]", regex.IGNORECASE)
    other = regex.compile(r"[^\s\p{L}\p{N}]", regex.IGNORECASE)
    # What tokenizer_clean.c and tokenizer_split.c take for granted.
    assert [c for c in CODES if len(chr(c).lower()) > 1] == [0x130]
    assert chr(0x130).lower() == "i\u0307"
    space = regex.compile(r"\s", regex.IGNORECASE)
    assert [c for c in CODES if chr(c).isspace() and not space.match(chr(c))] == [0x1C, 0x1D, 0x1E, 0x1F]
    assert all(chr(c).isspace() for c in CODES if space.match(chr(c)))
    none = [c for c in CODES if not space.match(chr(c))
            and sum(bool(p.match(chr(c))) for p in (letter, number, other)) != 1]
    assert none == [0x345], none
    print(f"""/*
 * tokenizer_tables.c - written by tools/make_unicode.py; see tokenizer_int.h.
 *
 * Letters, numbers and white space: regex {regex.__version__}. Lower case: Python
 * {sys.version.split()[0]}, Unicode {unicodedata.unidata_version}.
 */
#include "clip/tokenizer_int.h"

/* clang-format off */""")
    table("code_range", "letters", "General category L.", ranges(letter.match))
    table("code_range", "numbers", "General category N.", ranges(number.match))
    table("code_range", "spaces", "White space.", ranges(space.match))
    table("code_range", "cased", "Cased and not case-ignorable.", ranges(sigma_after))
    table("code_range", "case_ignorable", "Looked through when a sigma's neighbours are judged.",
          ranges(lambda c: sigma_after("a" + c) and not sigma_after(c)))
    table("lower_run", "lower_runs", "Simple lower case: first, last, step, delta.", lower_runs())
    print("\n/* clang-format on */")


main()
