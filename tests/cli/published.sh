#!/usr/bin/env bash
# results/paper holds the numbers of shared/facts.md: all of them, and no others. The tables are parsed here
# on their own, cell by cell.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

facts=${MRAD_SHARED:-$MRAD_SOURCE/../shared}/facts.md
[ -f "$facts" ] || skip "needs shared/facts.md; set MRAD_SHARED"

check_py "results/paper against facts.md" "$facts" "$MRAD_SOURCE/results/paper" <<'PY'
import pathlib
import re
import sys
from collections import Counter
from cli import load

text, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
index = load(folder / "index.json")
assert sorted(index["files"]) == sorted(p.name for p in folder.glob("*.json") if p.name != "index.json")
rows = [r for name in index["files"] for r in load(folder / name)["rows"]]
METRICS = ("p_auroc", "pro", "i_auroc", "i_ap")


def section(head):
    return text.split(f"### {head}", 1)[1].split("\n### ", 1)[0].split("\n---", 1)[0]


def table(lines, first):
    """Cells of the Markdown table whose title line begins with `first`."""
    lines = lines.splitlines()
    at = next(i for i, l in enumerate(lines) if l.startswith(first))
    found = []
    for line in lines[at:]:
        if not line.startswith("|"):
            break
        found.append([c.strip().strip("*") for c in line.strip().strip("|").split("|")])
    return found[0], found[2:]


def half(cell):
    """One half of a cell: two values, each a number, "undefined" or "nf"."""
    cell = cell.strip()
    words = [w.strip() for w in cell.split("/")] if "/" in cell else [cell, cell if cell in "–nf" else "nf"]
    return [{"–": "undefined", "nf": "nf"}.get(w) or float(w) for w in words]


def values(cell):
    cell = re.sub(r"\([^)]*\)", "", cell).strip()
    if cell == "nf":
        return ["nf"] * 4
    pixel, image = cell.split(";")
    return half(pixel) + half(image)


def stored(row):
    """The four values of a row; what is null is named once."""
    out = []
    for metric in METRICS:
        kinds = [k for k in ("undefined", "not_found") for reason in row.get(k, []) if metric in reason["metrics"]]
        if row[metric] is None:
            assert len(kinds) == 1, row
        else:
            assert not kinds, row
        out.append(float(row[metric]) if row[metric] is not None else {"not_found": "nf"}.get(kinds[0], kinds[0]))
    assert all(reason["why"] for k in ("undefined", "not_found", "doubt") for reason in row.get(k, [])), row
    return out


def same(row, wanted, context):
    # facts.md marks a cell as a whole; a data set's undefined metrics are told apart in the files
    for have, want in zip(stored(row), wanted):
        assert have == want or (want == "nf" and have == "undefined"), (context, stored(row), wanted)


names = {}
for entry in index["datasets"]:
    for name in (entry["name"], *entry["aliases"]):
        assert name.lower() not in names
        names[name.lower()] = entry["name"]
seen = Counter()


def take(method, dataset, source=None, **more):
    found = [i for i, r in enumerate(rows) if r["method"] == method and r.get("dataset") == dataset
             and (source is None or r["source"] == source)
             and all(r.get(k) == more.get(k) for k in ("class", "settings", "mean_of"))]
    assert len(found) == 1, (method, dataset, source, more, found)
    seen[found[0]] += 1
    return rows[found[0]]


n = 0
# 2.1: means over 16 data sets
_, lines = table(section("2.1"), "| method")
for method, pixel, image in lines:
    same(take(method, None, "mrad", mean_of=16), half(pixel) + half(image), method)
    n += 1
assert n == 7

# 2.2: MRAD
head, lines = table(section("2.2"), "| data set | MRAD-TF")
assert head[1:] == ["MRAD-TF", "MRAD-FT", "MRAD-CLIP"] and len(lines) == 17
for dataset, *cells in lines:
    for method, cell in zip(head[1:], cells):
        if dataset.startswith("mean"):
            same(take(method, None, "mrad", mean_of=16), values(cell), (method, dataset))
            continue
        row = take(method, names[dataset.lower()], None if cell == "nf" else "psmp-coevo") if method != "MRAD-CLIP" \
            else take(method, names[dataset.lower()], "psmp-coevo")
        same(row, values(cell), (method, dataset))
        other = re.search(r"\(CoEvoAD: ([\d.]+)\)", cell)
        assert not other or any(other[1] in d["why"] for d in row["doubt"]), row
        n += 1

# the log, two tables side by side
_, lines = table(section("2.2"), "| class | P-AUROC")
for line in lines:
    for name, *cells in (line[:4], line[5:]):
        if name:
            klass = None if name == "mean" else name
            pixel, auroc, ap = (float(c.strip("*")) for c in cells)
            same(take("MRAD-CLIP", "MVTec AD", "mrad-log", **({"class": klass} if klass else {})), [pixel, "nf", auroc, ap], name)
            n += 1

# the ablation of the bias
bias = {"static prompts": "static", "+ class token": "class-token", "+ cross-patch": "cross-patch",
        "+ anomaly prior only": "anomaly-prior", "+ both priors": "dual-prior"}
_, lines = table(section("2.2"), "| bias")
for name, mvtec, kvasir, headct in lines:
    settings = {"train.clip.bias": bias.pop(name)}
    same(take("MRAD-CLIP", "MVTec AD", "mrad", settings=settings), values(mvtec), name)
    same(take("MRAD-CLIP", "Kvasir", "mrad", settings=settings), half(kvasir) + ["undefined"] * 2, name)
    same(take("MRAD-CLIP", "HeadCT", "mrad", settings=settings), ["undefined"] * 2 + half(headct), name)
    n += 3
assert not bias

# 2.3: other methods
where = {"WinCLIP": "anomalyclip", "AnomalyCLIP": "anomalyclip", "AdaCLIP": "psmp", "FAPrompt": "edmprompt"}
head, lines = table(section("2.3"), "| data set | WinCLIP")
methods = [h.split()[0] for h in head[1:]]
assert methods == list(where) and len(lines) == 19
for dataset, *cells in lines:
    dataset, _, rest = dataset.partition(" (")
    name = names[dataset.lower()]
    for method, cell in zip(methods, cells):
        source = "coevo" if rest.startswith("CoEvoAD") and method != "FAPrompt" else where[method]
        source = "moeclip" if "(MoECLIP)" in cell else source
        same(take(method, name, source), values(cell), (method, dataset))
        n += 1
        crane = re.search(r"\(Crane prints ([^)]*)\)", cell)
        if crane:
            again = crane[1] if ";" in crane[1] else crane[1] + " ; –"
            same(take(method, name, "crane"), values(again), (method, dataset, "Crane"))
            n += 1

# 2.3: other versions, in running text
versions = section("2.3").split("Other versions of the same baselines", 1)[1]
NUMBER = r"(\d+(?:\.\d+)?)"
PAIR = f"{NUMBER}/{NUMBER}"


def pairs(method, source, words):
    """DATASET a/b ; c/d, or a/b alone: of a set without masks the image's, else the pixels'."""
    global n
    for dataset, a, b, c, d in re.findall(r"([A-Z][\w-]*) " + PAIR + rf"(?: ; {PAIR})?", words):
        nothing = ["undefined"] * 2
        short = [float(a), float(b)]
        want = short + [float(c), float(d)] if c else \
            nothing + short if dataset in ("BrainMRI", "HeadCT", "Br35H") else short + nothing
        name = names[{"DTD": "DTD-Synthetic", "MVTec": "MVTec AD"}.get(dataset, dataset).lower()]
        same(take(method, name, source), want, (method, source, dataset))
        n += 1


def words_of(pattern):
    found = re.search(pattern, versions, re.S)
    assert found, pattern
    return found[1]


pairs("Bayes-PFL", "psmp", words_of(r"Bayes-PFL \(PSMP table\): (.*?)\n"))
pairs("AA-CLIP", "psmp", words_of(r"AA-CLIP \(PSMP table\): (.*?)\n"))
pairs("WinCLIP", "coevo", words_of(r"WinCLIP: CoEvoAD prints (.*?), MVTec I-AP"))
pairs("WinCLIP", "accurate-winclip", words_of(r"Accurate-WinCLIP-pytorch (.*?);? https"))
pairs("AnomalyCLIP", "anomalyclip-log", words_of(r"\(2024-12-18\) (.*?), with per-class"))
pairs("AnomalyCLIP", "psmp", words_of(r"PSMP-CLIP prints (.*?)\. CoEvoAD"))
pairs("AnomalyCLIP", "coevo", words_of(r"CoEvoAD prints (BTAD 93.*?)\.\n"))
pairs("AdaCLIP", "crane", words_of(r"AdaCLIP: Crane prints (.*?)\. The very"))
own = words_of(r"notes\): (.*?)\. FAPrompt's SDD")
pairs("FAPrompt", "fb-clip", own.replace("MPDD P 96.5/87.9, ", ""))
assert "MPDD P 96.5/87.9" in own
same(take("FAPrompt", "MPDD", "fb-clip"), [96.5, 87.9, "nf", "nf"], "FAPrompt MPDD")
mvtec, visa = re.search(f"MVTec I-AP {NUMBER} and VisA I-AP {NUMBER}", versions).groups()
same(take("WinCLIP", "MVTec AD", "coevo"), ["nf"] * 3 + [float(mvtec)], "WinCLIP I-AP")
same(take("WinCLIP", "VisA", "coevo"), ["nf"] * 3 + [float(visa)], "WinCLIP I-AP")
image, pixel = re.search(f"caoyunkang/WinClip MVTec I {NUMBER}, P {NUMBER}", versions).groups()
same(take("WinCLIP", "MVTec AD", "caoyunkang"), [float(pixel), "nf", float(image), "nf"], "WinClip")
pixel = re.search(r"AnomalyCLIP HeadCT " + PAIR, section("2.3")).groups()
same(take("AnomalyCLIP", "HeadCT", "mrad-issue"), ["undefined"] * 2 + [float(x) for x in pixel], "issue 4")

left = [r for i, r in enumerate(rows) if not seen[i]]
assert not left, f"not in facts.md: {left}"

# 1.2: counts of the variants
counts = {}
for dataset, _, test, *_ in table(section("1.2"), "| data set | classes")[1]:
    found = re.search(r"(\d+) / (\d+)", test)
    counts.setdefault(names[re.split(r"[,(]", dataset)[0].strip().replace(" 2016 task 1", "").lower()], []).append((int(found[1]), int(found[2])))
for entry in index["datasets"]:
    have = [(v["normal"], v["anomalous"]) for v in entry["variants"] if v["name"] != "pranet-test"]
    assert have == counts.get(entry["name"], []), (entry, counts.get(entry["name"]))
    for v in entry["variants"]:
        if v["name"] == "pranet-test":
            short = entry["name"].removeprefix("CVC-")
            assert re.search(rf"\b{short} {v['anomalous']}\b", section("1.3")), v
listed = {names[l[1].split(" (")[0].lower()]: "inferred" if "inferred" in l[3] else "stated"
          for l in table(section("1.1"), "| # | data set")[1]}
assert listed == {e["name"]: e["in_mrad"] for e in index["datasets"] if e["in_mrad"] != "no"}
print(f"{n} cells of facts.md, {len(rows)} rows")
PY
finish
