"""A byte-level BPE vocabulary in CLIP's file format, learned on a list of texts."""
import json
import re
from collections import Counter

START, END = "<|startoftext|>", "<|endoftext|>"
# CLIP's pattern for plain ASCII text, which is all that is written here
WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")


def byte_symbols():
    """CLIP's printable stand-ins for the 256 bytes, in CLIP's order."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in plain]
    return {b: chr(c) for b, c in zip(plain + rest, plain + [256 + i for i in range(len(rest))])}


def join(symbols, pair):
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return tuple(out)


class Bpe:
    def __init__(self, merges):
        self.symbol = byte_symbols()
        self.merges = [tuple(m) for m in merges]
        letters = list(self.symbol.values())
        tokens = letters + [c + "</w>" for c in letters] + ["".join(m) for m in self.merges] + [START, END]
        self.vocab = {t: i for i, t in enumerate(tokens)}
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.known = {}

    def split(self, word):
        s = [self.symbol[b] for b in word.encode()]
        return (*s[:-1], s[-1] + "</w>")

    def encode_word(self, word):
        if word not in self.known:
            s = self.split(word)
            while True:
                pairs = [p for p in zip(s, s[1:]) if p in self.rank]
                if not pairs:
                    break
                s = join(s, min(pairs, key=self.rank.get))
            self.known[word] = [self.vocab[t] for t in s]
        return self.known[word]

    def encode(self, text):
        """Ids of a text without start and end."""
        return [i for w in WORD.findall(text.lower()) for i in self.encode_word(w)]

    @property
    def start(self):
        return self.vocab[START]

    @property
    def end(self):
        return self.vocab[END]

    def save(self, folder):
        with open(f"{folder}/vocab.json", "w") as f:
            json.dump(self.vocab, f, ensure_ascii=True)
            f.write("\n")
        with open(f"{folder}/merges.txt", "w", encoding="utf-8") as f:
            f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in self.merges))


def learn(texts, n_merges):
    """The most frequent pair first, ties by the pair's text, so that the order of texts is no matter."""
    bpe = Bpe([])
    words = Counter(w for t in texts for w in WORD.findall(t.lower()))
    parts = {w: bpe.split(w) for w in words}
    merges = []
    while len(merges) < n_merges:
        count = Counter()
        for w, s in parts.items():
            for p in zip(s, s[1:]):
                count[p] += words[w]
        if not count:
            break
        best = min(count, key=lambda p: (-count[p], p))
        merges.append(best)
        parts = {w: join(s, best) for w, s in parts.items()}
    return Bpe(merges)
