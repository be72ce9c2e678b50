#!/usr/bin/env bash
# A failure on one rank or on all: every rank leaves with the same exit status, the reason is told once,
# nothing hangs, finished work stays. A corrupt image stops the run or, with --on-bad-item skip, is
# listed; what was made with items missing is never taken for the whole.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world
small='"features": {"shard_items": 2},'
image=$dir/world/data/fabric/weave/test/hole/000.png
cp -p "$image" "$dir/good.png"

corrupt() { # FILE: it keeps its head, the rest is noise; the time is old, as in make_world
    head -c 200 "$1" >"$dir/noise"
    head -c 400 "$dir/good.png" | tail -c 100 | tr '\000-\377' '\001-\377\000' >>"$dir/noise"
    mv "$dir/noise" "$1"
    touch -d '2020-01-02' "$1"
}

# Lines of the log that are the program's error messages.
messages() { grep -c '^mrad: ' "$log" || true; }

demand_message() { # COUNT TEXT...: so many messages, and one that holds every text
    local count=$1 text
    shift
    [ "$(messages)" = "$count" ] || fail "wanted $count message(s), not $(messages)"
    for text in "$@"; do
        grep '^mrad: ' "$log" | grep -qF -- "$text" || fail "no message holds \"$text\""
    done
}

# ---- a corrupt image ----

corrupt "$image"
for n in 1 3; do
    make_job "bad-$n" world "cells fabric" "$small"
    demand_each 1 "$n" sweep "$dir/bad-$n.json"
    demand_message 1 "data set fabric, item " "$image" "PNG"
    find "$dir/bad-$n/store" -name '*.tmp.*' | grep -q . && fail "$n ranks left half-written files"
    # The other data set comes first in the queue as far as costs are equal: its shards stay.
    [ "$(find "$dir/bad-$n/store/features/cells" -name 'shard-*.h5' | wc -l)" -ge 1 ] ||
        fail "$n ranks: finished shards did not stay"
    grep -q '"state":.*"failed"' "$dir/bad-$n/out/status.json" || fail "status.json does not say failed"
    grep -qF "$image" "$dir/bad-$n/out/status.json" || fail "status.json does not say why"
    kept=$(artefacts "bad-$n" | grep '^features/cells')
    eval "kept_$n=\$kept"
done

# Repaired: the same command finishes, and what was finished is not made again.
cp -p "$dir/good.png" "$image"
make_job whole world "cells fabric" "$small"
demand 0 0 sweep "$dir/whole.json"
for n in 1 3; do
    demand 0 "$n" sweep "$dir/bad-$n.json"
    demand_same_results "bad-$n" whole
    eval "kept=\$kept_$n"
    [ -z "$(comm -23 <(echo "$kept") <(artefacts "bad-$n"))" ] || fail "finished shards were made again"
done

# ---- skipping ----

corrupt "$image"
for n in 1 3; do
    make_job "skip-$n" world "cells fabric" "$small"
    demand 0 "$n" sweep "$dir/skip-$n.json" --on-bad-item skip
    for file in results.json results.md; do
        grep -qF 'weave/test/hole/000.png' "$dir/skip-$n/out/$file" || fail "$file does not name the item"
    done
    [ "$(grep -c '"item":' "$dir/skip-$n/out/results.json")" = 1 ] || fail "wanted one skipped item"
done
demand_same skip-1 skip-3
cp -r "$dir/skip-1/out" "$dir/skipped"
demand 1 3 sweep "$dir/skip-3.json"
demand_message 1 "data set fabric, item " "$image"
demand 0 2 sweep "$dir/skip-3.json" --on-bad-item skip
demand_same_results skip-3 skip-1

# A bad item of a data set that is only trained on is listed too, and its bank is not reused either.
for n in 1 3; do
    make_job "train-$n" world "cells fabric" "$small"
    sed -i 's/"pairs": "all"/"pairs": [["fabric", "cells"]]/' "$dir/train-$n.json"
    demand 0 "$n" sweep "$dir/train-$n.json" --on-bad-item skip
    grep -qF 'weave/test/hole/000.png' "$dir/train-$n/out/results.json" ||
        fail "an item missing from the bank is not listed"
    demand 1 "$n" sweep "$dir/train-$n.json"
    demand_message 1 "data set fabric, item "
done
cp -p "$dir/good.png" "$image"

# Two bad items: as many messages as ranks met one, at least one; each names its file.
second=$dir/world/data/fabric/leather/test/cut/000.png
cp -p "$second" "$dir/second.png"
corrupt "$image"
corrupt "$second"
make_job two world "fabric cells" "$small"
demand_each 1 4 sweep "$dir/two.json"
[ "$(messages)" -ge 1 ] && [ "$(messages)" -le 2 ] || fail "two bad images gave $(messages) messages"
cp -p "$dir/good.png" "$image"
cp -p "$dir/second.png" "$second"

# ---- missing files, wrong configuration: the same on all ranks, told once ----

mv "$image" "$dir/away.png"
make_job missing world "cells fabric" "$small"
demand_each 1 3 sweep "$dir/missing.json"
demand_message 1 "data set fabric, item " "missing" "$image"
mv "$dir/away.png" "$image"

make_job config world "cells fabric" "$small"
demand_each 2 3 sweep "$dir/config.json" --set score.kk=1
demand_message 1 "score.kk" "score.k"
demand_each 2 3 sweep "$dir/config.json" --set score.k=nan
demand_message 1 "score.k"
demand_each 2 3 sweep "$dir/config.json" --image-size 57
demand_message 1 "model.image_size"
demand_each 2 3 sweep "$dir/config.json" --no-such-option
demand_message 1 "--no-such-option"
echo '{"pairs": "all",' >"$dir/broken.json"
demand_each 2 3 sweep "$dir/broken.json"
demand_message 1 "broken.json"
demand_each 1 2 sweep "$dir/config.json" --weights "$dir/good.png"
demand_message 1 "good.png"
demand_each 0 2 sweep --help
[ "$(grep -c '^usage:' "$log")" = 1 ] || fail "help comes from every rank"

# No folder can be made where a file stands: rank 0 alone sees it, all leave.
make_job file world "cells fabric" "$small"
mkdir "$dir/file"
: >"$dir/file/out"
demand_each 1 3 sweep "$dir/file.json"
demand_message 1 "$dir/file/out"
finish
