#!/usr/bin/env bash
# Training under ranks: all three variants, and every source of the prompts' bias, give the same bytes on 1
# to 4 ranks, heads included, and a training whose rank is killed between two checkpoints, or that is told to stop, goes on to the bytes
# of an undisturbed run.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_prompted_world world

# Token ids of the prompts come from a golden: it was made for this vocabulary and context.
train() { # FT_EPOCHS CLIP_EPOCHS [BIAS]
    echo "\"variants\": [\"mrad-tf\", \"mrad-ft\", \"mrad-clip\"],
  \"train\": {\"batch\": 3, \"checkpoint_steps\": 1, \"ft\": {\"epochs\": $1},
    \"clip\": {\"tokens\": \"$MRAD_FIXTURES/tiny/golden.h5:/clip/tokens\", \"epochs\": $2,
      \"bias\": \"${3-dual-prior}\", \"n_ctx\": 4, \"deep_layers\": 2, \"deep_len\": 2}},
  \"features\": {\"shard_items\": 4},"
}

ranks_to_try="1 2 3 4"
[ -z "${MRAD_SANITIZE-}" ] || ranks_to_try=3
for n in 0 $ranks_to_try; do
    make_job "ranks-$n" world "cells fabric" "$(train 2 2)"
    demand 0 "$n" sweep "$dir/ranks-$n.json"
    [ "$n" = 0 ] || demand_same "ranks-$n" ranks-0
done
[ "$(find "$dir/ranks-0/store/head" -name head.h5 | wc -l)" = 4 ] || fail "wanted four heads"

# Of the other sources, cross-patch alone sums something over ranks that the published one has not.
for bias in static class-token cross-patch anomaly-prior; do
    ranks_here=3
    [ "$bias" != cross-patch ] || ranks_here=$ranks_to_try
    for n in 0 $ranks_here; do
        make_job "$bias-$n" world "cells fabric" "$(train 1 2 "$bias")"
        demand 0 "$n" sweep "$dir/$bias-$n.json"
        [ "$n" = 0 ] || demand_same "$bias-$n" "$bias-0"
    done
done

make_job calm world "cells fabric" "$(train 12 4)"
demand 0 0 sweep "$dir/calm.json"

checkpoint() { # NAME VARIANT: wait until training has written one
    local i
    for ((i = 0; i < 2000; i++)); do
        [ -z "$(find "$dir/$1/store/head/$2" -name checkpoint.h5 2>/dev/null)" ] || return 0
        sleep 0.01
    done
    cp "$dir/$1.log" "$log"
    fail "$1: no checkpoint of $2 appeared"
    finish
}

disturb() { # NAME N VARIANT SIGNAL
    local name=$1 n=$2 run=() pids
    make_job "$name" world "cells fabric" "$(train 12 4)"
    [ "$n" = 0 ] || run=(env OMPI_MCA_odls_base_sigkill_timeout=0 mpirun --oversubscribe --bind-to none -n "$n")
    timeout -k 5 60 "${run[@]}" "$MRAD" sweep "$dir/$name.json" >"$dir/$name.log" 2>&1 &
    job=$!
    checkpoint "$name" "$3"
    pids=$(ranks_of "/$name.json" | tail -n 1)
    [ -n "$pids" ] || fail "$name: training was over before it could be disturbed"
    kill "-$4" $pids 2>/dev/null || true
    wait "$job" || true
    demand 0 "$n" sweep "$dir/$name.json"
    grep -q "going on from step" "$log" || fail "$name: did not go on from its checkpoint"
    demand_same "$name" calm
}

disturb killed-ft 2 mrad-ft KILL
disturb killed-clip 2 mrad-clip KILL
disturb stopped-ft 0 mrad-ft TERM
disturb stopped-clip 0 mrad-clip TERM
finish
