"""What the Python parts of tests/cli share: reading what mrad prints and writes."""
import csv
import json
import math

METRICS = {"i_auroc": "I-AUROC", "i_ap": "I-AP", "i_f1max": "I-F1max", "p_auroc": "P-AUROC", "p_ap": "P-AP",
           "p_f1max": "P-F1max", "pro": "PRO", "pro_exact": "PRO exact"}
NAMES = ("variant", "train", "test", "class")


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
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
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
    return tuple(row.get(n, "") for n in NAMES)


def check_table(table, rows):
    """A table is its rows in per cent with one decimal, "-" for null, in their order."""
    assert len(table) == len(rows), (len(table), len(rows))
    for line, row in zip(table, rows):
        for name in NAMES:
            assert name not in line or line[name] == row.get(name, ""), (line, row)
        for metric, title in METRICS.items():
            want = "-" if row[metric] is None else f"{100 * row[metric]:.1f}"
            assert line[title] == want, (line, title, want)


def check_csv(path, rows, means):
    """results.csv holds rows and then means, exactly, a missing value as nothing."""
    lines = list(csv.DictReader(open(path, encoding="utf-8", newline="")))
    assert len(lines) == len(rows) + len(means)
    for line, row in zip(lines, rows + means):
        assert names(line) == names({"class": "mean", **row}), (line, row)
        for key in ("seed", "n_normal", "n_anomalous"):
            assert int(line[key]) == row[key]
        for metric in METRICS:
            want = row[metric]
            assert line[metric] == "" if want is None else float(line[metric]) == want, (line, metric, want)


def check_means(tree):
    """Each mean row is the mean over the classes that have the metric."""
    for mean in tree["means"]:
        of = [r for r in tree["rows"] if names(r)[:3] == names(mean)[:3] and r["seed"] == mean["seed"]]
        assert of and "class" not in mean
        for metric in METRICS:
            values = [r[metric] for r in of if r[metric] is not None]
            if values:
                assert math.isclose(mean[metric], sum(values) / len(values), rel_tol=1e-14), (mean, metric)
            else:
                assert mean[metric] is None, (mean, metric)


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
