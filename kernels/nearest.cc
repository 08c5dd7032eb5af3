// Nearest patches on the CPU, by a search that leaves keys out only when a lower bound of their distance is
// above the best that was found: the result is that of comparing all with all. (It may also be told to stop
// early.)
//
// The bound. In an orthonormal basis distances are the same. Patches of pictures are smooth, so a few cosines
// of low frequency hold most of their variance: the 15 (7 for double) that vary most over the keys, and the
// length of what is left, which differs by no more than the vectors do,
//     d(q,k) >= sum_i (q_i - k_i)^2 + (|rest of q| - |rest of k|)^2,
// are a patch's head, one vector register. Without the length the bound would be of no use for pictures that
// are sharper than the keys.
//
// The tree. Keys are split at the median of the widest coordinate of their heads until 16 (8) are left. A
// node knows the box around its heads; the nearer child is visited first. In a leaf all heads are compared at
// once, and the distance itself is computed, from the pixels, for the few that are left.
#include "kernels/nearest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/lanes.h"

namespace sga::kernels {
namespace {

template <class T>
constexpr int kLanes = 64 / sizeof(T);
template <class T>
using Lanes = typename LanesOf<T>::type;

template <class T>
Lanes<T> load(const T* p) {
  Lanes<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
// The lower half plus the upper half, until one is left: the same order for every vector.
template <class V, size_t... kIndex>
auto halves(const V& v, std::index_sequence<kIndex...>) {
  return __builtin_shufflevector(v, v, int(kIndex)...) +
         __builtin_shufflevector(v, v, int(kIndex + sizeof...(kIndex))...);
}
template <class T, class V>
T sum_of(const V& v) {
  constexpr size_t kCount = sizeof(V) / sizeof(T);
  if constexpr (kCount == 2)
    return v[0] + v[1];
  else
    return sum_of<T>(halves(v, std::make_index_sequence<kCount / 2>()));
}

// A picture whose last row can be read in whole vectors.
template <class T>
class Picture {
 public:
  Picture(const Patches& patches, const T* x) : p(patches), x_(size_t(p.h * p.w * p.c + kLanes<T>)) {
    std::copy_n(x, p.h * p.w * p.c, x_.data());
  }
  const T* corner(int64_t patch) const {
    return x_.data() + (patch / p.columns() * p.w + patch % p.columns()) * p.c;
  }
  const T* data() const { return x_.data(); }
  T* data() { return x_.data(); }
  const Patches p;

 private:
  std::vector<T> x_;
};

// Sum of squared differences of two patches, each a row of side * c numbers every `step`.
template <class T>
class Distance {
 public:
  explicit Distance(const Patches& p) : side_(p.side), row_(p.side * p.c) {
    for (int64_t i = 0; i < kLanes<T>; ++i) last_[i] = i < (row_ - 1) % kLanes<T> + 1 ? 1 : 0;
  }
  T operator()(const T* a, int64_t a_step, const T* b, int64_t b_step) const {
    Lanes<T> sum{};
    for (int64_t r = 0; r < side_; ++r, a += a_step, b += b_step) {
      int64_t i = 0;
      for (; i + kLanes<T> < row_; i += kLanes<T>) {
        const Lanes<T> d = load(a + i) - load(b + i);
        sum += d * d;
      }
      const Lanes<T> d = (load(a + i) - load(b + i)) * last_;
      sum += d * d;
    }
    return sum_of<T>(sum);
  }

 private:
  int64_t side_, row_;
  Lanes<T> last_{};  // 1 where a row's last vector holds numbers of the row
};

// The cosines that vary most over the patches of a picture, and heads made with them.
template <class T>
class Heads {
 public:
  static constexpr int kCosines = kLanes<T> - 1;

  explicit Heads(const Picture<T>& picture) : numbers_(picture.p.numbers()) {
    const std::vector<double> basis = cosines(picture.p);
    const std::vector<double> variance = variances(picture, basis);
    std::vector<int64_t> order(static_cast<size_t>(numbers_));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return variance[size_t(a)] > variance[size_t(b)]; });
    chosen_.assign(size_t(numbers_ * kLanes<T>), 0.0);
    for (int64_t f = 0; f < std::min<int64_t>(kCosines, numbers_); ++f)
      for (int64_t i = 0; i < numbers_; ++i)
        chosen_[size_t(i * kLanes<T> + f)] = basis[size_t(i * numbers_ + order[size_t(f)])];
  }

  struct Head {
    Lanes<T> at;
    T length;  // of the patch
  };
  Head operator()(const Picture<T>& picture, int64_t patch) const {
    constexpr int kVectors = kLanes<T> / kLanes<double>;
    Lanes<double> sum[kVectors] = {};
    double squares = 0;
    const double* weight = chosen_.data();
    each_number(picture, patch, [&](int64_t, double x) {
      squares += x * x;
      for (int i = 0; i < kVectors; ++i, weight += kLanes<double>) sum[i] += x * load(weight);
    });
    T head[kLanes<T>];
    double rest = squares;
    for (int f = 0; f < kCosines; ++f) {
      const double x = sum[f / kLanes<double>][f % kLanes<double>];
      head[f] = T(x), rest -= x * x;
    }
    head[kCosines] = T(std::sqrt(std::max(rest, 0.0)));
    return {load(head), T(std::sqrt(squares))};
  }

 private:
  template <class F>
  static void each_number(const Picture<T>& picture, int64_t patch, F f) {
    const Patches& p = picture.p;
    const T* x = picture.corner(patch);
    for (int64_t r = 0, i = 0; r < p.side; ++r, x += p.w * p.c)
      for (int64_t j = 0; j < p.side * p.c; ++j, ++i) f(i, double(x[j]));
  }

  // basis[i * numbers + f]: number i of function f, products of one-dimensional cosine transforms (DCT-II)
  // along rows, columns and channels.
  static std::vector<double> cosines(const Patches& p) {
    const auto wave = [](int64_t frequency, int64_t i, int64_t n) {
      return std::sqrt((frequency ? 2.0 : 1.0) / double(n)) *
             std::cos(std::numbers::pi * double((2 * i + 1) * frequency) / double(2 * n));
    };
    const int64_t n = p.numbers(), row = p.side * p.c;
    std::vector<double> basis(static_cast<size_t>(n * n));
    for (int64_t i = 0; i < n; ++i)
      for (int64_t f = 0; f < n; ++f)
        basis[size_t(i * n + f)] = wave(f / row, i / row, p.side) *
                                   wave(f % row / p.c, i % row / p.c, p.side) * wave(f % p.c, i % p.c, p.c);
    return basis;
  }

  // Of each function over some of the patches.
  static std::vector<double> variances(const Picture<T>& picture, const std::vector<double>& basis) {
    constexpr int64_t kEnough = 1000;
    const int64_t n = picture.p.numbers(), count = picture.p.count(), step = (count + kEnough - 1) / kEnough;
    std::vector<double> mean(size_t(n), 0.0), square(size_t(n), 0.0), value(static_cast<size_t>(n));
    double taken = 0;
    for (int64_t patch = 0; patch < count; patch += step, ++taken) {
      std::fill(value.begin(), value.end(), 0.0);
      each_number(picture, patch, [&](int64_t i, double x) {
        const double* row = basis.data() + i * n;
        for (int64_t f = 0; f < n; ++f) value[size_t(f)] += x * row[f];
      });
      for (size_t f = 0; f < size_t(n); ++f) mean[f] += value[f], square[f] += value[f] * value[f];
    }
    for (size_t f = 0; f < size_t(n); ++f)
      square[f] = square[f] / taken - mean[f] * mean[f] / (taken * taken);
    return square;
  }

  int64_t numbers_;
  std::vector<double> chosen_;  // (numbers, kLanes), the last column not used
};

template <class T>
class KeyTree {
 public:
  /// leaves: as nearest_patches says.
  KeyTree(const Patches& keys, const T* y, int64_t leaves)
      : picture_(keys, y), heads_(picture_), distance_(keys), leaves_(leaves) {
    const int64_t count = keys.count();
    std::vector<Lanes<T>> heads(static_cast<size_t>(count));
#pragma omp parallel for
    for (int64_t k = 0; k < count; ++k) heads[size_t(k)] = heads_(picture_, k).at;
    key_.resize(size_t((count + kLanes<T> - 1) / kLanes<T> * kLanes<T>), -1);
    std::iota(key_.begin(), key_.begin() + count, 0);
    split(heads, 0, count);
    leaf_heads_.assign(key_.size() * kLanes<T>, std::numeric_limits<T>::infinity());
    for (size_t at = 0; at < size_t(count); ++at)
      for (size_t i = 0; i < kLanes<T>; ++i)
        leaf_heads_[(at / kLanes<T> * kLanes<T> + i) * kLanes<T> + at % kLanes<T>] =
            heads[size_t(key_[at])][i];
  }

  /// Scores are scale[k] * d from here on; scale > 0 stays the caller's.
  void weigh_by(const T* scale) {
    scale_ = scale;
    for (size_t i = nodes_.size(); i-- > 0;) {
      Node& node = nodes_[i];
      node.reach = node.right ? std::max(nodes_[i + 1].reach, nodes_[size_t(node.right)].reach) : T(0);
      if (node.right == 0)
        for (size_t at = size_t(node.first); at < size_t(node.first) + kLanes<T>; ++at)
          if (key_[at] >= 0) node.reach = std::max(node.reach, 1 / std::sqrt(scale[key_[at]]));
    }
  }

  /// For every patch of `queries` that `wanted` names (null: all). index holds guesses, or -1.
  void search(const Picture<T>& queries, const uint8_t* wanted, int32_t* index, T* score) const {
    const Patches& p = queries.p;
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = 0; row < p.rows(); ++row)
      for (int64_t q = row * p.columns(); q < (row + 1) * p.columns(); ++q) {
        if (wanted && !wanted[q]) continue;
        Best best;
        const Query query{queries.corner(q), p.w * p.c, heads_(queries, q)};
        // What is near a neighbour is near here, a pixel further.
        if (q > row * p.columns() && index[q - 1] + 1 < picture_.p.count())
          consider(query, index[q - 1] + 1, best);
        if (index[q] >= 0) consider(query, index[q], best);
        descend(query, best);
        // Scores that are no numbers choose nothing.
        index[q] = best.key == Best{}.key ? 0 : best.key, score[q] = best.score;
      }
  }

 private:
  struct Node {
    Lanes<T> low, high;  // the box around the heads
    T reach;             // the largest 1/sqrt(scale)
    int32_t right;       // the second child, or 0 in a leaf; the first follows its parent
    int64_t first;       // in a leaf: of its keys, in key_
  };
  struct Query {
    const T* corner;
    int64_t step;
    typename Heads<T>::Head head;
  };
  struct Best {
    T score = std::numeric_limits<T>::infinity();
    int32_t key = std::numeric_limits<int32_t>::max();
    T root = std::numeric_limits<T>::infinity();  // of the score
  };

  // Orders key_[begin, end) into a subtree; `begin` is a multiple of kLanes.
  void split(const std::vector<Lanes<T>>& heads, int64_t begin, int64_t end) {
    Node node{heads[size_t(key_[size_t(begin)])], heads[size_t(key_[size_t(begin)])], 1, 0, begin};
    for (int64_t at = begin; at < end; ++at) {
      const Lanes<T>& head = heads[size_t(key_[size_t(at)])];
      node.low = head < node.low ? head : node.low;
      node.high = head > node.high ? head : node.high;
    }
    const size_t self = nodes_.size();
    nodes_.push_back(node);
    if (end - begin <= kLanes<T>) return;
    int widest = 0;
    for (int i = 1; i < kLanes<T>; ++i)
      if (node.high[i] - node.low[i] > node.high[widest] - node.low[widest]) widest = i;
    const int64_t leaves = (end - begin + kLanes<T> - 1) / kLanes<T>;
    const int64_t middle = begin + leaves / 2 * kLanes<T>;
    std::nth_element(key_.begin() + begin, key_.begin() + middle, key_.begin() + end,
                     [&](int32_t a, int32_t b) {
                       const T x = heads[size_t(a)][widest], y = heads[size_t(b)][widest];
                       return x != y ? x < y : a < b;
                     });
    split(heads, begin, middle);
    nodes_[self].right = int32_t(nodes_.size());
    split(heads, middle, end);
  }

  void consider(const Query& q, int32_t key, Best& best) const {
    const Patches& p = picture_.p;
    T score = distance_(q.corner, q.step, picture_.corner(key), p.w * p.c);
    if (scale_) score *= scale_[key];
    if (score < best.score || (score == best.score && key < best.key)) best = {score, key, std::sqrt(score)};
  }

  // What a lower bound must exceed for a subtree to be left out. Bounds and distances are rounded; both are
  // good to some eps of the patches' lengths, which is allowed for.
  static T limit(const Query& q, const Best& best, T reach) {
    const T slack = 64 * T(std::numeric_limits<float>::epsilon());
    const T distance = best.root * reach;
    const T root = distance + slack * (distance + q.head.length);
    return root * root;
  }
  static T lower_bound(const Node& node, const Lanes<T>& head) {
    const Lanes<T> below = node.low - head, above = head - node.high;
    Lanes<T> d = below > above ? below : above;
    d = d > 0 ? d : Lanes<T>{};
    return sum_of<T>(d * d);
  }

  void descend(const Query& q, Best& best) const {
    struct Later {
      size_t node;
      T bound;
    } stack[64];
    int depth = 0;
    int64_t compared = 0;
    size_t at = 0;
    T bound = 0;
    for (;;) {
      while (bound <= limit(q, best, nodes_[at].reach)) {
        const Node& node = nodes_[at];
        if (node.right == 0) {
          compare(q, node, best);
          if (++compared == leaves_) return;
          break;
        }
        const size_t left = at + 1, right = size_t(node.right);
        const T to_left = lower_bound(nodes_[left], q.head.at),
                to_right = lower_bound(nodes_[right], q.head.at);
        // By what their scores may be at least.
        const T left_reach = nodes_[left].reach, right_reach = nodes_[right].reach;
        const bool left_first = to_left * right_reach * right_reach <= to_right * left_reach * left_reach;
        stack[depth++] = left_first ? Later{right, to_right} : Later{left, to_left};
        at = left_first ? left : right, bound = left_first ? to_left : to_right;
      }
      if (depth == 0) return;
      at = stack[--depth].node, bound = stack[depth].bound;
    }
  }

  void compare(const Query& q, const Node& leaf, Best& best) const {
    Lanes<T> sum{};
    const T* head = leaf_heads_.data() + leaf.first * kLanes<T>;
    for (int i = 0; i < kLanes<T>; ++i, head += kLanes<T>) {
      const Lanes<T> d = load(head) - q.head.at[i];
      sum += d * d;
    }
    T bound[kLanes<T>];
    std::memcpy(bound, &sum, sizeof bound);
    T most = limit(q, best, leaf.reach);
    for (int i = 0; i < kLanes<T>; ++i) {
      if (!(bound[i] <= most)) continue;
      const int32_t key = key_[size_t(leaf.first + i)];
      if (key < 0) continue;
      consider(q, key, best);
      most = limit(q, best, leaf.reach);
    }
  }

  Picture<T> picture_;
  Heads<T> heads_;
  Distance<T> distance_;
  int64_t leaves_;
  const T* scale_ = nullptr;
  std::vector<Node> nodes_;    // each before its children
  std::vector<int32_t> key_;   // by leaves; -1 behind the last
  std::vector<T> leaf_heads_;  // (leaf, kLanes of a head, kLanes keys)
};

}  // namespace

template <class T>
void nearest_patches(Cpu, const Patches& queries, const T* x, const Patches& keys, const T* y, const T* scale,
                     int64_t leaves, int32_t* index, T* score) {
  KeyTree<T> tree(keys, y, leaves);
  if (scale) tree.weigh_by(scale);
  std::fill_n(index, queries.count(), -1);
  tree.search(Picture<T>(queries, x), nullptr, index, score);
}

template <class T>
void vote_patches(Cpu, const Patches& to, const Patches& from, const int32_t* index, const T* values, T* y) {
  T weight[kMostPatchSide];
  vote_weights(to.side, weight);
#pragma omp parallel for
  for (int64_t i = 0; i < to.h; ++i)
    for (int64_t j = 0; j < to.w; ++j) {
      T* pixel = y + (i * to.w + j) * to.c;
      std::fill_n(pixel, to.c, T(0));
      T total = 0;
      // Pixel (r,s) of the patches that begin in row i - r, column j - s.
      for (int64_t r = std::max<int64_t>(0, i - to.rows() + 1); r < std::min(to.side, i + 1); ++r)
        for (int64_t s = std::max<int64_t>(0, j - to.columns() + 1); s < std::min(to.side, j + 1); ++s) {
          const int64_t k = index[(i - r) * to.columns() + j - s];
          const T* value = values + ((k / from.columns() + r) * from.w + k % from.columns() + s) * to.c;
          const T share = weight[r] * weight[s];
          for (int64_t c = 0; c < to.c; ++c) pixel[c] += share * value[c];
          total += share;
        }
      for (int64_t c = 0; c < to.c; ++c) pixel[c] /= total;
    }
}

template <class T>
void patch_rounds(Cpu where, const PatchRounds& r, const T* guess, const T* keys, const T* values, T* y, T*) {
  const Patches& p = r.queries;
  const size_t queries = size_t(p.count());
  KeyTree<T> tree(r.keys, keys, r.leaves);
  Picture<T> now(p, guess);
  const Picture<T> key_picture(r.keys, keys);
  std::vector<int32_t> index(queries, -1), nearest_query;
  std::vector<T> score(queries), scale;
  std::vector<uint8_t> changed(queries, 1);
  const bool normalised = std::isfinite(r.alpha);
  if (normalised) {
    nearest_query.assign(size_t(r.keys.count()), -1);
    scale.resize(nearest_query.size());
  }
  for (int round = 0; round < r.rounds; ++round) {
    if (normalised) {
      KeyTree<T>(p, now.data(), r.leaves).search(key_picture, nullptr, nearest_query.data(), scale.data());
      for (T& s : scale) s = 1 / (T(r.alpha) + s);
      tree.weigh_by(scale.data());
    }
    // With the same scales, the neighbour of a patch that did not change did not change either.
    tree.search(now, normalised || round == 0 ? nullptr : changed.data(), index.data(), score.data());
    vote_patches(where, p, r.keys, index.data(), values, y);
#pragma omp parallel for
    for (int64_t q = 0; q < p.count(); ++q) {
      const T *before = now.corner(q), *after = y + (before - now.data());
      uint8_t differs = 0;
      for (int64_t i = 0; i < p.side && !differs; ++i)
        differs =
            std::memcmp(before + i * p.w * p.c, after + i * p.w * p.c, size_t(p.side * p.c) * sizeof(T)) != 0;
      changed[size_t(q)] = differs;
    }
    if (std::find(changed.begin(), changed.end(), 1) == changed.end()) return;
    std::copy_n(y, p.h * p.w * p.c, now.data());
  }
}

#define INSTANTIATE(T)                                                                                      \
  template void nearest_patches(Cpu, const Patches&, const T*, const Patches&, const T*, const T*, int64_t, \
                                int32_t*, T*);                                                              \
  template void vote_patches(Cpu, const Patches&, const Patches&, const int32_t*, const T*, T*);            \
  template void patch_rounds(Cpu, const PatchRounds&, const T*, const T*, const T*, T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
