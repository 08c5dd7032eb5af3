// The regular files of a tar archive, found in memory; nothing is ever unpacked to disk.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernels/check.h"

namespace sga {

struct TarEntry {
  std::string name;  ///< as stored: data, never a path to write to
  std::span<const std::byte> bytes;
};

/// Entries of a ustar, GNU or pax archive, in order; long names of both kinds are honoured, folders, links
/// and devices left out. The spans point into `archive`. Error if it is no tar archive, is cut, or has a
/// damaged header.
std::vector<TarEntry> read_tar(std::span<const std::byte> archive, const std::string& name);

}  // namespace sga
