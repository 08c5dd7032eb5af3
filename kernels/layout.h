// Moves without arithmetic: borders and joins.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// y[n, i, j, :] = x[n, i - top, j - left, :], zero outside x. Negative top/left crop. x (n,h,w,c), y
/// (n,p,q,c).
template <class T>
void shift_window(Cpu, int64_t n, int64_t h, int64_t w, int64_t c, int64_t top, int64_t left, int64_t p,
                  int64_t q, const T* x, T* y);
void shift_window(Cuda, int64_t n, int64_t h, int64_t w, int64_t c, int64_t top, int64_t left, int64_t p,
                  int64_t q, const float* x, float* y);

/// Copies blocks: y[i, y_begin + j] = x[i, x_begin + j], i < outer, j < count, with row lengths x_row and
/// y_row. Joining along an axis is one call a part, cutting out of it one call.
template <class T>
void copy_rows(Cpu, int64_t outer, int64_t count, const T* x, int64_t x_row, int64_t x_begin, T* y,
               int64_t y_row, int64_t y_begin);
void copy_rows(Cuda, int64_t outer, int64_t count, const float* x, int64_t x_row, int64_t x_begin, float* y,
               int64_t y_row, int64_t y_begin);

}  // namespace sga::kernels
