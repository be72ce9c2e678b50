#!/usr/bin/env bash
# `gc` lists and removes what no given job refers to, and nothing else: what must stay is what the same jobs make in
# a store of their own. Locks, files being written, named files and things that are not ours stay.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
find "$dir/world" -type f -exec touch -d '2020-01-01' {} + # so that all hashes are remembered
more='"features": {"shard_items": 3}, "variants": ["mrad-tf", "mrad-ft"], "pairs"'
write_job "$dir/one.json" "fabric cells" "$more: [[\"fabric\", \"cells\"]]"
write_job "$dir/two.json" "fabric parts" "$more: [[\"parts\", \"fabric\"]], \"ablations\": [{\"bank.reduce\": \"random\", \"bank.entries\": 6}]"
write_job "$dir/old.json" "cells scans" "$more: \"all\", \"bank\": {\"neighbour_pool\": false}"
store=$dir/store

files() { # FOLDER: every file of a store
    (cd "$1" && find . -type f -printf '%P\n' | sort)
}

# what jobs need: made in a store of its own, with what extract, bank and train make for all data sets
needs() { # STORE JOBS...
    local job
    for job in "${@:2}"; do
        run 0 train ft "$dir/$job.json" --store "$1"
        run 0 sweep "$dir/$job.json" --store "$1" --out "$1.run"
    done
    files "$1"
}

refused 2 'gc: wanted job files, got 0 operands' gc
refused 1 "cannot open the store $store" gc "$dir/one.json"
[ ! -e "$store" ] || fail "gc made a store"
for job in one two old; do
    run 0 sweep "$dir/$job.json"
done
run 0 train ft "$dir/one.json" # cells, too
run 0 sweep "$dir/one.json" --image-size 28 --out "$dir/small"
run 0 bank "$dir/two.json" --reduce kmeans:4
needs "$dir/both" one two >"$dir/wanted"
files "$store" >"$dir/before"
comm -13 "$dir/wanted" "$dir/before" >"$dir/leftover"
comm -23 "$dir/wanted" "$dir/before" >"$dir/untrained"
! grep -v '^head/mrad-ft/\(fabric\|cells\|parts\)/' "$dir/untrained" || fail "the jobs make other files in their own store"
for stage in features bank head scores metrics hashes; do
    grep -q "^$stage/" "$dir/leftover" || fail "the test has nothing left in $stage"
done

# a list: every file, bytes as the file system counts them, and nothing is touched
listing "$store" >"$dir/listing"
run 0 gc "$dir/one.json" "$dir/two.json"
out_has "nothing is deleted without --delete"
out_has "hashes/scans.txt: no job refers to it"
cp "$dir/out" "$dir/plain"
run 0 gc "$dir/one.json" "$dir/two.json" --store "$store/" # a slash at the end names the same store
cmp "$dir/out" "$dir/plain" || fail "with a slash gc finds other things: $(cat "$dir/out")"
run 0 gc "$dir/one.json" "$dir/two.json" --json
listing "$store" | diff "$dir/listing" - || fail "gc without --delete changed the store"
cp "$dir/out" "$dir/gc.json"
check_gc() { # LEFTOVER: gc.json names exactly these files, with the bytes of stat
    check_py "gc --json" "$dir/gc.json" "$store" "$1" "${2:-false}" "$dir/sizes" <<'PY'
import json
import sys
gc = json.load(open(sys.argv[1]))
left = open(sys.argv[3]).read().split("\n")[:-1]
size = dict(reversed(line.split(" ", 1)) for line in open(sys.argv[5]).read().split("\n")[:-1])
found = [f"{i['folder']}/{name}" for i in gc["items"] for name in i["files"]]
assert sorted(found) == sorted(left), sorted(set(found) ^ set(left))
assert gc["store"] == sys.argv[2] and gc["deleted"] == (sys.argv[4] == "true")
for stage in ["features", "bank", "head", "scores", "metrics", "hashes"]:
    bytes = [int(size[f]) for f in left if f.startswith(stage + "/")]
    assert gc["stages"].pop(stage) == {"files": len(bytes), "bytes": sum(bytes)}, stage
assert not gc["stages"]
assert gc["total"] == {"files": len(left), "bytes": sum(int(size[f]) for f in left)}
assert sum(i["bytes"] for i in gc["items"]) == gc["total"]["bytes"]
assert all(i["folder"].startswith(i["stage"]) and i["why"] for i in gc["items"])
PY
}
(cd "$store" && find . -type f -printf '%s %P\n') >"$dir/sizes"
check_gc "$dir/leftover"
total=$(cd "$store" && xargs -d '\n' du -cb --apparent-size <"$dir/leftover" | tail -1 | cut -f1)
grep -q "\"bytes\":[[:space:]]*$total\$" "$dir/gc.json" || grep -q "\"bytes\":[[:space:]]*$total," "$dir/gc.json" ||
    fail "du counts $total bytes: $(grep -A3 '"total"' "$dir/gc.json")"

# jobs that cannot be read, or of another store: nothing goes
fails() { # STATUS TEXT JOBS...
    refused "$1" "$2" gc --delete "${@:3}"
    listing "$store" | diff "$dir/listing" - >/dev/null || fail "$last: changed the store"
}
sed "s|$dir/world/parts|$dir/nowhere|" "$dir/two.json" >"$dir/broken.json"
fails 1 "$dir/broken.json: " "$dir/one.json" "$dir/broken.json"
sed "s|model.safetensors|none.safetensors|" "$dir/two.json" >"$dir/weightless.json"
fails 1 "none.safetensors" "$dir/one.json" "$dir/weightless.json"
sed "s|\"$store\"|\"$dir/both\"|" "$dir/two.json" >"$dir/elsewhere.json"
fails 2 "its store is $dir/both, that of $dir/one.json is $store" "$dir/one.json" "$dir/elsewhere.json"
fails 2 "wanted a JSON object" "$dir/one.json" <(echo '[]')

# what is not ours, in use, or named by a job
dead=$(bash -c 'echo $$')
stale=$(sed -n 's|^\(features/scans/[^/]*\)/.*|\1|p' "$dir/leftover" | head -1)
locked=$(sed -n 's|^\(bank/scans/[^/]*\)/.*|\1|p' "$dir/leftover" | head -1)
written=$(sed -n 's|^\(scores/mrad-ft/scans/[^/]*/[^/]*\)/.*|\1|p' "$dir/leftover" | head -1)
used=$(sed -n 's|^\(features/cells/[^/]*\)/.*|\1|p' "$dir/wanted" | head -1)
quiet=$(sed -n 's|^\(features/fabric/[^/]*\)/.*|\1|p' "$dir/wanted" | head -1)
named=$(grep '^bank/cells/.*/bank.h5' "$dir/leftover" | head -1)
foreign=(notes.txt "features/readme" "features/cells/no-key/shard-00000.h5" "$stale/extra.h5" "$stale/.hidden"
    "$used/shard-00000.h5.bak" "hashes/mine.txt" "hashes/list.csv")
for file in "${foreign[@]}"; do
    mkdir -p "$(dirname "$store/$file")"
    echo mine >"$store/$file"
done
mkdir "$dir/outside"
echo mine >"$dir/outside/shard-00000.h5"
ln -s "$dir/outside" "$store/features/scans/00112233445566778899aabbccddeeff"
ln -s "$dir/outside/shard-00000.h5" "$store/$stale/shard-00099.h5"
touch "$store/$locked/bank.h5.lock"
touch -d '10 minutes ago' "$store/$stale/shard-00000.h5.lock"
touch "$store/$written/scores.h5.tmp.$(hostname).$$.0" "$store/$used/shard-00001.h5.tmp.$(hostname).$$.1"
touch "$store/$quiet/shard-00001.h5.tmp.$(hostname).$dead.0" "$store/$stale/shard-00001.h5.tmp.$(hostname).$dead.0"
python3 - "$dir/two.json" "$dir/named.json" "$store/$named" <<'PY'
import json
import sys
job = json.load(open(sys.argv[1]))
job["datasets"]["unused"] = {"root": job["datasets"]["parts"]["root"], "bank": sys.argv[3]}
json.dump(job, open(sys.argv[2], "w"))
PY
files "$store" >"$dir/before"
(cd "$store" && find . -type f -printf '%s %P\n') >"$dir/sizes"
{
    grep -vF -e "$locked/" -e "$written/" -e "$named" "$dir/leftover"
    echo "$stale/shard-00000.h5.lock"
    echo "$stale/shard-00001.h5.tmp.$(hostname).$dead.0"
    echo "$quiet/shard-00001.h5.tmp.$(hostname).$dead.0"
} | sort >"$dir/goes"
run 0 gc "$dir/one.json" "$dir/named.json" --delete --json
cp "$dir/out" "$dir/gc.json"
check_gc "$dir/goes" true
files "$store" >"$dir/after"
{ comm -23 "$dir/before" "$dir/goes" && echo hashes/unused.txt; } | sort | diff - "$dir/after" >"$dir/diff" || fail "other files went than were listed: $(cat "$dir/diff")"
[ "$(cat "$dir/outside/shard-00000.h5")" = mine ] || fail "gc followed a link"
[ -L "$store/$stale/shard-00099.h5" ] || fail "gc removed a link"
check_py "what stays" "$dir/gc.json" "$locked" "$written" "$named" "${foreign[@]}" "$stale/shard-00099.h5" \
    features/scans/00112233445566778899aabbccddeeff <<'PY'
import json
import sys
gc = json.load(open(sys.argv[1]))
locked, written, named = sys.argv[2:5]
assert sorted(gc["stays"]) == sorted([f"{locked}: there is a lock of less than two minutes ago",
                                      f"{written}: somebody writes a file there", f"{named}: a job names it"]), gc["stays"]
want = {"features/cells/no-key" if "/no-key/" in f else f for f in sys.argv[5:]}
assert set(gc["not_ours"]) == want, set(gc["not_ours"]) ^ want
PY
[ -z "$(find "$store/metrics" "$store/head" -type d -empty)" ] || fail "empty folders stay"

# the sweeps that were kept have nothing to do
for job in one two; do
    listing "$store" >"$dir/listing"
    run 0 plan "$dir/$job.json"
    out_lacks "to make"
    run 0 sweep "$dir/$job.json"
    listing "$store" | diff "$dir/listing" - || fail "sweep $job made something after gc"
done

# a job that is dropped: what it shares with the other stays, the rest goes
find "$store" -type l -delete
find "$store" \( -name '*.lock' -o -name '*.tmp.*' \) -delete
for file in "${foreign[@]}"; do rm "$store/$file"; done
run 0 gc "$dir/one.json" --delete
out_has "deleted"
needs "$dir/alone" one >"$dir/wanted"
files "$store" | diff "$dir/wanted" - >"$dir/diff" || fail "one alone needs other files: $(cat "$dir/diff")"
run 0 gc "$dir/one.json" --json
grep -q '"files":.*[1-9]' "$dir/out" && fail "gc leaves something for a second run: $(cat "$dir/out")"
run 0 plan "$dir/one.json"
out_lacks "to make"
finish
