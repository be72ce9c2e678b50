#!/usr/bin/env python3
"""Hard cases for the metrics, with the values of scikit-learn and scikit-image -> more.h5.

    tools/golden/make_metrics.py tests/fixtures/metrics/more.h5 tests/fixtures/metrics/metrics.h5

The second file (read) holds four cases whose values were taken from float64 maps before these were
stored as float32; they are repeated here with the values of the stored maps.

Needs numpy < 1.25 (the published PRO depends on how older numpy mixes float32 and Python numbers),
scipy, scikit-learn, scikit-image, h5py. Each group is one class: map (n,H,W), mask (n,H,W),
label (n), score (n); its attributes are the expected values. An absent metric is undefined and must
be refused. The root records seed and versions.
"""
import sys

import h5py
import numpy as np
import scipy
import skimage
import sklearn
from scipy.ndimage import gaussian_filter
from skimage import measure
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

SEED = 2026
METRICS = ("i_auroc", "i_ap", "i_f1max", "p_auroc", "p_ap", "p_f1max", "pro", "pro_exact")
rng = np.random.default_rng(SEED)


def f1max(y, s):
    p, r, _ = precision_recall_curve(y, s)
    return float(np.max(2 * p * r / np.maximum(p + r, 1e-300)))


def regions_of(masks):
    return [(i, r.coords) for i, m in enumerate(masks)
            for r in measure.regionprops(measure.label(m, connectivity=2))]


def pro_published(masks, maps, regions, steps=200, limit=0.3):
    """The published loop: (value, largest FPR below the limit), or None where it is undefined."""
    lo, hi = maps.min(), maps.max()
    if not lo < hi or not np.isfinite([lo, hi]).all():
        return None
    normal = masks == 0
    pros, fprs = [], []
    for th in np.arange(lo, hi, (hi - lo) / steps):
        b = maps > th
        pros.append(np.mean([b[i][c[:, 0], c[:, 1]].mean() for i, c in regions]))
        fprs.append((b & normal).sum() / normal.sum())
    pros, fprs = np.array(pros), np.array(fprs)
    f, p = fprs[fprs < limit], pros[fprs < limit]
    if len(f) < 2 or f.max() == f.min():
        return None
    return auc((f - f.min()) / (f.max() - f.min()), p), f.max()


def pro_exact(masks, maps, regions, limit=0.3):
    """Every distinct score is a threshold; linear at the limit; divided by the limit."""
    weight = np.zeros(maps.shape)
    for i, c in regions:
        weight[i][c[:, 0], c[:, 1]] = 1.0 / len(c)
    order = np.argsort(-maps, axis=None, kind="stable")
    v = maps.ravel()[order]
    last = np.r_[v[1:] != v[:-1], True]
    normal = masks == 0
    fpr = np.r_[0.0, np.cumsum(normal.ravel()[order])[last] / normal.sum()]
    pro = np.r_[0.0, np.cumsum(weight.ravel()[order])[last] / len(regions)]
    k = np.searchsorted(fpr, limit, side="right")
    f, p = fpr[:k], pro[:k]
    if k < len(fpr) and f[-1] < limit:
        p = np.r_[p, np.interp(limit, fpr[k - 1:k + 1], pro[k - 1:k + 1])]
        f = np.r_[f, limit]
    return np.trapz(p, f) / limit


def expected(label, score, mask, maps):
    out = {}
    if 0 < label.sum() < len(label):
        out["i_auroc"] = roc_auc_score(label, score)
    if label.sum() > 0:
        out.update(i_ap=average_precision_score(label, score), i_f1max=f1max(label, score))
    if 0 < mask.sum() < mask.size:
        y, s, regions = mask.ravel(), maps.ravel(), regions_of(mask)
        out.update(p_auroc=roc_auc_score(y, s), p_ap=average_precision_score(y, s), p_f1max=f1max(y, s),
                   pro_exact=pro_exact(mask, maps, regions), n_regions=len(regions))
        published = pro_published(mask, maps, regions)
        if published:
            out["pro"], out["pro_largest_fpr"] = published
    return out


def case(h, name, mask, maps, types=(np.float32, np.uint8, np.uint8, np.float32)):
    maps = maps.astype(np.float32)
    label = mask.reshape(len(mask), -1).max(1)
    score = maps.reshape(len(maps), -1).max(1)
    g = h.create_group(name)
    for key, value, kind in zip(("map", "mask", "label", "score"), (maps, mask, label, score), types):
        g.create_dataset(key, data=value.astype(kind), compression="gzip", shuffle=True, track_times=False)
    g.attrs.update(expected(label, score, mask, maps))
    print(name, {k: round(float(v), 5) for k, v in g.attrs.items()})


def noise(n, h, w, sigma):
    return np.stack([gaussian_filter(rng.standard_normal((h, w)), sigma) for _ in range(n)])


def discs(n, h, w, anomalous):
    m = np.zeros((n, h, w), np.uint8)
    yy, xx = np.mgrid[0:h, 0:w]
    for i in range(anomalous):
        for _ in range(rng.integers(1, 4)):
            r = rng.integers(2, h // 5, 2)
            m[i][((yy - rng.integers(0, h)) / r[0]) ** 2 + ((xx - rng.integers(0, w)) / r[1]) ** 2 <= 1] = 1
    return m


with h5py.File(sys.argv[1], "w") as h:
    h.attrs.update(seed=SEED, numpy=np.__version__, scipy=scipy.__version__, sklearn=sklearn.__version__,
                   skimage=skimage.__version__)
    m = np.zeros((3, 48, 64), np.uint8)      # one region along all four borders; one from edge to edge
    m[0, [0, -1], :] = 1
    m[0, :, [0, -1]] = 1
    m[1, :, 20:23] = 1
    case(h, "borders", m, noise(3, 48, 64, 1.5) + 0.2 * m)
    m = discs(6, 64, 64, 4)                  # 95 % of all pixels have one score
    a = (rng.random(m.shape) < 0.03) * 2.0 + (rng.random(m.shape) < 0.3 * m) * 1.0
    case(h, "huge_ties", m, a)
    base = np.float32(0.7).view(np.uint32)   # seven neighbouring floats
    step = rng.integers(0, 4, m.shape) + 3 * m * (rng.random(m.shape) < 0.5)
    case(h, "one_ulp", m, (base + step).astype(np.uint32).view(np.float32))
    case(h, "integers_above_2_24", m, 2.0 ** 24 + 2 * np.round(40 * noise(6, 64, 64, 2) + 10 * m))
    case(h, "one_normal_image", discs(6, 48, 48, 5), noise(6, 48, 48, 1))
    case(h, "skewed", m, np.exp(4 * rng.standard_normal(m.shape) + 3 * m))
    z = np.round(3 * noise(6, 64, 64, 1) + m)
    case(h, "signed_zero", m, np.where(rng.random(m.shape) < 0.5, z, -(-z)) * np.where(z == 0, -1.0, 1.0)
         * np.where((z == 0) & (rng.random(m.shape) < 0.5), -1.0, 1.0))
    case(h, "other_types", m, noise(6, 64, 64, 2) + 0.1 * m, (np.float64, bool, np.int64, np.float64))
    case(h, "half_floats", m, (noise(6, 64, 64, 2) + 0.1 * m).astype(np.float16),
         (np.float16, np.int16, np.uint16, np.float16))
    m = np.zeros((3, 40, 40), np.uint8)      # one image is all defect
    m[0] = 1
    case(h, "whole_image", m, noise(3, 40, 40, 1) + 0.3 * m)
    m = (rng.random((4, 72, 56)) < 0.33).astype(np.uint8)   # tangled regions near the percolation point
    m[3] = 0
    case(h, "tangled", m, noise(4, 72, 56, 0.7) + 0.3 * m)
    with h5py.File(sys.argv[2]) as old:
        for name in ("diagonal_touch", "ring_and_border", "no_normal_image", "odd_size"):
            case(h, name + "_stored", old[name]["mask"][:], old[name]["map"][:])
