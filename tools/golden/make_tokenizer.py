#!/usr/bin/env python3
"""A tiny byte-pair vocabulary in three file formats, and ids of texts -> tests/fixtures/tokenizer.

    tools/golden/make_tokenizer.py tests/fixtures/tokenizer

Needs the `regex` package. The vocabulary is trained on the words below; gzip/, pair/ and whole/ hold
it as bpe_simple_vocab_16e6.txt.gz, as vocab.json with merges.txt and as tokenizer.json in Hugging
Face's layout. cases.json: texts, ids by the published algorithm (CLIP's tokenizer without ftfy),
written independently of the program under test. The root of cases.json records seed and versions.
"""
import gzip
import html
import json
import pathlib
import random
import sys
from collections import Counter

import regex

SEED = 2026
MERGES = 300
START, END = "<|startoftext|>", "<|endoftext|>"
PATTERN = regex.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
                        regex.IGNORECASE)

PROMPTS = """a photo of a {} bottle|a cropped photo of the {} cable|a blurry photo of a {} capsule|a bright photo of the
{} carpet|a dark photo of my {} grid|a close-up photo of one {} hazelnut|a jpeg corrupted photo of the {} leather|a good
photo of a {} metal nut|a low resolution photo of the {} pill|a bad photo of a {} screw|there is a {} tile in the
scene|this is the {} toothbrush|a photo of the large {} transistor for visual inspection|a photo of a small {} wood
panel for anomaly detection|the {} zipper, isn't it|the machine's {} surface, 0123456789""".replace("\n", " ").split("|")
STATES = ["damaged", "flawless", "perfect", "unblemished", "broken", "scratched", "contaminated", "with defect",
          "without flaw", "without damage"]
WORLD = ["Größe naïve café", "трещина на детали", "傷のある部品", "손상된 부품", "ΟΔΥΣΣΕΥΣ ΣΟΦΟΣ", "🔧🔩 ⚠️", "!!! ... ???"]


def byte_symbols():
    """GPT-2's printable stand-in for every byte, in the order of the vocabulary."""
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
    rest = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(rest)}


SYMBOL = byte_symbols()


def words(text):
    text = html.unescape(html.unescape(text)).strip()
    return PATTERN.findall(regex.sub(r"\s+", " ", text).strip().lower())


def spell(word):
    symbols = [SYMBOL[b] for b in word.encode("utf-8")]
    return symbols[:-1] + [symbols[-1] + "</w>"]


def join(symbols, pair):
    """Every place of a pair from left to right, without overlaps."""
    out, i = [], 0
    while i < len(symbols):
        hit = tuple(symbols[i:i + 2]) == pair
        out.append("".join(pair) if hit else symbols[i])
        i += 2 if hit else 1
    return out


def train(texts):
    """Most frequent pair first, ties by text; a pair whose result exists already is passed over."""
    count = Counter(w for t in texts for w in words(t))
    spelled = {w: spell(w) for w in count}
    known, merges = set(), []
    while len(merges) < MERGES:
        pairs = Counter()
        for w, s in spelled.items():
            for pair in zip(s, s[1:]):
                if "".join(pair) not in known:
                    pairs[pair] += count[w]
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        known.add("".join(best))
        merges.append(best)
        spelled = {w: join(s, best) for w, s in spelled.items()}
    return merges


def encode(text, ids, rank):
    out = []
    for word in words(text):
        if word in (START, END):
            out.append(ids[word])
            continue
        symbols = spell(word)
        while True:
            pairs = [p for p in zip(symbols, symbols[1:]) if p in rank]
            if not pairs:
                break
            symbols = join(symbols, min(pairs, key=rank.get))
        out += [ids[s] for s in symbols]
    return out


def texts_of_cases():
    rng = random.Random(SEED)
    fixed = [p.replace("{}", s) for p, s in zip(PROMPTS, STATES * 2)] + WORLD + [
        "", " ", "a", "A", "é", "İstanbul", "ΑΣ ΑΣ. ΑΣ' Σ ΣΑ ΑΣΑ Α\u00adΣ\u0301", "it's THEY'RE we've I'm he'll she'd don't",
        "'S 'T 'RE 'ſ '' 'x", "x\u00a0y\u2003z\u3000w\u200bq\u001cr\u0085s", "\t\n lead and trail \r\n", " \x1c a \x1d b \x1e\t", "a\u0345b \u0345",
        START, END, "a " + START.upper() + "b" + END + "c", "!!" + START, "<|ſtartoftext|>", "<|startoftext", "<</w></w>",
        "&amp;amp; &amp;lt;b&gt; &quot;x&quot; &apos;s &nbsp;", "&amp &lt &gt &quot &apos &AMP &LT;&GT;&QUOT;",
        "&ampx &ltx &gtx &quotx; &nbspx &apos", "&#65; &#x41; &#X41 &#65 &# &#; &#x; &#xg;", "&#128;&#129;&#159;&#160;",
        "&#0; &#1;x &#13; &#11;y &#127;z &#xD800; &#x110000; &#99999999999999999999;", "&#xFDD0;a&#xFFFE;b&#x1FFFF;c",
        "&amp;#38;#38;", "&&amp;&", "& amp;", "\u0661\u0662\u0663 Ⅷ ½ ²", "é vs e\u0301", "ﬁ ＡＢＣ “curly” it’s",
        "👨\u200d👩\u200d👧 👍🏽 🇩🇪", "supercalifragilisticexpialidocious" * 5, "!?" * 60, "7" * 30, "ab" * 80,
        "\U000E0041\ue000\uffff\U0010ffff", "ǅ ǈ ǋ Ǆ ẞ Ω K Å", "ꓤ 𐐀 𞤀", "x\x01\x7f\x80y"]
    pools = ["abcdefghijklmnopqrstuvwxyz", "EATOIN'sStTmMdDlLrRvVeE", "0123456789.,", "!?.-_#@/|<>&;()*", "àéîöüñßÀÉÖ",
             "αβγΣςσΩ", "привет ЖЩ", "日本語中文한국어", "😀🎉👍🏽\u200d\ufe0f", "\u0300\u0345\u00ad", " \t\u00a0\u3000"]
    vocabulary = " ".join(PROMPTS + STATES + WORLD).split()
    for _ in range(300):
        parts = []
        for _ in range(rng.randint(1, 7)):
            pool = rng.choice(pools)
            parts.append(rng.choice(vocabulary) if rng.random() < 0.5 else
                         "".join(rng.choice(pool) for _ in range(rng.randint(1, 6))))
            parts.append(rng.choice(["", " ", " "]))
        fixed.append("".join(parts))
    return fixed


def whole(ids, merges):
    """tokenizer.json as the tokenizers library writes CLIP's."""
    added = [{"id": ids[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": t == START, "special": True} for t in (START, END)]
    split = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": split}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}]},
        "post_processor": {"type": "RobertaProcessing", "sep": [END, ids[END]], "cls": [START, ids[START]],
                           "trim_offsets": False, "add_prefix_space": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": END, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "</w>", "fuse_unk": False, "vocab": ids,
                  "merges": [" ".join(m) for m in merges]}}


def main():
    out = pathlib.Path(sys.argv[1])
    merges = train([p.replace("{}", s) for p in PROMPTS for s in STATES] + WORLD)
    tokens = list(SYMBOL.values()) + [s + "</w>" for s in SYMBOL.values()] + ["".join(m) for m in merges] + [START, END]
    ids = {t: i for i, t in enumerate(tokens)}
    assert len(ids) == len(tokens)
    rank = {m: i for i, m in enumerate(merges)}
    lines = ["#version: 0.2"] + [" ".join(m) for m in merges]
    for folder in ("gzip", "pair", "whole"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    (out / "gzip/bpe_simple_vocab_16e6.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    (out / "pair/merges.txt").write_text("\n".join(lines) + "\n")
    (out / "pair/vocab.json").write_text(json.dumps(ids))
    (out / "whole/tokenizer.json").write_text(json.dumps(whole(ids, merges), ensure_ascii=False))
    cases = [{"text": t, "ids": encode(t, ids, rank)} for t in texts_of_cases()]
    head = {"seed": SEED, "python": sys.version.split()[0], "regex": regex.__version__, "size": len(tokens)}
    rows = ",\n".join(json.dumps(c, ensure_ascii=True) for c in cases)
    (out / "cases.json").write_text(json.dumps(head)[:-1] + ', "cases": [\n' + rows + "\n]}\n")


main()
