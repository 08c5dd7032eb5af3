#include "engine/pickle.h"

#include <algorithm>
#include <bit>
#include <map>

#include "engine/byte_order.h"
#include "kernels/check.h"

namespace sga {
namespace {

using Kind = PickleValue::Kind;
constexpr size_t kMaxGlobal = 256;  // bytes of a module's or a class's name

/// Names of Python: letters, digits, underscores; `dotted` for modules.
bool is_name(std::string_view name, bool dotted) {
  return !name.empty() && name.size() <= kMaxGlobal && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (dotted && c == '.');
  });
}

// The machine: a stack of values, marks in it, and the memo. Every instruction adds one value at most.
class Machine {
 public:
  Machine(std::span<const std::byte> file, const std::string& file_name,
          const std::function<bool(std::string_view)>& knows, const PickleLimits& limits)
      : file_(file), file_name_(file_name), knows_(knows), limits_(limits) {}

  Pickle run() {
    const uint64_t protocol = number(1) == 0x80 ? number(1) : 0;
    if (limits_.protocol == 2)
      require(protocol == 2, "it holds no pickle of protocol 2, as torch.save writes it");
    else
      require(protocol >= 2 && protocol <= uint64_t(limits_.protocol), "it holds no pickle of protocol 2 to ",
              limits_.protocol);
    for (int64_t i = 0; step(); ++i)
      require(i < limits_.instructions, "its pickle has more than ", limits_.instructions, " instructions");
    pickle_.bytes = at_;
    check_nesting();
    return std::move(pickle_);
  }

 private:
  template <class... Parts>
  void require(bool condition, const Parts&... why) const {
    if (!condition) fail("cannot read \"", file_name_, "\": ", why...);
  }
  template <class... Parts>
  void require_sound(bool condition, const Parts&... why) const {
    require(condition, "its pickle is damaged at byte ", at_, ", ", why...);
  }

  std::span<const std::byte> take(uint64_t n) {
    require(n <= file_.size() - at_, "its pickle is cut: ", n, " bytes are stated at byte ", at_, " of ",
            file_.size());
    at_ += n;
    return file_.subspan(at_ - n, n);
  }
  uint64_t number(int n) { return little_endian(take(uint64_t(n)), 0, n); }
  std::string text(uint64_t n) {
    const auto bytes = take(n);
    return {reinterpret_cast<const char*>(bytes.data()), n};
  }
  // Up to a line end, which is taken too.
  std::string line() {
    const auto rest = file_.subspan(at_, std::min(file_.size() - at_, kMaxGlobal + 1));
    const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
    require_sound(end != rest.end(), "a name has no end");
    std::string name = text(uint64_t(end - rest.begin()));
    take(1);
    return name;
  }

  uint32_t add(PickleValue value) {
    pickle_.values.push_back(std::move(value));
    return uint32_t(pickle_.values.size() - 1);
  }
  void push(PickleValue value) { stack_.push_back(add(std::move(value))); }
  PickleValue& value(uint32_t i) { return pickle_.values[i]; }
  // Values below the last mark are out of reach.
  uint32_t top() const {
    require_sound(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "a value is missing");
    return stack_.back();
  }
  uint32_t pop() {
    const uint32_t i = top();
    stack_.pop_back();
    return i;
  }
  std::vector<uint32_t> pop(size_t n) {
    std::vector<uint32_t> parts(n);
    for (size_t i = n; i-- > 0;) parts[i] = pop();
    return parts;
  }
  std::vector<uint32_t> pop_to_mark() {
    require_sound(!marks_.empty(), "a mark is missing");
    std::vector<uint32_t> parts(stack_.begin() + int64_t(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return parts;
  }
  void push_sequence(Kind kind, std::vector<uint32_t> parts) {
    push({.kind = kind, .text = {}, .parts = std::move(parts)});
  }
  void push_integer(int64_t n) { push({.kind = Kind::integer, .integer = n, .text = {}, .parts = {}}); }
  void push_text(std::string s) { push({.kind = Kind::text, .text = std::move(s), .parts = {}}); }

  void extend(Kind kind, const std::vector<uint32_t>& parts) {
    PickleValue& target = value(top());
    require_sound(target.kind == kind, kind == Kind::list ? "no list to append to" : "no dict to add to");
    require_sound(kind == Kind::list || parts.size() % 2 == 0, "a key without a value");
    target.parts.insert(target.parts.end(), parts.begin(), parts.end());
  }

  void global(const std::string& module, const std::string& name) {
    require_sound(is_name(module, true) && is_name(name, false), "a global is no name");
    std::string whole = module + "." + name;
    require(knows_(whole), "its pickle refers to ", whole, ", which ",
            limits_.protocol == 2 ? "a file of weights" : "a table of labels",
            " has no need of; nothing of it was run");
    push({.kind = Kind::global, .text = std::move(whole), .parts = {}});
  }

  void newline_global() {
    const std::string module = line(), name = line();
    global(module, name);
  }
  void stack_global() {
    const uint32_t name = pop(), module = pop();
    require_sound(value(module).kind == Kind::text && value(name).kind == Kind::text, "a global is no name");
    global(std::string(value(module).text), std::string(value(name).text));
  }

  // callable, arguments -> an object, but for OrderedDict(), and OrderedDict([[key, value], ...]) of
  // Python 2.
  void object() {
    const uint32_t arguments = pop(), callable = pop();
    require_sound(value(callable).kind == Kind::global, "what it calls is no global");
    require_sound(value(arguments).kind == Kind::tuple, "a call without a tuple of arguments");
    if (value(callable).text != "collections.OrderedDict")
      return push_sequence(Kind::object, {callable, arguments});
    const std::vector<uint32_t>& given = value(arguments).parts;
    std::vector<uint32_t> pairs;
    if (!given.empty()) {
      require_sound(given.size() == 1 && value(given[0]).kind == Kind::list, "an odd OrderedDict");
      for (const uint32_t i : value(given[0]).parts) {
        require_sound(value(i).kind == Kind::list && value(i).parts.size() == 2, "an odd OrderedDict");
        pairs.insert(pairs.end(), value(i).parts.begin(), value(i).parts.end());
      }
    }
    push_sequence(Kind::dict, std::move(pairs));
  }

  void build() {
    const uint32_t state = pop();
    PickleValue& target = value(top());
    if (target.kind == Kind::dict) return;  // attributes of an OrderedDict; state dicts have a _metadata
    require_sound(target.kind == Kind::object && target.parts.size() == 2, "no object to give a state");
    target.parts.push_back(state);
  }

  void persistent() {
    const uint32_t id = pop();
    const PickleValue& v = value(id);
    if (v.kind == Kind::tuple && v.parts.size() == 4 && value(v.parts[0]).kind == Kind::text &&
        value(v.parts[0]).text == "module")
      stack_.push_back(v.parts[1]);
    else
      push_sequence(Kind::reference, {id});
  }

  void put(uint64_t n) { memo_[n] = top(); }
  void get(uint64_t n) {
    const auto found = memo_.find(n);
    require_sound(found != memo_.end(), "memo ", n, " is empty");
    stack_.push_back(found->second);
  }

  // False at the end of the pickle.
  bool step() {
    const uint64_t code = number(1);
    switch (code) {
      case '.':  // STOP
        pickle_.root = pop();
        require_sound(stack_.empty() && marks_.empty(), "values are left over");
        return false;
      case '(':  // MARK
        marks_.push_back(stack_.size());
        break;
      case 'N':  // NONE
        push({});
        break;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push_integer(code == 0x88);
        break;
      case 'K':  // BININT1
        push_integer(int64_t(number(1)));
        break;
      case 'M':  // BININT2
        push_integer(int64_t(number(2)));
        break;
      case 'J':  // BININT
        push_integer(int32_t(uint32_t(number(4))));
        break;
      case 0x8a: {  // LONG1
        const int n = int(number(1));
        require_sound(n >= 1 && n <= 8, "a whole number of ", n, " bytes");
        push_integer(int64_t(number(n) << (64 - 8 * n)) >> (64 - 8 * n));
        break;
      }
      case 'G':  // BINFLOAT
        push({.kind = Kind::real,
              .real = std::bit_cast<double>(big_endian(take(8), 0, 8)),
              .text = {},
              .parts = {}});
        break;
      case 'X':  // BINUNICODE
      case 'T':  // BINSTRING
        push_text(text(number(4)));
        break;
      case 'U':  // SHORT_BINSTRING
        push_text(text(number(1)));
        break;
      case ')':  // EMPTY_TUPLE
        push_sequence(Kind::tuple, {});
        break;
      case 't':  // TUPLE
        push_sequence(Kind::tuple, pop_to_mark());
        break;
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        push_sequence(Kind::tuple, pop(code - 0x84));
        break;
      case ']':  // EMPTY_LIST
        push_sequence(Kind::list, {});
        break;
      case 'a':  // APPEND
        extend(Kind::list, pop(1));
        break;
      case 'e':  // APPENDS
        extend(Kind::list, pop_to_mark());
        break;
      case '}':  // EMPTY_DICT
        push_sequence(Kind::dict, {});
        break;
      case 's':  // SETITEM
        extend(Kind::dict, pop(2));
        break;
      case 'u':  // SETITEMS
        extend(Kind::dict, pop_to_mark());
        break;
      case 'q':  // BINPUT
        put(number(1));
        break;
      case 'r':  // LONG_BINPUT
        put(number(4));
        break;
      case 'h':  // BINGET
        get(number(1));
        break;
      case 'j':  // LONG_BINGET
        get(number(4));
        break;
      case 'c':  // GLOBAL
        newline_global();
        break;
      case 'R':   // REDUCE
      case 0x81:  // NEWOBJ
        object();
        break;
      case 'b':  // BUILD
        build();
        break;
      case 'Q':  // BINPERSID
        persistent();
        break;
      default:
        if (limits_.protocol > 2 && newer_step(code)) break;
        fail("cannot read \"", file_name_, "\": its pickle has the instruction ", code, " at byte ", at_ - 1,
             limits_.protocol == 2 ? ", which torch.save does not write"
                                   : ", which a table of labels does not need");
    }
    return true;
  }

  // What protocols 3 to 5 added; false for anything else.
  bool newer_step(uint64_t code) {
    switch (code) {
      case 'C':   // SHORT_BINBYTES
      case 0x8c:  // SHORT_BINUNICODE
        push_text(text(number(1)));
        return true;
      case 'B':  // BINBYTES
        push_text(text(number(4)));
        return true;
      case 0x8d:  // BINUNICODE8
      case 0x8e:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        push_text(text(number(8)));
        return true;
      case 0x93:  // STACK_GLOBAL
        stack_global();
        return true;
      case 0x94:  // MEMOIZE
        put(memo_.size());
        return true;
      case 0x95:    // FRAME
        number(8);  // its length: all of the file is at hand anyway
        return true;
      default:
        return false;
    }
  }

  // Depth first, without recursion: the way down from the root is a stack of (value, next part).
  void check_nesting() const {
    enum : char { kNew, kOpen, kDone };
    std::vector<char> state(pickle_.values.size(), kNew);
    std::vector<int> height(pickle_.values.size(), 0);  // of what is done: levels below
    std::vector<std::pair<uint32_t, size_t>> way = {{pickle_.root, 0}};
    state[pickle_.root] = kOpen;
    while (!way.empty()) {
      auto& [i, next] = way.back();
      const std::vector<uint32_t>& parts = pickle_.values[i].parts;
      if (next == parts.size()) {
        state[i] = kDone;
        for (const uint32_t part : parts) height[i] = std::max(height[i], height[part] + 1);
        require(height[i] < kMaxPickleDepth, "its pickle is nested more than ", kMaxPickleDepth, " deep");
        way.pop_back();
        continue;
      }
      const uint32_t part = parts[next++];
      require(state[part] != kOpen, "its pickle holds a value that contains itself");
      if (state[part] == kNew) {
        state[part] = kOpen;
        way.push_back({part, 0});
      }
    }
  }

  std::span<const std::byte> file_;
  const std::string& file_name_;
  const std::function<bool(std::string_view)>& knows_;
  const PickleLimits& limits_;
  uint64_t at_ = 0;
  Pickle pickle_;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;
  std::map<uint64_t, uint32_t> memo_;
};

}  // namespace

Pickle decode_pickle(std::span<const std::byte> file, const std::string& file_name,
                     const std::function<bool(std::string_view)>& knows, const PickleLimits& limits) {
  return Machine(file, file_name, knows, limits).run();
}

}  // namespace sga
