#!/usr/bin/env python3
"""Train the demo's CLIP on generated pictures and export it.

  train.py --data DIR --work DIR --steps N --hold A,B,C [--minutes M]
  train.py --data DIR --work DIR --steps N --hold A,B,C --export configs/models/demo-clip

DIR is what `mrad-synth --part train` makes. The work folder keeps pixels, checkpoint and log; the same
command goes on where it stopped, with the same batches: a step's batch depends on --seed and the step
alone. --minutes ends the schedule early when time is short; a run that it ended cannot be repeated step
by step. Products are computed in bfloat16, so other processors give other last digits.
"""
import argparse
import json
import math
import os
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # waiting threads leave the core to others

import numpy as np
import torch
import torch.nn.functional as F

import bpe as vocabulary
import losses
import pictures
import prompts
import validate
from model import Clip, save_safetensors, unit

WEIGHT = {"dense": 0.7, "regions": 0.7, "state": 0.5, "images": 0.5, "captions": 0.15,
          "patch_head": 1.0, "class_head": 0.7, "inner": 0.7}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--steps", type=int, required=True)
    p.add_argument("--minutes", type=float, default=1e9, help="upper bound of the training time")
    p.add_argument("--hold", default="", help="families for validation, by comma")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--layers", type=int, default=6)
    p.add_argument("--lr", type=float, default=7e-4)
    p.add_argument("--small-share", type=float, default=0.19, help="share of the steps on windows of 112 pixels")
    p.add_argument("--small-batch", type=int, default=48)
    p.add_argument("--small-layers", type=int, default=4, help="blocks in use during those steps")
    p.add_argument("--full-batch", type=int, default=12)
    p.add_argument("--large-share", type=float, default=0.19, help="share of the steps, the last ones, on pictures of 336 pixels")
    p.add_argument("--large-batch", type=int, default=8)
    p.add_argument("--save-minutes", type=float, default=3)
    p.add_argument("--validate-minutes", type=float, default=6)
    p.add_argument("--export", help="write model and vocabulary of the checkpoint to this folder and stop")
    p.add_argument("--choose", choices=("last", "best"), default="last",
                   help="which averaged weights are exported: the last, or those that validated best")
    return p.parse_args()


class Data:
    """Pictures of the training families as family -> state -> indices; those of held families apart."""

    def __init__(self, args):
        self.items = pictures.read_items(args.data)
        self.seed = args.seed
        os.makedirs(args.work, exist_ok=True)
        self.pixels = pictures.read_pixels(self.items, f"{args.work}/pixels.npy")
        hold = [h for h in args.hold.split(",") if h]
        self.families = sorted({i["family"] for i in self.items})
        unknown = set(hold) - set(self.families)
        if unknown or len(hold) == 1:
            raise SystemExit(f"--hold: {hold}, wanted none or two or more of {self.families}")
        self.tree, self.held = {}, []
        of = {}
        for k, i in enumerate(self.items):
            of.setdefault(i["family"], {0: [], 1: []})[int(i["label"])].append(k)
        for family, states in of.items():
            if family in hold:  # evenly, so that every kind of defect is there
                self.held += [s[round(j * (len(s) - 1) / 23)] for s in states.values() for j in range(24)]
            else:
                self.tree[family] = states

    def choose(self, rng, n):
        """n indices: families alike, two of five pictures anomalous."""
        return [prompts.draw(rng, self.tree[prompts.draw(rng, sorted(self.tree))][int(rng.random() < 0.4)])
                for _ in range(n)]

    def batch(self, step, n, side):
        """x (n,3,S,S) normalised, mask (n,1,S,S), labels, known, family (n) as numpy arrays, captions."""
        torch.set_num_threads(1)  # in a process of its own
        rng = np.random.default_rng([self.seed, step, 0])
        picked = self.choose(rng, n)
        x, mask = pictures.cut(rng, np.stack([self.pixels[k] for k in picked]), side)
        names = [self.items[k]["family"] for k in picked]
        told = [self.items[k]["caption"] for k in picked]
        family = [self.families.index(self.items[k]["family"]) for k in picked]
        plain = x.clone()
        for i, k in enumerate(picked):
            if not self.items[k]["label"] and rng.random() < 0.25:
                x[i], names[i], family[i] = pictures.texture(rng, side), "pattern", -1
                told[i] = prompts.caption(rng, "pattern", False)
            elif rng.random() < 0.1:
                share = rng.uniform(0.1, 0.3)
                x[i] = x[i] * (1 - share) + plain[int(rng.integers(n))] * share
            if not mask[i].any() and rng.random() < 0.42:
                x[i], mask[i] = pictures.damage(rng, x[i], plain)
        area = mask.sum((1, 2, 3))
        labels = (area > 0).float()
        known = ((area == 0) | (area >= 40)).float()
        for i, k in enumerate(picked):
            if int(labels[i]) != int(self.items[k]["label"]):
                told[i] = prompts.caption(rng, names[i], bool(labels[i]))
        x = pictures.normalise(pictures.recolour(rng, x))
        return (*(t.numpy() for t in (x, mask, labels, known)), np.array(family), told)


DATA = None  # of the process that draws batches, set by its start


def draw_batch(step, n, side):
    return DATA.batch(step, n, side)


class Run:
    """Model, average, optimiser and place in the schedule; all of it in the checkpoint."""

    def __init__(self, args, data):
        self.args, self.data = args, data
        torch.manual_seed(args.seed)
        texts = [i["caption"] for i in data.items if i["family"] in data.tree]
        self.bpe = vocabulary.learn(prompts.general_texts() + texts, 400)
        self.model = Clip(len(self.bpe.vocab), layers=args.layers)
        self.mean = Clip(len(self.bpe.vocab), layers=args.layers)
        self.mean.load_state_dict(self.model.state_dict())
        # linear heads that get the pictures' side going while all texts are still alike; not exported
        self.heads = torch.nn.ModuleList([torch.nn.Linear(self.model.visual.proj.shape[i], 1)
                                          for i in (0, 1, *(0,) * (args.layers - 2))])
        every = [*self.model.parameters(), *self.heads.parameters()]
        plain = [p for p in every if p.ndim < 2]
        heavy = [p for p in every if p.ndim >= 2]
        self.opt = torch.optim.AdamW([{"params": heavy, "weight_decay": 0.05},
                                      {"params": plain, "weight_decay": 0.0}], betas=(0.9, 0.98))
        self.memory = losses.Memory()
        self.step, self.seconds, self.best = 0, 0.0, None
        self.path = f"{args.work}/checkpoint.pt"
        if os.path.exists(self.path):
            self.load(torch.load(self.path))

    def load(self, c):
        self.model.load_state_dict(c["model"])
        self.mean.load_state_dict(c["mean"])
        self.heads.load_state_dict(c["heads"])
        self.opt.load_state_dict(c["opt"])
        self.memory.kept = c["memory"]
        self.step, self.seconds, self.best = c["step"], c["seconds"], c["best"]

    def save(self):
        torch.save({"model": self.model.state_dict(), "mean": self.mean.state_dict(), "best": self.best,
                    "heads": self.heads.state_dict(), "opt": self.opt.state_dict(), "memory": self.memory.kept, "step": self.step, "seconds": self.seconds}, self.path + ".part")
        os.rename(self.path + ".part", self.path)

    def log(self, **what):
        line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 1),
                           **{k: round(v, 3) if isinstance(v, float) else v for k, v in what.items()}})
        print(line, flush=True)
        with open(f"{self.args.work}/train.log", "a") as f:
            f.write(line + "\n")

    def progress(self):
        return max(self.step / self.args.steps, self.seconds / 60 / self.args.minutes)

    def phase(self, done):
        """Pictures of a step and their side."""
        args = self.args
        if done < args.small_share:
            return args.small_batch, 112
        return (args.full_batch, 224) if done < 1 - args.large_share else (args.large_batch, 336)

    def batches(self, pool):
        """Batches from the current step on, drawn ahead in another process."""
        args, ahead, step = self.args, deque(), self.step
        while True:
            while len(ahead) < 3:
                done = max(step / args.steps, self.seconds / 60 / args.minutes)
                ahead.append(pool.submit(draw_batch, step, *self.phase(done)))
                step += 1
            *arrays, told = ahead.popleft().result()
            yield [torch.from_numpy(a) for a in arrays], told

    def learn(self, arrays, told):
        """One step; its terms."""
        args, done = self.args, self.progress()
        x, mask, labels, known, family = arrays
        self.model.visual.depth = args.small_layers if x.shape[-1] == 112 else args.layers
        rng = np.random.default_rng([args.seed, self.step, 1])
        torch.manual_seed(int(rng.integers(1 << 62)))
        rate = args.lr * min(1, (self.step + 1) / 100) * (0.49 * (1 + math.cos(math.pi * min(done, 1))) + 0.02)
        for g in self.opt.param_groups:
            g["lr"] = rate
        states = [t for pair in prompts.pairs(rng, 6) for t in pair]
        with torch.autocast("cpu", torch.bfloat16):
            inner = []
            cls, patch = self.model.visual(x, inner)
            text = self.model.encode_text(*prompts.batch(self.bpe, states + told))
            start = [prompts.method_pair(self.model, self.bpe) for _ in range(2)]
        pairs = unit(torch.cat([text[:len(states)], *start])).reshape(-1, 2, text.shape[-1])
        share = F.avg_pool2d(mask, self.model.visual.patch).flatten(1)
        terms = losses.objective(rng, cls, patch, inner, self.model.visual.proj, pairs, share, labels, known, family,
                                 self.heads, self.memory)
        general = torch.tensor(["object" in t for t in told])
        terms["captions"] = losses.captions(cls, text[len(states):], self.model.logit_scale, family, labels, general)
        self.opt.zero_grad()
        sum(WEIGHT[k] * v for k, v in terms.items()).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.opt.step()
        self.step += 1
        keep = min(0.998, self.step / (self.step + 20))
        with torch.no_grad():
            for a, b in zip(self.mean.parameters(), self.model.parameters()):
                a.lerp_(b, 1 - keep)
        return {k: v.item() for k, v in terms.items()}

    def validate(self):
        """Scores of the averaged weights; the best so far are kept."""
        if not self.data.held:
            return
        held = [self.data.items[k] for k in self.data.held]
        found = validate.measure(self.mean, self.bpe, self.data.pixels[self.data.held], held, side=336)
        self.log(**found)
        total = sum(found.values())
        if self.best is None or total > self.best["total"]:
            self.best = {"total": total, "step": self.step, "found": found,
                         "state": {k: v.clone() for k, v in self.mean.state_dict().items()}}

    def train(self, pool):
        args, batches = self.args, self.batches(pool)
        recent, began = [], time.time()
        saved = validated = logged = began
        if self.step == 0:
            self.log(pictures=len(self.data.items), families=len(self.data.tree), vocabulary=len(self.bpe.vocab))
        while self.progress() < 1:
            recent.append(self.learn(*next(batches)))
            now = time.time()
            self.seconds += now - began
            began = now
            if now - logged > 60:
                self.log(**{k: float(np.mean([t[k] for t in recent])) for k in recent[0]})
                recent, logged = [], now
            if now - validated > 60 * args.validate_minutes:
                self.validate()
                validated = began = time.time()
            if now - saved > 60 * args.save_minutes:
                self.save()
                saved = time.time()
        self.validate()
        self.save()


def export(run, folder, choice):
    """Averaged weights as float16, and the vocabulary."""
    os.makedirs(folder, exist_ok=True)
    if choice == "best" and not run.best:
        raise SystemExit("--choose best: nothing was validated")
    state, step = (run.best["state"], run.best["step"]) if choice == "best" else (run.mean.state_dict(), run.step)
    save_safetensors(f"{folder}/model.safetensors", state)
    run.bpe.save(folder)
    print(f"{folder}: {os.path.getsize(f'{folder}/model.safetensors') / 1e6:.2f} MB, step {step}")


def main():
    args = arguments()
    global DATA
    DATA = Data(args)
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        pool.submit(os.getpid).result()  # forks before this process has threads
        torch.set_num_threads(args.threads)
        run = Run(args, DATA)
        if args.export:
            export(run, args.export, args.choose)
        else:
            run.train(pool)


if __name__ == "__main__":
    main()
