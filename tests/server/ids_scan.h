// One prompt of three tokens through a server with a fake engine, and what its runs must give.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "tests/server/fake_engine.h"
#include "tests/server/scan_call.h"

namespace ablate {

inline constexpr int32_t kTarget = FakeTokenizer::kGermany, kContrast = FakeTokenizer::kFrance;
inline const std::vector<int32_t> kIds = {10, 200, 30};

// With a target and a contrast; all 6 heads.
ablation::v1::AblateRequest IdsRequest(const std::vector<int32_t>& ids = kIds);

// From a server of its own; fails the test where the call fails.
ScanResult ResultOf(const ablation::v1::AblateRequest& request, FakeBlocks blocks = {});

// By its index in the model's order.
Site SiteAt(int index);

// With the given sites zeroed in `range`.
double Residual(const std::vector<int32_t>& ids, const std::vector<int>& sites, int32_t position,
                PositionRange range = {});

double LogitDiff(double residual);

}  // namespace ablate
