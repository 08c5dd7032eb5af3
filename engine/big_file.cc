#include "engine/big_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <system_error>
#include <utility>

namespace sga {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

constexpr std::string_view kMark = ".sga-tmp-";

bool is_alive(pid_t process) { return ::kill(process, 0) == 0 || errno != ESRCH; }

/// Temporary files of `path` whose process is gone.
std::vector<fs::path> leftovers(const fs::path& path, const fs::path& folder) {
  const std::string start = path.filename().string().append(kMark);
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(start)) continue;
    const char *digits = name.data() + start.size(), *last = name.data() + name.size();
    pid_t process = 0;
    const auto [end, error] = std::from_chars(digits, last, process);
    if (error == std::errc{} && end == last && process > 0 && !is_alive(process))
      found.push_back(entry.path());
  }
  return found;
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  SGA_CHECK(fd >= 0, "cannot open ", path, ": ", reason(errno));
  struct stat info {};
  void* address = MAP_FAILED;
  int error = 0;
  if (::fstat(fd, &info) != 0) {
    error = errno;
  } else if (S_ISREG(info.st_mode) && info.st_size > 0) {
    address = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    error = errno;
  }
  ::close(fd);
  SGA_CHECK(S_ISREG(info.st_mode), path, " is not a regular file");
  SGA_CHECK(info.st_size > 0, path, " is empty");
  SGA_CHECK(address != MAP_FAILED, "cannot read ", path, ": ", reason(error));
  bytes_ = {static_cast<const std::byte*>(address), static_cast<size_t>(info.st_size)};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

BigFileWriter::BigFileWriter(fs::path path)
    : path_(std::move(path)), temporary_(path_), calls_(set_file_calls(system_file_calls())) {
  set_file_calls(calls_);  // the calls in force: put back what was only read
  std::error_code ignored;
  const fs::file_type there = fs::status(path_, ignored).type();
  SGA_CHECK(there == fs::file_type::regular || there == fs::file_type::not_found, "cannot write ", path_,
            ": a folder or a device of that name is in the way");
  temporary_ += std::string(kMark) + std::to_string(::getpid());
  // The folder first: if it cannot be opened, nothing has changed yet.
  const fs::path folder = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  folder_ = calls_.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  SGA_CHECK(folder_ >= 0, "cannot write ", path_, ": ", reason(errno));
  fd_ = calls_.open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) give_up(errno);
  for (const fs::path& leftover : leftovers(path_, folder)) calls_.unlink(leftover.c_str());
}

BigFileWriter::~BigFileWriter() { remove_temporary(); }

void BigFileWriter::remove_temporary() {
  try {
    if (fd_ >= 0) calls_.close(std::exchange(fd_, -1));
    if (!temporary_.empty()) calls_.unlink(std::exchange(temporary_, {}).c_str());
    if (folder_ >= 0) calls_.close(std::exchange(folder_, -1));
  } catch (...) {  // replaced calls may throw; a destructor must not
  }
}

void BigFileWriter::give_up(int error) {
  remove_temporary();
  fail("cannot write ", path_, ": ", reason(error));
}

void BigFileWriter::write(std::span<const std::byte> data) {
  SGA_CHECK(fd_ >= 0, "cannot write ", path_, ": the file is already finished");
  while (!data.empty()) {
    const int64_t n = calls_.write(fd_, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) give_up(n == 0 ? EIO : errno);
    data = data.subspan(static_cast<size_t>(n));
  }
}

void BigFileWriter::commit() {
  SGA_CHECK(fd_ >= 0, "cannot write ", path_, ": the file is already finished");
  // A failed fsync is final: the kernel may have dropped the data and report success the next time.
  if (calls_.fsync(fd_) != 0) give_up(errno);
  if (calls_.close(std::exchange(fd_, -1)) != 0) give_up(errno);
  if (calls_.rename(temporary_.c_str(), path_.c_str()) != 0) give_up(errno);
  temporary_.clear();
  if (calls_.fsync(folder_) != 0 && errno != EINVAL) give_up(errno);
  calls_.close(std::exchange(folder_, -1));
}

}  // namespace sga
