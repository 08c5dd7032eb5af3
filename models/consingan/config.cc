#include "models/consingan/config.h"

#include <algorithm>
#include <cmath>

#include "models/singan/config.h"

namespace sga::consingan {
namespace {

std::string text_of(double value) { return singan::to_text(value); }
std::string text_of(int64_t value) { return std::to_string(value); }
std::string text_of(uint64_t value) { return std::to_string(value); }
void parse_into(double& value, const std::string& text, const std::string& what) {
  value = singan::parse_double(text, what);
}
void parse_into(int64_t& value, const std::string& text, const std::string& what) {
  value = singan::parse_int(text, what);
}
void parse_into(uint64_t& value, const std::string& text, const std::string& what) {
  value = singan::parse_seed(text, what);
}

// The one list of fields: calls f(name, field, least, most) for each.
template <class C, class F>
void for_each_field(C& c, F&& f) {
  f("min_size", c.min_size, 1, 65535);  // make_pyramid knows more about these two
  f("max_size", c.max_size, 1, 65535);
  f("stages", c.stages, 2, 16);
  f("concurrent", c.concurrent, 1, 16);
  f("lr_scale", c.lr_scale, 0, 1);
  f("channels", c.channels, 1, 256);
  f("layers", c.layers, 1, 3);  // the critic must fit into the coarsest level
  f("iterations", c.iterations, 1, 1e7);
  f("critic_updates", c.critic_updates, 1, 100);
  f("generator_updates", c.generator_updates, 1, 100);
  f("lr", c.lr, 1e-8, 1);
  f("decay", c.decay, 0, 1);
  f("penalty_weight", c.penalty_weight, 0, 1e6);
  f("reconstruction_weight", c.reconstruction_weight, 0, 1e6);
  f("noise_weight", c.noise_weight, 0, 1e3);
  f("bits", c.bits, 8, 16);
  f("seed", c.seed, 0, 0x1p64);
}

}  // namespace

void set_quality(Config& config, const std::string& name) {
  SGA_CHECK(name == "quick" || name == "standard" || name == "full", "consingan: unknown quality '", name,
            "'; choose quick, standard or full");
  config.iterations = name == "quick" ? 400 : name == "standard" ? 800 : 2000;
  config.critic_updates = name == "full" ? 3 : 1;
}

void check(const Config& config) {
  for_each_field(config, [](const char* name, auto value, double least, double most) {
    SGA_CHECK(double(value) >= least && double(value) <= most, "consingan: ", name, " must lie between ",
              least, " and ", most, ", got ", value);
  });
  SGA_CHECK(config.bits == 8 || config.bits == 16, "consingan: bits must be 8 or 16, got ", config.bits);
}

void store(const Config& config, Checkpoint& checkpoint) {
  for_each_field(config, [&](const char* name, const auto& field, double, double) {
    checkpoint.metadata[std::string("config.") + name] = text_of(field);
  });
}

Config load_config(const Checkpoint& checkpoint) {
  Config config;
  for_each_field(config, [&](const char* name, auto& field, double, double) {
    const std::string key = std::string("config.") + name;
    parse_into(field, checkpoint.meta(key), "consingan model: " + key);
  });
  check(config);
  return config;
}

singan::Pyramid make_pyramid(int64_t height, int64_t width, const Config& config) {
  singan::Pyramid p =
      singan::make_pyramid(height, width, {.min_size = config.min_size, .max_size = config.max_size});
  const singan::Size finest = p.finest();
  const auto last = int(config.stages) - 1;
  p.ratio = std::pow(double(config.min_size) / double(std::min(finest.h, finest.w)), 1.0 / last);
  p.levels.clear();
  for (int n = 0; n < last; ++n) {
    const double bend = last > 1 ? (last - 1) / std::log(last) * std::log(last - n) : 0;
    const double scale = std::pow(p.ratio, bend + 1);
    // The slack keeps a whole number with rounding noise from becoming the next one.
    const auto side = [&](int64_t full) { return int64_t(std::ceil(double(full) * scale - 1e-9)); };
    p.levels.push_back({side(finest.h), side(finest.w)});
  }
  p.levels.push_back(finest);
  return p;
}

}  // namespace sga::consingan
