// The tools as a user runs them: processes of their own, with a time limit, their exit code and both outputs;
// and what a refusal has to look like.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/image.h"
#include "tests/temp_folder.h"

namespace sga {

using Words = std::vector<std::string>;
Words operator+(Words words, const Words& more);

struct Outcome {
  int code = -1;  ///< the exit code, or 1000 + the signal that ended the process
  std::string out, err;
};

/// One run of <build>/tools/<tool>. It ends itself (SIGALRM) after kTimeLimit: bad input must not hang.
class ToolProcess {
 public:
  static constexpr unsigned kTimeLimit = 120;  ///< seconds; the runs here take one or two
  /// Writes beyond `file_limit` bytes of any file fail, as they do on a full disk; < 0: no limit.
  ToolProcess(const std::string& tool, const Words& words, int64_t file_limit = -1);
  ~ToolProcess();
  ToolProcess(const ToolProcess&) = delete;
  ToolProcess& operator=(const ToolProcess&) = delete;

  void send(int signal);
  /// Looks every millisecond. False if the process has ended before.
  bool wait_until(const std::function<bool()>& happened);
  /// Reads both outputs to their ends and collects the process.
  Outcome wait();

 private:
  int pid_ = -1, out_ = -1, err_ = -1;
};

Outcome run_tool(const std::string& tool, const Words& words, int64_t file_limit = -1);

bool contains(const std::string& text, const std::string& part);
std::string text_of(const fs::path& file);
void write_text(const fs::path& file, const std::string& text);

/// Everything below `folder`: path -> content, "(folder)" for a folder.
std::map<std::string, std::string> contents(const fs::path& folder);
/// Names of what one holds and the other does not, or holds with other bytes; those `but_for` are not looked
/// at.
Words differences(const std::map<std::string, std::string>& a, const std::map<std::string, std::string>& b,
                  const Words& but_for = {});

/// Exactly one line on stderr: "<tool>: ", then a sentence that holds `part`.
void expect_sentence(const Outcome& outcome, const std::string& tool, const std::string& part);
/// No temporary file below `folder`, and every checkpoint, picture, table and page there is whole.
void expect_whole_files(const fs::path& folder);
/// The page refers to files beside it and to nothing else.
void expect_local_page(const fs::path& page);

/// The photograph that the project ships.
inline const std::string kPhotograph = SGA_SOURCE_DIR "/data/astronaut.png";
/// A smooth colour pattern; `phase` makes another one.
Image test_picture(int64_t height, int64_t width, double phase = 0);

/// A packed set of `count` drawn faces of 32 px with labels, every fifth for tests.
void make_face_set(const fs::path& file, int count = 12);
/// An untrained GANimation model for 32 px with very few channels; an estimator of action units beside it.
void make_ganimation_model(const fs::path& file, bool with_estimator = true);

class CliTest : public testing::Test {
 protected:
  std::string at(const std::string& name) const { return (folder / name).string(); }
  /// The quickest of trainings, on make_face_set's `folder`/faces.sgd; it needs a number of epochs or steps.
  Words ganimation_training() const;

  /// The tool refuses: exit code, one sentence, and nothing in `folder` has changed.
  void expect_refused(const std::string& tool, const Words& words, int code, const std::string& part) const;
  /// Every --image of a face that cannot be: missing, empty, no picture, cut, too small, without a face, too
  /// large, a folder.
  void expect_bad_photographs_refused(const std::string& tool, const Words& words_without_image) const;
  /// Every --out that cannot be: a folder with files, a file, below a file, where nobody can write.
  void expect_bad_folders_refused(const std::string& tool, const Words& words_without_out) const;
  /// The same command, ending in --out `out`, while the disk is full after `limits` bytes of a file: a
  /// sentence, whole files.
  void expect_full_disk_reported(const std::string& tool, const Words& words, const std::string& out,
                                 const std::vector<int64_t>& limits) const;

  /// Starts the command and sends `signal` as soon as `path` is there. On a machine so busy that the command
  /// was done before, tries again from the start, without the folder `out`.
  Outcome run_and_stop(const std::string& tool, const Words& words, const std::string& out, int signal,
                       const std::string& path) const;

  TempFolder folder;
};

}  // namespace sga
