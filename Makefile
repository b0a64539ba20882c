# What a developer or a curious visitor runs; `make` alone lists it.
#
# All of it works on Debian 12 and 13. What is missing is installed first, by apt and with sudo if
# need be, except for the servers of tests and demo: these are unpacked and run by hand
# (tests/parts/install). What is fetched or built is kept in ~/.cache/bat2influx.

PYTHON = /usr/bin/python3
PORT = 1883
SUITE = bookworm
RUFF = ruff==0.17.6
MYPY = mypy==2.4.1
AT_ONCE = -n 8 --dist loadgroup # most tests wait for something to happen
ONCE_MORE = $(PYTHON) tests/parts/once_more.py # what falls, by itself

# Where paho takes no part, one generation of it is enough.
WITH_OTHER_PAHO = tests/integration tests/test_broker.py tests/test_session.py tests/test_tls_link.py \
	tests/test_mqtt5.py tests/test_refusals.py tests/test_prefix.py tests/test_broker_fuzz.py \
	tests/test_fleet_crowd.py tests/test_fleet_refusals.py \
	$(foreach test,backlog check delivery_faults discover discover_lan durable fuzzed_device schedule_real\
	systemd setup_db setup_db_devices wrong_setups another_database large notify grafana watch health \
	fleet fleet_commands,\
	--ignore=tests/integration/test_$(test).py)

# No files of root in a checkout that belongs to somebody else.
export PYTHONDONTWRITEBYTECODE = 1

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: ## the daemon with a simulated battery and a database of its own; DEMO_SECONDS=0: until Ctrl-C
	@tests/parts/install
	@$(PYTHON) -m tests.demo

device: ## a simulated Venus device on port 1883, or PORT=...; DEVICE=--large; until Ctrl-C
	@tests/parts/install
	@$(PYTHON) -m tests.parts.venus_mqtt --broker --port $(PORT) $(DEVICE)

test: ## all tests: with both generations of paho-mqtt, and as root on booted Debians
	tests/parts/install test
	@$(PYTHON) -c 'import paho.mqtt; print("With paho-mqtt", paho.mqtt.__version__)'
	$(ONCE_MORE) $(PYTHON) -m pytest $(AT_ONCE) tests --ignore=tests/system
	@$(MAKE) --no-print-directory -j 2 --output-sync=target test-other-paho test-system

test-other-paho:
	$(ONCE_MORE) tests/parts/other-paho -m pytest $(AT_ONCE) $(WITH_OTHER_PAHO)

test-system:
	[ "$$(id -u)" != 0 ] || tests/system/run

lint: ## ruff and mypy
	tests/parts/install test
	$$(tests/parts/venv $(RUFF))/bin/ruff check --config .ci/ruff.toml .
	$$(tests/parts/venv $(MYPY))/bin/mypy --python-executable $(PYTHON) --strict bat2influx

deb: ## the Debian package, bat2influx.deb
	debian/build bat2influx.deb

check-package: ## lintian, a rebuild, piuparts, autopkgtest; SUITE=bookworm or trixie; needs root
	tests/system/install
	$(PYTHON) -m tests.package.check $(SUITE)

system: ## the package on booted Debians: installed, run, upgraded, removed; needs root or sudo
	tests/system/run

bench: ## what the daemon costs and how long a value takes; BENCH="--json FILE" to compare two commits
	@tests/parts/install test
	@$(PYTHON) -m tests.bench $(BENCH)

fleet: ## a fleet on one daemon, and on two of which one is killed; FLEET="--devices 1000 --seconds 60"
	@tests/parts/install test
	@$(PYTHON) -m tests.fleet $(FLEET)

pictures: ## docs/pictures anew: a day as a plot, and the terminal view; takes four minutes
	@tests/parts/install pictures
	@$(PYTHON) -m tests.pictures

fuzz: ## two million odd payloads; FUZZ="--seconds 3600" for longer, --seed N to repeat one
	@tests/parts/install test
	@$(PYTHON) -m tests.fuzz $(FUZZ)

soak: ## faults of all kinds for an hour; SOAK="--hours 8", --seed N to repeat one; needs root
	@tests/parts/install test
	@$(PYTHON) -m tests.soak $(SOAK)

outage: ## ten minutes without a database, the daemon killed three times; OUTAGE="--healthy" an hour with it
	@tests/parts/install test
	@$(PYTHON) -m tests.outage $(OUTAGE)

day: ## a day without a database, at speed: 777,600 values
	@tests/parts/install test
	@$(PYTHON) -m tests.day

sizes: ## how large a database gets, by arrival and by tick, raw and downsampled; SIZES="--days 14"
	@tests/parts/install test
	@$(PYTHON) -m tests.sizes $(SIZES)

fresh: ## demo and tests in a fresh Debian, SUITE=bookworm or trixie; needs root and mmdebstrap
	tests/fresh $(SUITE)

clean: ## remove what the tools above left in this checkout
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help demo device test test-other-paho test-system lint deb check-package system bench fleet pictures fuzz soak outage day sizes fresh clean
