#include "models/ganimation/face_renderer.h"

#include <algorithm>
#include <cmath>

namespace sga {
namespace {

constexpr int kSupersampling = 2;

float clamp01(float v) { return std::clamp(v, 0.f, 1.f); }
float square(float v) { return v * v; }
float mix(float a, float b, float t) { return a + (b - a) * t; }
float smoothstep(float low, float high, float v) {
  const float t = clamp01((v - low) / (high - low));
  return t * t * (3 - 2 * t);
}
/// 1 in the middle, 0 from r2 = 1 on.
float bell(float r2) { return r2 < 1 ? (1 - r2) * (1 - r2) * (1 - r2) : 0.f; }
Colour mix(const Colour& a, const Colour& b, float t) {
  return {mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)};
}
Colour times(const Colour& c, float f) { return {c[0] * f, c[1] * f, c[2] * f}; }

uint32_t scramble(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x7feb352dU;
  h = (h ^ (h >> 15)) * 0x846ca68bU;
  return h ^ (h >> 16);
}
/// White noise on the whole numbers, in [0,1).
float speck(int32_t x, int32_t y, uint32_t seed) {
  return static_cast<float>(
             scramble(static_cast<uint32_t>(x) * 0x9e3779b1U + scramble(static_cast<uint32_t>(y) + seed)) >>
             8) *
         0x1p-24f;
}
/// Smooth noise with features of about 1, in [0,1).
float value_noise(float x, float y, uint32_t seed) {
  const float fx = std::floor(x), fy = std::floor(y);
  const auto ix = static_cast<int32_t>(fx), iy = static_cast<int32_t>(fy);
  const float u = smoothstep(0, 1, x - fx), v = smoothstep(0, 1, y - fy);
  return mix(mix(speck(ix, iy, seed), speck(ix + 1, iy, seed), u),
             mix(speck(ix, iy + 1, seed), speck(ix + 1, iy + 1, seed), u), v);
}

struct Point {
  float x, y;
};
struct Box {
  float left, top, right, bottom;
};
Box around(Point p, float rx, float ry) { return {p.x - rx, p.y - ry, p.x + rx, p.y + ry}; }

/// Draws one face. Everything is painted into planes (albedo, height, occlusion) at the supersampled size and
/// lit once; coordinates are those of FaceIdentity, straight and frontal, whatever the pose.
class Painter {
 public:
  Painter(const FaceIdentity& identity, const FaceScene& scene, const ActionUnits& aus, int64_t size);
  std::vector<uint8_t> run();

 private:
  using Plane = std::vector<float>;

  // ---- how things are painted
  template <class F>
  void over(const Box& box, F&& f);
  void blend(size_t i, const Colour& colour, float alpha) {
    for (size_t c = 0; c < 3; ++c) albedo_[c][i] = mix(albedo_[c][i], colour[c], alpha);
  }
  /// Coverage of what lies at signed distance d, positive inside; edges are a pixel wide.
  float cover(float d) const { return clamp01(0.5f + d / edge_); }
  /// Colours the skin; where other things cover it (hair, eyes) they are painted later.
  void tint(Point at, float rx, float ry, const Colour& colour, float alpha);
  void bump(Point at, float rx, float ry, float height, float angle = 0);
  /// A furrow along the curve a-b-c, deepest in its middle.
  void crease(Point a, Point b, Point c, float width, float depth);
  void creases(Point a, Point b, Point c, float width, float depth) {  // on both sides
    if (depth <= 0) return;
    for (const float s : {-1.f, 1.f}) crease({s * a.x, a.y}, {s * b.x, b.y}, {s * c.x, c.y}, width, depth);
  }
  void bumps(Point at, float rx, float ry, float height, float angle = 0) {
    if (height == 0) return;
    for (const float s : {-1.f, 1.f}) bump({s * at.x, at.y}, rx, ry, height, s * angle);
  }

  // ---- the parts, in the order of painting
  void place();
  void backdrop();
  void back_hair();
  void body();
  void ears();
  void head();
  void forehead();
  void eye_region();
  void nose();
  void cheeks();
  void mouth_region();
  void facial_hair();
  void eyes();
  void brows();
  void mouth();
  void hair();
  void glasses();
  std::vector<uint8_t> light();

  float head_half_width(float y) const;
  float hair_strands(float x, float y) const;
  float hair_height(float x, float y) const;

  const FaceIdentity& id_;
  const FaceScene& scene_;
  const int64_t size_, n_;
  float edge_ = 0;
  ActionUnits au_;
  float a1_, a2_, a4_, a5_, a6_, a7_, a9_, a10_, a12_, a14_, a15_, a17_, a20_, a23_, a25_, a26_, a45_;
  float lined_;  ///< how deep furrows are in this skin

  // the mouth, shared by several parts
  float chin_, corner_x_, corner_y_, line_y_, gap_up_, gap_down_, thick_up_, thick_down_;

  Plane x_, y_, height_, dark_, lit_, gloss_, skin_, hair_;
  std::array<Plane, 3> albedo_;
  float cos_, sin_;
};

Painter::Painter(const FaceIdentity& identity, const FaceScene& scene, const ActionUnits& aus, int64_t size)
    : id_(identity), scene_(scene), size_(size), n_(size * kSupersampling) {
  SGA_CHECK(size >= 16 && size <= 1024, "render_face: the side must be 16 to 1024 pixels, got ", size);
  for (size_t i = 0; i < au_.size(); ++i) {
    SGA_CHECK(std::isfinite(aus[i]), "render_face: AU ", kActionUnitNumbers[i],
              " must be a finite number, got ", aus[i]);
    au_[i] = clamp01(aus[i]);
  }
  float* const named[] = {&a1_,  &a2_,  &a4_,  &a5_,  &a6_,  &a7_,  &a9_,  &a10_, &a12_,
                          &a14_, &a15_, &a17_, &a20_, &a23_, &a25_, &a26_, &a45_};
  for (size_t i = 0; i < au_.size(); ++i) *named[i] = au_[i];
  edge_ = 1 / (static_cast<float>(size) * scene.scale);
  lined_ = 0.75f + 0.5f * id_.age;
  const auto samples = static_cast<size_t>(n_ * n_);
  for (Plane* plane :
       {&x_, &y_, &height_, &lit_, &gloss_, &skin_, &hair_, &albedo_[0], &albedo_[1], &albedo_[2]})
    plane->assign(samples, 0);
  dark_.assign(samples, 1);
  cos_ = std::cos(scene.roll), sin_ = std::sin(scene.roll);

  chin_ = id_.chin + 0.055f * a26_ - 0.004f * a17_;
  // Opposite pulls share what the skin allows: corners cannot go up and down at once.
  corner_x_ = id_.mouth_width *
              (1 + 0.20f * a12_ + 0.30f * a20_ - 0.14f * a14_ - 0.12f * a23_ - 0.09f * a26_ - 0.07f * a17_);
  corner_y_ = id_.mouth_y - 0.038f * a12_ + 0.034f * a15_ + 0.012f * a26_ + 0.004f * a20_ - 0.010f * a14_;
  line_y_ = id_.mouth_y + 0.006f * a12_ - 0.016f * a17_ - 0.011f * a10_ * (1 - 0.5f * a26_) - 0.006f * a15_;
  gap_down_ = 0.028f * a25_ + a26_ * (0.022f + 0.050f * a25_);
  gap_up_ = 0.007f * a25_ + 0.006f * a10_ * std::max(a25_, a26_);
  thick_up_ = id_.upper_lip * (1 - 0.62f * a23_ - 0.25f * a20_ - 0.22f * a12_ + 0.10f * a10_ + 0.12f * a17_);
  thick_down_ = id_.lower_lip * (1 - 0.58f * a23_ - 0.22f * a20_ - 0.15f * a12_ + 0.22f * a17_ - 0.1f * a15_);
}

std::vector<uint8_t> Painter::run() {
  place();
  backdrop();
  back_hair();
  body();
  ears();
  head();
  forehead();
  eye_region();
  nose();
  cheeks();
  mouth_region();
  facial_hair();
  mouth();
  eyes();
  brows();
  hair();
  glasses();
  return light();
}

// ---- how things are painted

/// Where the samples lie on the straight, frontal face: roll, scale and shift undone; then turning, by which
/// the middle of the face moves more than its outline.
void Painter::place() {
  const float step = 1 / static_cast<float>(n_);
  for (int64_t row = 0, i = 0; row < n_; ++row)
    for (int64_t column = 0; column < n_; ++column, ++i) {
      const float px = ((static_cast<float>(column) + 0.5f) * step - 0.5f - scene_.shift_x) / scene_.scale;
      const float py = ((static_cast<float>(row) + 0.5f) * step - 0.5f - scene_.shift_y) / scene_.scale;
      const float x = cos_ * px + sin_ * py, y = cos_ * py - sin_ * px + 0.5f;
      const float dome = std::max(0.f, 1 - square(x / 0.36f)) * std::max(0.f, 1 - square((y - 0.5f) / 0.5f));
      x_[static_cast<size_t>(i)] = x - scene_.yaw * dome;
      y_[static_cast<size_t>(i)] = y - scene_.pitch * dome;
    }
}

/// f(sample, x, y) for all samples in the box, and some around it.
template <class F>
void Painter::over(const Box& box, F&& f) {
  const float margin_x = std::abs(scene_.yaw), margin_y = std::abs(scene_.pitch);
  float left = 2, top = 2, right = -1, bottom = -1;
  for (const float x : {box.left - margin_x, box.right + margin_x})
    for (const float y : {box.top - margin_y, box.bottom + margin_y}) {
      const float px = (cos_ * x - sin_ * (y - 0.5f)) * scene_.scale + 0.5f + scene_.shift_x;
      const float py = (sin_ * x + cos_ * (y - 0.5f)) * scene_.scale + 0.5f + scene_.shift_y;
      left = std::min(left, px), right = std::max(right, px);
      top = std::min(top, py), bottom = std::max(bottom, py);
    }
  const auto n = static_cast<float>(n_);
  const auto sample = [&](float p) { return static_cast<int64_t>(std::clamp(p, 0.f, 1.f) * n); };
  const int64_t i0 = sample(left), i1 = std::min(n_, sample(right) + 1),
                j1 = std::min(n_, sample(bottom) + 1);
  for (int64_t j = sample(top); j < j1; ++j)
    for (int64_t i = i0; i < i1; ++i) {
      const auto at = static_cast<size_t>(j * n_ + i);
      f(at, x_[at], y_[at]);
    }
}

void Painter::bump(Point at, float rx, float ry, float height, float angle) {
  const float c = std::cos(angle), s = std::sin(angle), r = std::max(rx, ry);
  over(around(at, r, r), [&](size_t i, float x, float y) {
    const float dx = x - at.x, dy = y - at.y;
    height_[i] += height * bell(square((c * dx + s * dy) / rx) + square((c * dy - s * dx) / ry)) * skin_[i];
  });
}

void Painter::tint(Point at, float rx, float ry, const Colour& colour, float alpha) {
  over(around(at, rx, ry), [&](size_t i, float x, float y) {
    blend(i, colour, alpha * skin_[i] * bell(square((x - at.x) / rx) + square((y - at.y) / ry)));
  });
}

void Painter::crease(Point a, Point b, Point c, float width, float depth) {
  if (depth <= 0) return;
  constexpr int kPieces = 6;
  std::array<Point, kPieces + 1> p;
  for (int k = 0; k <= kPieces; ++k) {
    const float t = static_cast<float>(k) / kPieces;
    const float wa = (1 - t) * (1 - t), wb = 2 * t * (1 - t), wc = t * t;
    p[static_cast<size_t>(k)] = {wa * a.x + wb * b.x + wc * c.x, wa * a.y + wb * b.y + wc * c.y};
  }
  width = std::max(width, 0.8f * edge_);  // a narrower one would vanish in a small picture
  const Box box{std::min({a.x, b.x, c.x}) - width, std::min({a.y, b.y, c.y}) - width,
                std::max({a.x, b.x, c.x}) + width, std::max({a.y, b.y, c.y}) + width};
  over(box, [&](size_t i, float x, float y) {
    float best = 1, where = 0;
    for (size_t k = 0; k < kPieces; ++k) {
      const float ux = p[k + 1].x - p[k].x, uy = p[k + 1].y - p[k].y, vx = x - p[k].x, vy = y - p[k].y;
      const float t = clamp01((ux * vx + uy * vy) / (ux * ux + uy * uy + 1e-12f));
      const float d2 = square(vx - t * ux) + square(vy - t * uy);
      if (d2 < best) best = d2, where = (static_cast<float>(k) + t) / kPieces;
    }
    const float r2 = best / square(width);
    if (r2 >= 1) return;
    const float profile = (1 - r2) * (1 - r2) * std::min(1.f, 4.4f * where * (1 - where)) * depth * skin_[i];
    height_[i] -= 0.35f * width * profile;
    dark_[i] *= 1 - 0.55f * std::min(profile, 1.f);
  });
}

// ---- what is behind the face

void Painter::backdrop() {
  const float c = std::cos(scene_.background_angle), s = std::sin(scene_.background_angle);
  over({-2, -2, 2, 2}, [&](size_t i, float x, float y) {
    const float t = clamp01(0.5f + c * x + s * (y - 0.5f) +
                            0.5f * (value_noise(x * 3.1f + 7, y * 3.1f, scene_.texture) - 0.5f));
    const Colour colour = mix(scene_.background[0], scene_.background[1], t);
    for (size_t k = 0; k < 3; ++k) albedo_[k][i] = colour[k];
  });
}

/// The outline of the head without ears and hair: an ellipse above the cheek bones, a superellipse below.
float Painter::head_half_width(float y) const {
  constexpr float kCheekBones = 0.50f;
  if (y < kCheekBones) {
    const float t = (kCheekBones - y) / (kCheekBones - id_.crown);
    const float u = std::max(0.f, 1 - std::pow(t, 2.4f));
    return id_.half_width * std::sqrt(u);
  }
  const float t = std::min(1.f, (y - kCheekBones) / (chin_ - kCheekBones));
  return id_.half_width * std::pow(std::max(0.f, 1 - std::pow(t, id_.jaw)), 0.58f);
}

/// Brightness of hair at a place, around 1.
float Painter::hair_strands(float x, float y) const {
  const bool curly = id_.hair == FaceIdentity::Hair::curly;
  if (curly) return 0.55f + 0.9f * value_noise(x * 34, y * 34, id_.texture + 5);
  const float angle = std::atan2(x - 0.1f * (id_.parting - 0.5f), 0.75f - y);
  return 0.65f + 0.45f * value_noise(angle * 42, y * 7, id_.texture + 5) +
         0.30f * value_noise(angle * 13, y * 3, id_.texture + 9);
}

/// Hair lies over the head as a larger dome.
float Painter::hair_height(float x, float y) const {
  const float w = id_.half_width + id_.hair_volume + 0.03f, top = id_.crown - id_.hair_volume - 0.03f;
  const float vertical = y < 0.5f ? std::max(0.f, 1 - square((0.5f - y) / (0.5f - top))) : 1.f;
  return 0.30f * std::sqrt(std::max(0.004f, (1 - square(x / w)) * vertical));
}

void Painter::back_hair() {
  using Hair = FaceIdentity::Hair;
  if (id_.hair == Hair::none || id_.hair == Hair::shaved) return;
  const float volume = id_.hair_volume + (id_.hair == Hair::curly ? 0.05f : 0);
  const bool open = id_.hair == Hair::long_open;
  over({-0.6f, -0.2f, 0.6f, 1.3f}, [&](size_t i, float x, float y) {
    float d;
    const float ragged =
        id_.hair == Hair::curly ? 0.03f * (value_noise(x * 22, y * 22, id_.texture) - 0.5f) : 0;
    const float w = id_.half_width + volume, top = id_.crown - volume;
    if (y < 0.45f)
      d = (1 - std::sqrt(square(std::abs(x) / w) + square((0.45f - y) / (0.45f - top)))) * w * 0.9f + ragged;
    else if (open)
      d = w + 0.05f * (y - 0.45f) - std::abs(x) + 0.01f * std::sin((y - 0.45f) * (x > 0 ? 25 : 19));
    else
      d = std::min(w - std::abs(x), (id_.hair == Hair::curly ? 0.60f : 0.52f) - y) + ragged;
    const float alpha = cover(d);
    if (alpha <= 0) return;
    blend(i, times(id_.hair_colour, hair_strands(x, y) * (open ? 0.8f : 0.95f)), alpha);
    lit_[i] = std::max(lit_[i], alpha);
    hair_[i] = alpha;
    height_[i] = mix(height_[i], 0.5f * hair_height(x, y) - 0.2f, alpha);  // behind the face
  });
}

void Painter::body() {
  over({-0.6f, 0.6f, 0.6f, 1.4f}, [&](size_t i, float x, float y) {
    const float w = 0.62f * id_.half_width + 0.5f * square(std::max(0.f, y - 0.88f)) * 8;
    const float alpha = cover(w - std::abs(x)) * smoothstep(0.6f, 0.66f, y);
    const float shade = mix(0.45f, 0.95f, smoothstep(chin_ - 0.02f, chin_ + 0.12f, y));
    blend(i, times(id_.skin, shade), alpha);
    lit_[i] = std::max(lit_[i], alpha);
    height_[i] = mix(height_[i], -0.1f + 0.12f * std::sqrt(std::max(0.f, 1 - square(x / w))), alpha);
    const float collar =
        cover(y - (0.965f + 0.06f * std::max(0.f, 1 - square(x / 0.2f)) - 0.14f * std::abs(x)));
    blend(i, scene_.clothes, collar);
    height_[i] = mix(height_[i], -0.1f - 0.3f * x * x, collar);
    lit_[i] = std::max(lit_[i], collar);
  });
}

void Painter::ears() {
  if (id_.hair == FaceIdentity::Hair::long_open) return;
  for (const float s : {-1.f, 1.f}) {
    const Point at{s * (id_.half_width + 0.004f), 0.455f};
    over(around(at, 0.05f, 0.09f), [&](size_t i, float x, float y) {
      const float r = std::sqrt(square((x - at.x) / 0.032f) + square((y - at.y) / 0.072f));
      const float alpha = cover((1 - r) * 0.04f);
      if (alpha <= 0) return;
      blend(i, mix(times(id_.skin, 0.85f), times(id_.skin, 0.45f), bell(r * r * 1.8f)), alpha);
      lit_[i] = std::max(lit_[i], alpha);
      height_[i] = mix(height_[i], 0.02f - 0.02f * r * r, alpha);
    });
  }
}

void Painter::head() {
  // The outline as a table, since every sample needs it.
  constexpr int kRows = 256;
  std::array<float, kRows + 2> width;
  for (int k = 0; k < kRows + 2; ++k)
    width[static_cast<size_t>(k)] = head_half_width(static_cast<float>(k) / kRows);
  const float hollow = 0.3f * id_.age;
  over({-0.5f, 0, 0.5f, 1}, [&](size_t i, float x, float y) {
    const float at = std::clamp(y, 0.f, 0.9999f) * kRows;
    const auto k = static_cast<size_t>(at);
    const float w = mix(width[k], width[k + 1], at - static_cast<float>(k));
    const float slope = (width[k + 1] - width[k]) * kRows;
    float d = (w - std::abs(x)) / std::sqrt(1 + slope * slope);
    d = std::min({d, chin_ - y, y - id_.crown});
    const float alpha = cover(d);
    if (alpha <= 0) return;
    const float u = std::min(1.f, square(x / std::max(w, 1e-3f)));
    // Blotches: blood shows more on nose and cheeks, less on the forehead.
    const float blotch = value_noise(x * 9, y * 9, id_.texture) - 0.5f;
    const float pore = value_noise(x * 60, y * 60, id_.texture + 1) - 0.5f;
    const float f = 1 + 0.08f * blotch + 0.05f * pore;
    blend(i, {id_.skin[0] * f, id_.skin[1] * (f - 0.03f * blotch), id_.skin[2] * (f - 0.05f * blotch)},
          alpha);
    const float vertical = y < 0.5f ? std::max(0.f, 1 - 0.75f * square((0.5f - y) / (0.5f - id_.crown)))
                                    : std::max(0.f, 1 - 0.55f * square((y - 0.5f) / (chin_ - 0.5f)));
    height_[i] = mix(height_[i], 0.30f * std::sqrt(std::max(0.004f, 1 - u)) * std::sqrt(vertical), alpha);
    lit_[i] = std::max(lit_[i], alpha);
    gloss_[i] = alpha * 0.6f;
    skin_[i] = alpha;
    dark_[i] *= 1 - 0.22f * alpha * (1 - smoothstep(0.f, 0.05f, d));  // the outline turns away
    dark_[i] *= 1 - 0.10f * hollow * bell(square((std::abs(x) - 0.2f) / 0.09f) + square((y - 0.66f) / 0.16f));
  });
}

// ---- brows and forehead: AU 1, 2, 4

void Painter::forehead() {
  const float y = id_.brow_y;
  bumps({0.11f, y + 0.015f - 0.02f * a1_ - 0.02f * a2_ + 0.015f * a4_}, 0.12f, 0.055f, 0.012f + 0.008f * a4_,
        0.1f);
  // Worry lines: over the inner brows (1), over the outer ends (2).
  for (int k = 0; k < 3; ++k) {
    const float up = y - 0.055f - 0.028f * static_cast<float>(k) - 0.012f * (a1_ + a2_);
    const float depth = lined_ * (1 - 0.2f * static_cast<float>(k));
    const float base = 0.18f * std::max(0.f, id_.age - 0.3f);
    crease({-0.115f, up + 0.010f}, {0, up - 0.014f}, {0.115f, up + 0.010f}, 0.012f,
           depth * (1.05f * a1_ + base));
    creases({0.09f, up + 0.004f}, {0.165f, up - 0.022f}, {0.225f, up + 0.024f}, 0.011f, depth * 0.95f * a2_);
  }
  // Frown: two upright furrows between the brows with a swelling beside each, and one across the root of the
  // nose.
  creases({0.024f - 0.006f * a4_, y - 0.045f}, {0.018f, y - 0.01f}, {0.024f, y + 0.045f}, 0.013f,
          1.25f * lined_ * a4_);
  bumps({0.042f, y + 0.005f}, 0.03f, 0.05f, 0.010f * a4_);
  bump({0, y + 0.005f}, 0.02f, 0.05f, 0.008f * a4_);
  crease({-0.03f, y + 0.062f}, {0, y + 0.072f}, {0.03f, y + 0.062f}, 0.010f, 0.5f * lined_ * a4_);
}

// ---- around the eyes: AU 5, 6, 7, 45

void Painter::eye_region() {
  const float x = id_.eye_x, y = id_.eye_y, w = id_.eye_width;
  bumps({x - 0.006f, y - 0.002f}, w * 1.25f, 0.062f, -0.026f);  // the socket
  for (const float s : {-1.f, 1.f}) tint({s * x, y - 0.01f}, w * 1.5f, 0.075f, times(id_.skin, 0.70f), 0.45f);
  // Cheek raiser: the skin below the eye bulges and folds, and lines fan out from the outer corner.
  const float up = 0.018f * a6_;
  bumps({x + 0.012f, y + 0.098f - up}, 0.105f, 0.050f, 0.036f * a6_, 0.1f);
  creases({x - w * 0.75f, y + 0.046f - 0.4f * up}, {x, y + 0.070f - up},
          {x + w * 1.1f, y + 0.040f - 0.5f * up}, 0.013f, lined_ * (0.80f * a6_ + 0.25f * id_.age));
  for (int k = -1; k <= 1; ++k) {
    const auto f = static_cast<float>(k);
    creases({x + w + 0.012f, y + 0.006f + 0.010f * f}, {x + w + 0.035f, y + 0.010f + 0.020f * f},
            {x + w + 0.070f, y + 0.006f + 0.040f * f}, 0.010f,
            lined_ * (1.2f * a6_ + 0.15f * std::max(0.f, id_.age - 0.5f)));
  }
  // Lid tightener: the lower lid swells right below the eye.
  bumps({x, y + 0.030f - 0.012f * a7_}, w * 0.95f, 0.020f, 0.013f * a7_);
  creases({x - w * 0.8f, y + 0.028f}, {x, y + 0.044f}, {x + w * 0.8f, y + 0.026f}, 0.009f,
          0.75f * lined_ * a7_);
}

// ---- nose: AU 9

void Painter::nose() {
  const float tip = id_.nose_tip - 0.006f * a9_, w = id_.nose_width, top = id_.eye_y - 0.02f;
  const float wing_y = id_.nose_tip + 0.002f - 0.014f * a9_ - 0.003f * a10_;
  over({-0.09f, top - 0.06f, 0.09f, tip + 0.07f}, [&](size_t i, float x, float y) {
    const float t = clamp01((y - top) / (tip - top));
    const float half = mix(id_.nose_bridge, id_.nose_bridge * 1.35f, t) * 1.5f;
    const float along =
        smoothstep(top - 0.05f, top + 0.06f, y) * (1 - smoothstep(tip - 0.01f, tip + 0.035f, y));
    height_[i] += (0.018f + 0.040f * t) * along * bell(square(x / half) * 0.55f);
  });
  bump({0, tip - 0.004f}, 0.042f, 0.036f, 0.020f);
  bumps({w * 0.68f, wing_y}, w * 0.42f, 0.034f, 0.022f);
  const Colour red = mix(id_.skin, {0.75f, 0.25f, 0.2f}, 0.3f);
  tint({0, tip}, 0.06f, 0.045f, red, 0.35f);
  // Wings, nostrils, the shadow below.
  creases({w * 0.86f, wing_y - 0.034f - 0.016f * a9_}, {w * 1.16f, wing_y - 0.006f},
          {w * 0.86f, wing_y + 0.024f}, 0.011f, 0.75f + 0.5f * a9_);
  crease({-w * 0.8f, wing_y + 0.026f}, {0, tip + 0.050f}, {w * 0.8f, wing_y + 0.026f}, 0.016f, 0.50f);
  for (const float s : {-1.f, 1.f}) {
    const Point at{s * w * 0.40f, tip + 0.021f};
    over(around(at, 0.03f, 0.02f), [&](size_t i, float x, float y) {
      const float dx = (x - at.x) * s, dy = y - at.y + 0.22f * dx;
      const float r = std::sqrt(square(dx / (w * 0.24f)) + square(dy / (0.0095f + 0.003f * a9_)));
      blend(i, times(id_.skin, 0.12f), 0.85f * cover((1 - r) * 0.011f) * skin_[i]);
    });
  }
  // Nose wrinkler: oblique lines over the bridge, and its sides drawn up.
  for (int k = 0; k < 3; ++k) {
    const float y = id_.eye_y + 0.018f + 0.028f * static_cast<float>(k);
    creases({0.006f, y - 0.006f}, {0.026f, y}, {0.052f + 0.006f * static_cast<float>(k), y + 0.022f}, 0.010f,
            1.25f * lined_ * a9_);
  }
  crease({-0.026f, id_.eye_y - 0.010f}, {0, id_.eye_y - 0.002f}, {0.026f, id_.eye_y - 0.010f}, 0.010f,
         1.1f * lined_ * a9_);
  bumps({0.056f, id_.eye_y + 0.085f}, 0.034f, 0.05f, 0.012f * a9_, -0.35f);
}

// ---- cheeks and the folds to the mouth: AU 6, 9, 10, 12

void Painter::cheeks() {
  const float w = id_.nose_width;
  for (const float s : {-1.f, 1.f})
    tint({s * 0.185f, 0.545f - 0.02f * a6_}, 0.11f, 0.085f, mix(id_.skin, {0.80f, 0.22f, 0.20f}, 0.35f),
         id_.blush * 0.8f);
  bumps({0.185f, 0.550f}, 0.13f, 0.10f, 0.020f);
  bumps({0.180f, id_.nose_tip + 0.032f}, 0.095f, 0.050f, 0.034f * a12_, 0.25f);
  // Nasolabial fold: moves out with a smile; its upper part deepens with AU 9 and 10.
  const float out = 0.022f * a12_ + 0.02f * a20_;
  const float depth = lined_ * (0.25f * id_.age + 0.85f * a12_ + 0.15f * a15_ + 0.15f * a20_);
  creases({w + 0.010f, id_.nose_tip + 0.002f},
          {0.55f * (w + corner_x_) + 0.075f + out, id_.nose_tip + 0.034f},
          {corner_x_ + 0.034f + out, corner_y_ + 0.036f}, 0.016f, depth);
  creases({w + 0.010f, id_.nose_tip - 0.022f - 0.012f * a9_}, {w + 0.042f, id_.nose_tip + 0.004f},
          {w + 0.062f, id_.nose_tip + 0.062f}, 0.015f, lined_ * (1.0f * a10_ + 0.40f * a9_));
  bumps({w + 0.040f, id_.nose_tip + 0.012f}, 0.045f, 0.05f, 0.018f * a10_, -0.4f);
}

// ---- around the mouth: AU 14, 15, 17, 20, 26

void Painter::mouth_region() {
  const float y = id_.mouth_y, drop = 0.05f * a26_;
  bump({0, y + 0.005f + 0.4f * drop}, 0.15f, 0.09f, 0.020f);  // teeth push the mouth forward
  // Philtrum.
  const float lip = line_y_ - gap_up_ - thick_up_;
  creases({0.013f, id_.nose_tip + 0.036f}, {0.014f, (id_.nose_tip + lip) / 2 + 0.015f}, {0.016f, lip}, 0.010f,
          0.30f);
  // Below the lower lip, and the chin: its boss rises, flattens and wrinkles (17).
  const float below = line_y_ + gap_down_ + thick_down_;
  crease({-0.075f, below + 0.012f}, {0, below + 0.030f - 0.016f * a17_}, {0.075f, below + 0.012f}, 0.020f,
         0.40f + 0.75f * a17_ * lined_);
  bump({0, chin_ - 0.075f - 0.022f * a17_}, 0.085f + 0.015f * a17_, 0.062f, 0.022f + 0.026f * a17_);
  if (a17_ > 0) {
    const Point boss{0, chin_ - 0.070f - 0.018f * a17_};
    over(around(boss, 0.08f, 0.055f), [&](size_t i, float px, float py) {
      const float inside =
          bell(square((px - boss.x) / 0.08f) + square((py - boss.y) / 0.055f)) * skin_[i] * a17_;
      const float pebbles = value_noise(px * 62, py * 62, id_.texture + 3) - 0.5f;
      height_[i] += 0.016f * pebbles * inside;
      dark_[i] *= 1 + 0.75f * std::min(0.f, pebbles) * inside;
    });
  }
  // Corners pressed in: a pit beside each, held by a swelling (14).
  creases({corner_x_ + 0.014f, corner_y_ - 0.030f}, {corner_x_ + 0.030f, corner_y_ - 0.002f},
          {corner_x_ + 0.012f, corner_y_ + 0.028f}, 0.018f, 1.35f * a14_);
  bumps({corner_x_ + 0.050f, corner_y_}, 0.042f, 0.052f, 0.022f * a14_);
  // Corners down: a line from each towards the jaw, and a pouch inside it (15).
  creases({corner_x_ + 0.012f, corner_y_ + 0.010f}, {corner_x_ + 0.026f, corner_y_ + 0.034f},
          {corner_x_ + 0.018f, corner_y_ + 0.070f}, 0.014f, 0.80f * lined_ * a15_);
  bumps({corner_x_ - 0.012f, corner_y_ + 0.038f}, 0.034f, 0.032f, 0.012f * a15_);
  // Stretched: the skin beside the corners is drawn into flat upright folds (20).
  creases({corner_x_ + 0.020f, corner_y_ - 0.032f}, {corner_x_ + 0.030f, corner_y_ + 0.006f},
          {corner_x_ + 0.026f, corner_y_ + 0.046f}, 0.012f, 0.80f * lined_ * a20_);
  bump({0, chin_ - 0.09f}, 0.12f, 0.06f, -0.010f * a20_);
  // Tight lips stand in a pale, tense rim (23).
  creases({0.01f, y - 0.040f}, {0.06f, y - 0.040f}, {corner_x_ + 0.004f, y - 0.010f}, 0.010f, 0.50f * a23_);
  creases({0.01f, y + 0.036f}, {0.06f, y + 0.036f}, {corner_x_ + 0.004f, y + 0.010f}, 0.010f, 0.60f * a23_);
  bumps({corner_x_ + 0.012f, corner_y_}, 0.026f, 0.034f, 0.014f * a23_);
  // Jaw drop: cheeks hollow.
  bumps({0.185f, 0.70f}, 0.09f, 0.12f, -0.016f * a26_);
}

void Painter::facial_hair() {
  using Beard = FaceIdentity::Beard;
  if (id_.beard == Beard::none) return;
  const float strength = id_.beard == Beard::stubble ? 0.42f : 0.90f;
  const float lip = line_y_ - gap_up_ - thick_up_, drop = 0.05f * a26_;
  over({-0.42f, 0.45f, 0.42f, 1.02f}, [&](size_t i, float x, float y) {
    const float ax = std::abs(x);
    // Below a line from the ears over the cheeks to the nose; for less beard, only its middle.
    const float cheek_line = 0.66f - 0.55f * std::max(0.f, ax - 0.17f) - 0.1f * ax;
    const float jaw = smoothstep(cheek_line - 0.03f, cheek_line + 0.05f, y - 0.3f * drop);
    const float under_nose = mix(id_.nose_tip + 0.030f, lip + 0.020f, square(ax / (1.1f * corner_x_)));
    const float moustache = smoothstep(under_nose, under_nose + 0.022f, y) *
                            (1 - smoothstep(0.75f * corner_x_, 1.2f * corner_x_, ax)) *
                            (1 - smoothstep(lip + 0.015f, lip + 0.045f, y));
    const float goatee =
        bell(square(x / 0.13f) * (1 + 0.4f * square(x / 0.13f)) + square((y - chin_ + 0.045f) / 0.105f)) *
        2.2f *
        smoothstep(line_y_ + gap_down_ + thick_down_ + 0.002f, line_y_ + gap_down_ + thick_down_ + 0.03f, y);
    float amount = moustache;
    if (id_.beard == Beard::goatee) amount = std::max(moustache, std::min(1.f, goatee));
    if (id_.beard == Beard::full || id_.beard == Beard::stubble)
      amount = std::max(
          moustache, jaw * (1 - bell(square(x / 0.13f) + square((y - id_.mouth_y - 0.3f * drop) / 0.085f))));
    const float hairs = 0.75f + 0.4f * value_noise(x * 80, y * 44, id_.texture + 11);
    const float alpha = std::min(1.f, amount * strength * hairs) * skin_[i];
    if (alpha <= 0) return;
    blend(i, times(id_.hair_colour, 0.8f + 0.4f * hairs), alpha);
    gloss_[i] *= 1 - alpha;
  });
}

// ---- eyes: AU 5, 6, 7, 45

void Painter::eyes() {
  const float w = id_.eye_width, open = id_.eye_open;
  const float closed = clamp01(a45_);
  const float lower = open * (0.017f - 0.012f * a7_ - 0.010f * a6_);
  const float wide = open * (0.031f + 0.021f * a5_ - 0.010f * a7_ - 0.003f * a6_);
  const float upper = mix(wide, -lower - 0.004f, closed);
  const float fold =
      open * (0.031f + 0.008f * a5_) + 0.015f - 0.004f * a7_;  // where the lid folds under the socket
  const Colour white{0.80f, 0.78f, 0.76f};
  const Colour lash = mix(times(id_.hair_colour, 0.25f), {0.015f, 0.01f, 0.01f}, 0.6f);
  const Colour lid = mix(id_.skin, {0.42f, 0.16f, 0.14f}, 0.28f);
  for (const float s : {-1.f, 1.f}) {
    const Point centre{s * id_.eye_x, id_.eye_y};
    over(around(centre, w * 1.35f, 0.085f), [&](size_t i, float px, float py) {
      const float dx = (px - centre.x) * s;  // positive towards the temple
      const float t = dx / w, dy = py - centre.y + id_.eye_tilt * t;
      const float arc = std::max(0.f, 1 - t * t);
      const float bow = std::sqrt(arc) * (0.45f + 0.55f * arc);  // rounder than a parabola
      const float high = -upper * bow * (1 - 0.10f * t), low = lower * arc;
      const float beside = (1.06f - std::abs(t)) * w;
      // Lid and its fold.
      const float f = -fold * (0.55f + 0.45f * arc) * (1 - 0.1f * t);
      const float on_lid = cover(dy - f) * cover(low - dy) * cover(beside);
      blend(i, lid, 0.55f * on_lid * skin_[i]);
      height_[i] += 0.020f * on_lid * arc * bell(square(dy / 0.06f));
      const float taper = smoothstep(-1.15f, -0.7f, t) * (1 - smoothstep(0.95f, 1.25f, t));
      const float fold_line = bell(square((dy - f) / std::max(0.0085f, 0.9f * edge_))) * taper * skin_[i];
      dark_[i] *= 1 - 0.50f * fold_line;
      // What the lids leave free.
      const float slit = std::min(dy - high, low - dy);
      const float inside = cover(slit) * cover((1 - std::abs(t)) * w) * (slit > -edge_ ? 1.f : 0.f);
      if (inside > 0) {
        const float gx = dx - 0.010f * s * scene_.gaze_x, gy = dy + 0.006f - 0.006f * scene_.gaze_y;
        const float r = std::sqrt(gx * gx + gy * gy), iris_r = 0.034f;
        Colour c = times(white, 1 - 0.30f * t * t);
        const float rays = 0.75f + 0.5f * value_noise(std::atan2(gy, gx) * 9, r * 60, id_.texture + 21);
        const float rim = smoothstep(0.75f, 1.0f, r / iris_r);
        const Colour iris = times(id_.iris, mix(rays * (1.25f - 0.4f * r / iris_r), 0.35f, rim));
        c = mix(c, iris, cover(iris_r - r));
        c = mix(c, {0.01f, 0.01f, 0.012f}, cover(0.0135f - r));
        // The upper lid's shadow.
        c = times(c, mix(0.45f, 1.f, smoothstep(0, 0.018f, dy - high)));
        blend(i, c, inside);
        gloss_[i] = mix(gloss_[i], 0, inside);
        const float lx = gx - (0.006f + 0.014f * std::abs(scene_.light[0])) * (scene_.light[0] < 0 ? -s : s),
                    ly = gy + 0.008f;
        const float spark = cover(0.0050f - std::sqrt(lx * lx + ly * ly)) * inside;
        blend(i, {1.9f, 1.9f, 1.9f}, spark);
        height_[i] += 0.006f * inside;
      }
      // Red inner corner, lashes along both edges.
      blend(i, {0.55f, 0.22f, 0.2f},
            0.5f * bell(square((t + 0.93f) / 0.14f) + square(dy / 0.010f)) * (1 - closed));
      const float lashes = (0.0070f + 0.004f * smoothstep(0.1f, 1.f, t)) * (1 + 0.3f * closed);
      const float ends = cover((1.03f - std::abs(t)) * w);
      blend(i, lash, 0.92f * cover(lashes / 2 - std::abs(dy - high + 0.2f * lashes)) * ends);
      blend(i, lash, (1 - closed) * 0.40f * cover(0.0022f - std::abs(dy - low)) * ends);
    });
  }
}

// ---- brows: AU 1, 2, 4

void Painter::brows() {
  const float inner_x = 0.046f - 0.014f * a4_ + 0.004f * a1_, outer_x = 0.232f;
  const float y0 = id_.brow_y + 0.006f * a9_;
  // Dark enough to be seen, whatever the hair.
  const auto brightness = [](const Colour& c) { return c[0] + c[1] + c[2]; };
  const Colour colour =
      times(id_.hair_colour, std::min(0.8f, 0.4f * brightness(id_.skin) / brightness(id_.hair_colour)));
  for (const float s : {-1.f, 1.f})
    over({s > 0 ? inner_x - 0.03f : -outer_x - 0.04f, y0 - 0.10f, s > 0 ? outer_x + 0.04f : -inner_x + 0.03f,
          y0 + 0.10f},
         [&](size_t i, float px, float py) {
           const float t = (px * s - inner_x) / (outer_x - inner_x), c = clamp01(t);
           const auto line = [&](float u) {
             const float rest = id_.brow_tilt * (0.5f - u) -
                                4 * id_.brow_arch * u * (1.1f - u) * (0.55f + 0.6f * u) + 0.012f * u * u;
             const float inner = std::pow(std::max(0.f, 1 - u), 1.7f),
                         outer = smoothstep(0.02f, 0.75f, u) * (1 - 0.32f * u);
             return y0 + rest - 0.040f * a1_ * inner - 0.050f * a2_ * outer +
                    a4_ * (0.014f + 0.017f * inner) - 0.004f * a1_ - 0.003f * a5_;
           };
           const float y = line(c),
                       slope = (line(c + 0.02f) - line(c - 0.0f)) / (0.02f * (outer_x - inner_x));
           const float thick = id_.brow_thickness * (0.72f + 0.28f * smoothstep(0, 0.15f, c)) *
                               (1 - 0.72f * smoothstep(0.55f, 1.f, c)) / 2;
           const float beyond = (t - c) * (outer_x - inner_x);
           const float d = thick - std::sqrt(square(py - y) / (1 + slope * slope) + beyond * beyond);
           const float soft = clamp01(0.5f + d / std::max(edge_, 0.010f));
           const float strands =
               0.70f + 0.5f * value_noise(px * s * 130 + (py - y) * 60, (py - y) * 30, id_.texture + 31);
           blend(i, colour, std::min(1.f, soft * strands) * 0.93f * skin_[i]);
           gloss_[i] *= 1 - soft;
         });
}

// ---- mouth: AU 10, 12, 14, 15, 17, 20, 23, 25, 26

void Painter::mouth() {
  const float w = corner_x_, reach = std::max(w, 0.05f);
  const float gap = gap_up_ + gap_down_;
  const Colour upper = times(id_.lips, 0.82f), lower = id_.lips, cavity{0.035f, 0.008f, 0.008f};
  const float teeth_edge = id_.mouth_y - 0.004f + 0.016f;  // upper teeth stay with the skull
  over({-reach - 0.04f, id_.mouth_y - 0.12f, reach + 0.04f, id_.mouth_y + 0.19f}, [&](size_t i, float x,
                                                                                      float y) {
    const float t = x / w, c = std::min(1.f, std::abs(t)), arc = 1 - c * c;
    const float bow = std::pow(arc, 0.65f);
    // The line between the lips: from the middle to the corners, with the tubercle of the upper lip.
    const float bend = c * c * (0.35f + 0.65f * c * c * (0.4f + 0.6f * c));
    const float base =
        mix(line_y_, corner_y_, bend) + 0.0035f * bell(square(t / 0.35f)) - 0.003f * a10_ * bow;
    const float parted = std::pow(arc, 0.5f + 0.35f * (1 - a26_));
    const float lift = a10_ * 0.010f * bell(square((c - 0.32f) / 0.5f));
    const float high = base - gap_up_ * parted - std::max(a25_, a26_) * lift, low = base + gap_down_ * parted;
    const float cupid = 1 - id_.cupid * bell(square(t / 0.30f)) * (1 - 0.6f * a12_) * (1 - 0.5f * a20_);
    const float top = high -
                      thick_up_ * bow * cupid * (0.75f + 0.25f * (1 - c)) *
                          (1 + 0.15f * bell(square((c - 0.25f) / 0.28f))) -
                      0.8f * lift;
    const float bottom = low + thick_down_ * std::pow(arc, 0.72f);
    const float within = cover((1 - std::abs(t)) * w);
    if (within <= 0) return;
    const float lips = cover(std::min(y - top, bottom - y)) * within;
    const float hole = gap > 0 ? cover(std::min(y - high, low - y)) * cover((0.97f - std::abs(t)) * w) *
                                     clamp01((low - high) / (0.6f * edge_))
                               : 0.f;
    if (lips > 0) {
      const bool is_upper = y < (high + low) / 2;
      const float across = is_upper ? clamp01((high - y) / (thick_up_ * bow + 1e-4f))
                                    : clamp01((y - low) / (thick_down_ * bow + 1e-4f));
      const float grooves = 0.88f + 0.24f * value_noise(x * 85, y * 14, id_.texture + 41);
      blend(i, times(is_upper ? upper : lower, grooves), lips * 0.88f * skin_[i]);
      // Round lips, the lower one fuller.
      const float round = 4 * across * (1 - across) * arc;
      height_[i] += (is_upper ? 0.006f : 0.012f) * round * lips;
      gloss_[i] = mix(gloss_[i], 1.0f, lips);
    }
    // Closed lips meet in a dark line; AU 23 presses it.
    const float line_width = std::max(0.0042f, 0.55f * edge_);
    const float line = cover(line_width / 2 + 0.35f * edge_ - std::abs(y - base)) * within * (1 - hole) *
                       (gap > 0 ? clamp01(1 - gap / edge_ * 0.5f) : 1.f);
    blend(i, times(id_.lips, 0.16f), 0.88f * line * cover((1.0f - std::abs(t)) * w));
    if (hole > 0) {
      Colour inside = cavity;
      const float depth = smoothstep(0.012f, 0.05f, y - high);
      const Colour tongue{0.45f, 0.12f, 0.12f};
      inside =
          mix(inside, tongue, 0.75f * bell(square(t / 0.62f) + square((low - 0.004f - y) / 0.030f)) * depth);
      const float tooth_low = teeth_edge + 0.004f * (1 - c) - 0.012f * c * c;
      const float gaps =
          1 - 0.30f * bell(square((std::abs(std::fmod(std::abs(x) + 0.0f, 0.021f) - 0.0105f) - 0.0105f) /
                                  0.0028f));
      const float dim = (1 - 0.75f * c * c) * smoothstep(-0.004f, 0.010f, y - high);
      inside = mix(inside, times({0.86f, 0.82f, 0.74f}, gaps * mix(0.45f, 1.f, dim)),
                   cover(tooth_low - y) * (1 - smoothstep(0.72f, 0.95f, c)));
      const float lower_teeth = low - 0.010f;
      inside = mix(inside, times({0.66f, 0.62f, 0.55f}, gaps),
                   a26_ * 0.8f * cover(y - lower_teeth) * (1 - smoothstep(0.5f, 0.75f, c)) *
                       smoothstep(0.03f, 0.05f, gap));
      blend(i, inside, hole);
      gloss_[i] = mix(gloss_[i], 0.2f, hole);
    }
    // Shadow in the corners.
    const float corner = bell(square((std::abs(x) - w) / 0.016f) + square((y - corner_y_) / 0.012f));
    dark_[i] *= 1 - 0.45f * corner * skin_[i];
  });
  for (const float s : {-1.f, 1.f})
    over(around({s * w, corner_y_}, 0.018f, 0.016f), [&](size_t i, float x, float y) {
      if (std::abs(x) > w)
        dark_[i] *= 1 - 0.45f * skin_[i] *
                            bell(square((std::abs(x) - w) / 0.016f) + square((y - corner_y_) / 0.012f));
    });
}

// ---- hair and glasses

void Painter::hair() {
  using Hair = FaceIdentity::Hair;
  if (id_.hair == Hair::none) return;
  const float line = id_.hairline;
  over({-0.5f, -0.1f, 0.5f, 0.75f}, [&](size_t i, float x, float y) {
    const float ax = std::abs(x);
    const float side = smoothstep(0.55f, 1.0f, ax / id_.half_width);
    float edge = line + 0.5f * square(ax) + 0.22f * side * side;  // falls towards the ears
    float ragged = 0.012f * (value_noise(x * 45, 3, id_.texture + 51) - 0.5f);
    if (id_.hair == Hair::side_parted) {
      const float part = x - (id_.parting - 0.5f) * 0.4f;
      edge += part > 0 ? 0.03f * smoothstep(0, 0.2f, part) : 0.012f * smoothstep(0, 0.15f, -part) - 0.008f;
    } else if (id_.hair == Hair::fringe) {
      edge = std::max(edge, line + 0.050f + 0.25f * square(ax));
      ragged *= 2.2f;
    } else if (id_.hair == Hair::long_open) {
      const float part = x - (id_.parting - 0.5f) * 0.25f;
      edge = line - 0.02f + 0.85f * std::pow(std::abs(part), 1.25f) + 0.5f * side;
    } else if (id_.hair == Hair::curly) {
      ragged = 0.035f * (value_noise(x * 24, y * 24, id_.texture + 51) - 0.5f);
    }
    float d = edge + ragged - y;
    // Beside the face: down to the ears, or all the way.
    if (id_.hair == Hair::long_open) {
      const float inner = id_.half_width * (0.93f - 0.05f * std::sin(y * 9));
      d = std::max(d, std::min(ax - inner, 8 * (y - 0.2f)));
    }
    const float strength = id_.hair == Hair::shaved ? 0.55f * smoothstep(-0.01f, 0.03f, d)
                                                    : clamp01(0.5f + d / std::max(edge_, 0.012f));
    const float alpha = strength * std::max(skin_[i], hair_[i]);
    if (id_.hair != Hair::shaved)
      dark_[i] *= 1 - 0.28f * skin_[i] * (1 - alpha) * bell(square((d + 0.004f) / 0.026f));
    if (alpha <= 0) return;
    const float shine = 1 + 0.5f * bell(square((y - line + 0.06f + 0.25f * x * x) / 0.05f));
    blend(i, times(id_.hair_colour, hair_strands(x, y) * shine), alpha);
    gloss_[i] = mix(gloss_[i], 0.15f, alpha);
    if (id_.hair == Hair::shaved) return;
    const float dome = hair_height(x, y);  // beyond the skin; on it, hair rises slowly from its edge
    height_[i] =
        mix(height_[i], mix(dome, mix(height_[i] + 0.004f, dome, clamp01(d / 0.06f)), skin_[i]), alpha);
    dark_[i] = mix(dark_[i], 1 - 0.25f * bell(square((d - 0.005f) / 0.02f)), alpha);
  });
}

void Painter::glasses() {
  if (id_.glasses == FaceIdentity::Glasses::none) return;
  const bool round = id_.glasses == FaceIdentity::Glasses::round;
  const float rx = round ? 0.098f : 0.112f, ry = round ? 0.088f : 0.070f, y0 = id_.eye_y + 0.016f,
              wire = round ? 0.006f : 0.011f;
  const Colour frame = round ? Colour{0.16f, 0.13f, 0.09f} : Colour{0.02f, 0.02f, 0.02f};
  const float x0 = id_.eye_x + 0.008f;
  over({-0.4f, y0 - 0.12f, 0.4f, y0 + 0.12f}, [&](size_t i, float x, float y) {
    const float ax = std::abs(x), dx = (ax - x0) / rx, dy = (y - y0) / ry;
    const float r =
        round ? std::sqrt(dx * dx + dy * dy) : std::pow(dx * dx * dx * dx + dy * dy * dy * dy, 0.25f);
    const float d = (1 - r) * ry;
    float alpha = cover(wire / 2 - std::abs(d));
    if (ax < x0 - rx * 0.96f)
      alpha =
          std::max(alpha, cover(wire / 2 - std::abs(y - y0 + 0.02f + 8 * (0.04f * 0.04f - x * x) * 0.6f)));
    if (ax > x0 + rx * 0.97f)
      alpha = std::max(alpha, cover(wire / 2 - std::abs(y - y0 + 0.018f)) * std::max(skin_[i], 0.f));
    blend(i, frame, alpha);
    lit_[i] = std::max(lit_[i], alpha);
    gloss_[i] *= 1 - alpha;
    if (d > 0) dark_[i] *= 0.97f;
    const float streak = bell(square((dx * 0.7f + dy * 0.7f + 0.35f) / 0.22f)) * cover(d);
    blend(i, {0.9f, 0.95f, 1.f}, 0.10f * streak);
  });
}

// ---- light

std::vector<uint8_t> Painter::light() {
  const float reach = static_cast<float>(n_) * scene_.scale / 2;  // of a central difference
  const auto [lx, ly, lz] = scene_.light;
  const float h = 1 / std::sqrt(lx * lx + ly * ly + square(lz + 1));
  const float hx = lx * h, hy = ly * h, hz = (lz + 1) * h;
  const auto n = static_cast<size_t>(n_);
  std::vector<float> sums(static_cast<size_t>(size_ * size_ * 3), 0.f);
  for (size_t row = 0; row < n; ++row) {
    const size_t above = row ? row - 1 : row, under = row + 1 < n ? row + 1 : row;
    for (size_t column = 0; column < n; ++column) {
      const size_t i = row * n + column, left = column ? i - 1 : i, right = column + 1 < n ? i + 1 : i;
      const float gx = std::clamp((height_[right] - height_[left]) * reach, -2.2f, 2.2f);
      const float gy =
          std::clamp((height_[under * n + column] - height_[above * n + column]) * reach, -2.2f, 2.2f);
      const float norm = 1 / std::sqrt(1 + gx * gx + gy * gy);
      const float facing = (lz - gx * lx - gy * ly) * norm;
      const float sun = std::max(0.f, (facing + 0.25f) / 1.25f);
      const float sky =
          0.85f + 0.15f * gy * norm * -1;  // a little more from above: downward slopes are darker
      const float half = std::max(0.f, (hz - gx * hx - gy * hy) * norm);
      const float half4 = square(square(half)), half16 = square(square(half4));
      const float shine = 0.10f * gloss_[i] * half16 * half16;
      float* const to =
          &sums[((row / kSupersampling) * static_cast<size_t>(size_) + column / kSupersampling) * 3];
      for (size_t c = 0; c < 3; ++c) {
        // Skin scatters red light into the shadow.
        const float soft = c == 0 ? mix(sun, std::sqrt(sun), 0.25f * skin_[i]) : sun;
        const float shade =
            (scene_.ambient * sky + (1 - scene_.ambient) * 1.25f * soft * scene_.light_colour[c]) * dark_[i];
        to[c] += mix(albedo_[c][i], albedo_[c][i] * shade, lit_[i]) +
                 shine * (1 - scene_.ambient) * scene_.light_colour[c];
      }
    }
  }
  std::vector<uint8_t> rgb(sums.size());
  bool finite = true;
  constexpr float kShare = 1.f / (kSupersampling * kSupersampling);
  for (size_t i = 0; i < rgb.size(); ++i) {
    const auto where = static_cast<int32_t>(i);
    const float grain = speck(where, 0, scene_.texture) + speck(where, 1, scene_.texture) +
                        speck(where, 2, scene_.texture) - 1.5f;
    const float v = std::sqrt(std::max(0.f, sums[i] * kShare)) + 2 * scene_.noise * grain;
    finite = finite && std::isfinite(sums[i]);
    rgb[i] = static_cast<uint8_t>(clamp01(v) * 255 + 0.5f);
  }
  SGA_CHECK(finite,
            "render_face: the description of the person or the scene holds a number that is not finite");
  return rgb;
}

}  // namespace

std::vector<uint8_t> render_face(const FaceIdentity& identity, const FaceScene& scene, const ActionUnits& aus,
                                 int64_t size) {
  return Painter(identity, scene, aus, size).run();
}

}  // namespace sga
