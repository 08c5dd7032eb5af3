// Climbing from a small picture to a large one, rung by rung, whole or window by window.
#pragma once
#include <functional>
#include <vector>

#include "models/singan/imresize.h"
#include "models/singan/model.h"

namespace sga::singan {

/// The picture is brought to `size`, then the generator of `level` adds its detail there.
struct Rung {
  int level = 0;
  Size size;
  double scale = 1;  ///< ResizeStyle::official: factor of the resampling, whose result, rounded up, is cut at
                     ///< the right and the bottom; smooth goes by the sizes
};

/// Error if a picture of `size` would be beyond the limits of engine/image.h.
void check_picture_size(Size size);

/// A picture that is made of its parts: a window of it is computed from the windows of the rungs below that
/// it depends on. The generators see 5 pixels around a pixel and resampling its few taps, so a window is
/// what the whole would show there (to rounding, as convolutions add up in an order that depends on the
/// extents), and the memory taken is that of the window, whatever the size of the whole. With
/// FrozenNorm::instance a pixel depends on all others: then the whole is the only window.
class Climb {
 public:
  /// Noise of a window of rung i, (1,h,w,C), kBorder more on every side with noise padding, or empty for
  /// none. A pure function of place: windows overlap.
  using Noise = std::function<Tensor(int rung, const Window& window)>;
  /// Changes what a rung gives there: y (1,h,w,C) -> the same shape. Empty: nothing.
  using Change = std::function<Tensor(int rung, const Window& window, const Tensor& y)>;

  /// base (1,h,w,C), of any size. With `back_project` every rung is made to show the base again when it is
  /// shrunk: y + up(base - down(y)), both antialiased bicubic. Source: Irani & Peleg 1991, one iteration.
  Climb(const Model& model, const Tensor& base, const std::vector<Rung>& rungs, Noise noise,
        Change change = {}, FrozenNorm norm = FrozenNorm::running, bool back_project = false);

  Size size() const { return rungs_.back().rung.size; }
  /// Whether parts of it can be computed.
  bool has_windows() const { return norm_ == FrozenNorm::running; }
  /// (1,h,w,C) in about [-1,1]. Error unless it lies in size() and, without has_windows(), is all of it.
  Tensor window(const Window& window) const;
  Tensor whole() const { return window(whole_of(size())); }

 private:
  // One axis of the resampling to a rung.
  struct Axis {
    Taps bicubic, bilinear;  // the second only where rounding left the first a pixel too small
  };
  struct Step {
    Rung rung;
    bool resized = false;  // else the picture below has the right size already
    Axis rows, columns;
    ResizeTaps up, down;  // with back_project: from the base to here and back
  };
  static Axis make_axis(const Taps& taps, int64_t n);
  Tensor at(size_t rung, const Window& want) const;
  Tensor painted(size_t rung, const Window& want) const;
  Tensor prior(size_t rung, const Window& want) const;

  Model model_;
  Tensor base_;
  std::vector<Step> rungs_;
  Noise noise_;
  Change change_;
  FrozenNorm norm_;
  bool back_project_;
};

}  // namespace sga::singan
