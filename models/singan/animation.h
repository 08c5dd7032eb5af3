// Moving pictures: the noise of every level walks at random around z*, which gives the training picture.
#pragma once
#include <array>

#include "models/singan/model.h"

namespace sga::singan {

/// The walk of one level (spec A.11), in u_t, fresh standard normal noise for every frame:
///   z_t = alpha z* + (1 - alpha) (z_{t-1} + beta (z_{t-1} - z_{t-2}) + (1 - beta) u_t)
/// z* is the code at level 0 and zero above. alpha pulls the walk back to z*, beta keeps it going where it
/// went.
struct AnimationOptions {
  double alpha = 0.1;   ///< [0,1]
  double beta = 0.9;    ///< [0,1)
  int start_level = 0;  ///< levels below it stand still at z*
  int64_t frames = 100;
  /// false: starts as the official code does, close to z*: z_0 = 0.95 z* + 0.05 u, z_{-1} = z*.
  /// true: the walk is a closed one, frame 0 follows the last. Needs alpha > 0.
  bool loop = false;
  double scale_h = 1;  ///< factor of the width
  double scale_v = 1;  ///< factor of the height
  uint64_t seed = 0;
};

/// Error naming the first value that is out of range for `model`.
void check(const Model& model, const AnimationOptions& options);

/// One frame at a time; holds two noise maps for each level, however many frames there are.
///   Animation animation(model, options);
///   for (int64_t t = 0; t < options.frames; ++t) animation.step(), use(animation.frame());
///
/// In y = z - z* the walk is y_t = a y_{t-1} + b y_{t-2} + c u_t, with a = (1-alpha)(1+beta),
/// b = -(1-alpha) beta, c = (1-alpha)(1-beta). The closed walk is the one periodic solution of this for
/// noise that repeats, u_{t+T} = u_t. The state s_t = (y_t, y_{t-1}) goes round once as
/// s_{T-1} = M^T s_{-1} + p, where M = ((a, b), (1, 0)) and p is where a walk from zero ends. So
/// s_{-1} = (1 - M^T)^{-1} p closes it, and the walk then needs no change anywhere: no frame differs from the
/// others in distribution, and its covariances are those of the endless walk, summed over whole rounds.
///
/// With a factor other than 1 there is no code of the right size: z* of level 0 is a fresh draw, so level 0
/// makes up another picture; with start_level > 0 the reconstruction below it is stretched.
class Animation {
 public:
  /// Error: see check. `model` must outlive this.
  Animation(const Model& model, const AnimationOptions& options);
  /// Moves on to the next frame; the first call to frame 0.
  void step();
  /// The picture (1,H,W,C) of the frame, in about [-1,1]. Many times the cost of step.
  Tensor frame() const;
  /// z of the frame (1,h,w,C) at a level from start_level on.
  Tensor noise(int level) const;

 private:
  struct Walk {
    std::array<Tensor, 2> y;  ///< now and before: z - z*
    Rng noise;                ///< one fork for each frame
  };
  void move(Walk& walk, int level) const;
  void close(Walk& walk, int level);
  Size size(int level) const;

  const Model& model_;
  AnimationOptions options_;
  int64_t next_ = 0;
  Tensor prior_, code_;      ///< what the start level sits on; z* of level 0
  std::vector<Walk> walks_;  ///< of level start_level and up
};

}  // namespace sga::singan
