// Checkpoints: named tensors and text metadata in one safetensors file.
#pragma once
#include <map>
#include <span>
#include <string>

#include "engine/io.h"
#include "engine/tensor.h"

namespace sga {

struct Checkpoint {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
  std::string origin = "checkpoint";  ///< the file it was read from, for errors

  /// Error naming the tensor if it is missing or (with a non-empty shape) has another shape.
  const Tensor& get(const std::string& name, const Shape& shape = {}) const;
  /// Error naming the key if it is missing.
  const std::string& meta(const std::string& key) const;
};

/// How tensors are stored on disk. f16 halves a model that is only used for inference.
enum class Storage { native, f16 };

/// safetensors (F32, F64, F16 entries). Pure functions between bytes and a checkpoint. The parser refuses a
/// header above 16 MiB, names above 256 bytes, more than 65,536 tensors, duplicate names, holes, overlaps,
/// sizes that do not match, and non-finite weights; `name` is used in errors. F16 is widened to float32. I64
/// entries are passed over: PyTorch's batch normalisation counts its batches in one (num_batches_tracked).
Bytes encode_checkpoint(const Checkpoint& checkpoint, Storage storage = Storage::native);
Checkpoint decode_checkpoint(std::span<const std::byte> file, const std::string& name);

void save_checkpoint(const fs::path& path, const Checkpoint& checkpoint, Storage storage = Storage::native);
Checkpoint load_checkpoint(const fs::path& path);

/// 64-bit FNV-1a as 16 hex digits: tells contents apart in manifests and on a resume. No guard against
/// forgery.
std::string checksum(std::span<const std::byte> bytes);
/// That of a whole file.
std::string file_checksum(const fs::path& path);

}  // namespace sga
