# Commands for developers and visitors; `make` alone lists them.
#
# All of them work on Debian 12 and 13. Missing packages are installed first, by apt and with sudo if
# necessary, except for the servers of tests and demo: these are unpacked and started by the tests
# (tests/tools/install). Downloads and builds are stored in ~/.cache/bat2influx.

PYTHON = /usr/bin/python3
PORT = 1883
SUITE = bookworm
RUFF = ruff==0.17.6
MYPY = mypy==2.4.1
AT_ONCE = -n 10 --dist loadgroup # most tests wait for events
RERUN = $(PYTHON) tests/tools/rerun.py # reruns the few tests that depend on the host's timing

# For tests without paho, or with no special use of it, one generation of paho is enough.
WITHOUT_PAHO = alerts another_database backlog check dashboards_shown database_no database_path \
	database_tls delivery delivery_faults device_clock discover discover_lan durable environment \
	fleet fleet_commands fleet_crowd fleet_refusals found_by_readme fuzzed_device grafana health \
	hostile_commands hostile_database hostile_spool json large node_exporter notify \
	one_value_a_tick pair pair_write payloads pin prefix presence schedule_real seconds secured \
	self setup_db setup_db_devices setup_db_energies silence_told_once systemd tls two_devices \
	watch writer writer_peers writer_to_three wrong_setups
WITH_OTHER_PAHO = tests/unit/mqtt $(filter-out \
	$(WITHOUT_PAHO:%=tests/integration/test_%.py),$(wildcard tests/integration/test_*.py))

# Tests that keep a processor busy for minutes, with databases of days and a browser. In parallel a
# daemon may miss a limit of a quarter of a second, so these have a separate run.
BUSY = tests/integration/test_alerts.py tests/integration/test_dashboards_shown.py \
	tests/integration/test_grafana.py tests/integration/test_setup_db_energies.py \
	tests/support/tests/test_household_filled.py tests/tools/tests/test_refresh_cost.py \
	tests/tools/tests/test_render.py tests/tools/tests/test_render_panels.py

# No files of root in a checkout of another user. Modules that tests start hundreds of times are
# compiled once, elsewhere; this variable must not be set while a Debian tree is made.
export PYTHONDONTWRITEBYTECODE = 1
CACHE = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
COMPILED = env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(CACHE)/bat2influx/pycache

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: ## run the daemon with a simulated battery and a temporary database; DEMO_SECONDS=0: until Ctrl-C
	@tests/tools/install
	@$(PYTHON) -m tests.tools.demo

device: ## run a simulated Venus device on port 1883, or PORT=...; DEVICE=--large; until Ctrl-C
	@tests/tools/install
	@$(PYTHON) -m tests.standins.venus.mqtt --broker --port $(PORT) $(DEVICE)

unit: ## run the quick tests, which need no server
	@tests/tools/install unit
	$(COMPILED) $(PYTHON) -m pytest -n 4 --dist loadgroup tests/unit

test: ## run all tests: with both generations of paho-mqtt, and as root on booted Debians
	tests/tools/install test
	@$(PYTHON) -c 'import paho.mqtt; print("With paho-mqtt", paho.mqtt.__version__)'
	@tests/tools/side-by-side test-here test-elsewhere

test-here: # with this system's paho-mqtt, on this system
	$(COMPILED) $(RERUN) $(PYTHON) -m pytest $(AT_ONCE) tests --ignore=tests/system $(BUSY:%=--ignore=%)
	$(COMPILED) $(RERUN) $(PYTHON) -m pytest -n 2 --dist loadgroup $(BUSY)

test-elsewhere: # both, even if the first fails
	@$(MAKE) --no-print-directory --keep-going test-system test-other-paho

test-other-paho:
	$(COMPILED) $(RERUN) tests/tools/other-paho -m pytest $(AT_ONCE) $(WITH_OTHER_PAHO)

test-system:
	@if [ "$$(id -u)" = 0 ]; then tests/system/run; else \
	    echo "Skipped: tests of the package on booted Debians need root (make system)" >&2; \
	    [ -z "$$BAT2INFLUX_NO_SKIP" ]; fi

lint: ## run ruff and mypy
	tests/tools/install test
	$$(tests/tools/venv $(RUFF))/bin/ruff check --config .ci/ruff.toml .
	$$(tests/tools/venv $(MYPY))/bin/mypy --python-executable $(PYTHON) --strict bat2influx

completions: ## recreate debian/completions from the program's parser
	@$(PYTHON) -m tests.tools.completions

deb: ## build the Debian package, bat2influx.deb
	debian/build bat2influx.deb

release: ## make packages, bill of materials, sums, apt repository; TO=dist, KEY=FINGERPRINT, URL=https://...
	@tests/tools/install release
	@$(PYTHON) -m tests.tools.release --key "$(KEY)" --url "$(URL)" --to "$(or $(TO),dist)"

check-release: ## make a release twice, compare, install from its repository; needs root; 4 minutes
	@tests/tools/install release
	tests/system/install
	$(PYTHON) -m tests.package.check_release

check-package: ## run lintian, a rebuild, piuparts, autopkgtest; SUITE=bookworm or trixie; needs root
	tests/system/install
	$(PYTHON) -m tests.package.check $(SUITE)

system: ## test the package on booted Debians: install, run, upgrade, remove; needs root or sudo
	tests/system/run

bench: ## measure CPU time, memory and delays; OLD=REVISION, PEERS=DIR, BENCH="--parts fleet"
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.bench $(if $(OLD),--old "$(OLD)") $(if $(PEERS),--peers "$(PEERS)") $(BENCH)

fleet: ## run a fleet on one daemon, and on two with one killed; FLEET="--devices 1000 --seconds 60"
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.fleet $(FLEET)

pictures: ## redraw docs/pictures: a day as a plot, and the terminal view; takes four minutes
	@tests/tools/install pictures
	@$(PYTHON) -m tests.tools.pictures

dashboards: ## recreate etc/grafana from dashboards/, and pictures in build/dashboards; DASHBOARDS="--docs"
	@tests/tools/install dashboards
	@$(PYTHON) -m dashboards
	@$(PYTHON) -m tests.tools.dashboards --to build/dashboards $(DASHBOARDS)

fuzz: ## test two million fuzzed payloads, 20,000 damaged spools; FUZZ="--seconds 3600", SPOOLS="--seed N"
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.fuzz $(FUZZ)
	@$(PYTHON) -m tests.tools.fuzz_spool $(SPOOLS)

hostile: ## measure memory, time and losses with hostile input; HOSTILE="--scale 0.01", or names of inputs
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.hostile $(HOSTILE)

soak: ## inject faults of all kinds for an hour; SOAK="--hours 8", --seed N to repeat one; needs root
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.soak $(SOAK)

outage: ## test ten minutes without a database, with three kills; OUTAGE="--healthy": an hour with one
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.outage $(OUTAGE)

day: ## test a day without a database, at speed: 777,600 values
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.day

sizes: ## measure database sizes, by arrival and by tick, raw and downsampled; SIZES="--days 14"
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.sizes $(SIZES)

refresh-cost: ## measure CPU time of dashboard refreshes; REFRESH="--days 30 FOLDER..." to compare folders
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.refresh_cost $(REFRESH)

arm: SUITE =
arm: ## test the package on emulated ARM, four trees; ARCH=armhf, SUITE=trixie, ARM_UNIT=all; needs root
	@tests/tools/install test
	tests/system/install qemu-user-static
	@$(PYTHON) -m tests.tools.arm $(ARCH:%=--arch %) $(SUITE:%=--suite %) $(ARM_UNIT:%=--unit %)

fresh: ## run demo and tests in a fresh Debian, SUITE=bookworm or trixie; needs root and mmdebstrap
	tests/tools/fresh $(SUITE)

clean: ## remove files of these commands from this checkout
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help demo device unit test test-here test-elsewhere test-other-paho test-system lint completions deb release check-release check-package system bench fleet pictures dashboards fuzz hostile soak outage day sizes refresh-cost fresh clean arm
