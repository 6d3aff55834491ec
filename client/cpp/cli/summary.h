// What a person wants to know of a prompt's rows at a glance.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/grid.h"
#include "client/cpp/cli/style.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// The `n` variants with the largest |metric|, the strongest first; equals stay in the manifest's order.
std::vector<Row> Strongest(absl::Span<const Row> rows, Metric metric, size_t n);

// How many of the variants keep the baseline's most probable token.
int CountTop1Preserved(absl::Span<const Row> rows);

// `' Germany' log p -0.1054 (p 0.9000), rank 0`, for the target and, where it is set, the contrast; then the token that
// is top-1.
std::vector<std::string> DescribeBaseline(const ablation::v1::ResolvedPrompt& prompt, const Row& baseline);

// A table of Strongest's rows, with a heading.
std::vector<std::string> StrongestTable(const client::ScanManifest& manifest, absl::Span<const Row> strongest,
                                        Color color);

// One line a prompt for a scan of many, and the heading of these lines.
std::string SummaryHeading(Color color);
std::string SummaryLine(const client::ScanManifest& manifest, int prompt, absl::Span<const Row> rows, Metric metric);

}  // namespace ablate::cli
