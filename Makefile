# `make run` starts the console, `make test` tests it; each sets up first what is missing.
RUN = .venv/bin/python
PARALLEL = -n 3 # more than two cores, because tests also wait
CANDIDATES = python3 python3.15 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3
FITS = import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(FITS)' 2>/dev/null && echo "$$p" && break; done)
PINS = requirements.txt requirements-dev.txt
.PHONY: run setup test browser check lint shots bench venv .venv has-python
.DEFAULT_GOAL = run

run: venv
	@exec $(RUN) manage.py run

setup: venv
	@$(RUN) manage.py migrate --verbosity 0

test: setup lint
	$(RUN) -m pytest $(PARALLEL) -m "not browser"
	@echo "Everything but the browser tests: make browser."

browser: setup
	$(RUN) -m pytest -m browser

check: setup lint
	$(RUN) -m pytest $(PARALLEL)

lint: venv
	$(RUN) -m ruff check .

shots: setup
	$(RUN) manage.py shots

bench: setup
	$(RUN) -m bench

# The copy of the pins comes last and says that the folder is whole; an interrupted installation starts over.
venv:
	@$(RUN) -c '' 2>/dev/null && cat $(PINS) | cmp -s - .venv/pins || $(MAKE) --no-print-directory .venv

.venv: has-python
	@echo "Installing the pinned requirements into .venv"
	@"$(PYTHON)" -m venv --clear .venv
	@$(RUN) -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@cat $(PINS) > .venv/pins

has-python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is missing. Name one: make PYTHON=..." >&2; exit 1; }
