#!/usr/bin/env python3
"""Train MRAD-CLIP with every source of the prompts' bias, on the fixture tiny.

    PYTHONPATH=FOLDER_OF_mrad_ref.py tools/golden/make_bias.py tests/fixtures/tiny

Reads features, bank, the trained metric, start values and the order of golden.h5 there and writes
bias.h5: three steps by torch's autograd and Adam for each source. The golden's metric takes every patch for
normal, so the regional priors go through one whose query map is SHARP times as large and finds both
regions, one, or the other. Before that, the source dual-prior is trained for all of golden.h5's own steps
with the golden's own metric, and must give its losses and parameters. Made with torch 1.13; the version is
an attribute.

    query (2, E)      start values of the queries, normal. Their deviation is 1, not the 0.02 of a real
                      start, so that the patches' weights differ; the other tensors start as in the golden
    order (3, batch)  the golden's first steps
    attribute sharp   factor of wq and bq
    golden/loss (3)   of dual-prior with the golden's metric
    SOURCE/loss (3)   SOURCE/final/... trained parameters, those of the source alone
    SOURCE/map (4, N) text map of the first images of B on the grid   SOURCE/score (n) image scores of B
"""
import sys
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F

import mrad_ref as R

N_STEPS, N_MAPS, LR, SHARP = 3, 4, 4e-4, 100
MAPS = ("pn", "pbn", "pa", "pba")
TRAINS = {"static": (), "class-token": MAPS, "cross-patch": (*MAPS, "query"),
          "anomaly-prior": MAPS[2:], "dual-prior": MAPS}


class World:
    """What the golden holds, ready to train on."""

    def __init__(self, golden):
        def read(name):
            return torch.from_numpy(golden[name][()])

        sizes = golden["shape"].attrs
        self.shape = R.Shape(**{f.name: int(sizes[f.name]) for f in fields(R.Shape)})
        self.weights = R.random_weights(self.shape)
        self.tokens = read("clip/tokens")
        self.keys, self.key_labels = read("bank/pixel_keys"), read("bank/pixel_labels")
        self.own_metric = tuple(tuple(read(f"ft/final/{n}") for n in pair) for pair in (("wq", "bq"), ("wk", "bk")))
        self.metric = self.own_metric
        self.order = read("clip/order")
        self.mask = read("A/mask").float()
        self.y_cls = read("ft/y_cls")
        self.cls, self.query, self.projected = {}, {}, {}
        for tag in "AB":
            self.cls[tag] = R.unit(read(f"{tag}/cls"))
            self.query[tag] = R.unit(R.average_neighbor(read(f"{tag}/patch")))
            self.projected[tag] = R.unit(R.average_neighbor(read(f"{tag}/patch_proj")))
        self.init = {n: read(f"clip/init/{n}") for n in ("ctx", "deep", *MAPS)}
        draws = np.random.default_rng(77).normal(0, 1, (2, self.shape.embed))
        self.init["query"] = torch.from_numpy(draws.astype(np.float32))

    def sharpen(self):
        self.metric = (tuple(t * SHARP for t in self.own_metric[0]), self.own_metric[1])

    def masses(self, tag, idx, dropout, noise=0):
        """(B, N, 2): masses of the patches; noise is relative."""
        query = self.query[tag][idx]
        query = R.unit(query * (1 + noise * torch.randn(query.shape)))
        return R.retrieve(query, self.keys, self.key_labels, self.metric, dropout)

    def priors(self, source, par, tag, idx, dropout):
        """(B, 2, E): what goes through the prompt projections."""
        x = self.projected[tag][idx]
        if source == "class-token":
            return self.cls[tag][idx][:, None].expand(-1, 2, -1)
        if source == "cross-patch":
            weight = (x @ par["query"].t() / self.shape.embed ** 0.5).softmax(1)  # over patches
            return weight.transpose(1, 2) @ x
        with torch.no_grad():
            return R.regional_prior(self.masses(tag, idx, dropout), x)

    def text(self, source, par, tag, idx, dropout):
        """(B, 2, E) unit text features."""
        bias = torch.zeros(1, 2, self.shape.text_width)
        if source != "static":
            prior = self.priors(source, par, tag, idx, dropout)
            normal = torch.zeros(len(idx), self.shape.text_width) if source == "anomaly-prior" else \
                F.linear(prior[:, 0], par["pn"], par["pbn"])
            bias = torch.stack([normal, F.linear(prior[:, 1], par["pa"], par["pba"])], 1)
        prompts = R.dynamic_prompts(par["ctx"], self.tokens, bias, self.weights)
        end = self.tokens.argmax(-1).repeat(len(bias))
        z = R.encode_prompts(prompts, end, list(par["deep"]), self.weights, self.shape)
        return R.unit(z.reshape(len(bias), 2, -1)).expand(len(idx), -1, -1)

    def grid_map(self, source, par, tag, idx, dropout=None):
        """(B, N, 2) probabilities at the patches."""
        return R.text_map(self.projected[tag][idx], self.text(source, par, tag, idx, dropout))

    def train(self, source, n_steps):
        par = {n: self.init[n].clone().requires_grad_() for n in ("ctx", "deep", *TRAINS[source])}
        opt = torch.optim.Adam(par.values(), lr=LR, betas=(0.5, 0.999))
        losses = []
        for idx in self.order[:n_steps]:
            y = R.upsample(self.grid_map(source, par, "A", idx, 0.8), self.shape.image)
            t = self.mask[idx]
            loss = R.focal(y, t) + R.dice(y[:, 1], t) + R.dice(y[:, 0], 1 - t)
            opt.zero_grad()
            loss.backward()
            opt.step()
            losses.append(loss.item())
        return np.float32(losses), {n: v.detach() for n, v in par.items()}


def distance(a, b):
    return float((a - b).norm() / b.norm())


def check(world, golden):
    """The loop above, without the changes of the ablation, is that of the golden."""
    loss, par = world.train("dual-prior", len(world.order))
    worst = {"loss": float(np.abs(loss / golden["clip/loss"][()] - 1).max())}
    worst.update((n, distance(v, torch.from_numpy(golden[f"clip/final/{n}"][()]))) for n, v in par.items())
    print("dual-prior against golden.h5:", {k: f"{v:.1e}" for k, v in worst.items()})
    assert max(worst.values()) < 1e-6


def check_margin(world):
    """Rounding of other programs must not move a patch to the other region; both must occur."""
    torch.manual_seed(1)
    for tag, idx, dropout in (("A", world.order[:N_STEPS].flatten(), 0.8), ("B", torch.arange(len(world.y_cls)), None)):
        found = world.masses(tag, idx, dropout)[..., 1] > 0.5
        share = found.float().mean(1)
        print(tag, "anomalous patches:", [round(s, 2) for s in share.tolist()])
        assert ((share > 0) & (share < 1)).sum() > 3 and (share == 0).any()
        for _ in range(100):
            assert torch.equal(found, world.masses(tag, idx, dropout, noise=1e-5)[..., 1] > 0.5)


folder = Path(sys.argv[1])
with h5py.File(folder / "golden.h5") as golden:
    world = World(golden)
    check(world, golden)
    golden_loss, _ = world.train("dual-prior", N_STEPS)
world.sharpen()
check_margin(world)
with h5py.File(folder / "bias.h5", "w") as out:
    out.attrs["torch"] = str(torch.__version__)
    out.attrs["sharp"] = float(SHARP)
    out["order"] = world.order[:N_STEPS].numpy()
    out["query"] = world.init["query"].numpy()
    out["golden/loss"] = golden_loss
    for source in TRAINS:
        loss, par = world.train(source, N_STEPS)
        with torch.no_grad():
            y = world.grid_map(source, par, "B", torch.arange(len(world.y_cls)))
            smooth = R.gaussian(R.upsample(y, world.shape.image)[:, 1])
        out[f"{source}/loss"] = loss
        for name, value in par.items():
            out[f"{source}/final/{name}"] = value.numpy()
        out[f"{source}/map"] = y[:N_MAPS, :, 1].numpy()
        out[f"{source}/score"] = R.image_score(world.y_cls, smooth).numpy()
        print(source, loss)
