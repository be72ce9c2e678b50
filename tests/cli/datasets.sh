#!/usr/bin/env bash
# The catalog of data sets: its numbers against each other and against the facts they come from, `mrad index`
# comparing counts with it, `mrad datasets`, damaged catalogs, and the published protocol over all sets in miniature.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

shared=${MRAD_SHARED:-$MRAD_SOURCE/../shared}
configs=$MRAD_SOURCE/configs/datasets

check_py "numbers of the catalog" "$configs" "$MRAD_SOURCE/docs/DATASETS.md" <<'PY'
import pathlib
import re
import sys
from cli import load
sets = {p.stem: load(p) for p in pathlib.Path(sys.argv[1]).glob("*.json")}
assert len(sets) == 19, sorted(sets)
assert all(stem == s["name"].lower() for stem, s in sets.items())
assert sorted(s["order"] for s in sets.values()) == list(range(1, 20))
assert sum(s["facts"]["in_benchmark"]["value"] for s in sets.values()) == 16
marks = {"paper", "code", "3rd", "counted", "inferred", "memory", "stated", "NOT FOUND"}
def facts(tree):
    if isinstance(tree, dict):
        if "mark" in tree:
            yield tree
        for value in tree.values():
            yield from facts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from facts(value)
for s in sets.values():
    for fact in facts(s):
        assert fact["mark"] in marks, (s["name"], fact)
        assert (fact["mark"] == "NOT FOUND") == (fact["from"] is None), (s["name"], fact)
        assert "value" not in fact or (fact["value"] is None) == (fact["mark"] == "NOT FOUND"), (s["name"], fact)
    for v in s["variants"]:
        known = v["counts"]["mark"] != "NOT FOUND"
        assert all((n is not None) == known for n in v["total"].values()), (s["name"], v)
        for kind in v["total"] if v["classes"] else ():
            assert v["total"][kind] == sum(c[kind] for c in v["classes"].values()), (s["name"], kind)
        if known: # masks and labels fit the metrics that are said to be defined
            assert ("pixel" in s["metrics"]) == (v["total"]["masks"] > 0), s["name"]
            assert ("image" in s["metrics"]) == (v["total"]["normal"] > 0), s["name"]
# docs/DATASETS.md prints the same
head, *lines = [l for l in open(sys.argv[2]) if re.match(r"\| (data set \| also|[\w-]+ \| .* \| (pixel|image|pixel and image) \|$)", l)]
for s, line in zip(sorted(sets.values(), key=lambda s: s["order"]), lines, strict=True):
    counts = "; ".join(("" if v["name"] == "official" else v["name"] + ": ") +
                       ("not found" if v["total"]["normal"] is None else
                        f"{v['total']['normal']} / {v['total']['anomalous']} [{v['counts']['mark']}]") for v in s["variants"])
    want = [s["name"], ", ".join(s["aliases"]), " or ".join(s["layouts"]), s["class"] or "folders", counts, " and ".join(s["metrics"])]
    assert [c.strip() for c in line.split("|")[1:-1]] == want, (line, want)
    address = s["facts"]["source"]["value"]
    assert f"| {s['name']} | {address} | " in open(sys.argv[2]).read(), address
PY

# What published tables know of data sets agrees with the catalog: names, domains, and counts of every variant.
check_py "published data sets against the catalog" "$MRAD_SOURCE/results/paper/index.json" "$MRAD_SOURCE/configs/datasets" <<'PY'
import pathlib
import re
import sys
from cli import load
plain = lambda name: re.sub(r"[-_ ]", "", name.lower())
catalog = {plain(n): s for s in map(load, pathlib.Path(sys.argv[2]).glob("*.json")) for n in (s["name"], s["title"], *s["aliases"])}
seen = set()
for entry in load(sys.argv[1])["datasets"]:
    known = {catalog[plain(n)]["name"] for n in (entry["name"], *entry["aliases"]) if plain(n) in catalog}
    if not known:
        assert entry["name"] == "Real-IAD", entry["name"]  # published beside the others, read by no layout
        continue
    assert len(known) == 1, (entry["name"], known)
    info = catalog[plain(known.pop())]
    assert info["domain"] == entry["domain"], entry["name"]
    totals = {(v["total"]["normal"], v["total"]["anomalous"]) for v in info["variants"]} - {(None, None)}
    assert {(v["normal"], v["anomalous"]) for v in entry["variants"]} == totals, (entry["name"], totals)
    seen.add(info["name"])
assert seen == {s["name"] for s in catalog.values()}, seen
PY

if [ -f "$shared/facts.md" ]; then
    check_py "the catalog against the facts" "$configs" "$shared/facts.md" <<'PY'
import pathlib
import re
import sys
from cli import load
sets = {s["name"].lower(): s for s in (load(p) for p in pathlib.Path(sys.argv[1]).glob("*.json"))}
text = open(sys.argv[2]).read()
variants = {"dtd-synthetic": 1}  # whose list has Bayes-PFL's names
lists = 0
for name, line in re.findall(r"^\* \*\*([\w-]+)[^*]*\*\*[^:]*: (\w+ \d+/\d+.*)$", text, re.M):
    want = dict(re.findall(r"(\w+) (\d+/\d+)", line))
    if name == "DAGM":
        continue  # in words
    classes = sets[name.lower()]["variants"][variants.get(name.lower(), 0)]["classes"]
    lists += 1
    assert {c: f"{n['normal']}/{n['anomalous']}" for c, n in classes.items()} == want, name
assert lists == 5, lists
rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if re.match(r"\| .* \| \d+ \| .*\d+ / ", line)]
seen = 0
for title, n_classes, counts, *_ in rows:
    numbers = re.search(r"(\d+) / (\d+)", counts)
    found = [v for s in sets.values() if re.match(re.escape(s["title"].split()[0]), title, re.I) or s["name"].lower() in title.lower()
             for v in s["variants"]]
    match = [v for v in found if (v["total"]["normal"], v["total"]["anomalous"]) == (int(numbers[1]), int(numbers[2]))]
    assert match, (title, counts)
    assert all(v["classes"] is None or len(v["classes"]) == int(n_classes) for v in match), title
    seen += 1
assert seen >= 18, seen
PY
else
    echo "skipped: the catalog against the facts (needs shared/facts.md; set MRAD_SHARED)"
fi

# Counts that are right, by the variant that fits; a wrong number; a number that nobody counted
mock() { "$bin/mrad-mock" --out "$dir/mock" --size 32 "$@"; }
mock --anomalous 60 CVC-300
mock --anomalous 62 CVC-ClinicDB
mock --normal 100 --anomalous 100 HeadCT
mock --normal 2 --anomalous 1 BTAD DAGM TN3K BrainMRI Br35H
run 0 index CVC-300 "$dir/mock/CVC-300"
out_has "colon                               0       0         60      60       60      60"
err_has "$dir/mock/CVC-300: counts of CVC-300, variant official (the test part of PraNet's archive): right [counted: "
run 0 index ClinicDB "$dir/mock/CVC-ClinicDB"
err_has "variant pranet (PraNet's test archive): right [stated: "
run 3 index ClinicDB "$dir/mock/CVC-ClinicDB" --variant official
err_has "$dir/mock/CVC-ClinicDB: class \"colon\": found 0 normal, 62 anomalous, 62 masks, wanted 0, 612, 612"
run 0 index HeadCT "$dir/mock/HeadCT"
out_has "brain                             100     100        100     100        0       0"
run 3 index BTAD "$dir/mock/BTAD"
out_has "01                                  2      21          1      49        1      49  differs"
out_has "total                               6     451          3     290        3     290  differs"
err_has "warning: $dir/mock/BTAD: found 6 normal training images, wanted 1799"
err_has "$dir/mock/BTAD: class \"03\": found 2 normal, 1 anomalous, 1 masks, wanted 400, 41, 41"
err_has "mrad: $dir/mock/BTAD: the counts are not those of BTAD, variant official; $dir/mock/BTAD/meta.json was written"
[ -f "$dir/mock/BTAD/meta.json" ] || fail "wrong counts cost the meta.json"
mv "$dir/mock/BTAD/03" "$dir/mock/BTAD/04"
run 3 index BTAD "$dir/mock/BTAD" --out "$dir/x.json"
out_has "03                                  0     400          0      41        0      41  differs"
err_has "$dir/mock/BTAD: class \"03\": missing, found 0 normal, 0 anomalous, 0 masks, wanted 400, 41, 41"
err_has "$dir/mock/BTAD: class \"04\": not a class of it, found 2 normal, 1 anomalous, 1 masks, wanted 0, 0, 0"
mv "$dir/mock/BTAD/04" "$dir/mock/BTAD/03"
run 0 index DAGM "$dir/mock/DAGM" # 6996 and 1054 are from memory
out_has "total                              20    6996         10    1054       10    1054  differs"
err_has "warning: $dir/mock/DAGM: the wanted counts are memory, not counted: it may be right"
run 0 index TN3K "$dir/mock/TN3K"
out_has "thyroid                             0       -          1       -        1       -"
err_has "not known, so nothing was compared [NOT FOUND]"
refused 2 'BTAD has no variant "paper"; known: official, bayes-pfl' index BTAD "$dir/mock/BTAD" --variant paper --out "$dir/x.json"

# mrad datasets: the catalog alone, and a folder with all there can be
run 0 datasets
[ "$(wc -l <"$dir/out")" = 27 ] || fail "wanted a head and 26 variants: $(cat "$dir/out")"
out_has 'BrainMRI       medical    image         bayes-pfl        85        68         0  counted   its meta.json'
sed -i 's|"colon": \[|"colon": [ {"img_path": "images/gone.png", "mask_path": "", "anomaly": 1},|' "$dir/mock/CVC-ClinicDB/meta.json"
echo '{"test": {"brain": []}}' >"$dir/mock/BrainMRI/meta.json"
mv "$dir/mock/BTAD" "$dir/mock/btech" # an alias, in another case
run 0 datasets "$dir/mock"
cp "$dir/out" "$dir/table"
run 0 datasets "$dir/mock" --json
check_py "mrad datasets" "$dir/table" "$dir/out" "$dir" <<'PY'
import sys
from cli import load
table, rows, dir = open(sys.argv[1]).read().splitlines(), load(sys.argv[2])["datasets"], sys.argv[3]
want = {"CVC-300": "right", "HeadCT": "right", "BTAD": "counts differ", "DAGM": "counts differ", "TN3K": "counts unknown",
        "BrainMRI": "broken", "Br35H": "not indexed", "CVC-ClinicDB": "files missing"}
assert len(rows) == 19 and {r["name"]: r["status"] for r in rows} == {r["name"]: want.get(r["name"], "absent") for r in rows}
by = {r["name"]: r for r in rows}
assert by["BTAD"]["root"] == f"{dir}/mock/btech" and by["visa"]["root"] is None
assert by["CVC-300"]["found"] == by["CVC-300"]["wanted"] == {"normal": 0, "anomalous": 60, "masks": 60}
assert by["TN3K"]["wanted"] == {"normal": None, "anomalous": None, "masks": None}
assert by["visa"]["licence"] == "CC BY 4.0" and by["DAGM"]["licence"] is None and by["DAGM"]["domain"] == "industrial"
assert (by["HeadCT"]["metrics"], by["ISIC"]["metrics"], by["visa"]["metrics"]) == ("image", "pixel", "pixel, image")
assert (by["Kvasir"]["published"], by["DAGM"]["published"]) == ("official", None)
assert "gone.png: No such file" in by["CVC-ClinicDB"]["why"], by["CVC-ClinicDB"]
assert "BrainMRI/meta.json" in by["BrainMRI"]["why"], by["BrainMRI"]
lines = [l for l in table[1:] if not l.startswith("  ")]
assert [l.split()[0] for l in lines] == [r["name"] for r in rows] and len(table) == 1 + 19 + 2
assert all(r["status"] in l for l, r in zip(lines, rows))
PY
refused 1 "cannot open the folder $dir/none" datasets "$dir/none"
refused 2 'datasets: wanted at most one folder, got 2 operands' datasets a b

# meta.json as the published scripts write it: split names with capitals, paths with the root, absolute paths
check_py "other meta.json" "$dir/mock" <<'PY'
import json
import sys
root = sys.argv[1]
dagm = json.load(open(f"{root}/DAGM/meta.json"))
json.dump({"Train": {}, "Test": dagm["test"]}, open(f"{root}/DAGM/meta.json", "w"))
cvc = json.load(open(f"{root}/CVC-300/meta.json"))
for i, e in enumerate(cvc["test"]["colon"]):
    for key in ("img_path", "mask_path"):
        e[key] = (f"{root}/CVC-300/" if i % 2 else "mock/CVC-300/") + e[key]
json.dump(cvc, open(f"{root}/CVC-300/meta.json", "w"))
PY
run 0 datasets "$dir/mock"
grep -qE '^CVC-300 .* right ' "$dir/out" || fail "paths with the root: $(grep CVC-300 "$dir/out")"
grep -qE '^DAGM .* counts differ +20 +10 +10 ' "$dir/out" || fail "capital splits: $(grep DAGM "$dir/out")"

# A damaged catalog is named, with file and key
broken() { # SED TEXT [FILE]
    rm -rf "$dir/configs"
    mkdir "$dir/configs"
    cp -r "$configs" "$dir/configs/datasets"
    sed -i "$1" "$dir/configs/datasets/btad.json"
    MRAD_CONFIGS=$dir/configs refused 1 "$dir/configs/datasets/${3:-btad.json}: $2" datasets
}
broken 's/"title"/"titel"/' 'titel: wanted no such key'
broken 's/"domain": "industrial"/"domain": "medicine"/' 'domain: wanted industrial or medical'
broken 's/"layouts": \["mvtec"\]/"layouts": ["mvtek"]/' 'layouts: no layout "mvtek"'
broken 's/"layouts": \["mvtec"\]/"layouts": []/' 'layouts: wanted at least one'
broken 's/"normal": 21, /"normal": 2.5, /' '01.normal: wanted a whole number or null'
broken 's/"indexed": true/"indexed": 1/' 'variants.indexed: wanted true or false'
broken 's/"metrics": \["pixel"/"metrics": ["pixels"/' 'metrics: wanted pixel and image only'
broken '/"published"/,/value/s/"official"/"oficial"/' 'published.value: wanted the name of a variant'
broken 's/"BTech"/"headCT"/' '"HeadCT" and "BTAD" share a name or an alias' headct.json
rm -r "$dir/configs/datasets"
MRAD_CONFIGS=$dir/configs refused 1 "cannot open the folder $dir/configs/datasets" datasets

# The published protocol over all sets in miniature: exactly the metrics that the catalog calls defined have values
rm -r "$dir/mock"
mock --size 64 --normal 3 --anomalous 3 --classes 1
"$bin/mrad-weights" --out "$dir/model.safetensors" --shape "$small_shape"
for root in "$dir"/mock/*; do
    run 0 index "$(basename "$root")" "$root" --variant any
done
(
    printf '{"model": {"weights": "%s/model.safetensors", "image_size": 56}, "run": {"threads": 1},\n' "$dir"
    printf ' "store": "%s/store", "out": "%s/run", "pairs": "protocol", "variants": ["mrad-tf"],\n "datasets": {' "$dir" "$dir"
    sep=
    for root in "$dir"/mock/*; do
        printf '%s"%s": {"root": "%s"}' "$sep" "$(basename "$root")" "$root"
        sep=', '
    done
    printf '}}\n'
) >"$dir/job.json"
run 0 sweep "$dir/job.json"
check_py "the protocol in miniature" "$dir/run/results.json" "$configs" <<'PY'
import pathlib
import sys
from cli import METRICS, load
tree = load(sys.argv[1])
sets = {s["name"]: s for s in (load(p) for p in pathlib.Path(sys.argv[2]).glob("*.json"))}
assert {(m["train"], m["test"]) for m in tree["means"]} == {("mvtec" if n == "visa" else "visa", n) for n in sets}
for mean in tree["means"]:
    for metric in METRICS:
        kind = "image" if metric[:2] == "i_" else "pixel"
        assert (mean[metric] is not None) == (kind in sets[mean["test"]]["metrics"]), (mean, metric)
PY
finish
