"""Texts for the state of a picture: the words, the frames around them, and batches of token ids."""
import torch

NORMAL = ["flawless {}", "perfect {}", "good {}", "intact {}", "undamaged {}", "normal {}", "unblemished {}",
          "clean {}", "healthy {}", "{} without defect", "{} without flaw", "{} without damage", "{}"]
DAMAGED = ["damaged {}", "broken {}", "defective {}", "flawed {}", "faulty {}", "abnormal {}", "anomalous {}",
           "bad {}", "diseased {}", "{} with defect", "{} with flaw", "{} with damage", "{} with an anomaly"]
FRAME = ["{}", "{}.", "a {}", "a {}.", "the {}", "a photo of a {}", "a photo of the {}.", "a picture of a {}",
         "an image of a {}", "a close-up photo of a {}.", "a cropped picture of the {}.", "one {}", "some {}",
         "there is a {} in the picture"]
NOUN = ["object", "object", "object", "surface", "texture", "part", "product", "item", "material", "thing",
        "sample", "tissue", "specimen", "picture"]

FIXED = ("flawless object", "damaged object")  # the zero-shot pair
METHOD = ("object.", "damaged object.")        # what MRAD-CLIP puts behind its learnable context


def general_texts():
    """What the vocabulary must know beside the captions."""
    return [f.format(s.format(n)) for s in NORMAL + DAMAGED for n in NOUN for f in FRAME]


def draw(rng, words):
    return words[int(rng.integers(len(words)))]


def pairs(rng, n):
    """n pairs (normal, damaged) of texts that differ in the state only; the first is FIXED."""
    out = [FIXED]
    while len(out) < n:
        noun, frame = draw(rng, NOUN), draw(rng, FRAME)
        out.append((frame.format(draw(rng, NORMAL).format(noun)), frame.format(draw(rng, DAMAGED).format(noun))))
    return out


def caption(rng, name, damaged):
    """A caption of a picture whose state is not the one its file's caption tells."""
    return draw(rng, FRAME).format(draw(rng, DAMAGED if damaged else NORMAL).format(name))


def batch(bpe, texts):
    """ids (R, longest), end (R): start, tokens, end, zeros."""
    rows = [[bpe.start, *bpe.encode(t), bpe.end] for t in texts]
    n = max(map(len, rows))
    ids = torch.tensor([r + [0] * (n - len(r)) for r in rows])
    return ids, torch.tensor([len(r) - 1 for r in rows])


def method_pair(model, bpe, n_ctx=12, deep_len=4, std=0.02):
    """Features (2,E) of METHOD behind a random context and with random deep prompts: where MRAD-CLIP starts."""
    width = model.token_embedding.weight.shape[1]
    ids, end = batch(bpe, METHOD)
    e = model.token_embedding(ids)
    ctx = torch.randn(2, n_ctx, width) * std
    layers = len(model.transformer.resblocks)
    deep = torch.randn(layers - 1, deep_len, width) * std
    return model.encode_embedded(torch.cat([e[:, :1], ctx, e[:, 1:]], 1), end + n_ctx, deep)
