# Everything runs from .venv; nothing is installed into the system.
SHELL := /bin/sh
PY := .venv/bin/python
CROSSDOCK := .venv/bin/crossdock

.DEFAULT_GOAL := help
.PHONY: help setup up down demo test lint promises chaos audit lock check-deploy bench

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS='	' read -r target text; do printf '  make %-12s %s\n' "$$target" "$$text"; done

setup: ## Make .venv with everything that is needed (does nothing when up to date)
	@tools/setup

up: setup ## Start everything on this machine, detached
	@$(CROSSDOCK) up

down: setup ## Stop what `make up` or `make demo` started
	@$(CROSSDOCK) down

demo: setup ## From nothing to orders shipped before your eyes (DEMO_EXIT=1 stops everything at the end)
	@$(CROSSDOCK) demo

test: setup lint ## Run every check: lint, types, walls, tests
	@$(PY) -m pytest

lint: setup ## Check style, types and the walls between the parts
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check . || { echo "Run .venv/bin/ruff format to lay these out."; exit 1; }
	@tools/typecheck
	@.venv/bin/lint-imports --no-logo >.run/lint-imports.log 2>&1 || { cat .run/lint-imports.log; exit 1; }
	@$(PY) tools/check_walls.py

promises: setup ## Break a whole running system, promise by promise, and see that each is kept (minutes)
	@$(PY) -m pytest -m promise tests/system

chaos: setup ## Break the running system at random for SECONDS=300 (SEED, RATE, ORDERS, KILLS, SHIPS) and check every promise
	@$(PY) -m crossdock.testing.chaos $(foreach name,SECONDS SEED RATE ORDERS KILLS SHIPS,$(if $($(name)),--$(shell echo $(name) | tr A-Z a-z) '$($(name))'))

audit: setup ## Ask whether a pinned dependency has a known vulnerability (needs the internet)
	@$(PY) tools/audit.py

check-deploy: setup ## Check the Dockerfile, compose and Kubernetes files with the tools that read them
	@$(PY) tools/check_deploy.py
	@$(PY) -m pytest --quiet -rs tests/deploy --ignore=tests/deploy/test_tools.py

bench: setup ## Measure the speed budgets against the usual ways (BENCH="--quick --only stage" for less)
	@$(PY) -m bench $(BENCH)

lock: setup ## Resolve the dependencies anew into requirements.lock (UPGRADE=1 raises the pins)
	@tools/lock $(if $(UPGRADE),--upgrade)
