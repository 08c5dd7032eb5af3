// Which way up a photograph was taken.
#pragma once
#include <cstddef>
#include <span>

namespace sga {

/// The EXIF orientation (tag 0x0112) of a JPEG file, 1..8; 1, "as stored", where it is absent or damaged.
/// Pure and bounded: any bytes are a valid argument.
/// Source: CIPA DC-008 (Exif 2.32) 4.6.4; TIFF 6.0 section 2.
int exif_orientation(std::span<const std::byte> jpeg);

}  // namespace sga
