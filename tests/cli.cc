#include "tests/cli.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/checkpoint.h"
#include "models/ganimation/editing.h"
#include "models/ganimation/face_set.h"
#include "tests/picture_bytes.h"

namespace sga {
namespace {

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> block;
  for (ssize_t n; (n = ::read(fd, block.data(), block.size())) > 0;) text.append(block.data(), size_t(n));
  ::close(fd);
  return text;
}

std::string joined(const Words& words) {
  std::string line;
  for (const std::string& word : words) line += word + " ";
  return line;
}

}  // namespace

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

ToolProcess::ToolProcess(const std::string& tool, const Words& words, int64_t file_limit) {
  const std::string program = std::string(SGA_BINARY_DIR).append("/tools/").append(tool);
  // Nets this small gain nothing from a second thread, and its waiting disturbs the tests beside.
  ::setenv("OMP_NUM_THREADS", "1", 1);
  Words all = Words{program} + words;
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0)
    throw std::runtime_error("cannot make a pipe");
  pid_ = ::fork();
  if (pid_ == 0) {  // only async-signal-safe calls until execv
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    if (file_limit >= 0) {
      const rlimit limit{static_cast<rlim_t>(file_limit), static_cast<rlim_t>(file_limit)};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      ::signal(SIGXFSZ, SIG_IGN);  // write() then answers EFBIG
    }
    ::alarm(kTimeLimit);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
}

ToolProcess::~ToolProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::close(out_);
  ::close(err_);
}

void ToolProcess::send(int signal) { ::kill(pid_, signal); }

bool ToolProcess::wait_until(const std::function<bool()>& happened) {
  for (;;) {
    if (happened()) return true;
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT);
    if (ended.si_pid == pid_) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Outcome ToolProcess::wait() {
  auto err = std::async(std::launch::async, read_all, err_);
  Outcome outcome;
  outcome.out = read_all(out_);
  outcome.err = err.get();
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return outcome;
}

Outcome run_tool(const std::string& tool, const Words& words, int64_t file_limit) {
  return ToolProcess(tool, words, file_limit).wait();
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    found[entry.path().lexically_relative(folder).string()] =
        entry.is_directory() ? "(folder)" : text_of(entry.path());
  return found;
}

Words differences(const std::map<std::string, std::string>& a, const std::map<std::string, std::string>& b,
                  const Words& but_for) {
  Words names;
  for (const auto& [name, content] : a)
    if (const auto other = b.find(name); other == b.end() || other->second != content) names.push_back(name);
  for (const auto& [name, content] : b)
    if (!a.contains(name)) names.push_back(name);
  std::erase_if(names, [&](const std::string& name) {
    return std::find(but_for.begin(), but_for.end(), fs::path(name).filename()) != but_for.end();
  });
  return names;
}

void expect_sentence(const Outcome& outcome, const std::string& tool, const std::string& part) {
  const std::string& err = outcome.err;
  EXPECT_EQ(std::count(err.begin(), err.end(), '\n'), 1) << err;
  EXPECT_TRUE(err.starts_with(tool + ": ") && err.ends_with('\n')) << err;
  EXPECT_FALSE(err.starts_with(tool + ": " + tool + ":")) << err;
  EXPECT_TRUE(contains(err, part)) << "'" << part << "' is not in: " << err;
}

void expect_whole_files(const fs::path& folder) {
  for (const auto& [name, content] : contents(folder)) {
    SCOPED_TRACE(name);
    EXPECT_FALSE(contains(name, "tmp"));
    const fs::path path = folder / name;
    const std::string kind = content == "(folder)" ? "" : path.extension().string();
    EXPECT_NO_THROW({
      if (kind == ".safetensors") load_checkpoint(path);
      if (kind == ".png") load_image(path);
    });
    EXPECT_TRUE(kind != ".json" || nlohmann::json::accept(content)) << content;
    EXPECT_TRUE(kind != ".html" || contains(content, "</html>"));
    EXPECT_TRUE(kind != ".csv" || content.ends_with('\n'));
  }
}

void expect_local_page(const fs::path& page) {
  const std::string html = text_of(page);
  int links = 0;
  for (const std::string attribute : {"src=\"", "href=\""})
    for (size_t at = html.find(attribute); at != std::string::npos; at = html.find(attribute, at)) {
      at += attribute.size();
      const std::string link = html.substr(at, html.find('"', at) - at);
      EXPECT_TRUE(fs::path(link).is_relative() && !contains(link, "..") && !contains(link, ":")) << link;
      EXPECT_TRUE(fs::exists(page.parent_path() / link)) << link;
      ++links;
    }
  EXPECT_GT(links, 0) << page;
  for (const char* remote : {"http:", "https:", "<script", "@import", "url("})
    EXPECT_FALSE(contains(html, remote)) << remote;
}

Image test_picture(int64_t height, int64_t width, double phase) {
  Image image{height, width, 3, {}};
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.pixels.push_back(
            float(0.5 + 0.4 * std::sin(0.3 * double(x) + c + phase) * std::cos(0.2 * double(y) - phase)));
  return image;
}

void make_face_set(const fs::path& file, int count) {
  FaceSetWriter writer(file, {"detector", 1.5, 32});
  for (int i = 0; i < count; ++i) {
    FaceRecord record{"face" + std::to_string(i) + ".png", {}, 0.95f, i, i % 5 != 4};
    for (size_t au = 0; au < record.labels.size(); ++au)
      record.labels[au] = float((size_t(i) * 7 + au * 3) % 10) / 10;
    std::vector<uint8_t> rgb;
    for (const float v : test_picture(32, 32, i).pixels) rgb.push_back(uint8_t(std::lround(255 * v)));
    writer.add(record, rgb);
  }
  writer.finish();
}

void make_ganimation_model(const fs::path& file, bool with_estimator) {
  Rng rng(1);
  const ganimation::Generator generator({.size = 32, .conv_dim = 4, .blocks = 1}, rng);
  const ganimation::Discriminator estimator({.size = 32, .conv_dim = 4}, rng);
  ganimation::ModelCard card;
  card.crop_recipe = "mode=detector margin=1.5 size=32";
  card.about = "drawn at random";
  save_checkpoint(file, export_model(generator, card, with_estimator ? &estimator : nullptr));
}

Words CliTest::ganimation_training() const {
  return {"train",    "--data", at("faces.sgd"), "--conv-dim", "4",      "--critic-dim", "4",
          "--blocks", "1",      "--batch",       "2",          "--quiet"};
}

void CliTest::expect_refused(const std::string& tool, const Words& words, int code,
                             const std::string& part) const {
  SCOPED_TRACE(tool + " " + joined(words));
  const auto before = contents(folder.path());
  const Outcome outcome = run_tool(tool, words);
  EXPECT_EQ(outcome.code, code) << outcome.err;
  expect_sentence(outcome, tool, part);
  EXPECT_EQ(differences(before, contents(folder.path())), Words{});
}

Outcome CliTest::run_and_stop(const std::string& tool, const Words& words, const std::string& out, int signal,
                              const std::string& path) const {
  Outcome outcome;
  for (int attempt = 0; attempt < 5; ++attempt) {
    fs::remove_all(folder / out);
    ToolProcess process(tool, words + Words{"--out", at(out)});
    const bool running = process.wait_until([&] { return fs::exists(folder / out / path); });
    process.send(signal);
    outcome = process.wait();
    if (running && outcome.code != 0) break;
  }
  return outcome;
}

void CliTest::expect_bad_photographs_refused(const std::string& tool, const Words& words) const {
  const std::string whole = text_of(kPhotograph);
  write_text(folder / "empty.png", "");
  write_text(folder / "text.png", "this is not a picture");
  write_text(folder / "cut.png", whole.substr(0, whole.size() / 2));
  save_png(folder / "small.png", test_picture(24, 24));
  save_png(folder / "nobody.png", test_picture(120, 120));
  write_file(folder / "huge.png", png_header(30'000, 30'000, 1, 0));
  for (const auto& [name, part] : {std::pair{"missing.png", "there is no such file"},
                                   {"empty.png", "the file is empty"},
                                   {"text.png", "text.png"},
                                   {"cut.png", "the PNG file is cut"},
                                   {"small.png", "24x24"},
                                   {"nobody.png", "no face was found"},
                                   {"huge.png", "900 Mpx, the limit is 100 Mpx"},
                                   {"", "it is a folder"}})
    expect_refused(tool, words + Words{"--image", at(name)}, 1, part);
}

void CliTest::expect_bad_folders_refused(const std::string& tool, const Words& words) const {
  write_text(folder / "occupied", "a file of the user");
  fs::create_directory(folder / "theirs");
  write_text(folder / "theirs/holiday.txt", "more of them");
  expect_refused(tool, words + Words{"--out", at("theirs")}, 1, "is not empty");
  expect_refused(tool, words + Words{"--out", at("occupied")}, 1, "is a file");
  expect_refused(tool, words + Words{"--out", at("occupied/run")}, 1, "occupied/run");
  if (fs::exists("/proc/self"))  // mounted: nobody, not even root, makes folders there
    expect_refused(tool, words + Words{"--out", "/proc/no-such-process/run"}, 1, "/proc/no-such-process");
  if (::geteuid() != 0) {  // root may write everywhere
    fs::create_directory(folder / "locked");
    fs::permissions(folder / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    expect_refused(tool, words + Words{"--out", at("locked/run")}, 1, "locked");
  }
}

void CliTest::expect_full_disk_reported(const std::string& tool, const Words& words, const std::string& out,
                                        const std::vector<int64_t>& limits) const {
  for (const int64_t limit : limits) {
    SCOPED_TRACE(std::to_string(limit) + " bytes a file");
    const Outcome outcome = run_tool(tool, words + Words{"--out", at(out)}, limit);
    EXPECT_EQ(outcome.code, 1) << outcome.err;
    expect_sentence(outcome, tool, "File too large");
    expect_whole_files(folder.path());
    fs::remove_all(folder / out);
  }
}

}  // namespace sga
