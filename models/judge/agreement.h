// How far two lists of numbers about the same things agree.
#pragma once
#include <span>

namespace sga::judge {

/// Pearson's r; 0 where one of them does not vary.
double pearson(std::span<const double> a, std::span<const double> b);
/// Spearman's rho: Pearson's r of the ranks, equal values sharing the mean of theirs.
double spearman(std::span<const double> a, std::span<const double> b);
/// ICC(3,1), consistency of two fixed raters: (BMS - EMS) / (BMS + EMS), with the mean squares between the
/// things and of the residual. Source: Shrout & Fleiss 1979.
double icc31(std::span<const double> a, std::span<const double> b);
/// mean |a - b|
double mean_absolute_error(std::span<const double> a, std::span<const double> b);

}  // namespace sga::judge
