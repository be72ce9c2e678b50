#!/usr/bin/env bash
# report --compare and --check on a made-up run beside made-up published numbers: which numbers agree, differ or are not
# compared, and why; exit status and messages; the same files from a sweep whose job asks for them.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

# $dir/run, $dir/pub and a folder of the same numbers with other names; make_run EDIT... changes them by Python statements
make_run() {
    rm -rf "$dir/run" "$dir/pub"
    mkdir "$dir/run" "$dir/pub"
    check_py "cannot make a run" "$dir" "$@" <<'PY'
import json
import sys
from cli import METRICS
dir, edits = sys.argv[1], sys.argv[2:]


def row(variant, train, test, n, a, *values, **more):
    """values: p_auroc, pro, i_auroc, i_ap in per cent."""
    out = dict(variant=variant, train=train, test=test, seed=111, n_normal=n, n_anomalous=a, **dict.fromkeys(METRICS))
    for metric, value in zip(("p_auroc", "pro", "i_auroc", "i_ap"), values):
        out[metric] = None if value is None else value / 100
    out.update(more)
    return out


def published(method, dataset, *values, **more):
    out = dict(method=method, dataset=dataset, train="protocol", variant="full", source="src", confidence="3rd")
    out.update(zip(("p_auroc", "pro", "i_auroc", "i_ap"), values))
    out.update(more)
    return out


sets = [("VisA", 5, 6), ("MVTec AD", 7, 8), ("Third Set", 1, 2), ("Fourth", 3, 4)]
index = {"schema": "mrad.paper.index", "version": 1, "files": ["a.json", "b.json"],
         "sources": {"src": {"text": "a table", "address": None}, "log": {"text": "a log", "address": "http://x"}},
         "protocol": {"train": {"visa": "mvtec", "*": "visa"}, "settings": {"all": {"score.k": 0.7}, "mrad-ft": {"train.batch": 8}},
                      "pro": {"metrics.pro_steps": 200}},
         "datasets": [{"name": n, "aliases": ["mvtec"] if n == "MVTec AD" else [], "in_mrad": "stated",
                       "variants": [{"name": "full", "normal": a, "anomalous": b}]} for n, a, b in sets]}
index["datasets"][3]["variants"].append({"name": "cut", "normal": 1, "anomalous": 1})
a = [published("MRAD-TF", "MVTec AD", 90, 80.5, 70, 60),
     published("MRAD-TF", "VisA", 50.0, None, 70, 60, not_found=[{"metrics": ["pro"], "why": "a torn page"}]),
     published("MRAD-TF", "Third Set", None, None, 70, 60, undefined=[{"metrics": ["p_auroc", "pro"], "why": "no masks"}]),
     published("MRAD-TF", "Fourth", 1, 2, 3, 4, variant=None),
     published("MRAD-FT", "MVTec AD", 90, 80, 70, 60, doubt=[{"metrics": ["i_ap"], "why": "blurred"}])]
b = [published("MRAD-TF", "MVTec AD", 10, 20, 30, 40, source="log", **{"class": "Metal Nut"}),
     published("MRAD-TF", "MVTec AD", 11, 21, 31, 41, settings={"score.k": 1}),
     published("Other", "VisA", 99.9, 98.8, 97.7, None, not_found=[{"metrics": ["i_ap"], "why": "?"}], train=None)]
means = [row("mrad-tf", "visa", "mvtec", 7, 8, 90.04, 80, 70.5, 60.6),
         row("mrad-tf", "MvTec-AD", "visa", 5, 6, 49.5, 40, 70, 60),
         row("mrad-tf", "visa", "third_set", 1, 2, 33, 44, 70, None),
         row("mrad-tf", "visa", "fourth", 3, 4, 1, 2, 3, 4),
         row("mrad-tf", "third_set", "mvtec", 7, 8, 90, 80.5, 70, 60),
         row("mrad-tf", "visa", "unheard", 1, 1, 1, 2, 3, 4),
         row("mrad-ft", "visa", "mvtec", 7, 8, 90, 80, 70, 60),
         row("mrad-ft", "visa", "fourth", 3, 4, 90, 80, 70, 60)]
classes = {0: [("metal_nut", 10, 20, 30.6, 40), ("other", 1, 2, 3, 4)]}
used, skipped = {}, []
for edit in edits:
    exec(edit)
rows = []
for i, mean in enumerate(means):
    for name, *values in classes.get(i, [("c", *[None if mean[m] is None else 100 * mean[m] for m in ("p_auroc", "pro", "i_auroc", "i_ap")])]):
        rows.append({**row(mean["variant"], mean["train"], mean["test"], 1, 1, *values), "seed": mean["seed"], "class": name,
                     **({"ablation": mean["ablation"]} if "ablation" in mean else {})})
skipped += [{**{k: r[k] for k in ("variant", "train", "test", "class", "ablation") if k in r}, "metric": m, "why": "because"}
            for r in rows for m in METRICS if r[m] is None]
for name, tree in (("run/results", {"rows": rows, "means": means, "skipped": skipped, "warnings": []}), ("run/used", used),
                   ("pub/index", index), ("pub/a", {"schema": "mrad.paper", "version": 1, "rows": a}),
                   ("pub/b", {"schema": "mrad.paper", "version": 1, "rows": b})):
    with open(f"{dir}/{name}.json", "w") as f:
        json.dump(tree, f)
PY
}

# comparison.json holds these entries, "VARIANT TRAIN TEST[/CLASS] METRIC: VERDICT [because REASON]" each, * for all metrics that
# no line above names, _ for a blank; with `only` it holds no others.
expect() { # [only]
    cat >"$dir/wanted"
    check_py "$last: another comparison" "$dir" "${1:-}" <<'PY'
import sys
from cli import load
dir, only = sys.argv[1:]
tree = load(f"{dir}/run/comparison.json")
entries = tree["entries"]
told = [e["verdict"] for e in entries]
assert (tree["compared"], tree["beyond"], tree["not_compared"]) == \
    (len(told) - told.count("not compared"), told.count("beyond"), told.count("not compared"))
left = list(range(len(entries)))


def place(e):
    return f"{e['variant']} {e['train']} {e['test'].replace(' ', '_')}" + (f"/{e['class']}" if "class" in e else "")


for line in open(f"{dir}/wanted"):
    name, _, said = line.strip().partition(": ")
    verdict, _, why = said.partition(" because ")
    where, metric = name.rsplit(" ", 1)
    found = [i for i in left if place(entries[i]) == where and metric in ("*", entries[i]["metric"])]
    assert found, line
    for i in found if metric == "*" else found[:1]:
        e = entries[i]
        assert e["verdict"] == verdict and (why in e["why"] if why else e["why"] is None), (line, e)
        assert (e["difference"] is None) or abs(e["difference"] - (e["ours"] - e["published"])) < 0.0500001, e
        left.remove(i)
assert not only or not left, [entries[i] for i in left]
PY
}

make_run
run 3 report "$dir/run" --compare "$dir/pub"/ --check "$dir/pub"/
err_has "check: 2 of 15 numbers differ by more than 0.5 from $dir/pub/"
out_has "| mrad-tf | visa  | mvtec |           | I-AP    | src    | 60.6 |      60.0 |       +0.6 | ! |"
out_has "| mrad-tf | visa  | mvtec | metal_nut | I-AUROC | log    | 30.6 |      30.0 |       +0.6 | ! |"
out_lacks "| = |"
out_lacks "| ? |"
out_has "15 numbers of 5 rows compared with $dir/pub/: 13 within 0.5, 2 beyond. 21 numbers not compared; 4 rows have none that is."
out_has "- another training set than published: VisA for MVTec AD: mrad-tf third_set -> mvtec"
expect only <<'E'
mrad-tf visa mvtec p_auroc: within
mrad-tf visa mvtec pro: within
mrad-tf visa mvtec i_auroc: within
mrad-tf visa mvtec i_ap: beyond
mrad-tf visa mvtec/metal_nut i_auroc: beyond
mrad-tf visa mvtec/metal_nut *: within
mrad-tf MvTec-AD visa pro: not compared because no published number was found: a torn page
mrad-tf MvTec-AD visa *: within
mrad-tf visa third_set i_auroc: within
mrad-tf visa third_set i_ap: not compared because ours is not defined: because
mrad-tf visa third_set *: not compared because not defined where it was published: no masks
mrad-tf visa fourth *: not compared because which variant of the data set was used is unknown: full 3 and 4 images, cut 1 and 1 images, ours 3 and 4
mrad-tf third_set mvtec *: not compared because another training set than published: VisA for MVTec AD
mrad-tf visa unheard *: not compared because nothing is published: unheard is no data set of the tables
mrad-ft visa mvtec i_ap: not compared because the published number is in doubt: blurred
mrad-ft visa mvtec *: within
mrad-ft visa fourth *: not compared because nothing is published of mrad-ft on Fourth
E
check_py "comparison.md" "$dir/run/comparison.md" "$dir/run/comparison.json" <<'PY'
import sys
from cli import *
text = open(sys.argv[1]).read()
means, classes, others = tables(sys.argv[1])
sign = {"=": "within", "!": "beyond", "?": "not compared"}
shown = [e for e in load(sys.argv[2])["entries"] if e["difference"] is not None]
assert len(shown) == 20 and len(classes) == 4
for line, e in zip(means + classes, shown):
    assert (line["variant"], line["test"], line["metric"], sign[line[""]]) == (e["variant"], e["test"], METRICS[e["metric"]], e["verdict"])
    assert (line["ours"], line["published"], line["difference"]) == \
        (f"{e['ours']:.1f}", f"{e['published']:.1f}", f"{e['difference']:+.1f}"), (line, e)
assert [(o["test"], o["method"], o["PRO"], o["I-AP"]) for o in others] == [("VisA", "Other", "98.8", "nf")]
assert "- src: a table\n" in text and "- log: a log, http://x\n" in text and "\033" not in text
PY

# the tolerance is of printed numbers
run 0 report "$dir/run" --check "$dir/pub" --tolerance 0.6
out_has "15 within 0.6, 0 beyond"
out_lacks "| variant"
run 3 report "$dir/run" --check "$dir/pub" --tolerance 0.4
err_has "check: 5 of 15 numbers"
run 0 report "$dir/run" --compare "$dir/pub" --tolerance 0
out_has "| mrad-tf | visa"
out_has "the published number is in doubt: blurred: mrad-ft visa -> mvtec (I-AP)"
run 0 report "$dir/run" --compare "$dir/pub" --json
cmp "$dir/out" "$dir/run/comparison.json" || fail "report --compare --json is not comparison.json"

# which numbers are not compared
make_run 'means[0]["n_normal"] = 9' 'a[4]["train"] = None' 'a[1]["train"] = "Fourth"'
run 0 report "$dir/run" --check "$dir/pub"
expect <<'E'
mrad-tf visa mvtec *: not compared because another variant of the data set: published on 7 normal and 8 anomalous images, ours 9 and 8
mrad-tf visa mvtec/metal_nut *: not compared because another variant of the data set
mrad-ft visa mvtec *: not compared because the training set of the published number is unknown
mrad-tf MvTec-AD visa *: not compared because another training set than published: Fourth for VisA
E
make_run 'used = {"score": {"k": 0.5}}'
run 3 report "$dir/run" --check "$dir/pub"
err_has "check: no number of this run can be compared with $dir/pub"
expect <<'E'
mrad-tf visa mvtec *: not compared because score.k is 0.5, published 0.7
mrad-ft visa mvtec *: not compared because score.k is 0.5, published 0.7
E
make_run 'used = {"score": {"k": 1}}'
run 3 report "$dir/run" --check "$dir/pub"
expect <<'E'
mrad-tf visa mvtec p_auroc: not compared because score.k is 1, published 0.7
mrad-tf visa mvtec p_auroc: beyond
E
make_run 'used = {"train": {"batch": 4}, "metrics": {"pro_steps": 100}}'
run 3 report "$dir/run" --check "$dir/pub"
expect <<'E'
mrad-tf visa mvtec p_auroc: within
mrad-tf visa mvtec pro: not compared because PRO is defined otherwise: metrics.pro_steps is 100, published 200
mrad-ft visa mvtec p_auroc: not compared because train.batch is 4, published 8
E
make_run 'used = {"ablations": [{"score.k": 1}, {"score.sigma": 2}]}' \
    'means += [row("mrad-tf", "visa", "mvtec", 7, 8, 11, 21, 31, 41, ablation=x) for x in ("score.k=1", "score.sigma=2", "score.k=3")]' \
    'means[:8] = []' 'classes = {}'
run 0 report "$dir/run" --check "$dir/pub"
expect only <<'E'
mrad-tf visa mvtec p_auroc: within
mrad-tf visa mvtec pro: within
mrad-tf visa mvtec i_auroc: within
mrad-tf visa mvtec i_ap: within
mrad-tf visa mvtec p_auroc: not compared because nothing is published under score.sigma=2
mrad-tf visa mvtec pro: not compared because nothing is published under score.sigma=2
mrad-tf visa mvtec i_auroc: not compared because nothing is published under score.sigma=2
mrad-tf visa mvtec i_ap: not compared because nothing is published under score.sigma=2
mrad-tf visa mvtec *: not compared because used.json does not list its setting
E
make_run 'classes[0] = [("metal_nut", 10, 20, 30, 40), ("other", 1, 2, None, 4)]' \
    'skipped = [{"dataset": "MvTec-AD", "item": 3, "image": "x.png", "why": "bad"}]'
run 3 report "$dir/run" --check "$dir/pub"
expect <<'E'
mrad-tf visa mvtec i_auroc: not compared because ours is a mean over 1 of 2 classes
mrad-tf MvTec-AD visa i_ap: not compared because 1 image was skipped in its data sets
E

# the mean over all data sets, where all are there; seeds have lines of their own
make_run 'del a[0]["dataset"], a[0]["variant"]' 'a[0].update(mean_of=4, p_auroc=43.4, pro=41.6)' \
    'means[:3] = [n for m in means[:3] for n in (m, {**m, "seed": 222, "p_auroc": 0.4})]'
run 3 report "$dir/run" --check "$dir/pub"
out_has "| seed |"
out_has "| mrad-tf | MvTec-AD | visa      |           | P-AUROC | src    |  222 | 40.0 |      50.0 |      -10.0 | ! |"
expect <<'E'
mrad-tf protocol mean_of_4 p_auroc: within
mrad-tf protocol mean_of_4 pro: within
mrad-tf protocol mean_of_4 i_auroc: beyond
mrad-tf protocol mean_of_4 i_ap: beyond
mrad-tf protocol mean_of_4 *: not compared because ours is not defined: 3 of its 4 data sets are here, trained as published
E

# who asks, and for what
make_run
refused 2 "no published numbers \"$dir/none\": there is no $dir/none/index.json; give \"paper\"" report "$dir/run" --compare "$dir/none"
refused 2 'there is no results/papers/index.json, ' report "$dir/run" --check papers
refused 2 'report: --compare and --check name two sources' report "$dir/run" --check paper --compare "$dir/pub"
refused 2 'report: --tolerance wants --compare or --check beside it' report "$dir/run" --tolerance 1
refused 2 '--tolerance: "1%": wanted per cent from 0 to 100' report "$dir/run" --check "$dir/pub" --tolerance 1%
refused 2 '--tolerance: "nan"' report "$dir/run" --check "$dir/pub" --tolerance nan
[ ! -e "$dir/run/comparison.md" ] || fail "a refused comparison was written"
run 0 report "$dir/run"
[ ! -e "$dir/run/comparison.md" ] || fail "a comparison was written that nobody asked for"
cp "$dir/out" "$dir/plain.txt"
rm "$dir/run/used.json"
run 2 report "$dir/run" --check "$dir/pub"
err_has "there is no $dir/run/used.json"
run 0 report "$dir/run"
printf '{"report": {"compare": "%s/pub", "tolerance": 0.6}}\n' "$dir" >"$dir/run/used.json"
run 0 report "$dir/run" --out "$dir/elsewhere"
cmp "$dir/out" "$dir/plain.txt" || fail "report prints something else when the job asked for a comparison"
grep -q '^15 numbers of 5 rows compared with .*: 15 within 0.6' "$dir/elsewhere/comparison.md" ||
    fail "report does not write the comparison that the job asked for"
run 3 report "$dir/run" --check "$dir/pub" --tolerance 0.5

# "paper" is results/paper of the current folder, else the one beside the program
mkdir -p "$dir/here/results"
cp -r "$dir/pub" "$dir/here/results/paper"
cd "$dir/here"
run 0 report "$dir/run" --check paper
out_has "15 numbers of 5 rows compared with paper"
cd "$dir"
run 3 report "$dir/run" --check paper
err_has "no number of this run can be compared with paper"

# what a folder of numbers may hold
bad() { # TEXT EDIT...
    make_run "${@:2}"
    refused 1 "$1" report "$dir/run" --check "$dir/pub"
}
bad 'a.json: row 0: pro: null wants one reason, "undefined" or "not_found", a number none' 'a[0]["pro"] = None'
bad 'a.json: row 1: pro: null wants one reason' 'a[1]["pro"] = 3'
bad 'a.json: row 1: two reasons for pro' 'a[1]["not_found"] *= 2'
bad 'a.json: row 1: "auroc" is no metric' 'a[1]["not_found"][0]["metrics"] = ["auroc"]'
bad 'a.json: row 0: pro is 101, wanted per cent' 'a[0]["pro"] = 101'
bad 'a.json: row 0: pro: wanted a number or null' 'a[0]["pro"] = "80"'
bad 'b.json: row 2: source "book" is not in index.json' 'b[2]["source"] = "book"'
bad 'a.json: row 0: "sure" is no mark of confidence' 'a[0]["confidence"] = "sure"'
bad 'a.json: row 0: no such key "color"' 'a[0]["color"] = 1'
bad 'a.json: row 0: wanted a text or null "train"' 'del a[0]["train"]'
bad 'a.json: row 0: train: "moon" is no data set' 'a[0]["train"] = "moon"'
bad 'a.json: row 0: MVTec AD has no variant "half"' 'a[0]["variant"] = "half"'
bad 'a.json: row 0: "mvtec" is no name of a data set' 'a[0]["dataset"] = "mvtec"'
bad 'a.json: row 0: a mean over 5 data sets, but index.json has 4' 'del a[0]["dataset"], a[0]["variant"]' 'a[0]["mean_of"] = 5'
bad 'index.json: data set Fourth: an alias is no text, or names another set' 'index["datasets"][3]["aliases"] = ["third set"]'
bad 'index.json: two data sets have the name VISA' 'index["datasets"][3]["name"] = "VISA"'
bad 'index.json: protocol.train: * is no data set' 'index["protocol"]["train"]["*"] = "x"'
bad 'wanted schema mrad.paper.index, version 1' 'index["version"] = 2'
bad '"score.q" is no configuration key' 'index["protocol"]["settings"]["all"] = {"score.q": 1}'
bad 'cannot open' 'index["files"].append("c.json")'

# colour is for terminals
make_run
check_py "colour" "$MRAD" "$dir" <<'PY'
import os
import pty
import sys
mrad, dir = sys.argv[1:]


def shown(**env):
    text = b""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(mrad, [mrad, "report", f"{dir}/run", "--compare", f"{dir}/pub"], {**os.environ, **env})
    try:
        while part := os.read(fd, 65536):
            text += part
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return text.decode()


os.environ.pop("NO_COLOR", None)
lines = [l for l in shown().splitlines() if "\033" in l]
colour = {"=": "\033[32m", "!": "\033[31m", "?": "\033[33m"}
assert len(lines) == 20
for line in lines:
    sign = line.split("|")[-2].strip()
    assert line.startswith(colour[sign]) and line.count("\033") == 2, line
assert "\033" not in shown(NO_COLOR="1")
PY

# a sweep whose job asks for it
make_world
mv "$dir/world/fabric" "$dir/world/visa"
mv "$dir/world/cells" "$dir/world/mvtec"
make_run 'index["datasets"][0]["variants"][0] = {"name": "full", "normal": 2, "anomalous": 2}' \
    'index["datasets"][1]["variants"][0] = {"name": "full", "normal": 4, "anomalous": 4}'
rm -r "$dir/run"
write_job "$dir/job.json" "visa mvtec" "\"pairs\": \"protocol\", \"report\": {\"compare\": \"$dir/gone\"}"
refused 2 "no published numbers \"$dir/gone\"" sweep "$dir/job.json"
[ ! -e "$dir/store" ] && [ ! -e "$dir/run" ] || fail "a sweep began before it looked for the published numbers"
write_job "$dir/job.json" "visa mvtec" "\"pairs\": \"protocol\", \"report\": {\"compare\": \"$dir/pub\"}"
run 0 sweep "$dir/job.json"
err_has "beside published numbers: $dir/run/comparison.md"
expect <<'E'
mrad-tf mvtec visa pro: not compared because a torn page
mrad-tf visa mvtec *: beyond
E
cp "$dir/run"/comparison.* "$dir/elsewhere"
rm "$dir/run"/comparison.*
run 0 report "$dir/run"
for file in comparison.md comparison.json; do
    cmp "$dir/elsewhere/$file" "$dir/run/$file" || fail "report writes another $file than sweep"
done
finish
