# What a developer or a curious visitor runs; `make` alone lists it.
#
# All of it works on Debian 12 and 13. What is missing is installed first, by apt and with sudo if
# need be, except for the servers of tests and demo: these are unpacked and run by hand
# (tests/tools/install). What is fetched or built is kept in ~/.cache/bat2influx.

PYTHON = /usr/bin/python3
PORT = 1883
SUITE = bookworm
RUFF = ruff==0.17.6
MYPY = mypy==2.4.1
AT_ONCE = -n 10 --dist loadgroup # most tests wait for something to happen
RERUN = $(PYTHON) tests/tools/rerun.py # again: the few that depend on the host's timing

# Where paho takes no part, or no other than elsewhere, one generation of it is enough.
WITHOUT_PAHO = alerts another_database backlog check database_path database_tls delivery delivery_faults \
	dashboards_shown discover discover_lan durable environment fleet fleet_commands found_by_readme \
	fuzzed_device grafana health json large node_exporter notify one_value_a_tick pin \
	schedule_real setup_db setup_db_energies \
	setup_db_devices silence_told_once systemd tls watch writer writer_peers writer_to_three \
	wrong_setups
WITH_OTHER_PAHO = tests/unit/mqtt $(filter-out \
	$(WITHOUT_PAHO:%=tests/integration/test_%.py),$(wildcard tests/integration/test_*.py))

# What keeps a processor busy for minutes, with databases of days and a browser: beside it a daemon
# that is to answer within a quarter of a second may not, so these have a run of their own.
BUSY = tests/integration/test_alerts.py tests/integration/test_dashboards_shown.py \
	tests/integration/test_grafana.py tests/integration/test_setup_db_energies.py \
	tests/support/tests/test_household_filled.py tests/tools/tests/test_refresh_cost.py \
	tests/tools/tests/test_render.py tests/tools/tests/test_render_panels.py

# No files of root in a checkout that belongs to somebody else. What the tests start hundreds of times
# is compiled once, elsewhere; that place is not to be known where a Debian is made.
export PYTHONDONTWRITEBYTECODE = 1
CACHE = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
COMPILED = env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(CACHE)/bat2influx/pycache

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: ## the daemon with a simulated battery and a database of its own; DEMO_SECONDS=0: until Ctrl-C
	@tests/tools/install
	@$(PYTHON) -m tests.tools.demo

device: ## a simulated Venus device on port 1883, or PORT=...; DEVICE=--large; until Ctrl-C
	@tests/tools/install
	@$(PYTHON) -m tests.standins.venus.mqtt --broker --port $(PORT) $(DEVICE)

unit: ## the quick tests, which need no server: a developer's inner loop
	@tests/tools/install unit
	$(COMPILED) $(PYTHON) -m pytest -n 4 --dist loadgroup tests/unit

test: ## all tests: with both generations of paho-mqtt, and as root on booted Debians
	tests/tools/install test
	@$(PYTHON) -c 'import paho.mqtt; print("With paho-mqtt", paho.mqtt.__version__)'
	@tests/tools/side-by-side test-here test-elsewhere

test-here: # with this system's paho-mqtt, on this system
	$(COMPILED) $(RERUN) $(PYTHON) -m pytest $(AT_ONCE) tests --ignore=tests/system $(BUSY:%=--ignore=%)
	$(COMPILED) $(RERUN) $(PYTHON) -m pytest -n 2 --dist loadgroup $(BUSY)

test-elsewhere: # both, whatever becomes of the first
	@$(MAKE) --no-print-directory --keep-going test-system test-other-paho

test-other-paho:
	$(COMPILED) $(RERUN) tests/tools/other-paho -m pytest $(AT_ONCE) $(WITH_OTHER_PAHO)

test-system:
	@if [ "$$(id -u)" = 0 ]; then tests/system/run; else \
	    echo "The package on booted Debians is left out, which needs root: make system" >&2; \
	    [ -z "$$BAT2INFLUX_NO_SKIP" ]; fi

lint: ## ruff and mypy
	tests/tools/install test
	$$(tests/tools/venv $(RUFF))/bin/ruff check --config .ci/ruff.toml .
	$$(tests/tools/venv $(MYPY))/bin/mypy --python-executable $(PYTHON) --strict bat2influx

completions: ## debian/completions anew, from the program's own parser
	@$(PYTHON) -m tests.tools.completions

deb: ## the Debian package, bat2influx.deb
	debian/build bat2influx.deb

release: ## packages, bill of materials, sums, apt repository in TO=dist; KEY=FINGERPRINT, URL=https://...
	@tests/tools/install release
	@$(PYTHON) -m tests.tools.release --key "$(KEY)" --url "$(URL)" --to "$(or $(TO),dist)"

check-release: ## a release made twice, compared, and installed from its repository; needs root; 4 minutes
	@tests/tools/install release
	tests/system/install
	$(PYTHON) -m tests.package.check_release

check-package: ## lintian, a rebuild, piuparts, autopkgtest; SUITE=bookworm or trixie; needs root
	tests/system/install
	$(PYTHON) -m tests.package.check $(SUITE)

system: ## the package on booted Debians: installed, run, upgraded, removed; needs root or sudo
	tests/system/run

bench: ## what the daemon costs and how long a value takes; OLD=REVISION, PEERS=DIR, BENCH="--parts fleet"
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.bench $(if $(OLD),--old "$(OLD)") $(if $(PEERS),--peers "$(PEERS)") $(BENCH)

fleet: ## a fleet on one daemon, and on two of which one is killed; FLEET="--devices 1000 --seconds 60"
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.fleet $(FLEET)

pictures: ## docs/pictures anew: a day as a plot, and the terminal view; takes four minutes
	@tests/tools/install pictures
	@$(PYTHON) -m tests.tools.pictures

dashboards: ## etc/grafana anew from dashboards/, and pictures of all in build/dashboards; DASHBOARDS="--docs"
	@tests/tools/install dashboards
	@$(PYTHON) -m dashboards
	@$(PYTHON) -m tests.tools.dashboards --to build/dashboards $(DASHBOARDS)

fuzz: ## two million odd payloads, 20,000 damaged spools; FUZZ="--seconds 3600", SPOOLS="--seed N"
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.fuzz $(FUZZ)
	@$(PYTHON) -m tests.tools.fuzz_spool $(SPOOLS)

hostile: ## what hostile input costs: memory, time, values; HOSTILE="--scale 0.01", or names of inputs
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.hostile $(HOSTILE)

soak: ## faults of all kinds for an hour; SOAK="--hours 8", --seed N to repeat one; needs root
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.soak $(SOAK)

outage: ## ten minutes without a database, the daemon killed three times; OUTAGE="--healthy" an hour with it
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.outage $(OUTAGE)

day: ## a day without a database, at speed: 777,600 values
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.day

sizes: ## how large a database gets, by arrival and by tick, raw and downsampled; SIZES="--days 14"
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.sizes $(SIZES)

refresh-cost: ## CPU time of a refresh of each dashboard; REFRESH="--days 30 FOLDER..." to compare folders
	@tests/tools/install test
	@$(PYTHON) -m tests.tools.refresh_cost $(REFRESH)

arm: SUITE =
arm: ## the package on emulated ARM, four trees; ARCH=armhf, SUITE=trixie, ARM_UNIT=all; needs root
	@tests/tools/install test
	tests/system/install qemu-user-static
	@$(PYTHON) -m tests.tools.arm $(ARCH:%=--arch %) $(SUITE:%=--suite %) $(ARM_UNIT:%=--unit %)

fresh: ## demo and tests in a fresh Debian, SUITE=bookworm or trixie; needs root and mmdebstrap
	tests/tools/fresh $(SUITE)

clean: ## remove what the tools above left in this checkout
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help demo device unit test test-here test-elsewhere test-other-paho test-system lint completions deb release check-release check-package system bench fleet pictures dashboards fuzz hostile soak outage day sizes refresh-cost fresh clean arm
