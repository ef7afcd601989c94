# Everything runs in .venv, which is made when it is first needed. Nothing outside this directory is
# written, but for `make test` as root, which installs two Debian packages that some tests talk to.

PYTHON ?= python3
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
SOURCES := pyproject.toml LICENSE man/sockstack.1 $(shell find src -not -path '*/__pycache__*' \( -type d -o -name '*.py' -o -name py.typed \))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint types peers bench soak man clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## See it work; ONCE=1 runs it once and exits.
	@echo "==> sockstack demo"
	@$(VENV)/bin/sockstack demo $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

test: lint types peers ## Lint, type check and test; ARGS go to pytest, as in ARGS="-k prefix".
	@echo "==> tests (pytest)"
	@$(RUN) -bb -m pytest $(ARGS)

lint: $(VENV)/.test ## Check style and formatting only.
	@echo "==> style (ruff)"
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

types: $(VENV)/.test ## Check types only.
	@echo "==> types (mypy --strict)"
	@$(RUN) -m mypy

bench: $(VENV)/.bench ## Measure beside the peers; ARGS go to it, as in ARGS="--quick".
	@echo "==> benchmark; make bench ARGS=--help tells more"
	@$(RUN) -m bench $(ARGS)

man: $(VENV)/.test ## Make the man page anew from the help of the commands.
	@$(RUN) -m tools.manpage man/sockstack.1
	@echo "==> man -l man/sockstack.1 shows it"

soak: $(VENV)/.bench ## Kill peers under load and account for each message, as in ARGS="--minutes 10".
	@echo "==> soak; make soak ARGS=--help tells more"
	@$(RUN) -m bench.soak $(ARGS)

clean: ## Remove all that was made here.
	rm -rf $(VENV) build dist bench/results .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# nngcat and nanocat are the peers in C. Without them the tests that need one are skipped, and say so.
peers:
	@if ! { command -v nngcat && command -v nanocat; } >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "==> installing nng-utils and nanomsg-utils, whose nngcat and nanocat some tests talk to"; \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y nng-utils nanomsg-utils; } >/dev/null 2>&1 </dev/null \
			|| echo "    they could not be installed: tests that need them will be skipped"; \
	fi

$(VENV)/.made:
	@echo "==> making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "sockstack needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
		|| { echo "the venv module is not complete here; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

# One stamp for each extra of pyproject.toml: sockstack as built from here, with what that extra names.
$(VENV)/.%: $(SOURCES) | $(VENV)/.made
	@echo "==> installing sockstack and what '$*' needs into $(VENV)"
	@$(RUN) -m pip install --quiet --quiet --disable-pip-version-check '.[$*]'
	@touch $@
