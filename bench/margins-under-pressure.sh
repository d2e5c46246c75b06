#!/usr/bin/env bash
# Runs a memory-heavy network in a control group whose limit shrinks while it runs, once per safety margin.
# Counts failures (there must be none) and prints latencies. Needs root, Linux, and a writable memory control group (v1 or v2).
#   bench/margins-under-pressure.sh [MODEL [OPTION ...]]      default: zoo:yolov8n at 960 x 960
set -euo pipefail
cd "$(dirname "$0")/.."
model=("$@"); [ ${#model[@]} -gt 0 ] || model=(zoo:yolov8n --dim height=960 --dim width=960)
dotnet build src/Parallax.Cli -c Release -v q -nologo >/dev/null
tool=(dotnet src/Parallax.Cli/bin/Release/net10.0/parallax.dll)

if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  base=/sys/fs/cgroup; limit=memory.max; usage=memory.current
else
  base=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup); limit=memory.limit_in_bytes; usage=memory.usage_in_bytes
fi
group=$base/parallax-margins-$$
mkdir "$group"
work=$(mktemp -d)
trap 'rmdir "$group" 2>/dev/null || true; rm -rf "$work"' EXIT

failures=0
printf '%-7s %10s %10s %10s %12s %12s  %s\n' margin 'p50 ms' 'p99 ms' 'max ms' 'first limit' 'last limit' result
for margin in 0.2 0.3 0.4 0.5; do
  echo $((1024 << 20)) >"$group/$limit"
  # The shell joins the group and becomes the tool, so that all of the tool's memory counts.
  (echo $BASHPID >"$group/cgroup.procs"; exec "${tool[@]}" bench "${model[@]}" --mode parallel --margin "$margin" --warmup 3 --runs 300 --json >"$work/result.json" 2>"$work/errors") &
  pid=$!
  # Loading and warming up takes memory that no arena can give back: the pressure begins when the use has been steady for three seconds.
  before=0 steady=0
  while kill -0 $pid 2>/dev/null && [ $steady -lt 3 ]; do
    sleep 1
    now=$(cat "$group/$usage")
    if [ $(( now > before ? now - before : before - now )) -lt $((2 << 20)) ]; then steady=$((steady + 1)); else steady=0; fi
    before=$now
  done
  last=0
  # What is used now, and less and less on top of it: room has to come from arenas that are given back.
  for room in 256 128 64 32 16; do
    kill -0 $pid 2>/dev/null || break
    now=$(( $(cat "$group/$usage") + (room << 20) ))
    if echo $now >"$group/$limit" 2>/dev/null; then last=$now; fi
    sleep 1
  done
  status=0; wait $pid || status=$?
  [ $status -eq 0 ] || failures=$((failures + 1))
  field() { grep -oE "\"$1\": *[0-9.]+" "$work/result.json" | head -n 1 | sed 's/.*: *//'; }
  printf '%-7s %10s %10s %10s %12s %12s  %s\n' "$margin" "$(field p50Ms || echo -)" "$(field p99Ms || echo -)" "$(field maxMs || echo -)" 1024MiB "$((last >> 20))MiB" \
    "$([ $status -eq 0 ] && echo ok || { echo "exit $status"; head -n 1 "$work/errors"; })"
done
echo "$failures failures"
[ $failures -eq 0 ]
