"""MRAD-TF between families that training never sees, and the zero-shot text score; all in torch."""
import itertools

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

import prompts
from model import average_neighbor, unit
from pictures import normalise


def auroc(score, label):
    """Area under the ROC curve, ties counted half."""
    score, label = np.asarray(score).ravel(), np.asarray(label).ravel() > 0
    n = label.sum()
    rank = rankdata(score)
    return float((rank[label].sum() - n * (n + 1) / 2) / (n * (label.size - n)))


@torch.no_grad()
def features(model, pixels, side, size=16):
    """uint8 (n,S,S,4), seen at side x side -> unit cls (n,E), pooled patches (n,N,D), masks (n,S,S) bool."""
    cls, pooled = [], []
    for at in range(0, len(pixels), size):
        x = torch.from_numpy(pixels[at:at + size, ..., :3].copy()).permute(0, 3, 1, 2).float() / 255
        if side != x.shape[-1]:
            x = F.interpolate(x, (side, side), mode="bicubic", align_corners=False).clamp(0, 1)
        c, p = model.visual(normalise(x))
        cls.append(unit(c))
        pooled.append(average_neighbor(p))
    return torch.cat(cls), torch.cat(pooled), pixels[..., 3] > 127


def bank(cls, pooled, masks, labels):
    """Image keys and regional prototypes, labels beside them, as the method builds them."""
    g = int(pooled.shape[1] ** 0.5)
    m = F.interpolate(torch.from_numpy(masks.astype(np.float32))[:, None], size=(g, g), mode="bilinear",
                      align_corners=False).flatten(1)
    keys, tags = [], []
    for p, share in zip(pooled, m):
        for value in (1.0, 0.0):
            if (share == value).any():
                keys.append(unit(p[share == value].mean(0)))
                tags.append(value)
    return cls, labels, torch.stack(keys), torch.tensor(tags)


def mass(query, keys, labels):
    return (query @ keys.t()).softmax(-1) @ labels


def maps(y, side):
    """(n,N) -> (n, side, side): upsampled and smoothed."""
    g = int(y.shape[1] ** 0.5)
    big = F.interpolate(y.reshape(-1, 1, g, g), (side, side), mode="bilinear", align_corners=False)[:, 0]
    return np.stack([gaussian_filter(m.numpy(), 4.0) for m in big])


def image_score(y_cls, amap):
    flat = np.sort(amap.reshape(len(amap), -1), 1)
    top = flat[:, -int(flat.shape[1] * 0.01):].mean(1)
    return 0.3 * top + 0.7 * y_cls.numpy()


@torch.no_grad()
def measure(model, bpe, pixels, items, side):
    """Means over ordered pairs of families; of text scores, over families."""
    ids, end = prompts.batch(bpe, prompts.FIXED)
    text = unit(model.encode_text(ids, end))
    away = (text[1] - text[0]) / 0.07
    cls, pooled, masks = features(model, pixels, side)
    side, families = masks.shape[1], np.array([i["family"] for i in items])
    labels = np.array([float(i["label"]) for i in items])
    found = {"tf_p": [], "tf_i": [], "text_p": [], "text_i": []}

    def add(name, y_cls, y_patch, at, fused):
        m = maps(y_patch, side)
        score = image_score(y_cls, m) if fused else y_cls.numpy()
        small = m[:, ::2, ::2], masks[at][:, ::2, ::2]
        found[name + "_p"].append(auroc(*small))
        found[name + "_i"].append(auroc(score, labels[at]))

    for name in sorted(set(families)):
        at = np.flatnonzero(families == name)
        add("text", cls[at] @ away, (unit(pooled[at] @ model.visual.proj) @ away).sigmoid(), at, False)
    for a, b in itertools.permutations(sorted(set(families)), 2):
        own = families == a
        ik, il, pk, pl = bank(cls[own], pooled[own], masks[own], torch.tensor(labels[own]).float())
        at = np.flatnonzero(families == b)
        add("tf", mass(cls[at], ik, il), mass(unit(pooled[at]), pk, pl), at, True)
    return {k: 100 * float(np.mean(v)) for k, v in found.items()}
