#include "engine/io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace sga {
namespace {

FileCalls& calls() {
  static FileCalls current = system_file_calls();
  return current;
}

// strerror without its shared buffer.
std::string reason(int error) { return std::generic_category().message(error); }

// A path with a NUL byte would silently name another file once it reaches the system.
void check_path(const fs::path& path, const char* verb) {
  SGA_CHECK(!path.empty(), "cannot ", verb, " a file: the path is empty");
  SGA_CHECK(path.native().find('\0') == std::string::npos, "cannot ", verb, " \"", path.c_str(),
            "...\": the path holds a NUL byte");
}

template <class F>
auto retry_interrupted(F&& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// An open descriptor; closed without a check when an exception passes.
class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags)
      : fd_(retry_interrupted([&] { return calls().open(path.c_str(), flags | O_CLOEXEC, 0666); })) {}
  ~Descriptor() {
    try {
      if (fd_ >= 0) calls().close(fd_);
    } catch (...) {  // replaced calls may throw; a destructor must not
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // Linux releases the descriptor whatever close() answers, so it is never closed twice; EINTR is no failure.
  bool close() { return calls().close(std::exchange(fd_, -1)) == 0 || errno == EINTR; }

 private:
  int fd_;
};

// Writes everything, however short the single writes are. False with errno set.
bool write_all(int fd, std::span<const std::byte> data) {
  while (!data.empty()) {
    const int64_t n = retry_interrupted([&] { return calls().write(fd, data.data(), data.size()); });
    if (n == 0) errno = EIO;
    if (n <= 0) return false;
    data = data.subspan(static_cast<size_t>(n));
  }
  return true;
}

// A failed fsync is final: the kernel may have dropped the data and report success the next time.
bool sync(int fd) {
  return retry_interrupted([&] { return calls().fsync(fd); }) == 0;
}

// Some network file systems cannot sync a folder and answer EINVAL; nothing more can be done there.
bool sync_folder(int fd) { return sync(fd) || errno == EINVAL; }

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// A new file under a name nobody uses, removed again unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& folder) : path_(unused_name(folder)), file_(path_, kNew) {
    // Somebody else's leftover (kill -9, reused process number) may hold the name: try the next ones.
    SGA_CHECK(is_open() || errno != EEXIST, "cannot write into ", folder,
              ": too many leftover .sga-tmp files, remove them");
    made_ = is_open();
  }
  ~TemporaryFile() {
    try {
      if (made_) calls().unlink(path_.c_str());
    } catch (...) {  // replaced calls may throw; a destructor must not
    }
  }
  const fs::path& path() const { return path_; }
  Descriptor& file() { return file_; }
  bool is_open() const { return file_.is_open(); }
  void keep() { made_ = false; }

 private:
  static constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL;

  static fs::path unused_name(const fs::path& folder) {
    static std::atomic<uint64_t> counter = 0;
    fs::path name;
    for (int attempt = 0; attempt < 1000; ++attempt) {
      name = folder / (".sga-tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter++));
      std::error_code ignored;
      if (fs::symlink_status(name, ignored).type() == fs::file_type::not_found) break;
    }
    return name;
  }

  fs::path path_;
  bool made_ = false;
  Descriptor file_;
};

}  // namespace

FileCalls system_file_calls() {
  return {
      [](const char* path, int flags, int mode) { return ::open(path, flags, mode); },
      [](int fd, const void* data, size_t n) -> int64_t { return ::write(fd, data, n); },
      [](int fd) { return ::fsync(fd); },
      [](int fd) { return ::close(fd); },
      [](const char* from, const char* to) { return ::rename(from, to); },
      [](const char* path) { return ::unlink(path); },
  };
}

FileCalls set_file_calls(FileCalls replacement) { return std::exchange(calls(), std::move(replacement)); }

Bytes read_file(const fs::path& path, int64_t limit, bool allow_empty) {
  check_path(path, "read");
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  const int fd = retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
  SGA_CHECK(fd >= 0 || errno != ENOENT, "cannot read ", path, ": there is no such file");
  SGA_CHECK(fd >= 0, "cannot read ", path, ": ", reason(errno));
  const std::unique_ptr<const int, void (*)(const int*)> closer(&fd, [](const int* f) { ::close(*f); });

  struct stat status;
  SGA_CHECK(::fstat(fd, &status) == 0, "cannot read ", path, ": ", reason(errno));
  SGA_CHECK(!S_ISDIR(status.st_mode), "cannot read ", path, ": it is a folder, a file is needed");
  SGA_CHECK(S_ISREG(status.st_mode), "cannot read ", path,
            ": it is a device or a pipe, a regular file is needed");
  const int64_t size = status.st_size;
  SGA_CHECK(size > 0 || allow_empty, "cannot read ", path, ": the file is empty");
  SGA_CHECK(size <= limit, "cannot read ", path, ": it has ", size, " bytes, the limit is ", limit);

  Bytes data(static_cast<size_t>(size));
  for (int64_t done = 0; done < size;) {
    const int64_t n =
        retry_interrupted([&] { return ::read(fd, data.data() + done, static_cast<size_t>(size - done)); });
    SGA_CHECK(n >= 0, "cannot read ", path, ": ", reason(errno));
    SGA_CHECK(n > 0, "cannot read ", path, ": it was cut from ", size, " to ", done,
              " bytes while being read");
    done += n;
  }
  return data;
}

std::string read_text(const fs::path& path, int64_t limit) {
  const Bytes data = read_file(path, limit);
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

void write_file(const fs::path& path, std::span<const std::byte> data) {
  check_path(path, "write");
  std::error_code ignored;
  const fs::file_type there = fs::status(path, ignored).type();
  SGA_CHECK(there != fs::file_type::directory, "cannot write ", path,
            ": it is a folder, give the name of a file");
  // rename() would replace /dev/null itself.
  SGA_CHECK(
      there == fs::file_type::regular || there == fs::file_type::not_found || there == fs::file_type::none,
      "cannot write ", path, ": it is a device or a pipe, a regular file is needed");

  const auto fail_now = [&] { fail("cannot write ", path, ": ", reason(errno)); };
  // The folder first: if it cannot be opened, nothing has changed yet.
  Descriptor folder(folder_of(path), O_RDONLY | O_DIRECTORY);
  if (!folder.is_open()) fail_now();
  TemporaryFile temporary(folder_of(path));
  if (!temporary.is_open()) fail_now();
  if (!write_all(temporary.file().fd(), data)) fail_now();
  if (!sync(temporary.file().fd())) fail_now();
  if (!temporary.file().close()) fail_now();
  if (calls().rename(temporary.path().c_str(), path.c_str()) != 0) fail_now();
  temporary.keep();
  if (!sync_folder(folder.fd())) fail_now();
}

void write_file(const fs::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

void rename_file(const fs::path& from, const fs::path& to) {
  check_path(from, "rename");
  check_path(to, "write");
  const auto fail_now = [&] { fail("cannot rename ", from, " to ", to, ": ", reason(errno)); };
  Descriptor folder(folder_of(to),
                    O_RDONLY | O_DIRECTORY);  // first: if it cannot be opened, nothing has changed
  if (!folder.is_open()) fail_now();
  if (calls().rename(from.c_str(), to.c_str()) != 0) fail_now();
  if (!sync_folder(folder.fd())) fail_now();
}

namespace {

// Appends what `text` gives for the last character there is ('\n' of an empty file), or nothing of it.
void append(const fs::path& path, const std::function<std::string(char last)>& text_after) {
  check_path(path, "append to");
  const auto fail_now = [&](int error) { fail("cannot append to ", path, ": ", reason(error)); };
  Descriptor file(path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK);
  if (!file.is_open()) fail_now(errno);
  struct stat status;
  if (::fstat(file.fd(), &status) != 0) fail_now(errno);
  SGA_CHECK(S_ISREG(status.st_mode), "cannot append to ", path,
            ": it is a device or a pipe, a regular file is needed");

  char last = '\n';
  if (status.st_size > 0 && ::pread(file.fd(), &last, 1, status.st_size - 1) != 1) fail_now(errno);
  const std::string text = text_after(last);
  if (!write_all(file.fd(), std::as_bytes(std::span(text)))) {
    const int error = errno;
    if (::ftruncate(file.fd(), status.st_size) != 0)
      errno = error;  // what was cut stays, which the formats allow
    fail_now(error);
  }
  if (!file.close()) fail_now(errno);
}

}  // namespace

void append_line(const fs::path& path, std::string_view line) {
  SGA_CHECK(line.find('\n') == std::string_view::npos, "append_line: the line for ", path,
            " holds a line break");
  // A line cut by kill -9 stays alone: ours starts on a fresh one.
  append(path, [&](char last) { return (last == '\n' ? "" : "\n") + std::string(line) + "\n"; });
}

void append_text(const fs::path& path, std::string_view text) {
  append(path, [&](char) { return std::string(text); });
}

void make_folder(const fs::path& path) {
  check_path(path, "make");
  std::vector<fs::path> missing;  // innermost first
  std::error_code error;
  for (fs::path p = path; !p.empty() && !fs::exists(p, error) && !error; p = p.parent_path())
    missing.push_back(p);
  for (auto p = missing.rbegin(); p != missing.rend(); ++p) {
    if (!p->has_filename()) continue;  // "a/b/" asks for "a/b" and then for nothing more
    fs::create_directory(*p, error);
    SGA_CHECK(!error, "cannot make the folder ", *p, ": ", reason(error.value()));
    Descriptor parent(folder_of(*p), O_RDONLY | O_DIRECTORY);
    SGA_CHECK(parent.is_open() && sync_folder(parent.fd()), "cannot make the folder ", *p, ": ",
              reason(errno));
  }
  const fs::file_type there = fs::status(path, error).type();
  SGA_CHECK(!error, "cannot make the folder ", path, ": ", reason(error.value()));
  SGA_CHECK(there == fs::file_type::directory, "cannot make the folder ", path,
            ": a file of that name is in the way");
  // Only making a file tells: root passes every permission check, also on a read-only file system.
  TemporaryFile probe(path);
  SGA_CHECK(probe.is_open(), "cannot write into the folder ", path, ": ", reason(errno));
}

}  // namespace sga
