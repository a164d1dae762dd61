# The two commands: make demo, make test. Each sets up what it needs.

PREFIX ?= $(HOME)/.local
PYTHON ?=
BIN := .venv/bin
STAMP := .venv/.complete
WHISPERX := .venv-whisperx
RUNS := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))
HEADLESS = $$(grep '^opencv-python-headless==' constraints.txt)

BASH := share/bash-completion/completions/dubcli
ZSH := share/zsh/site-functions/_dubcli
FISH := share/fish/vendor_completions.d/dubcli.fish

# Sets $$python to the first interpreter that runs and fits, or says what to install.
define find_python
for python in $(PYTHON) python3.12 python3.11 python3.10 python3 none; do \
  if [ "$$python" = none ] || "$$python" -c '$(RUNS)' 2>/dev/null; then break; fi; \
done; \
if [ "$$python" = none ]; then \
  echo "make: no Python 3.10, 3.11 or 3.12 with venv was found; install one (apt-get install python3 python3-venv, brew install python@3.12) or type: make venv PYTHON=/path/to/python" >&2; \
  exit 1; \
fi
endef

# MediaPipe and PySceneDetect bring OpenCV builds for desktops, which need the system's libGL; all builds share
# one folder, so the one without windows goes in last, over them.
define install_into
$(1)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(2) && \
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall $(HEADLESS)
endef

.PHONY: help demo test fuzz whisperx-test train-test farm-test check format lint type man venv clean build install

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

demo: venv ## Make the sample film and dub it, in demo-out/
	$(BIN)/dubcli demo --out demo-out

test: venv ## Run all tests
	$(BIN)/python -m pytest -n 2

whisperx-test: venv ## Install WhisperX beside .venv, in several GB, and test its engine with it
	@test -x $(WHISPERX)/bin/python || $(BIN)/python -m venv $(WHISPERX)
	@$(WHISPERX)/bin/python -c 'import whisperx' 2>/dev/null || \
	  $(WHISPERX)/bin/python -m pip install --quiet --disable-pip-version-check 'whisperx>=3.8,<3.9'
	DUBCLI_WHISPERX_PYTHON=$(abspath $(WHISPERX))/bin/python $(BIN)/python -m pytest tests/unit/test_align_whisperx.py

fuzz: venv ## Let the command line read 1,400 mutated files of every kind
	rm -rf .fuzz
	$(BIN)/python -m tests.fuzz .fuzz 1400
	rm -rf .fuzz

train-test: venv ## Dub FILM with AUDIO by produb, kill its training ten times, and compare with one left alone
	$(BIN)/python -m bench.killed $(FILM) $(AUDIO)

farm-test: venv ## Install Slurm and sshfs from Debian's packages (as root), and test farms with them and fifty kills
	@PATH=$$PATH:/usr/sbin; for program in slurmctld slurmd sbatch munged sshfs; do \
	  command -v $$program >/dev/null || missing=yes; \
	done; \
	[ -z "$$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
	  slurmctld slurmd slurm-client munge sshfs openssh-sftp-server
	DUBCLI_FARM_TEST=1 $(BIN)/python -m pytest tests/farm

check: venv ## Check format, lint, types, the order of rooms, and that man pages, completion and schema are fresh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate.py --check

format: venv ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lint: venv ## Lint the code
	$(BIN)/ruff check .

type: venv ## Check the types
	$(BIN)/mypy

man: venv ## Write man pages, completion files and the presets' JSON schema anew
	$(BIN)/python tools/generate.py

# Compiled here, since where Python may not write bytecode every process would do it again, a third of a second.
venv: $(STAMP) ## Set up .venv, with the command in .venv/bin/dubcli
	@$(BIN)/python -m compileall -q dubcli bench tests

$(STAMP): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c '$(RUNS)' 2>/dev/null; then \
	  $(find_python); \
	  echo "setting up .venv with $$python; this takes a few minutes"; \
	  "$$python" -m venv --clear .venv; \
	fi
	@$(call install_into,.venv,-e '.[dev]')
	@touch $@

build: venv ## Build the wheel and the source archive, in dist/
	$(BIN)/python -m build

install: ## Install the command, man pages and completion under PREFIX (~/.local)
	@$(find_python); "$$python" -m venv $(PREFIX)/lib/dubcli
	@$(call install_into,$(PREFIX)/lib/dubcli,.)
	mkdir -p $(addprefix $(PREFIX)/,bin share/man/man1 $(dir $(BASH) $(ZSH) $(FISH)))
	ln -sf ../lib/dubcli/bin/dubcli $(PREFIX)/bin/dubcli
	cp man/*.1 $(PREFIX)/share/man/man1
	cp completion/dubcli.bash $(PREFIX)/$(BASH)
	cp completion/_dubcli $(PREFIX)/$(ZSH)
	cp completion/dubcli.fish $(PREFIX)/$(FISH)

clean: ## Remove what was built; .venv stays
	rm -rf build dist *.egg-info demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
