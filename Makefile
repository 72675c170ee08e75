# Two commands matter: `make demo` shows the thing, `make test` proves it. Both set everything up by themselves.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: help setup demo test check format bench soak wheel lock system-packages clean
.DEFAULT_GOAL := help

help:
	@echo "make setup   make .venv with everything that running needs"
	@echo "make demo    set up and record from a simulator, verified, in minutes; then serve the console until Ctrl-C"
	@echo "make test    set up and run every test (as root also those of disks and mounts)"
	@echo "make check   format, lint, types, layers, the quick unit tests"
	@echo "make bench   print the benchmark table"
	@echo "make soak    the long tests: 200 kills, 10-GB streams"
	@echo "make wheel   build the wheel and run the unit tests against it from another directory"
	@echo "make lock    renew the hash-locked requirements"

setup: $(VENV)/.run

demo: $(VENV)/.run
	at=$$(date -u +%Y%m%dT%H%M%SZ) && $(BIN)/daq demo --out demo-$$at && echo && \
	$(BIN)/daq demo console --out demo-$$at-console $$([ -t 1 ] || echo --seconds 10)

test: $(VENV)/.dev system-packages lint wheel
	$(BIN)/python -m pytest -q -m "not soak" $(AGAIN) -n 4 --dist loadfile $(WAITING)
	$(BIN)/python -m pytest -q -m "not soak" $(AGAIN) -n 2 --dist loadfile $(BROWSING)
	$(BIN)/python -m pytest -q -m "not soak" $(AGAIN) $(addprefix --ignore=,$(WAITING) $(BROWSING)) tests/integration $(BESIDE_THE_SOURCES)

# What waits for processes on a machine that others use, too, is tried once more, and then named.
AGAIN := --reruns 1 -r R

# These wait for processes most of the time, or compute and look at no clock: four at a time. Browsers draw with the processor:
# two at a time. The others want the machine
# for themselves: floods, full disks, stalls, memory, kills in the midst of a write, demonstrations that last so long.
WAITING := $(wildcard $(addprefix tests/integration/test_,audit_*.py catalogue*.py daemon_*.py damage.py dicom_*.py export_*.py faults_record.py fers_*.py ferslib.py \
	gate_*.py hostile_files.py import_*.py listmode_*.py live_*.py lying_*.py mqtt_*.py orientation_*.py probe_*.py readout_adoption*.py readout_attendance*.py readout_steps.py record*.py pet_*.py \
	petsys_*.py service_*.py simulators_*.py snapshot_*.py tutorials.py run_documents*.py instruments_*.py qc_*.py write_*.py))

BROWSING := $(wildcard tests/integration/test_console_*.py)

# The wheel job has run all unit tests; these look at files that a wheel does not hold.
BESIDE_THE_SOURCES := tests/unit/test_doc_links.py

check: $(VENV)/.dev lint
	$(BIN)/python -m pytest -q -n auto -m "not slow" tests/unit

.PHONY: lint
lint: $(VENV)/.dev console/node_modules/.package-lock.json
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	cd console && node_modules/.bin/tsc --project tsconfig.json
	cd console && node --test tests/ > node_modules/tests.log || (cat node_modules/tests.log; exit 1)

# Types of the front end, its pure tests, and what looks at accessibility; what runs in a browser comes by hatch_build.py.
console/node_modules/.package-lock.json: console/package.json console/package-lock.json
	cd console && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

format: $(VENV)/.dev
	$(BIN)/ruff format --quiet
	$(BIN)/ruff check --quiet --fix

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m soak --timeout 3600

# The wheel is unpacked in front of everything else on the path, and the tests are copied away from the sources.
wheel: $(VENV)/.dev
	rm -rf build/wheel && mkdir -p build/wheel/elsewhere
	$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel . > build/wheel/log 2>&1 || (cat build/wheel/log; exit 1)
	$(PIP) install --no-deps --target build/wheel/site build/wheel/*.whl
	cp -r tests pyproject.toml docs build/wheel/elsewhere/
	cd build/wheel/elsewhere && PYTHONPATH=../site ../../../$(BIN)/python -P -c "import daq; assert 'wheel' in daq.__file__, daq.__file__"
	cd build/wheel/elsewhere && PYTHONPATH=../site ../../../$(BIN)/python -P -m pytest -q -n auto -p no:cacheprovider tests/unit

lock: $(VENV)/.dev
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade $(COMPILE) --output-file requirements/run.txt pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade $(COMPILE) --extra dev --output-file requirements/dev.txt pyproject.toml
	cd console && npm update --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error && node -e "$$WITHOUT_ADDRESSES"

# The lock file names no address, not even where a package asks for money.
export WITHOUT_ADDRESSES := const fs = require('fs'), lock = JSON.parse(fs.readFileSync('package-lock.json')); \
	for (const each of Object.values(lock.packages)) delete each.funding; fs.writeFileSync('package-lock.json', JSON.stringify(lock, null, 2) + '\n')

COMPILE := --generate-hashes --all-build-deps --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --allow-unsafe --strip-extras

# What the tests of disks, of system servers and of instruments need from Debian; a user without root runs the rest.
SYSTEM_COMMANDS := chromium mkfs.ext4 losetup mount mosquitto mosquitto_sub mbpoll ser2net openssl npm dciodvfy medcon dcmdump gdcmdump
system-packages:
	@if [ "$$(id -u)" = 0 ] && ! ( [ -n "$$(ls -d /usr/lib/postgresql/*/bin/initdb 2> /dev/null)" ] && \
		for command in $(SYSTEM_COMMANDS); do command -v $$command || exit 1; done ) > /dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			chromium fonts-dejavu-core e2fsprogs mount util-linux mosquitto mosquitto-clients mbpoll ser2net openssl postgresql dicom3tools medcon dcmtk libgdcm-tools \
			$$(command -v npm > /dev/null || echo npm); \
	fi

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "scandaq needs Python 3.11 or later"; exit 1)
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || \
		if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv; \
		else echo "Python's venv is missing: apt-get install python3-venv"; exit 1; fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python requirements/run.txt pyproject.toml hatch_build.py console/package-lock.json
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
