#include "engine/torch_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/byte_order.h"
#include "engine/pickle.h"
#include "engine/zip.h"

namespace sga {
namespace {

using Kind = PickleValue::Kind;
using Span = std::span<const std::byte>;

constexpr size_t kMaxTensors = 65'536, kMaxVisits = 1'000'000, kMaxRank = 8, kMaxName = 256;
// The pickle of the number 0x1950a86a20f9469cfc6c, which begins a file before PyTorch 1.6.
constexpr unsigned char kStreamMagic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                          0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
constexpr int64_t kStreamProtocol = 1001;

struct StorageType {
  std::string_view name;
  uint64_t bytes;  // of an element
};
constexpr StorageType kStorageTypes[] = {{"torch.FloatStorage", 4},    {"torch.DoubleStorage", 8},
                                         {"torch.LongStorage", 8},     {"torch.HalfStorage", 2},
                                         {"torch.BFloat16Storage", 2}, {"torch.IntStorage", 4},
                                         {"torch.ShortStorage", 2},    {"torch.CharStorage", 1},
                                         {"torch.ByteStorage", 1},     {"torch.BoolStorage", 1}};
constexpr std::string_view kPlainGlobals[] = {"collections.OrderedDict",
                                              "torch._utils._rebuild_tensor",
                                              "torch._utils._rebuild_tensor_v2",
                                              "torch._utils._rebuild_parameter",
                                              "torch.Size",
                                              "__builtin__.set",
                                              "builtins.set"};

const StorageType* storage_type(std::string_view global) {
  const auto found = std::find_if(std::begin(kStorageTypes), std::end(kStorageTypes),
                                  [&](const StorageType& t) { return t.name == global; });
  return found == std::end(kStorageTypes) ? nullptr : found;
}

template <class Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

struct Storage {
  const StorageType* type;
  uint64_t count;  // of elements
  Span bytes;      // set once the container was read
};

class Reader {
 public:
  Reader(Span file, const std::string& file_name, std::span<const std::string_view> classes)
      : file_(file), file_name_(file_name), classes_(classes) {}

  Checkpoint run() {
    const bool zip = file_.size() >= 4 && std::memcmp(file_.data(), "PK\3\4", 4) == 0;
    zip ? read_zip() : read_stream();
    checkpoint_.origin = file_name_;
    walk(pickle_.root, "");
    return std::move(checkpoint_);
  }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... why) const {
    if (!condition) fail("cannot read \"", file_name_, "\": ", why...);
  }
  const PickleValue& value(uint32_t i) const { return pickle_[i]; }
  /// Part `at` of a value, if it is of that kind; else the file is refused as one that holds no `what`.
  const PickleValue& part(const PickleValue& v, size_t at, Kind kind, const char* what) const {
    require(at < v.parts.size() && value(v.parts[at]).kind == kind, "it holds ", what,
            " of a form that torch.save does not write");
    return value(v.parts[at]);
  }

  bool knows(std::string_view global) const {
    return contains(kPlainGlobals, global) || storage_type(global) || is_module(global);
  }
  bool is_module(std::string_view global) const {
    return global.starts_with("torch.nn.modules.") || contains(classes_, global);
  }
  Pickle pickle_at(Span bytes) const {
    return decode_pickle(bytes, file_name_, [&](std::string_view global) { return knows(global); });
  }

  // ---- containers

  void read_zip() {
    const std::map<std::string, Span> entries = zip_entries(file_, file_name_);
    const auto main = std::find_if(entries.begin(), entries.end(), [](const auto& entry) {
      const size_t slash = entry.first.find('/');
      return slash != std::string::npos && entry.first.substr(slash) == "/data.pkl";
    });
    require(main != entries.end(), "the zip holds no data.pkl, torch.save did not write it");
    const std::string folder = main->first.substr(0, main->first.find('/') + 1);
    const auto order = entries.find(folder + "byteorder");
    require(order == entries.end() ||
                (order->second.size() == 6 && std::memcmp(order->second.data(), "little", 6) == 0),
            "its numbers are not little-endian");
    pickle_ = pickle_at(main->second);
    find_storages();
    for (auto& [key, storage] : storages_) {
      const auto entry = entries.find(folder + "data/" + key);
      require(entry != entries.end(), "its storage ", key, " is missing");
      require_size(key, storage, entry->second.size());
      storage.bytes = entry->second;
    }
  }

  void read_stream() {
    require(file_.size() >= sizeof kStreamMagic &&
                std::memcmp(file_.data(), kStreamMagic, sizeof kStreamMagic) == 0,
            "it is no file of torch.save (or of a PyTorch older than 0.2)");
    size_t at = sizeof kStreamMagic;
    const auto next = [&] {
      Pickle p = pickle_at(file_.subspan(at));
      at += p.bytes;
      return p;
    };
    const Pickle protocol = next();
    require(
        protocol[protocol.root].kind == Kind::integer && protocol[protocol.root].integer == kStreamProtocol,
        "it is of another protocol of torch.save than ", kStreamProtocol);
    require_little_endian(next());
    pickle_ = next();
    find_storages();
    const Pickle keys = next();
    require(keys[keys.root].kind == Kind::list && keys[keys.root].parts.size() == storages_.size(),
            "its list of storages does not match its tensors");
    for (const uint32_t i : keys[keys.root].parts) {
      const auto found = storages_.find(keys[i].text);
      require(keys[i].kind == Kind::text && found != storages_.end() && !found->second.bytes.data(),
              "its list of storages does not match its tensors");
      auto& [key, storage] = *found;
      require(file_.size() - at >= 8, "it is cut, it ends after ", file_.size(), " bytes");
      require(little_endian(file_, at, 8) == storage.count, "its storage ", shown(key), " has ",
              little_endian(file_, at, 8), " elements, its tensors state ", storage.count);
      at += 8;
      require(storage.count <= (file_.size() - at) / storage.type->bytes, "its storage ", shown(key), " of ",
              storage.count, " elements is longer than the file; it is cut or damaged");
      storage.bytes = file_.subspan(at, storage.count * storage.type->bytes);
      at += storage.bytes.size();
    }
    require(at == file_.size(), "it has ", file_.size() - at, " bytes too many");
  }

  void require_little_endian(const Pickle& system) const {
    const PickleValue& v = system[system.root];
    for (size_t i = 0; v.kind == Kind::dict && i < v.parts.size(); i += 2)
      if (system[v.parts[i]].text == "little_endian")
        return require(system[v.parts[i + 1]].integer == 1, "its numbers are not little-endian");
    require(false, "it does not state its byte order");
  }

  // ("storage", type, key, place, elements), and None where the stream could name a view.
  void find_storages() {
    for (const PickleValue& reference : pickle_.values) {
      if (reference.kind != Kind::reference) continue;
      const char* what = "a storage";
      const PickleValue& id = part(reference, 0, Kind::tuple, what);
      require(
          part(id, 0, Kind::text, what).text == "storage" && (id.parts.size() == 5 || id.parts.size() == 6),
          "it refers to something else than a storage");
      if (id.parts.size() == 6) part(id, 5, Kind::none, "a view of a storage");
      const std::string& type = part(id, 1, Kind::global, what).text;
      const std::string& key = part(id, 2, Kind::text, what).text;
      const int64_t count = part(id, 4, Kind::integer, what).integer;
      require(storage_type(type), "its storage ", shown(key), " is of ", type, ", which is no type");
      // A key names an entry of the zip: no way out of its folder.
      require(!key.empty() && key.size() <= kMaxName && key.find('/') == std::string::npos, "the key ",
              shown(key), " of a storage is none");
      require(count >= 0, "its storage ", shown(key), " has ", count, " elements");
      const Storage storage{storage_type(type), uint64_t(count), {}};
      const Storage& known = storages_.emplace(key, storage).first->second;
      require(known.type == storage.type && known.count == storage.count, "its storage ", shown(key),
              " has two types or sizes");
    }
  }

  void require_size(const std::string& key, const Storage& s, uint64_t bytes) const {
    require(bytes % s.type->bytes == 0 && s.count == bytes / s.type->bytes, "its storage ", shown(key),
            " has ", bytes, " bytes, its tensors state ", s.count, " elements of ", s.type->bytes);
  }

  // ---- names and tensors

  /// A text of the file as a sentence can show it.
  static std::string shown(std::string text) {
    if (text.size() > kMaxName) text.resize(kMaxName);
    for (char& c : text)
      if (c < ' ' || c > '~') c = '?';
    return text;
  }

  void walk(uint32_t i, const std::string& name) {
    require(++visits_ <= kMaxVisits && checkpoint_.tensors.size() < kMaxTensors,
            "it refers to its tensors too often");
    require(name.size() <= kMaxName, "the name ", shown(name), " is too long");
    const PickleValue& v = value(i);
    const auto below = [&](const std::string& key) { return name.empty() ? key : name + "." + key; };
    switch (v.kind) {
      case Kind::integer:
      case Kind::real: {
        const double number = v.kind == Kind::real ? v.real : double(v.integer);
        require(std::isfinite(number), "its number ", shown(name), " is ", number);
        keep(name, full({1}, number, Dtype::f64));
        break;
      }
      case Kind::tuple:
      case Kind::list:
        for (size_t k = 0; k < v.parts.size(); ++k) walk(v.parts[k], below(std::to_string(k)));
        break;
      case Kind::dict:
        walk_dict(v, below);
        break;
      case Kind::object:
        walk_object(i, name, below);
        break;
      default:
        break;
    }
  }

  template <class Below>
  void walk_dict(const PickleValue& v, Below&& below) {
    for (size_t k = 0; k < v.parts.size(); k += 2) {
      const PickleValue& key = value(v.parts[k]);
      require(key.kind == Kind::text || key.kind == Kind::integer, "it holds a dict whose keys are no names");
      walk(v.parts[k + 1], below(key.kind == Kind::text ? key.text : std::to_string(key.integer)));
    }
  }

  template <class Below>
  void walk_object(uint32_t i, const std::string& name, Below&& below) {
    const std::string& global = value(value(i).parts[0]).text;
    const PickleValue& arguments = value(value(i).parts[1]);
    if (global.starts_with("torch._utils._rebuild_tensor")) return keep(name, tensor(i, name));
    if (global == "torch._utils._rebuild_parameter") {
      require(!arguments.parts.empty(), "it holds a parameter without a tensor");
      return walk(arguments.parts[0], name);
    }
    if (!is_module(global) || value(i).parts.size() < 3) return;
    const PickleValue& state = part(value(i), 2, Kind::dict, "a module");
    for (size_t k = 0; k < state.parts.size(); k += 2) {
      const std::string& part_name = value(state.parts[k]).text;
      if (part_name == "_parameters" || part_name == "_buffers" || part_name == "_modules")
        walk_dict(part(state, k + 1, Kind::dict, "a module"), below);
    }
  }

  void keep(const std::string& name, Tensor tensor) {
    require(checkpoint_.tensors.emplace(name, std::move(tensor)).second, "it holds ", shown(name), " twice");
  }

  std::vector<int64_t> integers(const PickleValue& v) const {
    std::vector<int64_t> numbers;
    for (size_t i = 0; i < v.parts.size(); ++i)
      numbers.push_back(part(v, i, Kind::integer, "a tensor").integer);
    return numbers;
  }

  // _rebuild_tensor_v2(storage, offset, size, stride, ...): element (i,j,..) lies at offset + i*stride[0] +
  // ...
  const Tensor& tensor(uint32_t i, const std::string& name) {
    Tensor& made = made_[i];
    if (made) return made;
    const char* what = "a tensor";
    const PickleValue& arguments = value(value(i).parts[1]);
    const PickleValue& id = value(part(arguments, 0, Kind::reference, what).parts[0]);
    const Storage& storage = storages_.at(value(id.parts[2]).text);
    const int64_t offset = part(arguments, 1, Kind::integer, what).integer;
    std::vector<int64_t> size = integers(part(arguments, 2, Kind::tuple, what));
    std::vector<int64_t> stride = integers(part(arguments, 3, Kind::tuple, what));
    const auto check = [&](bool condition, const auto&... why) {
      require(condition, "its tensor ", shown(name), " ", why...);
    };
    check(size.size() == stride.size() && size.size() <= kMaxRank, "has ", size.size(), " extents and ",
          stride.size(), " strides");
    // Nothing can overflow: every extent and the last element are within the storage.
    const auto count = int64_t(storage.count);
    int64_t numel = 1, last = offset;
    check(offset >= 0 && offset < count, "begins at element ", offset, " of a storage of ", count);
    for (size_t k = 0; k < size.size(); ++k) {
      check(size[k] >= 1 && size[k] <= count / numel, "has an extent of ", size[k], " in a storage of ",
            count);
      numel *= size[k];
      if (size[k] == 1) stride[k] = 0;  // it may be anything
      if (size[k] == 1) continue;
      check(stride[k] >= 0 && stride[k] <= (count - 1 - last) / (size[k] - 1),
            "reaches beyond its storage of ", count, " elements");
      last += stride[k] * (size[k] - 1);
    }
    numbers_ += uint64_t(numel);
    require(numbers_ <= file_.size(), "its tensors hold more numbers than the file has bytes");
    if (size.size() == 4) {
      std::rotate(size.begin() + 1, size.begin() + 2, size.end());
      std::rotate(stride.begin() + 1, stride.begin() + 2, stride.end());
    }
    if (storage.type->name == "torch.FloatStorage")
      made = gather<float, float>(storage, offset, size, stride, name);
    else if (storage.type->name == "torch.DoubleStorage")
      made = gather<double, double>(storage, offset, size, stride, name);
    else if (storage.type->name == "torch.LongStorage")
      made = gather<double, int64_t>(storage, offset, size, stride, name);
    else
      check(false, "is of ", storage.type->name, "; read are Float, Double and Long");
    return made;
  }

  template <class T, class Stored>
  Tensor gather(const Storage& storage, int64_t offset, const std::vector<int64_t>& size,
                const std::vector<int64_t>& stride, const std::string& name) const {
    const Shape shape(size.empty() ? std::vector<int64_t>{1} : size);
    std::vector<T> values;
    values.reserve(size_t(shape.numel()));
    std::vector<int64_t> index(size.size(), 0);
    for (int64_t n = 0, at = offset; n < shape.numel(); ++n) {
      Stored stored;
      std::memcpy(&stored, storage.bytes.data() + uint64_t(at) * sizeof(Stored), sizeof(Stored));
      values.push_back(T(stored));
      require(std::isfinite(values.back()), "its tensor ", shown(name), " holds ", values.back());
      for (size_t k = size.size(); k-- > 0;) {  // to the next element, last axis first
        at += stride[k];
        if (++index[k] < size[k]) break;
        at -= stride[k] * size[k];
        index[k] = 0;
      }
    }
    return from_host(shape, values);
  }

  Span file_;
  const std::string& file_name_;
  std::span<const std::string_view> classes_;
  Pickle pickle_;
  std::map<std::string, Storage> storages_;
  std::map<uint32_t, Tensor> made_;  // tensors by their value in the pickle
  uint64_t numbers_ = 0;             // in all of them
  size_t visits_ = 0;
  Checkpoint checkpoint_;
};

}  // namespace

Checkpoint decode_torch_file(Span file, const std::string& file_name,
                             std::span<const std::string_view> classes) {
  return Reader(file, file_name, classes).run();
}

}  // namespace sga
