// Training batches from a packed data set that lies in the page cache, in faces a second of one thread.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "bench/ceilings.h"
#include "models/ganimation/batches.h"

namespace sga {
namespace {

constexpr int64_t kSide = 128, kFaces = 4000, kBatch = 25;

/// A set of 4,000 faces, 197 MB of noise: more than caches hold, and every page is touched before it is
/// timed.
class Faces {
 public:
  Faces() {
    folder_ = (std::filesystem::temp_directory_path() / "sga-bench-XXXXXX").string();
    SGA_CHECK(mkdtemp(folder_.data()), "cannot make a temporary folder");
    const fs::path path = fs::path(folder_) / "faces.sgd";
    FaceSetWriter writer(path, {"landmarks", 1.5, kSide});
    std::vector<uint8_t> rgb(static_cast<size_t>(kSide * kSide * 3));
    uint32_t state = 1;
    for (int64_t i = 0; i < kFaces; ++i) {
      for (uint8_t& v : rgb) v = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
      writer.add({"face", {}, 1, -1, true}, rgb);
    }
    writer.finish();
    set_.emplace(path);
    SGA_CHECK(set_->pixels_intact(), "the disk lies");
  }
  ~Faces() { fs::remove_all(folder_); }
  const FaceSet& set() const { return *set_; }

 private:
  std::string folder_;
  std::optional<FaceSet> set_;
};

const Faces& faces() {
  static const Faces instance;
  return instance;
}

/// Bytes read and floats written.
void report(benchmark::State& state) {
  state.counters["images/s"] =
      benchmark::Counter(double(kBatch), benchmark::Counter::kIsIterationInvariantRate);
  bench::report_bytes(state, 5.0 * double(kBatch * kSide * kSide * 3),
                      4.0 * double(kBatch * kSide * kSide * 3));
}

/// What the thread of a BatchLoader does for one batch.
void assemble(benchmark::State& state) {
  const ganimation::BatchSampler sampler(faces().set(), faces().set().indices(true));
  ganimation::HostBatch batch;
  Rng rng(1);
  for (auto _ : state) sampler.draw(kBatch, rng, batch);
  report(state);
}
BENCHMARK(assemble)->Name("faces/assemble_128px_25")->UseRealTime();

/// The rate at which a training that computed nothing would get its batches.
void load(benchmark::State& state) {
  const ganimation::BatchSampler sampler(faces().set(), faces().set().indices(true));
  ganimation::BatchLoader loader(sampler, kBatch, 1);
  for (auto _ : state) benchmark::DoNotOptimize(loader.next());
  report(state);
}
BENCHMARK(load)->Name("faces/load_128px_25")->UseRealTime();

}  // namespace
}  // namespace sga

BENCHMARK_MAIN();
