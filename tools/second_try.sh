#!/usr/bin/env bash
# Runs the tests that failed once more, by themselves, and says so. Called by `make test-light` after a red run.
# Hundreds of tests drive real brokers, databases, processes and a browser on whatever machine there is; a step that
# a busy machine held up is told from a fault by doing it again. A fault fails twice. More than three failures, or a
# run that ended in another way than by failed tests, are never tried again.
set -euo pipefail
status=$1 && shift
most=3
[ "$status" -eq 1 ] || exit "$status"
failed=$(python3 -c 'import json; print(*json.load(open(".pytest_cache/v/cache/lastfailed")), sep="\n")')
if [ "$(wc -l <<<"$failed")" -gt "$most" ]; then
    echo "more than $most tests failed: not tried again"
    exit 1
fi
printf '\nFAILED AT FIRST, tried again by themselves:\n%s\n\n' "$failed"
mkdir -p build
printf '%s\n' "$failed" >>build/second_try.txt
exec "$@" --last-failed --last-failed-no-failures none
