// What every tool answers to --help, to slips of the keyboard and to a GPU that is not there. The subcommands
// and their options are read from the help itself, so new ones are tested too.
#include <algorithm>
#include <sstream>

#include "tests/cli.h"

namespace sga {
namespace {

const Words kTools = {"singan", "ganimation", "singanimation", "facedata", "evaluate"};

/// First words of the indented lines after `heading`.
Words listed(const std::string& help, const std::string& heading) {
  Words names;
  std::istringstream lines(help.substr(std::min(help.size(), help.find(heading))));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && !line.empty())
    if (line.starts_with("  ") && line[2] != ' ') names.push_back(line.substr(2, line.find(' ', 2) - 2));
  return names;
}

/// The lines of one option, down to the next.
std::string entry_of(const std::string& help, const std::string& option) {
  const size_t begin = help.find("\n  " + option + " ");
  return begin == std::string::npos ? "" : help.substr(begin, help.find("\n  -", begin + 1) - begin);
}

struct Subcommand {
  std::string tool, name, help;
};

std::vector<Subcommand> all_subcommands() {
  std::vector<Subcommand> all;
  for (const std::string& tool : kTools)
    for (const std::string& name : listed(run_tool(tool, {"--help"}).out, "Subcommands:"))
      all.push_back({tool, name, run_tool(tool, {name, "--help"}).out});
  return all;
}

TEST(CliHelp, EveryToolNamesItsSubcommands) {
  for (const std::string& tool : kTools) {
    const Outcome help = run_tool(tool, {"--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(help.err, "");
    EXPECT_TRUE(contains(help.out, "Usage: " + tool)) << help.out;
    EXPECT_FALSE(listed(help.out, "Subcommands:").empty()) << help.out;
    const Outcome version = run_tool(tool, {"--version"});
    EXPECT_EQ(version.code, 0);
    EXPECT_TRUE(version.out.starts_with(tool + " ")) << version.out;
  }
}

TEST(CliHelp, EverySubcommandExplainsItsOptions) {
  const std::vector<Subcommand> all = all_subcommands();
  const auto is_there = [&](const std::string& tool, const std::string& name) {
    return std::any_of(all.begin(), all.end(),
                       [&](const Subcommand& s) { return s.tool == tool && s.name == name; });
  };
  for (const auto& [tool, name] : {std::pair{"singan", "train"},
                                   {"singan", "sample"},
                                   {"singan", "animate"},
                                   {"singan", "info"},
                                   {"singan", "paint"},
                                   {"singan", "harmonize"},
                                   {"singan", "edit"},
                                   {"ganimation", "train"},
                                   {"ganimation", "edit"},
                                   {"ganimation", "info"},
                                   {"singanimation", "expand"},
                                   {"facedata", "prepare"},
                                   {"facedata", "split"},
                                   {"facedata", "doctor"},
                                   {"evaluate", "swd"},
                                   {"evaluate", "sifid"},
                                   {"evaluate", "psnr"}})
    EXPECT_TRUE(is_there(tool, name)) << tool << " " << name;
  for (const Subcommand& s : all) {
    SCOPED_TRACE(s.tool + " " + s.name);
    const Outcome help = run_tool(s.tool, {s.name, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(help.err, "");
    EXPECT_TRUE(contains(help.out, "Usage: " + s.tool + " " + s.name)) << help.out;
  }
}

TEST(CliHelp, OptionsAndDefaultsAreShown) {
  struct Shown {
    const char *option, *value;
  };
  const auto expect = [](const Words& command, const std::vector<Shown>& options) {
    const std::string help = run_tool(command[0], {command[1], "--help"}).out;
    for (const auto& [option, value] : options)
      EXPECT_TRUE(contains(entry_of(help, option), value)) << command[0] << " " << option << help;
  };
  const std::vector<Shown> shared = {{"--device", "=auto"}, {"--precision", "=auto"}};
  for (const Words& command : {Words{"singan", "train"},
                               {"singan", "sample"},
                               {"singan", "animate"},
                               {"ganimation", "train"},
                               {"ganimation", "edit"},
                               {"singanimation", "expand"}})
    expect(command, shared);
  expect({"singan", "train"}, {{"--image", "Picture to train on"},
                               {"--out", "only --forecast needs none"},
                               {"--channels", "=auto"},
                               {"--bits", "=auto"},
                               {"--plateau", "=0"},
                               {"--save-every", "=0"},
                               {"--iterations", "=0"},
                               {"--resume", "Go on"},
                               {"--force", "not empty"},
                               {"--preset", "=standard"},
                               {"--min-size", "=25"},
                               {"--max-size", "=250"},
                               {"--scale-factor", "=0.75"},
                               {"--seed", "=0"}});
  expect({"singan", "sample"}, {{"--count", "=8"}, {"--start-scale", "=0"}, {"--scale-h", "=1"}});
  expect({"singan", "paint"}, {{"--start-scale", "=0"}, {"--count", "=1"}, {"--colours", "=5"}});
  for (const auto& [task, radius] : {std::pair{"harmonize", "=7"}, {"edit", "=20"}})
    expect({"singan", task}, {{"--dilate", radius}, {"--feather", "=5"}, {"--threshold", "=128"}});
  expect({"singan", "animate"}, {{"--alpha", "=0.1"},
                                 {"--beta", "=[0.8,0.9]"},
                                 {"--start-scale", "0,1,2"},
                                 {"--frames", "=100"},
                                 {"--fps", "=10"},
                                 {"--seed", "=0"}});
  expect({"ganimation", "train"}, {{"--recipe", "=official"},
                                   {"--batch", "official 25"},
                                   {"--critic-steps", "official 5"},
                                   {"--lr", "1e-4"},
                                   {"--epochs", "30"},
                                   {"--save-minutes", "=5"},
                                   {"--seed", "=0"}});
  expect({"ganimation", "edit"}, {{"--mode", "=set"}, {"--strength", "=1"}});
  expect({"singanimation", "expand"}, {{"--mode", "=set"},
                                       {"--strength", "=1"},
                                       {"--samples", "=8"},
                                       {"--size", "=128"},
                                       {"--inject", "=N-1"},
                                       {"--quality", "=standard"},
                                       {"--seed", "=0"}});
  expect({"evaluate", "sifid"}, {{"--real", "REQUIRED"},
                                 {"--fake", "REQUIRED"},
                                 {"--precision", "=fp32"},
                                 {"--json", "report"},
                                 {"--weights", "shipped"}});
  expect({"facedata", "prepare"}, {{"--images", "REQUIRED"},
                                   {"--layout", "=plain"},
                                   {"--labels", "OpenFace CSV"},
                                   {"--frames", "=auto"},
                                   {"--missing-aus", "=refuse"},
                                   {"--crop", "eyes"},
                                   {"--landmarks", "faces are searched for"},
                                   {"--identity", "nobody is both"},
                                   {"--size", "=128"},
                                   {"--confidence", "=0.88"},
                                   {"--margin", "=1.5"},
                                   {"--split", "0.8"},
                                   {"--seed", "=0"}});
  expect({"facedata", "split"}, {{"--share", "=0.8"}, {"--by", "=person"}, {"--seed", "=0"}});
}

TEST(CliHelp, SlipsNameTheNearestWord) {
  const auto expect_usage = [](const std::string& tool, const Words& words, const std::string& part) {
    const Outcome outcome = run_tool(tool, words);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    expect_sentence(outcome, tool, part);
    EXPECT_TRUE(contains(outcome.err, "--help")) << outcome.err;
  };
  for (const std::string& tool : kTools) {
    expect_usage(tool, {}, "subcommand");
    expect_usage(tool, {"frobnicate"}, "unknown command frobnicate");
  }
  for (const Subcommand& s : all_subcommands()) {
    SCOPED_TRACE(s.tool + " " + s.name);
    std::string slip = s.name;
    slip.erase(1, 1);
    expect_usage(s.tool, {slip}, "did you mean " + s.name + "?");

    Words options = listed(s.help, "Options:");
    const std::string option = *std::max_element(
        options.begin(), options.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
    slip = option;
    slip.erase(slip.size() / 2, 1);
    expect_usage(s.tool, {s.name, slip, "1"}, "unknown option " + slip + ", did you mean " + option + "?");
    if (contains(s.help, "REQUIRED")) expect_usage(s.tool, {s.name}, "is required");
  }
}

TEST(CliHelp, ListsDevices) {
  for (const std::string& tool : kTools) {
    const Outcome outcome = run_tool(tool, {"--list-devices"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(outcome.out.starts_with("cpu: ") && contains(outcome.out, "\ncuda:")) << outcome.out;
  }
}

TEST(CliHelp, CudaIsMissingBeforeAnythingIsRead) {
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);  // hides the GPUs of a machine that has some
  const TempFolder folder;
  int computing = 0;
  for (const Subcommand& s : all_subcommands()) {
    if (!contains(s.help, "--device")) continue;
    ++computing;
    SCOPED_TRACE(s.tool + " " + s.name);
    Words words = {s.name, "--device", "cuda"};
    for (const std::string& option : listed(s.help, "Options:"))
      if (contains(entry_of(s.help, option), "REQUIRED"))
        words = words + Words{option, (folder / "x").string()};
    if (contains(s.help, "instead of --image"))
      words = words + Words{"--image", (folder / "x").string()};
    if (contains(s.help, "--au ")) words = words + Words{"--au", "12=0.5"};
    const Outcome outcome = run_tool(s.tool, words);
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    expect_sentence(outcome, s.tool, "device: cuda cannot run here");
    EXPECT_TRUE(contents(folder.path()).empty());
  }
  EXPECT_GE(computing, 5);
}

}  // namespace
}  // namespace sga
