# make demo   one photograph in, expression images out: out/demo/index.html
# make test   every test, and the sanitizer runs
# make gpu-check   on a machine with a GPU: its tests, sanitizers, benches, training steps; into bench/results/
# make bundle      what gpu-check needs as one folder, for a machine without compilers and libraries
# make deps   what both need, from Debian 12's own packages; the other targets call it

JOBS ?= $(shell nproc)
PACKAGES = g++ cmake ninja-build libdnnl-dev libopencv-dev opencv-data libstb-dev nlohmann-json3-dev libcli11-dev \
           zlib1g-dev libgif-dev libeigen3-dev libgtest-dev libbenchmark-dev
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: build deps demo test gpu-check bundle clean
build: deps
	cmake --preset release
	cmake --build --preset release -j $(JOBS)

# Runs apt-get only if something is missing, so a machine that has everything needs neither root nor a network.
deps:
	@missing=""; \
	for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  echo "installing:$$missing"; \
	  $(SUDO) apt-get -q update && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $$missing; \
	fi

demo: build
	build/tools/singanimation expand --image data/astronaut.png --expressions happiness,sadness,surprise \
	  --strength 0.8 --samples 4 --size 96 --quality quick --inject N-1 --out out/demo --resume
	@echo "open out/demo/index.html in a browser"

# The sanitizer builds hold only the tests that carry a matching label: kernels, autograd and every parser under
# address and undefined-behaviour checks, what is threaded under the thread sanitizer.
test: build
	ctest --test-dir build --output-on-failure -j $(JOBS)
	cmake --preset asan
	cmake --build --preset asan -j $(JOBS) --target asan_tests
	ctest --test-dir build-asan --output-on-failure -j $(JOBS) -L '^asan$$'
	cmake --preset tsan
	cmake --build --preset tsan -j $(JOBS) --target tsan_tests
	ctest --test-dir build-tsan --output-on-failure -j $(JOBS) -L '^tsan$$'

# Whether there is a GPU at all is asked before anything is compiled.
gpu-check:
	bench/gpu-check probe
	$(MAKE) build
	bench/gpu-check --build build --out bench/results all

bundle: deps
	cmake --preset bundle
	cmake --build --preset bundle -j $(JOBS)

clean:
	rm -rf build build-asan build-tsan build-bundle
