#include "models/singan/config.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace sga::singan {
namespace {

template <class T>
T parse_number(const std::string& text, const std::string& what) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  SGA_CHECK(error == std::errc() && end == text.data() + text.size() && std::isfinite(double(value)), what,
            ": '", text, "' is not a number in range");
  return value;
}

template <class T>
std::string text_of(const T& value) {
  if constexpr (std::is_enum_v<T>)
    return std::to_string(static_cast<int>(value));
  else if constexpr (std::is_floating_point_v<T>)
    return to_text(value);
  else
    return std::to_string(value);
}

template <class T>
void parse_into(T& value, const std::string& text, const std::string& what) {
  if constexpr (std::is_enum_v<T>)
    value = static_cast<T>(parse_number<int>(text, what));
  else if constexpr (std::is_same_v<T, bool>)
    value = parse_number<int>(text, what) != 0;
  else
    value = parse_number<T>(text, what);
}

// The one list of fields: calls f(name, field) for each.
template <class C, class F>
void for_each_field(C& c, F&& f) {
  f("min_size", c.pyramid.min_size);
  f("max_size", c.pyramid.max_size);
  f("scale_factor", c.pyramid.scale_factor);
  f("official_levels", c.pyramid.official);
  f("super_resolution", c.pyramid.super_resolution);
  f("resize", c.resize);
  f("generator_steps", c.generator_steps);
  f("fixed_code", c.fixed_code);
  f("sample_norm", c.sample_norm);
  f("keep_bias", c.keep_bias);
  f("noise_padding", c.noise_padding);
  f("base_channels", c.base_channels);
  f("iterations", c.iterations);
  f("milestone", c.milestone);
  f("snapshot_every", c.snapshot_every);
  f("critic_updates", c.critic_updates);
  f("generator_updates", c.generator_updates);
  f("lr", c.lr);
  f("decay", c.decay);
  f("penalty_weight", c.penalty_weight);
  f("reconstruction_weight", c.reconstruction_weight);
  f("noise_weight", c.noise_weight);
  f("plateau", c.plateau);
  f("crop", c.crop);
  f("bits", c.bits);
  f("seed", c.seed);
}

// Fields that models of version 0.1 do not hold.
bool came_later(std::string_view name) {
  return name == "plateau" || name == "bits" || name == "super_resolution" || name == "noise_padding" ||
         name == "crop" || name == "sample_norm";
}

}  // namespace

std::string to_text(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

double parse_double(const std::string& text, const std::string& what) {
  return parse_number<double>(text, what);
}
int64_t parse_int(const std::string& text, const std::string& what) {
  return parse_number<int64_t>(text, what);
}
uint64_t parse_seed(const std::string& text, const std::string& what) {
  return parse_number<uint64_t>(text, what);
}

Config preset(const std::string& name) {
  Config c;
  if (name == "default") return c;
  SGA_CHECK(name == "official", "singan: unknown preset '", name, "'; choose default or official");
  c.pyramid.official = true;
  c.resize = ResizeStyle::official;
  c.generator_steps = GeneratorSteps::official;
  c.fixed_code = false;
  c.sample_norm = FrozenNorm::running;
  c.keep_bias = true;
  c.milestone = 1600;
  c.snapshot_every = 500;
  return c;
}

void set_quality(Config& config, const std::string& name) {
  SGA_CHECK(name == "quick" || name == "standard" || name == "full", "singan: unknown quality '", name,
            "'; choose quick, standard or full");
  config.iterations = name == "quick" ? 150 : name == "standard" ? 600 : 2000;
  if (name != "full" && config.generator_steps != GeneratorSteps::official) config.critic_updates = 1;
}

void check(const Config& c) {
  const auto within = [](const char* what, double value, double low, double high) {
    SGA_CHECK(value >= low && value <= high, "singan: ", what, " must lie between ", low, " and ", high,
              ", got ", value);
  };
  within("iterations", double(c.iterations), 1, 1e7);
  within("milestone", double(c.milestone), 0, 1e7);
  within("snapshot_every", double(c.snapshot_every), 0, 1e7);
  within("critic_updates", double(c.critic_updates), 1, 100);
  within("generator_updates", double(c.generator_updates), 1, 100);
  within("base_channels", double(c.base_channels), 1, 256);
  within("lr", c.lr, 1e-8, 1);
  within("decay", c.decay, 0, 1);
  within("penalty_weight", c.penalty_weight, 0, 1e6);
  within("reconstruction_weight", c.reconstruction_weight, 0, 1e6);
  within("noise_weight", c.noise_weight, 0, 1e3);
  within("plateau", double(c.plateau), 0, 1e7);
  SGA_CHECK(c.plateau == 0 || c.plateau >= kShortestPlateau, "singan: plateau must be 0 or at least ",
            kShortestPlateau, " iterations, got ", c.plateau);
  SGA_CHECK(c.crop == 0 || (c.crop >= kSmallestCrop && c.crop <= 1'000'000),
            "singan: crop must be 0 or at least ", kSmallestCrop, " pixels, got ", c.crop);
  SGA_CHECK(c.bits == 8 || c.bits == 16, "singan: bits must be 8 or 16, got ", c.bits);
  within("resize", double(c.resize), 0, 1);
  within("generator_steps", double(c.generator_steps), 0, 2);
  within("sample_norm", double(c.sample_norm), 0, 1);
}

void store(const Config& config, Checkpoint& checkpoint) {
  for_each_field(config, [&](const char* name, const auto& field) {
    checkpoint.metadata[std::string("config.") + name] = text_of(field);
  });
}

Config load_config(const Checkpoint& checkpoint) {
  Config config;
  for_each_field(config, [&](const char* name, auto& field) {
    const std::string key = std::string("config.") + name;
    if (checkpoint.metadata.contains(key) || !came_later(name))
      parse_into(field, checkpoint.meta(key), "singan model: " + key);
  });
  // Models from before this field: those of the official preset were and are sampled as there.
  if (!checkpoint.metadata.contains("config.sample_norm") && config.keep_bias)
    config.sample_norm = FrozenNorm::running;
  check(config);
  return config;
}

}  // namespace sga::singan
