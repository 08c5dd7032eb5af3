// Files of torch.save, read without PyTorch and without running anything of them.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "engine/checkpoint.h"

namespace sga {

/// Every tensor and number in the file, named by the way that leads to it: keys of dicts, indices of lists
/// and tuples, and of modules the names of their parameters, buffers and parts, as state_dict() does. A state
/// dict gives "head.conv.weight", a list of whole modules "0.head.conv.weight".
///   axes     Rank 4 is turned from (N,C,H,W) into (N,H,W,C), filters from (out,in,row,column) into
///            (out,row,column,in); 0-d tensors and numbers become (1).
///   types    Float to float32; Double, Long and numbers to float64. CUDA storages count as CPU.
///   classes  The modules that may occur besides those of torch.nn, as "SinGAN.models.ConvBlock".
/// Both containers are known: the stream of PyTorch before 1.6, and the zip. Texts, None and objects of other
/// kinds are passed over.
/// Errors, which name `file_name`: those of decode_pickle and zip_entries; a storage that is missing, of
/// another type, or whose size does not match; a tensor beyond its storage; more than 65,536 tensors, or more
/// numbers in them than the file has bytes; a name twice; numbers that are not finite.
Checkpoint decode_torch_file(std::span<const std::byte> file, const std::string& file_name,
                             std::span<const std::string_view> classes = {});

}  // namespace sga
