#!/usr/bin/env bash
# Writes the lock files: requirements/<image>.txt, and the environments' dev.txt and models.txt. Called by `make lock`.
# build/all.txt comes first: it settles one version per package for everything, so that the files agree.
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND="make lock"
mkdir -p build requirements

members=(alpr-proto alprcore alprdraw plateline alpr-ingest alpr-recognizer alpr-matcher alpr-audit alpr-retention alpr-console)
flags=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links)
for member in "${members[@]}"; do
    flags+=(--no-emit-package "$member") # a member would be written as an absolute path
done
compile() { uv pip compile "${flags[@]}" "$@"; }

compile --group pyproject.toml:dev cli/pyproject.toml services/*/pyproject.toml --all-extras -o build/all.txt "$@"
compile -c build/all.txt --group pyproject.toml:dev cli/pyproject.toml services/*/pyproject.toml -o requirements/dev.txt
for service in ingest matcher audit retention console; do
    compile -c build/all.txt "services/$service/pyproject.toml" -o "requirements/$service.txt"
done
compile -c build/all.txt cli/pyproject.toml -o requirements/cli.txt
compile -c build/all.txt services/recognizer/pyproject.toml --extra cpu -o requirements/recognizer.txt
compile -c build/all.txt services/recognizer/pyproject.toml --extra gpu -o requirements/recognizer-gpu.txt
compile -c build/all.txt services/recognizer/pyproject.toml --extra models -o requirements/models.txt
# what builds the members, and what runs tests in the recognizer's environment
compile -c build/all.txt --group pyproject.toml:build -o requirements/build.txt
compile -c build/all.txt --group pyproject.toml:test -o requirements/test.txt
# build/ is scaffolding: no trace of it, nor of the members' places, in what is committed
sed -i -e '/^    #   -c build\/all.txt$/d' requirements/*.txt
