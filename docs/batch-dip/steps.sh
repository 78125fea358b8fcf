#!/usr/bin/env bash
# LAR after each of the first 150 steps of x + y, by batch size and seed, as CSV on standard output.
# usage: docs/batch-dip/steps.sh GROKLAB DIRECTORY > steps.csv      (the traces go to the directory)
set -euo pipefail
groklab=$1 out=$2
mkdir -p "$out"
for seed in 0 1 2; do
  for batch in 2 8 32 64 128 256 512 4704; do
    metrics=$out/batch-$batch-seed-$seed.csv
    [ -s "$metrics" ] || "$groklab" trace add --seed "$seed" --steps 150 --set data.batch_size="$batch" \
      --metrics "$metrics" --out "$out/trace.safetensors" >&2
  done
done
echo batch_size,seed,lar_before,least_lar,least_at_step,depth,lar_after_147
for metrics in $(printf '%s\n' "$out"/batch-*.csv | sort -V); do
  name=${metrics##*/batch-}
  batch=${name%%-*} seed=${name##*-}
  awk -F, -v OFS=, -v batch="$batch" -v seed="${seed%.csv}" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { lar = $column["lar"]; step = $column["step"] }
    step == 0 { before = least = lar }
    lar < least { least = lar; at = step }
    step == 147 { after = lar }
    END { printf "%d,%d,%.4f,%.4f,%d,%.4f,%.4f\n", batch, seed, before, least, at, before - least, after }' "$metrics"
done
