// Training batches out of a data set of faces.
#pragma once
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "models/ganimation/face_set.h"
#include "models/ganimation/training.h"

namespace sga::ganimation {

/// A Batch before it goes to the device.
struct HostBatch {
  std::vector<float> images, source_aus, target_aus;
  Batch to_device(int64_t side) const;
};

/// Draws faces and target action units with replacement. Everything random comes from the Rng given, so the
/// same state draws the same batch.
class BatchSampler {
 public:
  /// Draws from `faces` (indices into `set`, which must outlive this). `balance` is the share of draws that
  /// first choose an action unit and then a face that shows it (intensity above 1 of 5): in photographs of
  /// people most units are rare, and what a model never sees it cannot draw. 0 is the official uniform draw.
  /// `shift`: every face is moved by up to so many pixels in each direction, its edge repeated.
  BatchSampler(const FaceSet& set, std::vector<int64_t> faces, double balance = 0, int64_t shift = 0);

  /// n faces, each mirrored with probability 1/2, and for each the labels of another draw plus U(-0.1,0.1) an
  /// AU.
  Batch draw(int64_t n, Rng& rng) const;
  /// The same into host memory, which any thread may do.
  void draw(int64_t n, Rng& rng, HostBatch& to) const;
  /// Of these faces instead of drawn ones.
  void draw(const std::vector<int64_t>& chosen, Rng& rng, HostBatch& to) const;

 private:
  friend class BatchLoader;
  int64_t draw_face(Rng& rng) const;
  size_t face_numbers() const { return size_t(set_.size() * set_.size() * 3); }
  void put(int64_t chosen, Rng& rng, HostBatch& to, size_t i) const;

  const FaceSet& set_;
  std::vector<int64_t> faces_;
  std::vector<std::vector<int64_t>> showing_;  ///< for every AU that some face shows, those faces
  double balance_;
  int64_t shift_;
};

/// The faces of a run in the order in which they come when each is used once an epoch: face i of the run
/// depends on the seed and i alone.
class ShuffledEpochs {
 public:
  ShuffledEpochs(std::vector<int64_t> faces, const Rng& rng);
  /// Face i of the run, counted from 0 over all epochs.
  int64_t at(int64_t i);

 private:
  const std::vector<int64_t> faces_;
  const Rng rng_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;  // of that epoch
};

/// Batches assembled ahead of time by a thread of its own. Batch i of a run depends on the seed and i alone:
/// neither how far ahead the thread is nor where a run was resumed changes it.
///   BatchLoader loader(sampler, 25, seed, trainer.iteration());
///   while (...) trainer.step(loader.next());
class BatchLoader {
 public:
  /// Batches `first`, `first` + 1, ... of n faces, up to `ahead` of them waiting. `shuffle`: every face of
  /// the sampler once an epoch, and a batch at the end of one is filled from the next; only the targets are
  /// drawn. `sampler` and its set must outlive this.
  BatchLoader(const BatchSampler& sampler, int64_t n, uint64_t seed, int64_t first = 0, bool shuffle = false,
              size_t ahead = 4);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The next one, copied to the device. Rethrows what the thread met.
  Batch next();
  /// Seconds that next() has spent waiting for the thread.
  double waited() const { return waited_; }

 private:
  void work();

  const BatchSampler& sampler_;
  const int64_t n_, first_;
  const Rng rng_;
  std::optional<ShuffledEpochs> epochs_;
  std::vector<HostBatch> slots_;  // batch first + k lies in slot k % ahead
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t made_ = 0, taken_ = 0;  // guarded by mutex_
  bool stop_ = false;
  std::exception_ptr failure_;
  double waited_ = 0;
  std::thread thread_;
};

/// These faces without mirroring, their own labels as source and target.
Batch batch_of(const FaceSet& set, const std::vector<int64_t>& faces);

/// The value of every AU that a share `quantile` of the faces does not exceed.
ActionUnits label_quantiles(const FaceSet& set, const std::vector<int64_t>& faces, double quantile);

}  // namespace sga::ganimation
