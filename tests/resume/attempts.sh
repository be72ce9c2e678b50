#!/usr/bin/env bash
# run.attempts: a fault that passes is survived, with the bytes of an undisturbed run; one that stays ends the run.
# run.on_failure=go-on: what does not need a failed piece is made, then the run fails, and told once is why.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world
more='"features": {"shard_items": 4}, "variants": ["mrad-tf", "mrad-ft"], "train": {"batch": 5},'
make_job calm world "cells fabric" "$more"
demand 0 0 sweep "$dir/calm.json"

faults=extract:write:2:eio,bank:before:1:abort,gather:sync:1:enospc,train:rename:1:eio,score:write:1:eio,measure:before:2:abort
for n in 0 3; do
    make_job "again-$n" world "cells fabric" "$more"
    MRAD_FAULT=$faults demand 0 "$n" sweep "$dir/again-$n.json" --set run.attempts=5
    for stage in extract bank gather train score measure; do
        grep -q "fault: warning: $stage:\|warning: $stage:" "$log" || fail "$n ranks: no fault struck in $stage"
    done
    grep -q '^mrad: ' "$log" && fail "$n ranks: a failure that was survived is told as the run's"
    demand_same "again-$n" calm
done

make_job tired world "cells fabric" "$more"
MRAD_FAULT=extract:write:1:eio,extract:write:2:eio demand 1 0 sweep "$dir/tired.json" --set run.attempts=2
[ "$(grep -c '^mrad: ' "$log")" = 1 ] || fail "wanted one message after two attempts"

# One shard of fabric cannot be written: everything of cells alone is made, and all of fabric's other shards.
for n in 0 3; do
    make_job "rest-$n" world "cells fabric" "$more"
    demand 0 0 extract "$dir/rest-$n.json"
    shard=$(find "$dir/rest-$n/store/features/fabric" -name 'shard-*.h5' | sort | head -n 1)
    rm -rf "$shard"
    mkdir "$shard" # a folder in its place
    demand 1 "$n" sweep "$dir/rest-$n.json" --set run.on_failure=go-on
    [ "$(grep -c '^mrad: ' "$log")" = 1 ] || fail "$n ranks: wanted one message"
    grep '^mrad: ' "$log" | grep -qF "$shard" || fail "$n ranks: the message does not name the shard"
    [ "$(find "$dir/rest-$n/store/bank" -name bank.h5 | wc -l)" = 1 ] || fail "$n ranks: wanted the bank of cells"
    [ "$(find "$dir/rest-$n/store/head" -name head.h5 | wc -l)" = 1 ] || fail "$n ranks: wanted the head of cells"
    wanted=$(($(find "$dir/calm/store/features/fabric" -name 'shard-*.h5' | wc -l) - 1))
    [ "$(find "$dir/rest-$n/store/bank/fabric" -name 'shard-*.h5' | wc -l)" = "$wanted" ] ||
        fail "$n ranks: wanted the other $wanted bank shards of fabric"
    [ "$(find "$dir/rest-$n/store/scores" -path '*/cells/fabric/*' -name 'shard-*.h5' | wc -l)" = $((2 * wanted)) ] ||
        fail "$n ranks: wanted the scores of fabric's other shards"
    rmdir "$shard"
    demand 0 "$n" sweep "$dir/rest-$n.json"
    demand_same "rest-$n" calm
done
finish
