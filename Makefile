.PHONY: run setup test browser shots bench
.DEFAULT_GOAL := run
RUN = .venv/bin/python

setup: .venv-ready
	@$(RUN) manage.py migrate --verbosity 0

# Complete only when the copy of the requirements is there: an interrupted installation starts over.
.PHONY: .venv-ready
.venv-ready:
	@cat requirements.txt requirements-dev.txt | cmp -s - .venv/installed.txt && $(RUN) -c '' || $(MAKE) --no-print-directory .venv-build
.PHONY: .venv-build
.venv-build:
	python3 -m venv --clear .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@cat requirements.txt requirements-dev.txt > .venv/installed.txt
