// A table of pictures with names of rows and columns, as figures in papers have them.
#pragma once
#include <string>
#include <vector>

#include "engine/image.h"

namespace sga {

/// rows[i][j] under columns[j] and right of names[i]; white background, cells as large as the largest
/// picture, smaller ones in their top left corner, each in a thin grey frame, so that white masks have an
/// edge; where a picture is empty, nothing. Names are broken at blanks to the width they have. Error unless
/// every row has a picture for each column.
Image labelled_sheet(const std::vector<std::vector<Image>>& rows, const std::vector<std::string>& names,
                     const std::vector<std::string>& columns);

}  // namespace sga
