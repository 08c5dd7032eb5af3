// Scalars and pictures in the form TensorBoard reads.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "engine/image.h"
#include "engine/io.h"

namespace sga {

/// A file events.out.tfevents.STEP.sga in a run folder, STEP being where this process begins: a resumed run
/// adds a file, and TensorBoard takes what comes later where both have a step.
/// Form: records of length, CRC-32C of it, a protocol buffer tensorflow.Event, CRC-32C of that.
/// Source: tensorflow/core/util/event.proto, framework/summary.proto, lib/io/record_writer.cc.
class EventFile {
 public:
  /// Replaces a file that begins at the same step.
  EventFile(const fs::path& folder, int64_t begin);
  /// Values that are not finite are left out.
  void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  void picture(int64_t step, const std::string& name, const Image& image);

 private:
  void write(int64_t step, const std::string& fields);
  fs::path path_;
};

/// CRC-32C (Castagnoli).
uint32_t crc32c(std::string_view bytes);

}  // namespace sga
