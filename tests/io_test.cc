// Writes survive every failure of every system call, kill -9 and power loss; reads refuse what they cannot
// use.
#include "engine/io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "engine/memory.h"
#include "tests/error_text.h"
#include "tests/temp_folder.h"

namespace sga {
namespace {

using testing::AssertionFailure;
using testing::AssertionSuccess;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// Puts the system's calls back at the end of a test.
struct ReplacedCalls {
  explicit ReplacedCalls(FileCalls calls) : before(set_file_calls(std::move(calls))) {}
  ~ReplacedCalls() { set_file_calls(before); }
  FileCalls before;
};

// ---- reading

TEST(Io, ReadsBackWhatItWrote) {
  TempFolder folder;
  std::string text(100'000, 'x');
  text[5] = '\0';
  text[77] = '\n';
  write_file(folder / "a", text);
  EXPECT_EQ(read_text(folder / "a"), text);
  EXPECT_EQ(read_file(folder / "a").size(), text.size());
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a"});
}

TEST(Io, OverwritesAndHandlesLongNames) {
  TempFolder folder;
  const std::string name(255, 'n');  // the longest a file system allows
  write_file(folder / name, "old");
  write_file(folder / name, "new");
  EXPECT_EQ(read_text(folder / name), "new");
}

TEST(Io, EmptyFilesOnlyWhereAllowed) {
  TempFolder folder;
  write_file(folder / "a", "");
  EXPECT_NE(error_text([&] { read_file(folder / "a"); }).find("is empty"), std::string::npos);
  EXPECT_NE(error_text([&] { read_text(folder / "a"); }).find("is empty"), std::string::npos);
  EXPECT_TRUE(read_file(folder / "a", 10, true).empty());
}

TEST(Io, RefusesWhatItCannotRead) {
  TempFolder folder;
  write_file(folder / "a", "0123456789");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  const auto says = [&](const fs::path& path, const std::string& why, int64_t limit = 100) {
    const std::string text = error_text([&] { read_file(path, limit); });
    return text.find(why) != std::string::npos &&
                   (path.empty() || text.find(path.filename()) != std::string::npos)
               ? AssertionSuccess()
               : AssertionFailure() << "got: " << text;
  };
  EXPECT_TRUE(says(folder / "none", "there is no such file"));
  EXPECT_TRUE(says(folder.path(), "it is a folder"));
  EXPECT_TRUE(says(folder / "a", "it has 10 bytes, the limit is 9", 9));
  EXPECT_EQ(read_file(folder / "a", 10).size(), 10u);
  EXPECT_TRUE(says(folder / "a" / "b", "Not a directory"));
  EXPECT_TRUE(says(folder / "pipe", "a device or a pipe"));
  EXPECT_TRUE(says("/dev/zero", "a device or a pipe"));
  EXPECT_TRUE(says("", "the path is empty"));
  EXPECT_TRUE(says(folder / std::string(300, 'n'), "File name too long"));
  EXPECT_NE(error_text([&] { read_file(folder / std::string("a\0b", 3)); }).find("NUL"), std::string::npos);
}

// ---- writing

TEST(Io, RefusesToWriteOverWhatIsNoFile) {
  TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_NE(error_text([&] { write_file(folder.path(), "x"); }).find("it is a folder"), std::string::npos);
  EXPECT_NE(error_text([&] { write_file(folder / "pipe", "x"); }).find("a device or a pipe"),
            std::string::npos);
  EXPECT_NE(error_text([&] { append_line(folder / "pipe", "x"); }), "");
  EXPECT_NE(error_text([&] { write_file("/dev/null", "x"); }).find("a device or a pipe"), std::string::npos);
  EXPECT_NE(error_text([&] { write_file(folder / "no" / "a", "x"); }).find("No such file"),
            std::string::npos);
  EXPECT_NE(error_text([&] { write_file("", "x"); }).find("the path is empty"), std::string::npos);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"pipe"});
}

// Fails call `at` (and, if persistent, every later one) of one kind. Writes are cut to `longest` bytes.
struct Faults {
  std::string kind;
  int at = 0;
  int error = ENOSPC;
  bool persistent = false;
  size_t longest = 1000;
  int seen = 0;
  bool fired = false;

  bool now(const std::string& call) {
    if (call != kind) return false;
    ++seen;
    if (seen != at && !(persistent && seen > at)) return false;
    fired = true;
    errno = error;
    return true;
  }
};

FileCalls faulty_calls(Faults& faults) {
  const FileCalls real = system_file_calls();
  FileCalls calls;
  calls.open = [&faults, real](const char* p, int f, int m) {
    return faults.now("open") ? -1 : real.open(p, f, m);
  };
  calls.write = [&faults, real](int fd, const void* data, size_t n) -> int64_t {
    return faults.now("write") ? -1 : real.write(fd, data, std::min(n, faults.longest));
  };
  calls.fsync = [&faults, real](int fd) { return faults.now("fsync") ? -1 : real.fsync(fd); };
  calls.close = [&faults, real](int fd) {
    const bool fail = faults.now("close");
    const int result = real.close(fd);  // the descriptor is gone either way
    if (fail) errno = faults.error;
    return fail ? -1 : result;
  };
  calls.rename = [&faults, real](const char* a, const char* b) {
    return faults.now("rename") ? -1 : real.rename(a, b);
  };
  calls.unlink = [&faults, real](const char* p) { return faults.now("unlink") ? -1 : real.unlink(p); };
  return calls;
}

TEST(Io, EveryFailureOfEveryCallLeavesOldOrNew) {
  TempFolder folder;
  const std::string before(3000, 'o'), after(5500, 'n');
  int injected = 0;
  for (const char* kind : {"open", "write", "fsync", "close", "rename"})
    for (int error : {ENOSPC, EIO, EDQUOT, EROFS})
      for (bool persistent : {false, true})
        for (int at = 1;; ++at) {
          write_file(folder / "f", before);
          Faults faults{kind, at, error, persistent};
          std::string text;
          {
            const ReplacedCalls replaced(faulty_calls(faults));
            text = error_text([&] { write_file(folder / "f", after); });
          }
          if (!faults.fired) {
            EXPECT_EQ(text, "");
            break;
          }
          ++injected;
          const std::string where = std::string(kind) + " " + std::to_string(at) + ": " + text;
          const std::string content = read_text(folder / "f");
          EXPECT_TRUE(content == before || content == after) << where;
          // Success may only be reported for the new content; before the rename the old content is promised.
          EXPECT_TRUE(!text.empty() || content == after) << where;
          const bool too_early = std::string(kind) == "write" || std::string(kind) == "rename";
          EXPECT_TRUE(!too_early || content == before) << where;
          if (!text.empty()) {
            EXPECT_NE(text.find((folder / "f").string()), std::string::npos) << where;
            EXPECT_NE(text.find(std::generic_category().message(error)), std::string::npos) << where;
          }
          EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"f"}) << where;
        }
  EXPECT_EQ(injected,
            (2 + 6 + 2 + 2 + 1) * 4 * 2);  // folder+file, 6 short writes, file+folder, file+folder, 1
}

TEST(Io, AFailedCleanUpStillReportsTheFirstReason) {
  TempFolder folder;
  write_file(folder / "f", "old");
  FileCalls calls = system_file_calls();
  calls.write = [](int, const void*, size_t) -> int64_t { return errno = ENOSPC, -1; };
  calls.unlink = [](const char*) { return errno = EROFS, -1; };
  std::string text;
  {
    const ReplacedCalls replaced(calls);
    text = error_text([&] { write_file(folder / "f", "new"); });
  }
  EXPECT_NE(text.find("No space left"), std::string::npos) << text;
  EXPECT_EQ(read_text(folder / "f"), "old");
}

TEST(Io, InterruptedAndShortCallsAreContinued) {
  TempFolder folder;
  const std::string content(5500, 'n');
  for (const char* kind : {"open", "write", "fsync", "close"})
    for (int at = 1; at <= 6; ++at) {
      Faults faults{kind, at, EINTR};
      faults.longest = 1;
      const ReplacedCalls replaced(faulty_calls(faults));
      write_file(folder / "f", content);
      EXPECT_EQ(read_text(folder / "f"), content) << kind << at;
    }
}

TEST(Io, AWriteThatMakesNoProgressIsAnError) {
  TempFolder folder;
  FileCalls calls = system_file_calls();
  calls.write = [](int, const void*, size_t) -> int64_t { return 0; };
  const ReplacedCalls replaced(calls);
  EXPECT_NE(error_text([&] { write_file(folder / "f", "x"); }), "");
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(Io, LeftoversOfAKilledProcessAreNoObstacle) {
  TempFolder folder;
  std::string used;
  FileCalls calls = system_file_calls();
  const auto open = calls.open;
  calls.open = [&](const char* path, int flags, int mode) {
    if (flags & O_CREAT) used = path;
    return open(path, flags, mode);
  };
  {
    const ReplacedCalls replaced(calls);
    write_file(folder / "f", "1");
  }
  const size_t dash = used.rfind('-');
  const int next = std::stoi(used.substr(dash + 1)) + 1;
  for (int i = 0; i < 5; ++i) write_file(folder / "g", "x");
  const std::string prefix = used.substr(0, dash + 1);
  for (int i = next; i < next + 50; ++i)
    close(::open((prefix + std::to_string(i)).c_str(), O_CREAT | O_WRONLY, 0600));
  write_file(folder / "f", "2");
  EXPECT_EQ(read_text(folder / "f"), "2");
}

// A disk in memory that remembers what was synced. Losing power keeps any part of what was not: each file may
// have its synced bytes, all its bytes or a torn mixture; each renamed name may be the old or the new.
class PowerModel {
 public:
  struct PowerLoss {};

  explicit PowerModel(int calls_until_loss) : left_(calls_until_loss) {
    files_[0] = {"old", "old"};
    names_["d/f"] = {0, 0};
  }

  FileCalls calls() {
    return {
        [this](const char* path, int flags, int) {
          step();
          if (flags & O_DIRECTORY) return kFolder;
          const int id = next_++;
          files_[id] = {"", ""};
          names_[path] = {kNothing, id};
          return id;
        },
        [this](int fd, const void* data, size_t n) -> int64_t {
          step();
          n = std::min<size_t>(n, 2);
          files_[fd].now.append(static_cast<const char*>(data), n);
          return static_cast<int64_t>(n);
        },
        [this](int fd) {
          step();
          if (fd == kFolder)
            for (auto& [name, id] : names_) id.synced = id.now;
          else
            files_[fd].synced = files_[fd].now;
          return 0;
        },
        [this](int) { return step(), 0; },
        [this](const char* from, const char* to) {
          step();
          names_[to].now = names_[from].now;
          names_[from].now = kNothing;
          return 0;
        },
        [this](const char* path) {
          step();
          names_[path].now = kNothing;
          return 0;
        },
    };
  }

  // Everything that "d/f" may hold when the power comes back.
  std::vector<std::string> possible_contents() const {
    std::vector<std::string> out;
    for (int id : {names_.at("d/f").synced, names_.at("d/f").now}) {
      if (id == kNothing) {
        out.push_back("<missing>");
        continue;
      }
      const auto& file = files_.at(id);
      out.push_back(file.synced);
      if (file.synced == file.now) continue;
      out.push_back(file.now);
      for (size_t n = file.synced.size(); n < file.now.size(); ++n)
        out.push_back(file.now.substr(0, n) + "<torn>");
    }
    return out;
  }

 private:
  static constexpr int kFolder = 1'000'000, kNothing = -1;
  template <class T>
  struct State {
    T synced, now;
  };
  void step() {
    if (left_-- <= 0) throw PowerLoss{};
  }

  int left_;
  int next_ = 1;
  std::map<int, State<std::string>> files_;
  std::map<std::string, State<int>> names_;
};

TEST(Io, PowerLossAtEveryCallLeavesOldOrNew) {
  bool finished = false;
  int losses = 0;
  for (int at = 0; !finished; ++at) {
    PowerModel model(at);
    const ReplacedCalls replaced(model.calls());
    try {
      write_file("d/f", "newer");
      finished = true;
    } catch (const PowerModel::PowerLoss&) {
      ++losses;
    }
    for (const std::string& content : model.possible_contents())
      EXPECT_TRUE(content == "newer" || (content == "old" && !finished)) << "call " << at << ": " << content;
  }
  EXPECT_EQ(losses,
            9);  // open twice, write 3 times, fsync, close, rename, fsync; closing the folder cannot lose
}

TEST(Io, KillAtAnyMomentLeavesOldOrNew) {
  TempFolder folder;
  const fs::path path = folder / "f";
  write_file(path, "a");
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int i = 0;; ++i)
        write_file(path, std::string(50'000 + 1000 * static_cast<size_t>(i % 26), char('a' + i % 26)));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 15'000));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string content = read_text(path);
    ASSERT_EQ(content.find_first_not_of(content[0]), std::string::npos) << "a mixture in round " << round;
    ASSERT_TRUE(content == "a" || content.size() == 50'000 + 1000 * static_cast<size_t>(content[0] - 'a'));
  }
}

// ---- appending

TEST(Io, AppendsWholeLines) {
  TempFolder folder;
  append_line(folder / "m", "one");
  append_line(folder / "m", "");
  append_line(folder / "m", "three");
  EXPECT_EQ(read_text(folder / "m"), "one\n\nthree\n");
  EXPECT_NE(error_text([&] { append_line(folder / "m", "a\nb"); }).find("line break"), std::string::npos);
  EXPECT_EQ(read_text(folder / "m"), "one\n\nthree\n");
}

TEST(Io, AppendingAfterACutTailStartsAFreshLine) {
  TempFolder folder;
  write_file(folder / "m", "one\ntw");
  append_line(folder / "m", "three");
  EXPECT_EQ(read_text(folder / "m"), "one\ntw\nthree\n");
}

TEST(Io, AFailedAppendLeavesNoPartOfTheLine) {
  TempFolder folder;
  append_line(folder / "m", "one");
  for (int at = 1; at <= 4; ++at) {
    Faults faults{"write", at, ENOSPC};
    faults.longest = 2;
    const ReplacedCalls replaced(faulty_calls(faults));
    const std::string text = error_text([&] { append_line(folder / "m", "second"); });
    EXPECT_NE(text.find("No space left"), std::string::npos);
    EXPECT_EQ(read_text(folder / "m"), "one\n");
  }
}

// ---- folders

TEST(Io, MakesFoldersAndTheirParents) {
  TempFolder folder;
  make_folder(folder / "a/b/c");
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  make_folder(folder / "a/b/c");  // again
  make_folder(folder / "x/y/");   // a trailing slash
  EXPECT_TRUE(fs::is_directory(folder / "x/y"));
  EXPECT_TRUE(names_in(folder / "a/b/c").empty());
}

TEST(Io, RefusesFoldersThatCannotBe) {
  TempFolder folder;
  write_file(folder / "f", "x");
  EXPECT_NE(error_text([&] { make_folder(folder / "f"); }).find("in the way"), std::string::npos);
  EXPECT_NE(error_text([&] { make_folder(folder / "f/g"); }).find("Not a directory"), std::string::npos);
  EXPECT_NE(error_text([&] { make_folder(""); }).find("the path is empty"), std::string::npos);
  EXPECT_NE(error_text([&] { make_folder(folder / std::string(300, 'n')); }).find("too long"),
            std::string::npos);
}

TEST(Io, RefusesAFolderItCannotWriteInto) {
  TempFolder folder;
  Faults faults{"open", 1, EROFS};  // root is stopped by nothing less than a read-only file system
  const ReplacedCalls replaced(faulty_calls(faults));
  EXPECT_NE(error_text([&] { make_folder(folder.path()); }).find("Read-only"), std::string::npos);
}

// ---- what the system says about memory

TEST(AvailableMemory, LeastOfSystemAndControlGroups) {
  TempFolder root;
  const auto put = [&](const std::string& file, const std::string& text) {
    make_folder((root / file).parent_path());
    write_file(root / file, text);
  };
  constexpr int64_t kGiB = int64_t{1} << 30;
  EXPECT_EQ(available_host_memory(root.path()), -1);
  put("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:   8388608 kB\n");
  EXPECT_EQ(available_host_memory(root.path()), 8 * kGiB);
  // Version 2: a limit of the group or of one above it; file pages can be dropped.
  put("proc/self/cgroup", "0::/a/b\n");
  put("sys/fs/cgroup/a/b/memory.max", "max\n");
  put("sys/fs/cgroup/a/b/memory.current", "1073741824\n");
  EXPECT_EQ(available_host_memory(root.path()), 8 * kGiB);
  put("sys/fs/cgroup/a/memory.max", "4294967296\n");
  put("sys/fs/cgroup/a/memory.current", "2147483648\n");
  EXPECT_EQ(available_host_memory(root.path()), 2 * kGiB);
  put("sys/fs/cgroup/a/memory.stat", "anon 1073741824\ninactive_file 536870912\n");
  EXPECT_EQ(available_host_memory(root.path()), 2 * kGiB + kGiB / 2);
  put("sys/fs/cgroup/a/memory.current", "6442450944\n");
  EXPECT_EQ(available_host_memory(root.path()), 0);
  // Version 1: in a container the group's path may not exist, its limit is at the top.
  put("proc/self/cgroup", "9:name=systemd:/\n4:cpuset,memory:/docker/x\nbroken\n");
  EXPECT_EQ(available_host_memory(root.path()), 8 * kGiB);
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "3221225472\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n");
  EXPECT_EQ(available_host_memory(root.path()), 2 * kGiB);
  EXPECT_NE(available_host_memory("/"), 0);
}

}  // namespace
}  // namespace sga
