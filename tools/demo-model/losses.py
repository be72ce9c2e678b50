"""The terms of the objective. q, k are unit rows; a label is 1 for anomalous, 0 for normal."""
import torch
import torch.nn.functional as F

from model import average_neighbor, unit

TEXT_TAU = 0.07       # the method's own for text
CLEAR = 0.12          # share of defect from which a patch counts as anomalous; between 0 and this it is in neither
SMOOTH = 0.03


def balanced(logit, target, weight):
    """Cross-entropy where both states have the same total weight. weight 0: not looked at."""
    wa, wn = weight * target, weight * (1 - target)
    w = wa / wa.sum().clamp(min=1e-6) + wn / wn.sum().clamp(min=1e-6)
    soft = target * (1 - 2 * SMOOTH) + SMOOTH
    return (w * F.binary_cross_entropy_with_logits(logit, soft, reduction="none")).sum() / 2


def evidence(sim, labels, allowed):
    """sim (..., M) over tau, allowed (..., M) -> log of the mean weight on anomalous keys less that on normal ones."""
    out = []
    for label in (1, 0):
        keep = allowed & (labels == label)
        n = keep.sum(-1)
        total = sim.masked_fill(~keep, -1e4).logsumexp(-1) - n.clamp(min=1).log()
        out.append(torch.where(n > 0, total, torch.zeros(())))
    return out[0] - out[1]


def prototypes(pooled, share):
    """(B,N,D), (B,N) -> keys (M,D), labels (M), image of each (M): regional means, then unit, as in a bank."""
    rows, labels, image = [], [], []
    for label, inside in ((1, share >= CLEAR), (0, share == 0)):
        w = inside.float()
        some = w.sum(1) > 0
        mean = torch.einsum("bnd,bn->bd", pooled, w) / w.sum(1, keepdim=True).clamp(min=1)
        rows.append(unit(mean[some]))
        labels.append(torch.full((int(some.sum()),), label))
        image.append(some.nonzero()[:, 0])
    return torch.cat(rows), torch.cat(labels), torch.cat(image)


class Memory:
    """Keys of the last pictures beside those of the batch, without gradient, so that what is retrieved is nearer to a bank."""

    LENGTH = 240  # keys of each kind; at the rates of learning that the end of the schedule has they are hardly stale

    def __init__(self):
        self.kept = {}

    def extend(self, name, *own):
        """Tensors of one length (rows, labels, families) -> each with the kept ones after it; the own are kept."""
        every = [torch.cat(pair) for pair in zip(own, self.kept[name])] if name in self.kept else list(own)
        self.kept[name] = [t[:self.LENGTH].detach().clone() for t in every]
        return every


def retrieval(query, keys, labels, allowed, target, weight):
    """Sharp retrieval, which teaches, and the method's own at tau = 1, whose evidence is small and is scaled."""
    sim = query @ keys.t()
    sharp = balanced(evidence(sim / 0.1, labels, allowed), target, weight)
    plain = balanced(12 * evidence(sim, labels, allowed), target, weight)
    return 0.6 * sharp + 0.4 * plain


def strangers(is_strict, image, key_family, family):
    """(B,M) bool: which keys the pictures of a batch, of family (B), may use.

    The first keys are of image, places in the batch, the others of earlier pictures; key_family (M). No
    picture is a key of itself; when is_strict, none of its family is.
    """
    if is_strict:
        return family[:, None] != key_family[None]
    place = F.pad(image, (0, len(key_family) - len(image)), value=-1)
    return torch.arange(len(family))[:, None] != place[None]


def captions(cls, text, scale, family, state, general):
    """Image-text contrast both ways. Right are all texts of the same family and state, and general ones of the state."""
    logit = scale.exp().clamp(max=50) * unit(cls) @ unit(text).t()
    right = (((family[:, None] == family[None]) | general[None]) & (state[:, None] == state[None])).float()
    loss = 0
    for a, r in ((logit, right), (logit.t(), right.t())):
        loss = loss - (r / r.sum(1, keepdim=True) * a.log_softmax(1)).sum(1).mean() / 2
    return loss


def objective(rng, cls, patch, inner, proj, state_text, share, labels, known, family, heads, memory):
    """All terms but the captions'.

    cls (B,E), patch (B,N,D) before pooling, inner: list of (B,N,D) within, state_text (R,2,E) unit pairs, share (B,N) of defect in a
    patch, labels (B) 0/1, known (B) 0 where a picture's state is doubtful, family (B), heads: linear, of
    patches, of pictures and of each block's inner patches, memory: of the last steps.
    """
    pooled = average_neighbor(patch)
    n_patches = pooled.shape[1]
    anomalous = (share >= CLEAR).float()
    weight = ((share == 0) | (share >= CLEAR)).float()
    weight = weight / (1 + (anomalous.sum(1, keepdim=True) - 1).clamp(min=0)).sqrt() ** anomalous
    away = (state_text[:, 1] - state_text[:, 0]).t() / TEXT_TAU
    dense, state = unit(pooled @ proj) @ away, unit(cls) @ away
    terms = {
        "dense": sum(balanced(d, anomalous, weight) for d in dense.unbind(-1)) / dense.shape[-1],
        "state": sum(balanced(d, labels, known) for d in state.unbind(-1)) / state.shape[-1],
        "patch_head": balanced(heads[0](unit(pooled) * 10)[..., 0], anomalous, weight),
        "class_head": balanced(heads[1](unit(cls) * 10)[..., 0], labels, known),
        # the class token finds what the blocks before the last have already told apart
        "inner": sum(balanced(h(x)[..., 0], anomalous, weight) for h, x in zip(heads[2:], inner)) / len(inner),
    }
    is_strict = rng.random() < 0.5
    rows, states, image = prototypes(pooled, share)
    keys, states, key_family = memory.extend("regions", rows, states, family[image])
    allowed = strangers(is_strict, image, key_family, family)[:, None].expand(-1, n_patches, -1)
    terms["regions"] = retrieval(unit(pooled), keys, states, allowed, anomalous, weight)
    image = (known > 0).nonzero()[:, 0]
    keys, states, key_family = memory.extend("images", unit(cls)[image], labels[image].long(), family[image])
    terms["images"] = retrieval(unit(cls), keys, states, strangers(is_strict, image, key_family, family), labels, known)
    return terms
