# The front door for people and CI. `make check` is what CI runs; `make run` shows the product.
SHELL := /bin/bash
BIN := .venv/bin
NICE ?=
LIGHT := -m "not long" --ignore tests/models --ignore tests/unit
.PHONY: help setup setup-models lock proto proto-check lint format laws type test forget-results test-light test-models test-long unit \
        monitor-check contract integration e2e requirements controls drill upgrade-drill check chart helm docs pictures read run smoke up down images images-gpu images-bundle smoke-compose clean

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
	@rm -rf build/requirements build/controls build/second_try.txt
test: forget-results setup setup-models lint proto-check test-light test-models requirements controls ## every test, on real Kafka and PostgreSQL
test-long: setup setup-models ## soak, fuzz and chaos
	$(NICE) $(BIN)/pytest -m long --timeout=7200
requirements: setup ## requirement by requirement: what the last test run proved
	$(BIN)/python tools/requirements_table.py
controls: setup ## control by control of the register: how its tests ended in the last run (SEC-03)
	$(BIN)/python -m tools.controls_table
drill: setup ## backup, loss of everything, restore into a fresh stack: times, and what is proved on the way
	$(NICE) $(BIN)/python -m bench.drill $(ARGS)
upgrade-drill: setup setup-models ## REF=<commit or tag>: that release's services beside this one's, taken over one by one
	$(NICE) $(BIN)/python -m bench.upgrade $(if $(REF),--ref $(REF)) $(ARGS)
check: test

read: setup setup-models ## plates of SOURCE: a picture, a folder, a video or an rtsp address
	@: $(if $(SOURCE),,$(error name what to read: make read SOURCE=photo.jpg))
	@$(BIN)/alpr read "$(SOURCE)" $(ARGS)
run: setup setup-models ## the whole product on this machine: http://127.0.0.1:8080
	$(BIN)/alpr run $(if $(SOURCE),--source "$(SOURCE)") $(if $(LIST),--list "$(LIST)") $(ARGS)
smoke: setup setup-models ## the same without a browser: plays, waits, prints counts and latency
	$(BIN)/alpr smoke $(if $(SOURCE),--source "$(SOURCE)") $(if $(LIST),--list "$(LIST)") $(ARGS)
docs: setup ## the documentation as a site in build/site, strictly and without a network
	$(BIN)/python -m mkdocs build --clean
pictures: setup setup-models ## docs/pictures: the demonstration in a browser, screen by screen
	$(BIN)/python -m tools.pictures $(ARGS)
monitor-check: setup setup-models ## a real Prometheus over the running product: every query of every dashboard answers
	$(BIN)/python tools/dashboards.py --check && $(BIN)/python -m tools.monitor_check $(ARGS)
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
chart: setup ## what the chart takes from the services, the table of rights, rules and dashboards, written again
	$(BIN)/python -m tools.chart
helm: setup ## the chart: goldens (GOLDENS=write), unsafe values, schemas, linters; says what it could not run
	$(BIN)/python -m tools.chart --check
	GOLDENS=$(GOLDENS) $(BIN)/pytest -q -rs tests/helm
images: ## one container image per service, looked at: user, size, contents (build/sbom/)
	@python3 tools/images.py build && python3 tools/images.py check
images-gpu: ## the recognizer's image for NVIDIA GPUs
	@python3 tools/images.py build-gpu
images-bundle: images ## build/plateline-VERSION.tar: everything a site without a registry needs
	@python3 tools/images.py bundle
smoke-compose: ## docker-compose.yml from nothing to a verified hit, every container looked at; taken away again
	@python3 tools/smoke_compose.py $(ARGS)
up: ## the whole product in containers: http://127.0.0.1:8080
	@deploy/compose/env.sh && docker compose up --detach --wait
down: ## stop the containers; their data stays
	docker compose --profile "*" down
clean: ## forget builds and test results; .plateline/ (the data of make run) stays
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
