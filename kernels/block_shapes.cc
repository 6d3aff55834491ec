#include "kernels/block_shapes.h"

#include "kernels/choose_fastest.h"

namespace ablate::kernels {

BlockShape BlockShapes::Of(const LaunchKind& kind) const {
  const auto known = measured_.find(kind);
  return known == measured_.end() ? UsualBlockShape(kind.kernel, kind.width) : known->second.shape;
}

void BlockShapes::Measure(const LaunchKind& kind, const Time& time, std::chrono::steady_clock::time_point deadline) {
  if (!WouldMeasure(kind)) return;
  const std::vector<BlockShape> shapes = BlockShapesOf(kind.kernel, kind.width);
  bool is_late = false;
  const auto fastest = ChooseFastest(
      shapes.size(), [&](size_t way, int runs) { return time(shapes[way], runs); },
      [&] { return is_late = std::chrono::steady_clock::now() >= deadline; });
  if (!fastest.has_value()) {
    if (!is_late) failed_.insert(kind);
    return;
  }
  measured_[kind] = {kind, shapes[fastest->index], fastest->microseconds};
  ++n_measured_;
}

std::vector<MeasuredBlockShape> BlockShapes::measured() const {
  std::vector<MeasuredBlockShape> measured;
  measured.reserve(measured_.size());
  for (const auto& [kind, one] : measured_) measured.push_back(one);
  return measured;
}

void BlockShapes::Adopt(const MeasuredBlockShape& measured) {
  if (!TakesBlockShape(measured.kind.kernel, measured.kind.width, measured.shape)) return;
  measured_.emplace(measured.kind, measured);
}

}  // namespace ablate::kernels
