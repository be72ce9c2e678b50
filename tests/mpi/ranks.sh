#!/usr/bin/env bash
# 1, 2, 3 and 4 ranks write the same bytes: results.json, rows.jsonl, results.csv, results.md, and every
# file of the store. Many small shards, a short last one, more ranks than shards, f16 features, and
# ranks that finish in another order each time.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world

# NAME SETS SHARD_ITEMS DTYPE RANKS...: each number of ranks against a run without a launcher
compare() {
    local name=$1 sets=$2 more="\"features\": {\"shard_items\": $3, \"dtype\": \"$4\"}," n
    shift 4
    for n in 0 "$@"; do
        make_job "$name-$n" world "$sets" "$more"
        demand 0 "$n" sweep "$dir/$name-$n.json"
        [ "$n" = 0 ] || demand_same "$name-$n" "$name-0"
    done
}

compare many "cells fabric" 3 f32 1 2 3 4
[ "$(find "$dir/many-0/store/features" -name 'shard-*.h5' | wc -l)" = 10 ] ||
    fail "wanted 5 feature shards a data set, the last one short"
compare half "cells parts" 3 f16 2 3
compare few "scans fabric" 10 f32 3 4

# Merged data sets, their reduced bank, and features of two sizes.
for n in 0 1 2 3; do
    make_job "merged-$n" world "cells fabric parts" '"features": {"shard_items": 3}, "variants": ["mrad-tf", "mrad-ft"],'
    demand 0 "$n" sweep "$dir/merged-$n.json" --set 'pairs=[[["cells", "fabric"], "parts"]]' \
        --set 'ablations=[{"bank.reduce": "kmeans", "bank.entries": 4}, {"model.image_size": 28}]'
    [ "$n" = 0 ] || demand_same "merged-$n" merged-0
done

# A second run makes nothing new, whatever number of ranks made the first.
before=$(artefacts many-3)
demand 0 2 sweep "$dir/many-3.json"
[ "$(artefacts many-3)" = "$before" ] || fail "2 ranks made artefacts of 3 ranks again"

# One rank that is much slower than the others: all shards fall to the others, the bytes stay. The
# slow one is rank 0 first, which coordinates beside its work, then the last.
slow=$dir/slow.sh
cat >"$slow" <<'END'
#!/usr/bin/env bash
"$@" &
pid=$!
if [ "$OMPI_COMM_WORLD_RANK" = "$SLOW_RANK" ]; then
    for _ in 1 2 3 4 5 6 7 8; do
        sleep 0.05
        kill -STOP $pid 2>/dev/null || break
        sleep 0.05
        kill -CONT $pid 2>/dev/null || break
    done
fi
wait $pid
END
for rank in 0 2; do
    make_job "slow-$rank" world "cells fabric" '"features": {"shard_items": 3},'
    SLOW_RANK=$rank timeout -k 5 60 mpirun --oversubscribe --bind-to none -n 3 bash "$slow" "$MRAD" \
        sweep "$dir/slow-$rank.json" >"$log" 2>&1 || fail "with a slow rank $rank: status $?"
    demand_same "slow-$rank" many-0
done

# Ranks pass the test of resuming too: a store that 4 ranks began, 1 ends.
make_job mixed world "cells fabric" '"features": {"shard_items": 3},'
demand 0 4 extract "$dir/mixed.json"
demand 0 2 bank "$dir/mixed.json"
demand 0 0 sweep "$dir/mixed.json"
demand_same mixed many-0
finish
