// Zip archives whose entries are stored, not compressed: the container of torch.save since PyTorch 1.6.
#pragma once
#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace sga {

/// The entries by name, as parts of `file`. The central directory decides; every local header must agree with
/// it. Errors, which name `file_name`: cut or damaged; compressed, encrypted or overlapping entries; a name
/// twice; a checksum that does not match; an archive with a comment, above 4 GiB or of more than one part.
/// Source: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
std::map<std::string, std::span<const std::byte>> zip_entries(std::span<const std::byte> file,
                                                              const std::string& file_name);

}  // namespace sga
