// Text that may be gzip-compressed.
#pragma once
#include <string>

#include "engine/io.h"

namespace sga {

/// The bytes as they are, or unpacked if they start like a gzip file. Error if it is damaged, cut, or holds
/// more than `limit` bytes.
std::string gunzip_if_needed(std::span<const std::byte> file, const std::string& name,
                             int64_t limit = int64_t{1} << 30);

}  // namespace sga
