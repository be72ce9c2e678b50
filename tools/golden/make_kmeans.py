#!/usr/bin/env python3
"""Clusters of unit vectors, and what scikit-learn makes of them.

    tools/golden/make_kmeans.py tests/fixtures/bank

Writes kmeans.h5: points [80, 8], label [80] (50 of 0 in five clusters, 30 of 1 in three, mixed), and for
each cluster its label and the unit vector along scikit-learn's centroid, in the order of the clusters'
lowest points. The clusters lie far apart, so the best clustering by distance is also the best by
cosine. Made with the version of scikit-learn that is an attribute.
"""
import sys
from pathlib import Path

import h5py
import numpy as np
import sklearn
from sklearn.cluster import KMeans

DIM, SIZES = 8, {0: [4, 20, 9, 11, 6], 1: [15, 3, 12]}

rng = np.random.default_rng(7)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


points, label = [], []
for which, sizes in SIZES.items():
    centres = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0][: len(sizes)]
    for centre, n in zip(centres, sizes):
        points.append(unit(centre + 0.1 * rng.standard_normal((n, DIM))))
        label += [which] * n
order = rng.permutation(len(label))
points = np.concatenate(points)[order].astype(np.float32)
label = np.array(label, np.uint8)[order]

found = []
for which, sizes in SIZES.items():
    rows = np.flatnonzero(label == which)
    model = KMeans(len(sizes), n_init=50, random_state=0, tol=0).fit(points[rows].astype(np.float64))
    assert sorted(np.bincount(model.labels_)) == sorted(sizes)
    for k, centre in enumerate(unit(model.cluster_centers_)):
        found.append((rows[np.flatnonzero(model.labels_ == k)[0]], which, centre))
found.sort(key=lambda entry: entry[0])
with h5py.File(Path(sys.argv[1]) / "kmeans.h5", "w") as out:
    out.attrs["scikit-learn"] = sklearn.__version__
    out["points"] = points
    out["label"] = label
    out["centroid_label"] = np.array([f[1] for f in found], np.uint8)
    out["centroid"] = np.array([f[2] for f in found], np.float32)
