#!/bin/sh
# sim_same.sh SIM - the same seeds make the same traces, line by line; others make others.
set -eu

trace() { # SEED
    "$1" --seed "$2" --trace
}

for seed in 2 3 7; do
    first=$(trace "$1" $seed | cksum)
    [ "$first" = "$(trace "$1" $seed | cksum)" ] || { echo "seed $seed: two traces"; exit 1; }
    [ "$first" != "$(trace "$1" $((seed + 4)) | cksum)" ] || { echo "$seed: as another"; exit 1; }
done
[ "$("$1" --seeds 20 | sed 's/.*traces//')" = "$("$1" --seeds 20 | sed 's/.*traces//')" ]
