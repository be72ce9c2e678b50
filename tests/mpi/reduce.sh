#!/usr/bin/env bash
# Reduced banks: the same bytes on 1 and 3 ranks as without a launcher, for every method and all three
# variants; a second run makes nothing, another reduction makes no shard again.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_prompted_world world

# Token ids of the prompts come from a golden: it was made for this vocabulary and context.
trained="\"variants\": [\"mrad-tf\", \"mrad-ft\", \"mrad-clip\"],
  \"train\": {\"batch\": 3, \"ft\": {\"epochs\": 1},
    \"clip\": {\"tokens\": \"$MRAD_FIXTURES/tiny/golden.h5:/clip/tokens\", \"epochs\": 1,
      \"n_ctx\": 4, \"deep_layers\": 2, \"deep_len\": 2}},"

reduce() { # METHOD MORE: lines of a job
    echo "\"features\": {\"shard_items\": 4},
  \"bank\": {\"reduce\": \"$1\", \"entries\": 6, \"image_entries\": 5}, $2"
}

for method in kmeans random farthest; do
    more=
    [ "$method" != kmeans ] || more=$trained
    for n in 0 1 3; do
        make_job "$method-$n" world "cells fabric" "$(reduce "$method" "$more")"
        demand 0 "$n" sweep "$dir/$method-$n.json"
        [ "$n" = 0 ] || demand_same "$method-$n" "$method-0"
    done
    [ "$(find "$dir/$method-0/store/bank" -name 'reduced-*.h5' | wc -l)" = 2 ] ||
        fail "$method: wanted a reduced bank of each data set"
done
[ "$(find "$dir/kmeans-0/store/head" -name head.h5 | wc -l)" = 4 ] || fail "wanted four heads"
variants=$(cut -d, -f1 "$dir/kmeans-0/out/results.csv" | sort -u | grep -c '^mrad-') ||
    fail "no rows: $(head -3 "$dir/kmeans-0/out/results.csv")"
[ "$variants" = 3 ] || fail "wanted rows of three variants, got $variants"

before=$(artefacts kmeans-3)
demand 0 2 sweep "$dir/kmeans-3.json"
[ "$(artefacts kmeans-3)" = "$before" ] || fail "a second run made something"

# Another reduction, and none: what is there stays, and only what follows is made.
before=$(artefacts farthest-3)
demand 0 3 sweep "$dir/farthest-3.json" --set bank.entries=4
demand 0 3 sweep "$dir/farthest-3.json" --set bank.reduce=full
after=$(artefacts farthest-3)
[ -z "$(comm -23 <(echo "$before") <(echo "$after"))" ] || fail "another reduction made artefacts again"
! comm -13 <(echo "$before") <(echo "$after") | grep -E '^(features|bank/.*/(shard-|bank))' ||
    fail "another reduction made shards or full banks"
[ "$(find "$dir/farthest-3/store/bank" -name 'reduced-*.h5' | wc -l)" = 4 ] ||
    fail "wanted two reduced banks of each data set"

# Reductions as ablations share the shards of the full bank, and wait for them, however long one takes.
ablated='"features": {"shard_items": 4}, "ablations": [{"bank.reduce": ["random", "farthest"], "bank.entries": 5}],'
for n in 0 3; do
    make_job "ablated-$n" world "cells fabric" "$ablated"
    # what waits for features has to wait well after the first are there
    MRAD_PAUSE=extract:0.3 demand 0 "$n" sweep "$dir/ablated-$n.json"
done
demand_same ablated-3 ablated-0

# From the full bank's file alone: no features and no shards come back.
demand 0 0 bank "$dir/random-1.json" --set bank.reduce=full
rm -r "$dir/random-1/store/features" "$dir"/random-1/store/bank/*/*/shard-*
demand 0 2 bank "$dir/random-1.json" --set bank.seed=5
[ -z "$(find "$dir/random-1/store" -name 'shard-*.h5')" ] || fail "shards were made again"
[ "$(find "$dir/random-1/store/bank" -name 'reduced-*.h5' | wc -l)" = 4 ] || fail "no bank was reduced"
finish
