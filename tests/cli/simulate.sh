#!/usr/bin/env bash
# `plan --simulate`: of a job, before and after a sweep, and of the built-in grid; what is wrong with its text is said.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

run 0 plan --grid benchmark --simulate ranks=1,8,64,noise=0
cp "$dir/out" "$dir/grid"
check_py "the benchmark's grid" "$dir/grid" <<'PY'
import math
import re
import sys
text = open(sys.argv[1]).read()
images = [1725, 2162, 458, 741, 1304, 1004, 2700, 200, 253, 3000, 379, 612, 380, 1000, 200, 60]
classes = [15, 12, 6, 3, 12, 1, 7] + 9 * [1]
shards = sum(math.ceil(n / 32) for n in images)
want = {"extract": shards, "bank": shards, "gather": 16, "train": 32, "score": shards * 15 * 3, "join": 16 * 15 * 3,
        "measure": sum(classes) * 15 * 3}
got = {m[1]: int(m[2]) for m in re.finditer(r"^  ([a-z]+) +(\d+) ", text, re.M)}
assert got == want, (got, want)
rows = [l.split() for l in text.splitlines() if re.match(r" +\d+  ", l)]
assert [r[0] for r in rows] == ["1", "8", "64"]
for r in rows:
    shares = [float(x) for x, unit in zip(r, r[1:]) if unit == "%"]
    assert 95 < shares[0] <= 100 and 0 < shares[1] < 1, r
PY
run 0 plan --grid benchmark --simulate ranks=64 --set features.shard_items=8
# the sum of all sets' images / 8, each rounded up
grep -q 'extract *2028 ' "$dir/out" || fail "shards of 8 images: $(grep extract "$dir/out")"

make_world
write_job "$dir/job.json" "fabric cells" '"features": {"shard_items": 3}, "pairs": [["fabric", "cells"]]'
run 0 plan "$dir/job.json" --simulate ranks=2
# 8 images a set, in shards of 3: two sets, one bank, one cell of two classes
for line in "extract *6 " "bank *3 " "gather *1 " "train *0 " "score *3 " "join *1 " "measure *2 "; do
    grep -qE "^  $line" "$dir/out" || fail "no line \"$line\": $(cat "$dir/out")"
done
grep -q '^16 items' "$dir/out" || fail "wanted 16 items: $(head -n 1 "$dir/out")"
[ ! -e "$dir/run" ] || fail "the simulation made something"
run 0 sweep "$dir/job.json"
run 0 plan "$dir/job.json" --simulate ranks=2
out_has "0 items"

refused 2 '--simulate: ranks=x: wanted a whole number' plan "$dir/job.json" --simulate ranks=x
refused 2 '--simulate: no key rank; known: ranks, grant_us' plan "$dir/job.json" --simulate rank=2
refused 2 '--simulate: noise=2: wanted a number from 0 to 1' plan "$dir/job.json" --simulate ranks=2,noise=2
refused 2 'has no ranks=N' plan "$dir/job.json" --simulate grant_us=5
refused 2 'none is left' plan "$dir/job.json" --simulate ranks=2,lost=2
refused 2 '--grid: no grid "all"; known: benchmark' plan --grid all --simulate ranks=2
refused 2 '--grid wants --simulate' plan --grid benchmark
refused 2 'plan: wanted no job beside --grid' plan "$dir/job.json" --grid benchmark --simulate ranks=2
finish
