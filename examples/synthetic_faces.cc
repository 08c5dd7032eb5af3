// Draws docs/images/synthetic_faces.png: every action unit of one person at 0, 1/3, 2/3 and 1, four
// expressions of theirs, and 24 faces as facedata synthesize mixes them.
//   build/tests/synthetic_faces docs/images/synthetic_faces.png
#include <cstdio>

#include "models/ganimation/random_faces.h"
#include "tools/page.h"

namespace {

using namespace sga;

constexpr int64_t kSize = 96;

Image drawn(const FaceIdentity& identity, const FaceScene& scene, const ActionUnits& aus) {
  Image image{kSize, kSize, 3, {}};
  for (const uint8_t v : render_face(identity, scene, aus, kSize))
    image.pixels.push_back(static_cast<float>(v) / 255);
  return image;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: synthetic_faces FILE.png\n");
    return 2;
  }
  std::vector<Image> faces;
  std::vector<std::string> labels;
  FaceIdentity person = random_identity(12);
  FaceScene scene = random_scene(1012);
  scene.noise = 0;
  for (size_t i = 0; i < size_t(kActionUnitCount); ++i)
    for (const char* value : {"0", ".33", ".66", "1"}) {
      ActionUnits aus{};
      aus[i] = std::stof(value);
      faces.push_back(drawn(person, scene, aus));
      labels.push_back("AU" + std::to_string(kActionUnitNumbers[i]) + " " + value);
    }
  const std::vector<Expression> presets = parse_presets(default_presets(), "presets.txt");
  for (const char* name : {"happiness", "surprise", "anger", "sadness"}) {
    faces.push_back(drawn(person, scene, find_preset(presets, name).values));
    labels.push_back(name);
  }
  for (uint64_t k = 0; k < 24; ++k) {
    FaceScene other = random_scene(k);
    other.noise *= 0.3f;  // noise makes a PNG large
    faces.push_back(drawn(random_identity(100 + k), other, random_action_units(5, int64_t(4 * k + 1))));
    labels.push_back("");
  }
  save_png(argv[1], contact_sheet(faces, 8, labels));
}
