// Pickles of Python read as data: nothing they name is ever looked up, made or called.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sga {

/// One value. Its parts are indices of other values of the same pickle, which may share them.
struct PickleValue {
  /// none        None
  /// integer     `integer`: int and bool
  /// real        `real`
  /// text        `text`: str and bytes
  /// tuple, list `parts`: the elements
  /// dict        `parts`: key, value, key, value, ...; also a collections.OrderedDict
  /// global      `text`: the name of a function or class, "module.name"
  /// object      `parts`: a global, the tuple it is called with and, if the pickle gives one, its state
  /// reference   `parts`: the persistent id of something outside the pickle
  enum class Kind { none, integer, real, text, tuple, list, dict, global, object, reference };
  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<uint32_t> parts;
};

/// `values[root]` is what was pickled. It holds no cycle and is nested at most kMaxPickleDepth deep, so it
/// may be walked recursively; shared values can still make such a walk long.
struct Pickle {
  std::vector<PickleValue> values;
  uint32_t root = 0;
  size_t bytes = 0;  ///< length of the pickle, at the front of what was read
  const PickleValue& operator[](uint32_t i) const { return values[i]; }
};
constexpr int kMaxPickleDepth = 200;

/// What a pickle may be.
struct PickleLimits {
  int protocol = 2;                  ///< the newest, 2 to 5; what torch.save writes is 2
  int64_t instructions = 1'000'000;  ///< each makes one value at most
};

/// Reads the pickle at the front of `file`: protocol 2 to limits.protocol, with the instructions that
/// torch.save writes, and in newer protocols their successors. bytes and bytearray become texts. Of globals
/// only those that `knows` are kept, by name. A persistent id ("module", class, path, source) stands for its
/// class, as in the files of PyTorch before 1.6. Errors, which name `file_name`: any other instruction or
/// protocol; any other global, by its name; more instructions than the limit; values nested deeper than
/// kMaxPickleDepth or within themselves; damage. Source: Python's pickletools, protocols 2 to 5.
Pickle decode_pickle(std::span<const std::byte> file, const std::string& file_name,
                     const std::function<bool(std::string_view global)>& knows,
                     const PickleLimits& limits = {});

}  // namespace sga
