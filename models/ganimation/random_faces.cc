#include "models/ganimation/random_faces.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sga {
namespace {

float clamp01(float v) { return std::clamp(v, 0.f, 1.f); }
float square(float v) { return v * v; }
Colour mix(const Colour& a, const Colour& b, float t) {
  return {std::lerp(a[0], b[0], t), std::lerp(a[1], b[1], t), std::lerp(a[2], b[2], t)};
}
Colour times(const Colour& c, float f) { return {c[0] * f, c[1] * f, c[2] * f}; }

/// One step of splitmix64.
uint64_t scatter(uint64_t z) {
  z += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// Numbers of one seed, in order.
class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(scatter(seed)) {}
  uint64_t bits() { return scatter(state_ += 0x9e3779b97f4a7c15); }
  float uniform(float low = 0, float high = 1) {
    return low + (high - low) * static_cast<float>(bits() >> 40) * 0x1p-24f;
  }
  /// Between low and high, mostly in the middle.
  float around(float low, float high) { return low + (high - low) * (uniform() + uniform() + uniform()) / 3; }
  bool chance(float p) { return uniform() < p; }
  int below(int n) { return static_cast<int>(bits() % static_cast<uint64_t>(n)); }

 private:
  uint64_t state_;
};

/// Expressions that are two emotions at once.
constexpr std::string_view kCompounds = R"(
happily_surprised    1=.5 2=.5 12=.7 25=.7 26=.3
happily_disgusted    6=.4 9=.4 10=.6 12=.6 25=.4
sadly_fearful        1=.6 4=.5 20=.6 25=.4
sadly_angry          4=.7 7=.4 15=.6 17=.4
fearfully_surprised  1=.6 2=.6 5=.7 20=.5 25=.6 26=.3
angrily_surprised    4=.6 5=.5 7=.3 25=.6 26=.5
disgustedly_surprised 1=.5 2=.5 5=.4 10=.6 17=.4
grin                 6=.7 7=.4 12=.9 25=.8 26=.4
tight_smile          12=.5 14=.5 23=.4
)";

Colour linear(float r, float g, float b) { return {r * r, g * g, b * b}; }

/// Between neighbours of a scale, at t in [0,1].
template <size_t N>
Colour on_scale(const std::array<Colour, N>& scale, float t) {
  const float at = clamp01(t) * (N - 1);
  const auto k = std::min(static_cast<size_t>(at), N - 2);
  return mix(scale[k], scale[k + 1], at - static_cast<float>(k));
}

}  // namespace

FaceIdentity random_identity(uint64_t seed) {
  Draw draw(seed);
  FaceIdentity id;
  id.texture = static_cast<uint32_t>(draw.bits());
  id.half_width = draw.around(0.275f, 0.345f);
  id.crown = draw.around(0.02f, 0.09f);
  id.chin = draw.around(0.86f, 0.915f);
  id.jaw = draw.around(1.7f, 3.2f);
  id.age = square(draw.uniform());
  const float melanin = draw.uniform();
  const std::array<Colour, 6> skins{linear(0.97f, 0.83f, 0.76f), linear(0.91f, 0.74f, 0.64f),
                                    linear(0.82f, 0.63f, 0.50f), linear(0.68f, 0.48f, 0.36f),
                                    linear(0.50f, 0.33f, 0.24f), linear(0.34f, 0.22f, 0.165f)};
  id.skin = on_scale(skins, melanin);
  for (size_t c = 0; c < 3; ++c) id.skin[c] *= draw.around(0.92f, 1.08f);
  id.blush = draw.uniform(0.05f, 0.7f) * (1 - 0.7f * melanin);
  const std::array<Colour, 5> hairs{linear(0.09f, 0.07f, 0.06f), linear(0.22f, 0.14f, 0.09f),
                                    linear(0.40f, 0.26f, 0.15f), linear(0.62f, 0.45f, 0.25f),
                                    linear(0.80f, 0.66f, 0.42f)};
  id.hair_colour = on_scale(hairs, draw.uniform() * (melanin > 0.45f ? 0.35f : 1.f));
  if (melanin < 0.35f && draw.chance(0.10f)) id.hair_colour = linear(0.55f, 0.22f, 0.09f);
  const float grey = clamp01((id.age - 0.55f) / 0.4f);
  id.hair_colour = mix(id.hair_colour, linear(0.72f, 0.71f, 0.70f), grey);
  const bool bearded = draw.chance(0.28f);
  using Hair = FaceIdentity::Hair;
  constexpr Hair kShort[] = {Hair::none,        Hair::shaved, Hair::side_parted,
                             Hair::side_parted, Hair::curly,  Hair::fringe};
  constexpr Hair kAny[] = {Hair::long_open,   Hair::long_open, Hair::long_open, Hair::fringe,
                           Hair::side_parted, Hair::curly,     Hair::shaved};
  id.hair = bearded ? kShort[draw.below(6)] : kAny[draw.below(7)];
  id.hairline = draw.around(0.115f, 0.20f);
  id.hair_volume = draw.around(0.015f, 0.06f);
  id.parting = draw.uniform(0.2f, 0.8f);
  id.brow_y = draw.around(0.292f, 0.318f);
  id.brow_thickness = draw.around(0.022f, 0.044f);
  id.brow_arch = draw.around(0.002f, 0.022f);
  id.brow_tilt = draw.around(-0.014f, 0.014f);
  id.eye_x = draw.around(0.138f, 0.166f);
  id.eye_y = draw.around(0.385f, 0.405f);
  id.eye_width = draw.around(0.064f, 0.082f);
  id.eye_open = draw.around(0.75f, 1.2f);
  id.eye_tilt = draw.around(-0.008f, 0.014f);
  const std::array<Colour, 4> irises{linear(0.16f, 0.09f, 0.05f), linear(0.36f, 0.22f, 0.11f),
                                     linear(0.36f, 0.42f, 0.26f), linear(0.36f, 0.52f, 0.66f)};
  id.iris = on_scale(irises, melanin > 0.45f ? 0.3f * draw.uniform() : draw.uniform());
  id.nose_tip = draw.around(0.56f, 0.61f);
  id.nose_width = draw.around(0.062f, 0.098f);
  id.nose_bridge = draw.around(0.020f, 0.034f);
  id.mouth_y = draw.around(0.682f, 0.715f);
  id.mouth_width = draw.around(0.106f, 0.146f);
  id.upper_lip = draw.around(0.020f, 0.042f);
  id.lower_lip = draw.around(0.028f, 0.050f);
  id.cupid = draw.uniform(0.1f, 0.6f);
  id.lips = mix(times(id.skin, 0.72f), linear(0.72f, 0.30f, 0.30f),
                draw.uniform(0.25f, 0.6f) * (1 - 0.35f * melanin));
  if (!bearded && draw.chance(0.2f))
    id.lips = mix(id.lips, linear(0.72f, 0.12f, 0.18f), draw.uniform(0.4f, 0.9f));
  using Beard = FaceIdentity::Beard;
  constexpr Beard kBeards[] = {Beard::stubble, Beard::stubble, Beard::moustache, Beard::goatee, Beard::full};
  if (bearded) id.beard = kBeards[draw.below(5)];
  if (draw.chance(0.15f))
    id.glasses = draw.chance(0.5f) ? FaceIdentity::Glasses::round : FaceIdentity::Glasses::square;
  return id;
}

FaceScene random_scene(uint64_t seed) {
  Draw draw(seed ^ 0x5ce9e);
  FaceScene s;
  s.texture = static_cast<uint32_t>(draw.bits());
  // From above or the side, never from behind.
  const float side = draw.around(-1.2f, 1.2f), up = draw.around(-0.1f, 0.9f);
  s.light = {std::sin(side) * std::cos(up), -std::sin(up), std::cos(side) * std::cos(up)};
  s.ambient = draw.uniform(0.25f, 0.5f);
  const float warm = draw.around(-0.12f, 0.12f), bright = draw.around(0.85f, 1.15f);
  s.light_colour = {bright * (1 + warm), bright, bright * (1 - warm)};
  for (Colour& c : s.background) {
    const float grey = square(draw.uniform(0.1f, 0.95f)), colourful = draw.uniform(0, 0.5f);
    for (float& v : c) v = clamp01(grey * (1 + colourful * draw.uniform(-1, 1)));
  }
  s.background_angle = draw.uniform(0, 2 * std::numbers::pi_v<float>);
  for (float& v : s.clothes) v = square(draw.uniform(0.05f, 0.9f));
  s.roll = draw.around(-0.10f, 0.10f);
  s.yaw = draw.around(-0.035f, 0.035f);
  s.pitch = draw.around(-0.018f, 0.018f);
  s.scale = draw.around(0.94f, 1.05f);
  s.shift_x = draw.around(-0.02f, 0.02f);
  s.shift_y = draw.around(-0.02f, 0.02f);
  s.gaze_x = draw.around(-0.8f, 0.8f);
  s.gaze_y = draw.around(-0.6f, 0.6f);
  s.noise = draw.uniform(0.002f, 0.014f);
  return s;
}

ActionUnits random_action_units(uint64_t seed, int64_t position) {
  SGA_CHECK(position >= 0, "random_action_units: the position must not be negative, got ", position);
  static const std::vector<Expression> expressions = [] {
    std::vector<Expression> all = parse_presets(default_presets(), "presets.txt");
    for (Expression& e : parse_presets(kCompounds, "compounds")) all.push_back(std::move(e));
    return all;
  }();
  Draw draw(scatter(seed) ^ scatter(static_cast<uint64_t>(position)));
  ActionUnits aus{};
  const auto random_unit = [&]() -> float& { return aus[static_cast<size_t>(draw.below(kActionUnitCount))]; };
  switch (position % 4) {
    case 0: {
      const int64_t round = position / 4 / kActionUnitCount;
      const float intensity = draw.uniform(0.1f, 1);
      aus[static_cast<size_t>(position / 4 % kActionUnitCount)] = round % 3 == 0 ? 1 : intensity;
      return aus;
    }
    case 1:
    case 2: {
      const Expression& e =
          expressions[static_cast<size_t>(draw.below(static_cast<int>(expressions.size())))];
      const float strength = draw.uniform(0.2f, 1.3f);
      for (size_t i = 0; i < aus.size(); ++i)
        if (e.values[i] > 0 && !draw.chance(0.12f)) aus[i] = e.values[i] * strength * draw.around(0.6f, 1.4f);
      for (int added = draw.below(3); added > 0; --added) random_unit() += draw.uniform(0.1f, 0.6f);
      if (draw.chance(0.08f)) aus[index_of(45)] = draw.uniform(0.5f, 1);
      break;
    }
    default:
      if (draw.chance(0.2f)) return aus;
      for (int active = 1 + draw.below(5); active > 0; --active) random_unit() = draw.uniform();
  }
  // A dropped jaw parts the lips of most people.
  float& parted = aus[index_of(25)];
  if (draw.chance(0.8f)) parted = std::max(parted, 0.6f * aus[index_of(26)]);
  for (float& v : aus) v = clamp01(v);
  return aus;
}

}  // namespace sga
