# The front door for people and CI. `make check` is what CI runs; `make run` shows the product.
SHELL := /bin/bash
BIN := .venv/bin
NICE ?=
LIGHT := -m "not long" --ignore tests/models --ignore tests/unit
.PHONY: help setup setup-models lock proto proto-check lint format laws type test forget-results test-light test-models test-long unit \
        contract integration e2e requirements check read run smoke up down images clean

help: ## what there is to make
	@grep -hE '^[a-z%-]+( [a-z%-]+)*:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 22

setup: ## .venv: everything but the heavy models
	@tools/setup.sh dev
setup-models: ## .venv-recognizer: torch, paddle and onnxruntime
	@tools/setup.sh models
lock: ## rewrite requirements/*.txt
	tools/lock.sh

proto: setup ## generate proto/gen from proto/alpr
	$(BIN)/python tools/proto.py
proto-check: setup ## fails when proto/gen is stale
	$(BIN)/python tools/proto.py --check

format: setup
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .
lint: setup type laws ## ruff, mypy --strict, import contracts, laws
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/lint-imports
type: setup
	$(BIN)/mypy
laws: setup
	$(BIN)/python -m tools.laws

unit contract integration e2e: setup
	$(NICE) $(BIN)/pytest -m "not long" tests/$@
test-light: setup setup-models ## all but the tests that import the models; unit tests run on what the others leave idle
	@mkdir -p build; nice -n 19 $(BIN)/pytest -m "not long" -p no:cacheprovider tests/unit >build/unit.log 2>&1 & unit=$$!; \
	$(NICE) $(BIN)/pytest $(LIGHT) || tools/second_try.sh $$? $(BIN)/pytest $(LIGHT); rest=$$?; \
	wait $$unit; unit=$$?; cat build/unit.log; exit $$((rest || unit))
test-models: setup-models
	$(NICE) .venv-recognizer/bin/pytest -m "not long" tests/models
forget-results:
	@rm -rf build/requirements build/second_try.txt
test: forget-results setup setup-models lint proto-check test-light test-models requirements ## every test, on real Kafka and PostgreSQL
test-long: setup setup-models ## soak, fuzz and chaos
	$(NICE) $(BIN)/pytest -m long --timeout=7200
requirements: setup ## requirement by requirement: what the last test run proved
	$(BIN)/python tools/requirements_table.py
check: test

read: setup setup-models ## plates of SOURCE: a picture, a folder, a video or an rtsp address
	@: $(if $(SOURCE),,$(error name what to read: make read SOURCE=photo.jpg))
	@$(BIN)/alpr read "$(SOURCE)" $(ARGS)
run: setup setup-models ## the whole product on this machine: http://127.0.0.1:8080
	$(BIN)/alpr run $(if $(SOURCE),--source "$(SOURCE)") $(if $(LIST),--list "$(LIST)") $(ARGS)
smoke: setup setup-models ## the same without a browser: plays, waits, prints counts and latency
	$(BIN)/alpr smoke $(if $(SOURCE),--source "$(SOURCE)") $(if $(LIST),--list "$(LIST)") $(ARGS)
bench-calibration: setup-models ## DATA=<folder with labels.csv>: does the reader know when it is unsure?
	.venv-recognizer/bin/python -m bench.calibration $(DATA) $(ARGS)
bench-recognition: setup-models ## accuracy and speed on DATA=<folder with labels.csv>, beside RIVAL=<python> RIVAL_WEIGHTS=<folder>
	$(NICE) .venv-recognizer/bin/python -m bench.recognition $(DATA) $(if $(RIVAL),--rival "$(RIVAL)" --rival-weights "$(RIVAL_WEIGHTS)") $(ARGS)
bench-gpu: setup-models ## 1080p JPEG frames a second on a GPU; without one it says so and ends with 75
	$(NICE) .venv-recognizer/bin/python -m bench.gpu $(ARGS)
bench-drive: setup-models ## 200 drawn vehicles with known plates: found, right, doubled, missed, false
	$(NICE) .venv-recognizer/bin/python -m bench.drive $(ARGS)
bench-layouts: setup ## a million lines of list files from bytes to entries on one core: lines a second, memory
	$(NICE) $(BIN)/python -m bench.layouts $(ARGS)
bench-false-alerts: setup ## 10 million innocent plates: false alerts by grade, listed vehicles found, beside a peer's rule
	$(BIN)/python -m bench.false_alerts $(ARGS)
bench-%: setup setup-models ## bench-latency and others: prints the figure beside its comparison
	$(BIN)/python -m bench.$* $(ARGS)
images: ## one container image per service
	docker compose build
up:
	docker compose up --detach --wait
down:
	docker compose down
clean: ## forget builds and test results; .plateline/ (the data of make run) stays
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
