"""What the Python parts of tests/cli share: reading what mrad prints and writes."""
import csv
import json
import math
import re
import statistics

METRICS = {"i_auroc": "I-AUROC", "i_ap": "I-AP", "i_f1max": "I-F1max", "p_auroc": "P-AUROC", "p_ap": "P-AP",
           "p_f1max": "P-F1max", "pro": "PRO", "pro_exact": "PRO exact"}
NAMES = ("variant", "train", "test", "class")
SETTING = ("variant", "train", "test", "ablation")


def load(path):
    """A JSON file; NaN and Infinity are no JSON."""
    def refuse(word):
        raise AssertionError(f"{path}: {word} is no JSON")
    with open(path, encoding="utf-8") as f:
        return json.load(f, parse_constant=refuse)


def tables(path):
    """Every Markdown table of a text, each a list of {column: cell}."""
    found, head = [], None
    for line in open(path, encoding="utf-8"):
        cells = [c.strip().replace(r"\|", "|") for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = cells
            found.append([])
        elif not set(line) <= set("|-: \n"):
            assert len(cells) == len(head), line
            found[-1].append(dict(zip(head, cells)))
    return found


def remarks(path):
    return [line[2:].rstrip("\n") for line in open(path, encoding="utf-8") if line.startswith("- ")]


def names(row):
    return tuple(row.get(n, "") for n in (*NAMES, "ablation"))


def setting(row):
    return tuple(row.get(n, "") for n in SETTING)


def check_table(table, rows):
    """A table is its rows in per cent with one decimal, "-" for null, in their order."""
    assert len(table) == len(rows), (len(table), len(rows))
    for line, row in zip(table, rows):
        for name in (*NAMES, "ablation", "seed"):
            assert name not in line or line[name] == str(row.get(name, "")), (line, row)
        for metric, title in METRICS.items():
            want = "-" if row[metric] is None else f"{100 * row[metric]:.1f}"
            assert line[title] == want, (line, title, want)


def check_csv(path, rows, means, seeds=()):
    """results.csv holds rows, means and what is said over seeds, exactly, a missing value as nothing."""
    wanted = [*rows, *({"class": "mean", **m} for m in means)]
    for entry in seeds:
        for word in ("mean", "sd"):
            values = {m: entry[m][word] for m in METRICS}
            wanted.append({**entry, **values, "class": f"seeds {word}"})
    lines = list(csv.DictReader(open(path, encoding="utf-8", newline="")))
    assert len(lines) == len(wanted)
    for line, row in zip(lines, wanted):
        assert names(line) == names(row), (line, row)
        for key in ("seed", "n_normal", "n_anomalous"):
            assert line[key] == str(row.get(key, "")), (line, row)
        for metric in METRICS:
            want = row[metric]
            assert line[metric] == "" if want is None else float(line[metric]) == want, (line, metric, want)


def check_means(tree):
    """Each mean row is the mean over the classes that have the metric."""
    for mean in tree["means"]:
        of = [r for r in tree["rows"] if setting(r) == setting(mean) and r["seed"] == mean["seed"]]
        assert of and "class" not in mean
        for metric in METRICS:
            values = [r[metric] for r in of if r[metric] is not None]
            if values:
                assert math.isclose(mean[metric], sum(values) / len(values), rel_tol=1e-14), (mean, metric)
            else:
                assert mean[metric] is None, (mean, metric)


def check_seeds(tree, n):
    """Each entry of "seeds" is mean and sample standard deviation over n mean rows, in their order."""
    assert [setting(e) for e in tree["seeds"]] == list(dict.fromkeys(setting(m) for m in tree["means"]))
    for entry in tree["seeds"]:
        of = [m for m in tree["means"] if setting(m) == setting(entry)]
        assert entry["n_seeds"] == len(of) == n, entry
        for metric in METRICS:
            values = [m[metric] for m in of]
            if None in values:
                assert entry[metric] == {"mean": None, "sd": None}, (entry, metric)
                continue
            assert math.isclose(entry[metric]["mean"], statistics.fmean(values), rel_tol=1e-14), (entry, metric)
            assert math.isclose(entry[metric]["sd"], statistics.stdev(values), rel_tol=1e-9, abs_tol=1e-16), (entry, metric)


def check_seeds_table(table, seeds):
    assert len(table) == len(seeds), (len(table), len(seeds))
    for line, entry in zip(table, seeds):
        assert all(name not in line or line[name] == entry.get(name, "") for name in SETTING), (line, entry)
        for metric, title in METRICS.items():
            mean, sd = entry[metric]["mean"], entry[metric]["sd"]
            want = "-" if mean is None else f"{100 * mean:.1f} ± {100 * sd:.1f}"
            assert line[title] == want, (line, title, want)


def check_skipped(tree):
    """What is null has its reason, and nothing else has one."""
    told = sorted((*names(s), s["metric"]) for s in tree["skipped"] if "metric" in s)
    null = sorted((*names(r), m) for r in tree["rows"] for m in METRICS if r[m] is None)
    assert told == null, (told, null)
    assert all(s["why"] for s in tree["skipped"])


def same_metrics(a, b, tolerance, metrics=METRICS):
    for m in metrics:
        assert (a[m] is None) == (b[m] is None), (m, a, b)
        assert a[m] is None or abs(a[m] - b[m]) <= tolerance, (m, a[m], b[m])
