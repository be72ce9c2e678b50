#!/usr/bin/env bash
# A sweep with ablations of banks, heads and scores and two seeds: 1 and 3 ranks give the bytes of a run without a
# launcher, and so does one that is killed in some stages and goes on with another number of ranks.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world
more='"features": {"shard_items": 4}, "variants": ["mrad-tf", "mrad-ft"], "seeds": [3, 4],
  "train": {"batch": 5, "checkpoint_steps": 1},
  "ablations": [{"bank.neighbour_pool": [true, false], "score.k": 0}, {"train.batch": 3}],'

make_job calm world "cells fabric" "$more"
demand 0 0 sweep "$dir/calm.json"
grep -q "4 cells omitted" "$log" || fail "wanted the cells of mrad-tf to be omitted where the batch changes"
[ "$(find "$dir/calm/store/bank" -name bank.h5 | wc -l)" = 4 ] || fail "wanted two banks a data set"
[ "$(find "$dir/calm/store/head" -name head.h5 | wc -l)" = 12 ] || fail "wanted three heads a data set and seed"

ranks_to_try="1 3"
[ -z "${MRAD_SANITIZE-}" ] || ranks_to_try=3
for n in $ranks_to_try; do
    make_job "ranks-$n" world "cells fabric" "$more"
    demand 0 "$n" sweep "$dir/ranks-$n.json"
    demand_same "ranks-$n" calm
done

# As left by a kill: held in the stage, then SIGKILL for one rank.
for stage in gather train score measure; do
    make_job "$stage" world "cells fabric" "$more"
    MRAD_PAUSE=$stage timeout -k 5 60 env OMPI_MCA_odls_base_sigkill_timeout=0 \
        mpirun --oversubscribe --bind-to none -n 2 "$MRAD" sweep "$dir/$stage.json" >"$dir/$stage.log" 2>&1 &
    job=$!
    case $stage in
    train) await train 'head/*/head.h5' ;;
    *) await "$stage" "$(product "$stage")" ;;
    esac
    kill -9 $(ranks_of "/$stage.json" | tail -n 1)
    if wait "$job" 2>/dev/null; then fail "$stage: mpirun took no notice of the kill"; fi
    before=$(artefacts "$stage" | grep -v "^scores/.*/shard-" || true) # those go when they are joined
    demand 0 3 sweep "$dir/$stage.json"
    demand_same "$stage" calm
    [ -z "$(comm -23 <(echo "$before") <(artefacts "$stage"))" ] || fail "$stage: finished artefacts were made again"
done
finish
